/* alloc.c - counting and failing front of malloc; see alloc.h. */
#include "base/alloc.h"

#include "base/alloc_count.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#if !ALLOC_COUNT_WORKS
static _Thread_local struct mem_stats thread_stats;
#endif
static atomic_int_fast64_t live_bytes;
static atomic_uint_fast64_t request_count;
/* Request number that fails; 0: none. fail_armed keeps the common case to one load. */
static atomic_uint_fast64_t fail_at;
static atomic_int fail_sticky;

__attribute__((constructor)) static void alloc_read_environment(void) {
    const char *text = getenv("WL_OOM");
    if (text == NULL) return;
    char *end = NULL;
    unsigned long long n = strtoull(text, &end, 10);
    mem_fail_at(n, strcmp(end, ",sticky") == 0);
}

void mem_fail_at(uint64_t nth, int sticky) {
    uint64_t target = nth == 0 ? 0 : atomic_load(&request_count) + nth;
    atomic_store(&fail_sticky, sticky);
    atomic_store(&fail_at, target);
}

static int refused(void) {
    uint64_t n = atomic_fetch_add_explicit(&request_count, 1, memory_order_relaxed) + 1;
    uint64_t at = atomic_load_explicit(&fail_at, memory_order_relaxed);
    if (at == 0) return 0;
    return n == at || (n > at && atomic_load(&fail_sticky));
}

static void *count(void *block, size_t asked) {
    if (block == NULL) return NULL;
#if !ALLOC_COUNT_WORKS
    thread_stats.allocations++;
    thread_stats.bytes += asked;
#else
    (void)asked; /* malloc itself counts */
#endif
    atomic_fetch_add_explicit(&live_bytes, (int64_t)malloc_usable_size(block),
                              memory_order_relaxed);
    return block;
}

void *mem_alloc(size_t size) {
    if (refused()) return NULL;
    return count(malloc(size ? size : 1), size);
}

void *mem_new(size_t size) {
    if (refused()) return NULL;
    return count(calloc(1, size ? size : 1), size);
}

void *mem_new_array(size_t n, size_t size) {
    size_t total = 0;
    if (__builtin_mul_overflow(n, size, &total)) return NULL;
    return mem_new(total);
}

void *mem_realloc(void *block, size_t size) {
    if (block == NULL) return mem_alloc(size);
    if (refused()) return NULL;
    int64_t before = (int64_t)malloc_usable_size(block);
    void *moved = realloc(block, size ? size : 1);
    if (moved == NULL) return NULL;
    atomic_fetch_sub_explicit(&live_bytes, before, memory_order_relaxed);
    return count(moved, size);
}

void *mem_alloc_aligned(size_t size, size_t align) {
    if (refused()) return NULL;
    void *block = NULL;
    if (posix_memalign(&block, align, size ? size : 1) != 0) return NULL;
    return count(block, size);
}

void *mem_alloc_pages(size_t size, bool huge_pages) {
    const bool huge = huge_pages && size >= HUGE_PAGE;
    void *block = mem_alloc_aligned(size, huge ? HUGE_PAGE : 64);
    if (block != NULL && huge) (void)madvise(block, size, MADV_HUGEPAGE); /* refused: small pages do as well */
    return block;
}

void mem_free(void *block) {
    if (block == NULL) return;
    atomic_fetch_sub_explicit(&live_bytes, (int64_t)malloc_usable_size(block),
                              memory_order_relaxed);
    free(block);
}

size_t mem_size(void *block) {
    return malloc_usable_size(block);
}

char *mem_strdup(const char *text) {
    size_t size = strlen(text) + 1;
    char *copy = mem_alloc(size);
    if (copy != NULL) memcpy(copy, text, size);
    return copy;
}

struct mem_stats mem_thread_stats(void) {
#if ALLOC_COUNT_WORKS
    struct alloc_counts counts = alloc_count_thread();
    return (struct mem_stats){.allocations = counts.requests, .bytes = counts.bytes};
#else
    return thread_stats;
#endif
}

int64_t mem_live_bytes(void) {
    return atomic_load(&live_bytes);
}

uint64_t mem_request_count(void) {
    return atomic_load(&request_count);
}
