/* alloc_count.c - the malloc family with a counter in front; see alloc_count.h. */
#include "base/alloc_count.h"

#if ALLOC_COUNT_WORKS

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

_Static_assert(sizeof(struct alloc_slot) == 64 && offsetof(struct alloc_file, slots) == 64,
               "the file's layout");

/* glibc's own, under the names it keeps for those who stand in front. */
__attribute__((noplt)) void *__libc_malloc(size_t size);
__attribute__((noplt)) void *__libc_calloc(size_t n, size_t size);
__attribute__((noplt)) void *__libc_realloc(void *block, size_t size);
__attribute__((noplt)) void *__libc_memalign(size_t align, size_t size);

static struct alloc_file own_file = {.n_slots = ALLOC_SLOTS};
static struct alloc_file *file = &own_file;
static pthread_key_t at_thread_end;
static bool has_key;

/* Where the calling thread counts. NULL until its first request. */
static _Thread_local struct alloc_slot *own __attribute__((tls_model("initial-exec")));

static void give_back(void *slot) {
    own = NULL; /* requests of later destructors take another one */
    __atomic_store_n(&((struct alloc_slot *)slot)->taken, 0, __ATOMIC_RELEASE);
}

static struct alloc_slot *take(bool only_unused) {
    for (int i = 0; i < ALLOC_SLOTS - 1; i++) {
        struct alloc_slot *slot = &file->slots[i];
        int32_t nobody = 0;
        if (__atomic_load_n(&slot->taken, __ATOMIC_RELAXED) != 0 || (only_unused && slot->process != 0)) continue;
        if (__atomic_compare_exchange_n(&slot->taken, &nobody, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
            return slot;
        }
    }
    return NULL;
}

/* Unused slots first, so that threads are told apart as long as possible. The last slot is shared by those
 * that find no free one: then, and only then, counts may be lost. */
__attribute__((noinline, cold)) static struct alloc_slot *claim(void) {
    struct alloc_slot *slot = take(true);
    if (slot == NULL) slot = take(false);
    if (slot == NULL) slot = &file->slots[ALLOC_SLOTS - 1];
    own = slot; /* before pthread_setspecific, which may ask for memory */
    slot->process = getpid();
    slot->thread = gettid();
    if (has_key && slot != &file->slots[ALLOC_SLOTS - 1]) pthread_setspecific(at_thread_end, slot);
    return slot;
}

/* One writer a slot: no locked instruction. Readers see whole numbers. */
static inline void add(uint64_t *sum, uint64_t value) {
    __atomic_store_n(sum, __atomic_load_n(sum, __ATOMIC_RELAXED) + value, __ATOMIC_RELAXED);
}

static inline void count(size_t bytes) {
    struct alloc_slot *slot = own;
    if (__builtin_expect(slot == NULL, 0)) slot = claim();
    add(&slot->requests, 1);
    add(&slot->bytes, bytes);
}

/* ---- in front of glibc ---- */

void *malloc(size_t size) {
    count(size);
    return __libc_malloc(size);
}

void *calloc(size_t n, size_t size) {
    size_t bytes = 0;
    if (__builtin_mul_overflow(n, size, &bytes)) bytes = 0; /* refused there */
    count(bytes);
    return __libc_calloc(n, size);
}

void *realloc(void *block, size_t size) {
    if (size > 0) count(size); /* 0 gives back */
    return __libc_realloc(block, size);
}

void *memalign(size_t align, size_t size) {
    count(size);
    return __libc_memalign(align, size);
}

void *aligned_alloc(size_t align, size_t size) {
    return memalign(align, size);
}

int posix_memalign(void **block, size_t align, size_t size) {
    if (align % sizeof(void *) != 0 || align == 0 || (align & (align - 1)) != 0) return EINVAL;
    int before = errno; /* which this function leaves alone */
    void *found = memalign(align, size);
    errno = before;
    if (found == NULL) return ENOMEM;
    *block = found;
    return 0;
}

/* ---- setting up ---- */

static void in_child(void) {
    own = NULL; /* the parent goes on with the slot */
}

#ifdef WOOLLY_ALLOC_PRELOAD
/* Counts of before, a few at start-up, move over. */
static void use_shared_file(void) {
    const char *path = getenv("WL_ALLOC_SHM");
    int descriptor = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
    struct stat info;
    if (descriptor < 0) return;
    if (fstat(descriptor, &info) == 0 && info.st_size == sizeof *file) {
        struct alloc_file *mapped = mmap(NULL, sizeof *file, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
        if (mapped != MAP_FAILED && memcmp(mapped->magic, ALLOC_FILE_MAGIC, 8) == 0 &&
            mapped->n_slots == ALLOC_SLOTS) {
            struct alloc_slot before = own_file.slots[0];
            file = mapped;
            own = NULL;
            claim();
            add(&own->requests, before.requests);
            add(&own->bytes, before.bytes);
        }
    }
    close(descriptor);
}
#else
static void use_shared_file(void) {}
#endif

__attribute__((constructor)) static void begin(void) {
    has_key = pthread_key_create(&at_thread_end, give_back) == 0;
    pthread_atfork(NULL, NULL, in_child);
    use_shared_file();
}

struct alloc_counts alloc_count_thread(void) {
    const struct alloc_slot *slot = own == NULL ? claim() : own;
    return (struct alloc_counts){.requests = slot->requests, .bytes = slot->bytes};
}

struct alloc_counts alloc_count_process(void) {
    struct alloc_counts sum = {0};
    for (int i = 0; i < ALLOC_SLOTS; i++) {
        sum.requests += __atomic_load_n(&file->slots[i].requests, __ATOMIC_RELAXED);
        sum.bytes += __atomic_load_n(&file->slots[i].bytes, __ATOMIC_RELAXED);
    }
    return sum;
}

static int64_t now_ns(void) { /* the preload library has no other file of ours */
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_RAW, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* One loop for both: of two copies one may lie across two cache lines, which is 10 % of a pair. */
__attribute__((noipa)) static int64_t time_pairs(void *(*ask)(size_t), size_t size, int64_t n) {
    void *(*volatile unknown)(size_t) = ask; /* called, not inlined */
    int64_t start = now_ns();
    for (int64_t i = 0; i < n; i++) {
        void *block = unknown(size);
        __asm__ volatile("" : "+r"(block) : : "memory"); /* or the pair is no more */
        free(block);
    }
    return now_ns() - start;
}

bool alloc_count_cost(size_t size, int64_t n, double *plain_ns, double *counted_ns) {
    enum { TURNS = 32 };
    const int64_t each = n / TURNS + 1;
    int64_t plain = 0, counted = 0;
    for (int i = 0; i < TURNS; i++) { /* ABBA: what drifts hits both */
        if (i % 2 == 0) plain += time_pairs(__libc_malloc, size, each);
        counted += time_pairs(malloc, size, each);
        if (i % 2 == 1) plain += time_pairs(__libc_malloc, size, each);
    }
    *plain_ns = (double)plain / (double)(each * TURNS);
    *counted_ns = (double)counted / (double)(each * TURNS);
    return true;
}

#else

struct alloc_counts alloc_count_thread(void) {
    return (struct alloc_counts){0};
}

struct alloc_counts alloc_count_process(void) {
    return (struct alloc_counts){0};
}

bool alloc_count_cost(size_t size, int64_t n, double *plain_ns, double *counted_ns) {
    (void)size, (void)n;
    *plain_ns = *counted_ns = 0;
    return false;
}

#endif
