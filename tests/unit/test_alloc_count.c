/* test_alloc_count.c - every way to ask for memory counts, once; by thread, in libc, after the thread's end. */
#include "base/alloc.h"
#include "base/alloc_count.h"
#include "support/check.h"

#include <errno.h>
#include <malloc.h>
#include <pthread.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { N_THREADS = 3000, AT_ONCE = 8, N_EACH = 37 };

static void *keep(void *block) {
    __asm__ volatile("" : "+r"(block) : : "memory");
    return block;
}

#define COUNTED(n, size, call)                                                                               \
    do {                                                                                                     \
        struct alloc_counts before = alloc_count_thread();                                                   \
        void *block = keep(call);                                                                            \
        struct alloc_counts after = alloc_count_thread();                                                    \
        CHECK_INT(after.requests - before.requests, n);                                                      \
        CHECK_INT(after.bytes - before.bytes, size);                                                         \
        free(block);                                                                                         \
    } while (0)

static void *by_posix(size_t align, size_t size) {
    void *block = NULL;
    return posix_memalign(&block, align, size) == 0 ? block : NULL;
}

static void test_whole_family(void) {
    COUNTED(1, 100, malloc(100));
    COUNTED(1, 120, calloc(3, 40));
    COUNTED(1, 70, realloc(NULL, 70));
    COUNTED(2, 300, realloc(keep(malloc(100)), 200));
    COUNTED(1, 256, aligned_alloc(64, 256));
    COUNTED(1, 99, memalign(32, 99));
    COUNTED(1, 33, by_posix(64, 33));
    COUNTED(1, 7, strdup("libc's"));
    COUNTED(1, 3, strndup("ours", 2));
    COUNTED(1, 64, mem_alloc(64));
    COUNTED(2, 104, reallocarray(keep(malloc(24)), 8, 10));
    volatile size_t huge = SIZE_MAX / 2;
    COUNTED(1, 0, calloc(huge, 4));
}

static void test_aligned_ones_are_aligned(void) {
    for (size_t align = 16; align <= 4096; align *= 2) {
        void *block = by_posix(align, 10);
        CHECK(block != NULL && (uintptr_t)block % align == 0);
        free(block);
    }
    void *block = NULL;
    CHECK_INT(posix_memalign(&block, 3, 10), EINVAL);
    CHECK_INT(posix_memalign(&block, 0, 10), EINVAL);
    CHECK_INT(posix_memalign(&block, 24, 10), EINVAL);
    errno = 0;
    volatile size_t huge = SIZE_MAX / 2;
    CHECK_INT(posix_memalign(&block, 64, huge), ENOMEM);
    CHECK_INT(errno, 0);
}

static void *ask(void *unused) {
    struct alloc_counts before = alloc_count_thread();
    for (int i = 0; i < N_EACH; i++) free(keep(malloc(10)));
    struct alloc_counts after = alloc_count_thread();
    CHECK_INT(after.requests - before.requests, N_EACH);
    return unused;
}

/* More threads than there are slots, one after the other: none is lost. */
static void test_threads(void) {
    struct alloc_counts before = alloc_count_process();
    for (int i = 0; i < N_THREADS; i += AT_ONCE) {
        pthread_t threads[AT_ONCE];
        for (int k = 0; k < AT_ONCE; k++) CHECK_INT(pthread_create(&threads[k], NULL, ask, NULL), 0);
        for (int k = 0; k < AT_ONCE; k++) pthread_join(threads[k], NULL);
    }
    struct alloc_counts after = alloc_count_process();
    uint64_t found = after.requests - before.requests;
    CHECK(found >= (uint64_t)N_THREADS * N_EACH);
    CHECK(found < (uint64_t)N_THREADS * (N_EACH + 20)); /* and what a thread costs */
}

/* A child counts for itself and leaves the parent's slot alone. */
static void test_fork(void) {
    struct alloc_counts before = alloc_count_thread();
    pid_t child = fork();
    if (child == 0) {
        struct alloc_counts start = alloc_count_thread();
        free(keep(malloc(5)));
        _exit(alloc_count_thread().requests - start.requests == 1 ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    CHECK_INT(status, 0);
    CHECK_INT(alloc_count_thread().requests - before.requests, 0);
}

static void test_cost_is_measured(void) {
    double plain = 0, counted = 0;
    CHECK(alloc_count_cost(64, 1000, &plain, &counted));
    CHECK(plain > 0 && counted > 0);
}

int main(void) {
    if (!ALLOC_COUNT_WORKS) {
        puts("skipped: a sanitizer owns malloc");
        return 77;
    }
    test_whole_family();
    test_aligned_ones_are_aligned();
    test_threads();
    test_fork();
    test_cost_is_measured();
    return check_done();
}
