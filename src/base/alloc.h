/* alloc.h - the one allocator seam: every heap request of our own code, Lua, cJSON and SQLite.
 *
 * Requests are counted per thread, so that "no allocation per token" is a measured figure (with those
 * of libc and libraries, see alloc_count.h, where that works), and can be made to fail: WL_OOM=N fails the Nth request of the process, WL_OOM=N,sticky also all
 * that follow. Blocks carry no header; sizes are those that malloc_usable_size reports. */
#ifndef WOOLLY_BASE_ALLOC_H
#define WOOLLY_BASE_ALLOC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HUGE_PAGE = 2 << 20 };

/* NULL when refused. mem_new zeroes; mem_new_array checks n * size for overflow and zeroes. */
void *mem_alloc(size_t size);
void *mem_new(size_t size);
void *mem_new_array(size_t n, size_t size);
void *mem_realloc(void *block, size_t size);
/* align: a power of two, at least sizeof(void *). Freed by mem_free as well. Not zeroed. */
void *mem_alloc_aligned(size_t size, size_t align);
/* For what is read or written whole: 64-byte aligned; with huge_pages and from one on, pages of 2 MB where the system
 * gives them. Freed by mem_free as well. Not zeroed. */
void *mem_alloc_pages(size_t size, bool huge_pages);
void mem_free(void *block); /* NULL is fine */
char *mem_strdup(const char *text);
size_t mem_size(void *block); /* usable bytes, at least what was asked for */

struct mem_stats {
    uint64_t allocations; /* alloc, new, realloc */
    uint64_t bytes;       /* asked for by them */
};
/* Of the calling thread since it started, the malloc family included where it can be counted. 1 ns. */
struct mem_stats mem_thread_stats(void);
/* Live bytes of the whole process through this seam, by usable size. */
int64_t mem_live_bytes(void);
/* Requests so far in the process: the range of N for WL_OOM. */
uint64_t mem_request_count(void);

/* As WL_OOM does, from the next request on: the nth fails (1 is the very next); 0 turns it off.
 * For tests. */
void mem_fail_at(uint64_t nth, int sticky);

#endif
