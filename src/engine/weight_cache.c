/* weight_cache.c - see weight_cache.h. */
#include "engine/weight_cache.h"

#include "base/alloc.h"

#include <assert.h>

#define NOBODY (-1)

bool weight_cache_init(struct weight_cache *cache, int32_t n, uint64_t budget_bytes) {
    *cache =
        (struct weight_cache){.n = n, .oldest = NOBODY, .newest = NOBODY, .budget = budget_bytes};
    cache->entries = mem_new_array((size_t)n, sizeof *cache->entries);
    return cache->entries != NULL;
}

void weight_cache_free(struct weight_cache *cache) {
    for (int32_t i = 0; cache->entries != NULL && i < cache->n; i++) {
        mem_free(cache->entries[i].data);
    }
    mem_free(cache->entries);
    *cache = (struct weight_cache){0};
}

void weight_cache_next_pass(struct weight_cache *cache) {
    cache->pass++;
}

static void unlink_entry(struct weight_cache *cache, int32_t id) {
    struct weight_cache_entry *entry = &cache->entries[id];
    if (entry->older != NOBODY) {
        cache->entries[entry->older].newer = entry->newer;
    } else {
        cache->oldest = entry->newer;
    }
    if (entry->newer != NOBODY) {
        cache->entries[entry->newer].older = entry->older;
    } else {
        cache->newest = entry->older;
    }
}

static void link_newest(struct weight_cache *cache, int32_t id) {
    struct weight_cache_entry *entry = &cache->entries[id];
    entry->older = cache->newest;
    entry->newer = NOBODY;
    entry->last_pass = cache->pass;
    if (cache->newest != NOBODY) {
        cache->entries[cache->newest].newer = id;
    } else {
        cache->oldest = id;
    }
    cache->newest = id;
}

const float *weight_cache_find(struct weight_cache *cache, int32_t id, uint64_t bytes) {
    struct weight_cache_entry *entry = &cache->entries[id];
    cache->lookup_bytes += bytes;
    if (entry->data == NULL) {
        cache->misses++;
        return NULL;
    }
    cache->hits++;
    cache->hit_bytes += bytes;
    unlink_entry(cache, id);
    link_newest(cache, id);
    return entry->data;
}

/* True when evicting entries that nobody used lately would make room. Walks those alone. */
static bool room_possible(const struct weight_cache *cache, uint64_t bytes) {
    if (bytes > cache->budget) return false;
    uint64_t held = cache->bytes;
    for (int32_t id = cache->oldest; held > cache->budget - bytes; id = cache->entries[id].newer) {
        if (id == NOBODY || cache->entries[id].last_pass + 1 >= cache->pass) return false;
        held -= cache->entries[id].bytes;
    }
    return true;
}

static void evict_oldest(struct weight_cache *cache) {
    int32_t id = cache->oldest;
    struct weight_cache_entry *entry = &cache->entries[id];
    unlink_entry(cache, id);
    mem_free(entry->data);
    entry->data = NULL;
    cache->bytes -= entry->bytes;
    cache->evictions++;
}

float *weight_cache_add(struct weight_cache *cache, int32_t id, uint64_t bytes) {
    struct weight_cache_entry *entry = &cache->entries[id];
    assert(entry->data == NULL);
    if (!room_possible(cache, bytes)) return NULL;
    while (cache->bytes > cache->budget - bytes)
        evict_oldest(cache);
    entry->data = mem_alloc_aligned(bytes, 64);
    if (entry->data == NULL) return NULL;
    entry->bytes = bytes;
    cache->bytes += bytes;
    link_newest(cache, id);
    return entry->data;
}
