/* kv_cache.h - keys and values of the tokens so far, each in a type of its own.
 *
 * Both lie as [layer][kv head][position]: attention of one head walks one contiguous run. What a position
 * holds, and how positions lie in the run, is the attention kernels' (kernels/attention.h). */
#ifndef WOOLLY_ENGINE_KV_CACHE_H
#define WOOLLY_ENGINE_KV_CACHE_H

#include "base/err.h"
#include "engine/kernels/attention.h"

#include <stdbool.h>
#include <stdint.h>

struct kv_shape {
    int64_t n_layer, n_head_kv, head_dim, n_ctx;
    enum kv_type key_type, value_type;
    bool huge_pages; /* ask for 2 MB pages */
};

struct kv_cache {
    int64_t n_layer, n_head_kv, head_dim;
    int64_t n_positions; /* n_ctx, rounded up to whole tiles */
    enum kv_type key_type, value_type;
    size_t key_row, value_row; /* bytes of a position */
    const struct attention_kernels *kernels;
    uint8_t *keys, *values;
};

/* kernels: who writes rows; for F32 rows it may be NULL. touch: write every page now, so that no
 * token pays for a page fault later. A type that head_dim does not allow is ERR_INPUT. */
bool kv_cache_init(struct kv_cache *cache, const struct kv_shape *shape,
                   const struct attention_kernels *kernels, bool touch, struct err *err);
void kv_cache_free(struct kv_cache *cache);

/* Stores one token's k and v, each [n_head_kv, head_dim], at a position of a layer. */
void kv_cache_store(struct kv_cache *cache, int64_t layer, int64_t position, const float *k,
                    const float *v);
/* The same for one head: k and v [head_dim]. Any thread, on its own heads and positions. */
void kv_cache_store_head(struct kv_cache *cache, int64_t layer, int64_t head, int64_t position,
                         const float *k, const float *v);
/* Where the run of one head begins. */
const uint8_t *kv_cache_key_rows(const struct kv_cache *cache, int64_t layer, int64_t head);
const uint8_t *kv_cache_value_rows(const struct kv_cache *cache, int64_t layer, int64_t head);
/* The same of F32 rows, head_dim apart. */
const float *kv_cache_keys(const struct kv_cache *cache, int64_t layer, int64_t head);
const float *kv_cache_values(const struct kv_cache *cache, int64_t layer, int64_t head);
/* task->next_*: a head's rows from a position on, likely what is read after the task. */
void kv_cache_expect(struct attention_task *task, const struct kv_cache *cache, int64_t layer, int64_t head,
                     int64_t position);
/* Bytes of keys and values together that n positions take. */
uint64_t kv_cache_bytes(const struct kv_cache *cache, int64_t n_positions);

#endif
