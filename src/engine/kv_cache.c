/* kv_cache.c - see kv_cache.h. */
#include "engine/kv_cache.h"

#include "base/alloc.h"
#include "base/span.h"

#include <string.h>

static bool half_bytes(const struct kv_cache *c, uint64_t *out) {
    uint64_t bytes = sizeof(float);
    bool fits = size_mul(bytes, (uint64_t)c->n_layer, &bytes) &&
                size_mul(bytes, (uint64_t)c->n_head_kv, &bytes) &&
                size_mul(bytes, (uint64_t)c->head_dim, &bytes) &&
                size_mul(bytes, (uint64_t)c->n_ctx, &bytes) && bytes <= INT64_MAX / 2;
    *out = bytes;
    return fits;
}

bool kv_cache_init(struct kv_cache *cache, int64_t n_layer, int64_t n_head_kv, int64_t head_dim,
                   int64_t n_ctx, bool touch, struct err *err) {
    *cache = (struct kv_cache){
        .n_layer = n_layer, .n_head_kv = n_head_kv, .head_dim = head_dim, .n_ctx = n_ctx};
    uint64_t bytes = 0;
    bool fits = half_bytes(cache, &bytes);
    if (fits) cache->keys = mem_alloc_aligned(bytes, 64);
    if (cache->keys != NULL) cache->values = mem_alloc_aligned(bytes, 64);
    if (cache->values == NULL) {
        kv_cache_free(cache);
        if (!fits) {
            return err_set(err, ERR_INPUT,
                           "context: keys and values of %lld positions are more than this machine "
                           "can address. Ask for a smaller n_ctx.",
                           (long long)n_ctx);
        }
        return err_set(err, ERR_ENVIRONMENT,
                       "context: not enough memory for 2 x %llu bytes of keys and values. Ask for "
                       "a smaller n_ctx than %lld.",
                       (unsigned long long)bytes, (long long)n_ctx);
    }
    if (touch) {
        memset(cache->keys, 0, bytes);
        memset(cache->values, 0, bytes);
    }
    return true;
}

void kv_cache_free(struct kv_cache *cache) {
    mem_free(cache->keys);
    mem_free(cache->values);
    *cache = (struct kv_cache){0};
}

static int64_t head_offset(const struct kv_cache *c, int64_t layer, int64_t head) {
    return (layer * c->n_head_kv + head) * c->n_ctx * c->head_dim;
}

void kv_cache_store(struct kv_cache *cache, int64_t layer, int64_t position, const float *k,
                    const float *v) {
    const size_t bytes = (size_t)cache->head_dim * sizeof(float);
    for (int64_t head = 0; head < cache->n_head_kv; head++) {
        int64_t at = head_offset(cache, layer, head) + position * cache->head_dim;
        memcpy(cache->keys + at, k + head * cache->head_dim, bytes);
        memcpy(cache->values + at, v + head * cache->head_dim, bytes);
    }
}

const float *kv_cache_keys(const struct kv_cache *cache, int64_t layer, int64_t head) {
    return cache->keys + head_offset(cache, layer, head);
}

const float *kv_cache_values(const struct kv_cache *cache, int64_t layer, int64_t head) {
    return cache->values + head_offset(cache, layer, head);
}

uint64_t kv_cache_bytes(const struct kv_cache *cache, int64_t n_positions) {
    return 2u * sizeof(float) * (uint64_t)cache->n_layer * (uint64_t)cache->n_head_kv *
           (uint64_t)cache->head_dim * (uint64_t)n_positions;
}
