/* kv_cache.h - keys and values of the tokens so far, F32.
 *
 * Keys and values each lie as [layer][kv head][position][head_dim]: attention of one head walks
 * one contiguous run. */
#ifndef WOOLLY_ENGINE_KV_CACHE_H
#define WOOLLY_ENGINE_KV_CACHE_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct kv_cache {
    int64_t n_layer, n_head_kv, head_dim, n_ctx;
    float *keys, *values;
};

/* touch: write every page now, so that no token pays for a page fault later. */
bool kv_cache_init(struct kv_cache *cache, int64_t n_layer, int64_t n_head_kv, int64_t head_dim,
                   int64_t n_ctx, bool touch, struct err *err);
void kv_cache_free(struct kv_cache *cache);

/* Stores one token's k and v, each [n_head_kv, head_dim], at a position of a layer. */
void kv_cache_store(struct kv_cache *cache, int64_t layer, int64_t position, const float *k,
                    const float *v);
/* First position's vector of one head; the others follow head_dim apart. */
const float *kv_cache_keys(const struct kv_cache *cache, int64_t layer, int64_t head);
const float *kv_cache_values(const struct kv_cache *cache, int64_t layer, int64_t head);
/* Bytes of keys and values together that n positions take. */
uint64_t kv_cache_bytes(const struct kv_cache *cache, int64_t n_positions);

#endif
