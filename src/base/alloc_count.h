/* alloc_count.h - exact counts of the malloc family: ours, libc's own and every library's.
 *
 * The program defines malloc, calloc, realloc and the aligned ones in front of glibc's. Every thread counts
 * in a slot of its own, so a request costs two additions and no lock. The same file built as a preload
 * library (libwoolly_alloc.so) counts another program's into a file that WL_ALLOC_SHM names.
 *
 * Sanitizers own malloc: under them, and without glibc, ALLOC_COUNT_WORKS is 0 and only the seam
 * (base/alloc.h) is counted. */
#ifndef WOOLLY_BASE_ALLOC_COUNT_H
#define WOOLLY_BASE_ALLOC_COUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define ALLOC_COUNT_WORKS 0
#endif
#endif
#ifndef ALLOC_COUNT_WORKS
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__gnu_linux__)
#define ALLOC_COUNT_WORKS 0
#else
#define ALLOC_COUNT_WORKS 1
#endif
#endif

enum { ALLOC_SLOTS = 1024 };

/* One thread's, or of several threads one after the other. The layout of the file too: 64 bytes. */
struct alloc_slot {
    _Alignas(64) uint64_t requests; /* also refused ones */
    uint64_t bytes;                 /* asked for */
    int32_t process, thread;        /* of the last thread; 0: never used */
    int32_t taken;
};

/* The file: a header of 64 bytes, then the slots. Made by who reads it, all zero but magic and n_slots. */
#define ALLOC_FILE_MAGIC "WLALLOC1"
struct alloc_file {
    char magic[8];
    uint32_t n_slots;
    char pad[52];
    struct alloc_slot slots[ALLOC_SLOTS];
};

struct alloc_counts {
    uint64_t requests, bytes;
};
/* Of the calling thread, grows while it lives. */
struct alloc_counts alloc_count_thread(void);
/* Of all threads that ever lived. 1 us. */
struct alloc_counts alloc_count_process(void);
/* Mean ns of n pairs of malloc(size) and free, uncounted and counted; false where nothing is counted. */
bool alloc_count_cost(size_t size, int64_t n, double *plain_ns, double *counted_ns);

#endif
