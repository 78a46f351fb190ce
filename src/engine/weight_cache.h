/* weight_cache.h - F32 forms of quantised tensors, least recently used first out, within a budget.
 *
 * A decode step walks all tensors in the same order each time. Plain LRU over more bytes than the
 * budget would then evict each tensor shortly before its next use and never hit. So a tensor that
 * was used in the present or the previous pass is never evicted: what does not fit beside those
 * is not cached, and the tensors that came first stay. */
#ifndef WOOLLY_ENGINE_WEIGHT_CACHE_H
#define WOOLLY_ENGINE_WEIGHT_CACHE_H

#include <stdbool.h>
#include <stdint.h>

struct weight_cache_entry {
    float *data; /* NULL: not cached */
    uint64_t bytes;
    int64_t last_pass;
    int32_t older, newer; /* neighbours in the order of use; -1: none */
};

struct weight_cache {
    struct weight_cache_entry *entries; /* [n], by weight id */
    int32_t n, oldest, newest;
    int64_t pass;
    uint64_t budget, bytes;
    uint64_t hits, misses, evictions, hit_bytes, lookup_bytes;
};

bool weight_cache_init(struct weight_cache *cache, int32_t n, uint64_t budget_bytes);
void weight_cache_free(struct weight_cache *cache);
void weight_cache_next_pass(struct weight_cache *cache);
/* The F32 form of a tensor that takes `bytes` as F32, or NULL when it is not cached. Counts. */
const float *weight_cache_find(struct weight_cache *cache, int32_t id, uint64_t bytes);
/* After a miss: room for the tensor, for the caller to fill at once, or NULL when it may not be
 * cached or memory is short. Makes room by evicting. */
float *weight_cache_add(struct weight_cache *cache, int32_t id, uint64_t bytes);

#endif
