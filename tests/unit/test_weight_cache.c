/* The cache of decoded weights: budget, order of eviction, what a pass protects, its figures. */
#include "base/alloc.h"
#include "engine/weight_cache.h"
#include "support/check.h"

/* One use as the engine does it; 'h' hit, 'm' kept after a miss, '-' not kept. */
static char use(struct weight_cache *cache, int32_t id, uint64_t bytes) {
    if (weight_cache_find(cache, id, bytes) != NULL) return 'h';
    return weight_cache_add(cache, id, bytes) != NULL ? 'm' : '-';
}

/* A pass over ids 0 .. n-1, 100 bytes each. */
static const char *pass(struct weight_cache *cache, int n) {
    static char seen[16];
    weight_cache_next_pass(cache);
    for (int i = 0; i < n; i++)
        seen[i] = use(cache, i, 100);
    seen[n] = '\0';
    return seen;
}

static void check_budget(void) {
    struct weight_cache cache;
    CHECK(weight_cache_init(&cache, 5, 500));
    CHECK_STR(pass(&cache, 5), "mmmmm");
    CHECK_STR(pass(&cache, 5), "hhhhh");
    CHECK_INT(cache.bytes, 500);
    CHECK_INT(cache.hits, 5);
    CHECK_INT(cache.misses, 5);
    CHECK_INT(cache.hit_bytes, 500);
    CHECK_INT(cache.lookup_bytes, 1000);
    CHECK_INT(cache.evictions, 0);
    weight_cache_free(&cache);

    /* Too small for all: the first ones stay and hit every time, nothing is evicted in turns. */
    CHECK(weight_cache_init(&cache, 5, 399));
    CHECK_STR(pass(&cache, 5), "mmm--");
    for (int i = 0; i < 4; i++)
        CHECK_STR(pass(&cache, 5), "hhh--");
    CHECK_INT(cache.bytes, 300);
    CHECK_INT(cache.evictions, 0);
    weight_cache_free(&cache);

    CHECK(weight_cache_init(&cache, 2, 0));
    CHECK_STR(pass(&cache, 2), "--");
    CHECK_INT(cache.bytes, 0);
    weight_cache_free(&cache);
}

static void check_order(void) {
    struct weight_cache cache;
    CHECK(weight_cache_init(&cache, 6, 300));
    weight_cache_next_pass(&cache);
    CHECK_INT(use(&cache, 0, 100), 'm');
    CHECK_INT(use(&cache, 1, 100), 'm');
    CHECK_INT(use(&cache, 2, 100), 'm');
    CHECK_INT(use(&cache, 0, 100), 'h'); /* order of use now 1 2 0 */
    weight_cache_next_pass(&cache);
    CHECK_INT(use(&cache, 3, 100), '-'); /* all were used in the pass before */
    weight_cache_next_pass(&cache);
    CHECK_INT(use(&cache, 3, 100), 'm'); /* 1 goes */
    CHECK(cache.entries[1].data == NULL && cache.entries[2].data != NULL);
    CHECK_INT(use(&cache, 4, 200), 'm'); /* 2 and 0 go together */
    CHECK(cache.entries[2].data == NULL && cache.entries[0].data == NULL);
    CHECK_INT(cache.evictions, 3);
    CHECK_INT(cache.bytes, 300);
    weight_cache_next_pass(&cache);
    weight_cache_next_pass(&cache);
    CHECK_INT(use(&cache, 5, 301), '-'); /* can never fit: evicts nobody */
    CHECK_INT(cache.evictions, 3);
    CHECK_INT(use(&cache, 3, 100), 'h');
    CHECK_INT(use(&cache, 5, 201), '-'); /* 4 may go, 3 may not: 200 of 300 is not enough */
    CHECK_INT(cache.evictions, 3);
    CHECK_INT(use(&cache, 5, 200), 'm');
    CHECK_INT(cache.bytes, 300);
    weight_cache_free(&cache);
}

static void check_short_memory(void) {
    struct weight_cache cache;
    mem_fail_at(1, 0);
    CHECK(!weight_cache_init(&cache, 3, 300));
    mem_fail_at(0, 0);
    CHECK(weight_cache_init(&cache, 3, 300));
    weight_cache_next_pass(&cache);
    mem_fail_at(1, 0);
    CHECK_INT(use(&cache, 0, 100), '-');
    mem_fail_at(0, 0);
    CHECK_INT(cache.bytes, 0);
    CHECK_INT(use(&cache, 0, 100), 'm');
    weight_cache_free(&cache);
}

int main(void) {
    int64_t live = mem_live_bytes();
    check_budget();
    check_order();
    check_short_memory();
    CHECK_INT(mem_live_bytes(), live);
    return check_done();
}
