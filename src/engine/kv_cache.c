/* kv_cache.c - see kv_cache.h. */
#include "engine/kv_cache.h"

#include "base/alloc.h"
#include "base/span.h"

#include <string.h>

static bool side_bytes(const struct kv_cache *c, size_t row, uint64_t *out) {
    uint64_t bytes = row;
    bool fits = size_mul(bytes, (uint64_t)c->n_layer, &bytes) &&
                size_mul(bytes, (uint64_t)c->n_head_kv, &bytes) &&
                size_mul(bytes, (uint64_t)c->n_positions, &bytes) && bytes <= INT64_MAX / 2;
    *out = bytes;
    return fits;
}

static bool row_bytes(enum kv_type type, int64_t head_dim, const char *what, size_t *out,
                      struct err *err) {
    *out = kv_row_bytes(type, head_dim);
    if (*out > 0) return true;
    return err_set(err, ERR_INPUT,
                   "context: %s of type %s need heads of a multiple of 32 values, this model has %lld. "
                   "Use q8_0, f16 or f32.",
                   what, kv_type_name(type), (long long)head_dim);
}

bool kv_cache_init(struct kv_cache *cache, const struct kv_shape *shape,
                   const struct attention_kernels *kernels, bool touch, struct err *err) {
    *cache = (struct kv_cache){
        .n_layer = shape->n_layer, .n_head_kv = shape->n_head_kv, .head_dim = shape->head_dim,
        .n_positions = (shape->n_ctx + KV_TILE - 1) / KV_TILE * KV_TILE, .key_type = shape->key_type, .value_type = shape->value_type,
        .kernels = kernels};
    if (!row_bytes(shape->key_type, shape->head_dim, "keys", &cache->key_row, err) ||
        !row_bytes(shape->value_type, shape->head_dim, "values", &cache->value_row, err)) {
        return false;
    }
    uint64_t key_bytes = 0, value_bytes = 0;
    bool fits = side_bytes(cache, cache->key_row, &key_bytes) &&
                side_bytes(cache, cache->value_row, &value_bytes);
    /* A head's positions are walked once a token, from memory: with small pages every 32 of them are another page to
     * be looked up. */
    if (fits) cache->keys = mem_alloc_pages(key_bytes, shape->huge_pages);
    if (cache->keys != NULL) cache->values = mem_alloc_pages(value_bytes, shape->huge_pages);
    if (cache->values == NULL) {
        kv_cache_free(cache);
        if (!fits) {
            return err_set(err, ERR_INPUT,
                           "context: keys and values of %lld positions are more than this machine "
                           "can address. Ask for a smaller n_ctx.",
                           (long long)shape->n_ctx);
        }
        return err_set(err, ERR_ENVIRONMENT,
                       "context: not enough memory for %llu bytes of keys and values. Ask for a "
                       "smaller n_ctx than %lld.",
                       (unsigned long long)(key_bytes + value_bytes), (long long)shape->n_ctx);
    }
    if (touch) {
        memset(cache->keys, 0, key_bytes);
        memset(cache->values, 0, value_bytes);
    }
    return true;
}

void kv_cache_free(struct kv_cache *cache) {
    mem_free(cache->keys);
    mem_free(cache->values);
    *cache = (struct kv_cache){0};
}

/* Positions in front of those of a head. */
static size_t rows_before(const struct kv_cache *c, int64_t layer, int64_t head) {
    return (size_t)((layer * c->n_head_kv + head) * c->n_positions);
}

void kv_cache_store_head(struct kv_cache *c, int64_t layer, int64_t head, int64_t position,
                         const float *k, const float *v) {
    uint8_t *keys = c->keys + rows_before(c, layer, head) * c->key_row;
    uint8_t *values = c->values + rows_before(c, layer, head) * c->value_row;
    if (c->key_type == KV_F32) {
        memcpy(keys + (size_t)position * c->key_row, k, c->key_row);
    } else {
        c->kernels->store_key[c->key_type](keys, position, k, c->head_dim);
    }
    if (c->value_type == KV_F32) {
        memcpy(values + (size_t)position * c->value_row, v, c->value_row);
    } else {
        c->kernels->store_value[c->value_type](values, position, v, c->head_dim);
    }
}

void kv_cache_store(struct kv_cache *cache, int64_t layer, int64_t position, const float *k,
                    const float *v) {
    for (int64_t head = 0; head < cache->n_head_kv; head++) {
        kv_cache_store_head(cache, layer, head, position, k + head * cache->head_dim,
                            v + head * cache->head_dim);
    }
}

const uint8_t *kv_cache_key_rows(const struct kv_cache *cache, int64_t layer, int64_t head) {
    return cache->keys + rows_before(cache, layer, head) * cache->key_row;
}

const uint8_t *kv_cache_value_rows(const struct kv_cache *cache, int64_t layer, int64_t head) {
    return cache->values + rows_before(cache, layer, head) * cache->value_row;
}

void kv_cache_expect(struct attention_task *task, const struct kv_cache *cache, int64_t layer, int64_t head,
                     int64_t position) {
    task->next_keys = kv_cache_key_rows(cache, layer, head) + (size_t)position * cache->key_row;
    task->next_values = kv_cache_value_rows(cache, layer, head) + (size_t)position * cache->value_row;
}

const float *kv_cache_keys(const struct kv_cache *cache, int64_t layer, int64_t head) {
    return (const float *)(const void *)kv_cache_key_rows(cache, layer, head);
}

const float *kv_cache_values(const struct kv_cache *cache, int64_t layer, int64_t head) {
    return (const float *)(const void *)kv_cache_value_rows(cache, layer, head);
}

uint64_t kv_cache_bytes(const struct kv_cache *cache, int64_t n_positions) {
    return (uint64_t)(cache->key_row + cache->value_row) * (uint64_t)cache->n_layer *
           (uint64_t)cache->n_head_kv * (uint64_t)n_positions;
}
