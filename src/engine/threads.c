/* threads.c - see threads.h. */
#include "engine/threads.h"

#include "base/alloc.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LINE 64 /* bytes that travel between cores together */
/* Spins before sleeping: some 50 us, longer than what lies between two tokens. A sleeper costs a
 * wake-up of about 5 us and frees its core for others. */
#define SPINS_BEFORE_SLEEP 20000
/* Spins of a barrier before sleeping: longer than a stage's threads are apart on an idle machine. On a
 * busy one the thread that is waited for may need this very core. */
#define SPINS_IN_BARRIER 2000
#define STAGES 4 /* counts in turn: one is in use, one was, one is cleared for later */

struct alignas_line {
    _Alignas(LINE) atomic_uint value;
};

struct worker {
    _Alignas(LINE) struct threads *team;
    pthread_t handle;
    int index, cpu; /* cpu: where it is pinned, -1: nowhere */
    uint32_t stage; /* of the thread, counts barriers */
    /* Taken of the thread's share, by stage; others take here too when theirs is done. */
    _Alignas(LINE) _Atomic int64_t taken[STAGES];
};

struct threads {
    /* Number of the region << 8 | threads that take part - 1; helpers wait for it to change. */
    struct alignas_line region;
    struct alignas_line arrived; /* at the barrier */
    struct alignas_line passed;  /* barriers passed */
    struct alignas_line asleep;  /* at the barrier */
    atomic_int sleepers;
    atomic_bool ending;
    int n, n_made, n_active;
    int home; /* the CPU that helpers leave to the caller; -1: not known */
    void (*body)(void *user, int thread);
    void *user;
    struct worker workers[];
};

static inline void pause_core(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void futex_wait(atomic_uint *word, unsigned expected) {
    syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, expected, NULL, NULL, 0);
}

static void futex_wake_all(atomic_uint *word) {
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

int threads_available(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    int n = CPU_COUNT(&set);
    return n < 1 ? 1 : n > MAX_THREADS ? MAX_THREADS : n;
}

/* The CPU with that number among those allowed, in a circle; -1: not known. */
static int cpu_of(int index) {
    cpu_set_t all;
    if (sched_getaffinity(0, sizeof all, &all) != 0 || CPU_COUNT(&all) == 0) return -1;
    int wanted = index % CPU_COUNT(&all);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &all) && wanted-- == 0) return cpu;
    }
    return -1;
}

/* Best effort: a machine that forbids it runs unpinned. Where it is now, or -1. */
static int pin_to(pthread_t thread, int index) {
    cpu_set_t one;
    const int cpu = cpu_of(index);
    if (cpu < 0) return -1;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    return pthread_setaffinity_np(thread, sizeof one, &one) == 0 ? cpu : -1;
}

/* Takes the caller off a helper's CPU: the kernel would, but some milliseconds late. It may run anywhere
 * afterwards, as before: it has other work, and processes to start. */
static void move_home(const struct threads *team) {
    cpu_set_t all, one;
    bool shared = false;
    const int here = team->home < 0 ? -1 : sched_getcpu();
    for (int i = 1; i < team->n_active && here >= 0; i++) shared = shared || team->workers[i].cpu == here;
    if (!shared) return;
    if (sched_getaffinity(0, sizeof all, &all) != 0 || !CPU_ISSET(team->home, &all)) return;
    CPU_ZERO(&one);
    CPU_SET(team->home, &one);
    if (sched_setaffinity(0, sizeof one, &one) == 0) sched_setaffinity(0, sizeof all, &all);
}

/* The next region's number, once it has begun. */
static unsigned wait_for_region(struct threads *team, unsigned seen) {
    for (int i = 0; i < SPINS_BEFORE_SLEEP; i++) {
        unsigned now = atomic_load_explicit(&team->region.value, memory_order_acquire);
        if (now != seen) return now;
        pause_core();
    }
    atomic_fetch_add(&team->sleepers, 1);
    unsigned now;
    while ((now = atomic_load(&team->region.value)) == seen) futex_wait(&team->region.value, seen);
    atomic_fetch_sub(&team->sleepers, 1);
    return now;
}

static void *worker_main(void *argument) {
    struct worker *self = argument;
    struct threads *team = self->team;
    for (unsigned seen = 0;;) {
        seen = wait_for_region(team, seen);
        if (atomic_load_explicit(&team->ending, memory_order_relaxed)) return NULL;
        if (self->index > (int)(seen & 255)) continue; /* n_active may be the next region's */
        team->body(team->user, self->index);
        threads_barrier(team, self->index);
    }
}

struct threads *threads_new(int n, bool pin, struct err *err) {
    struct threads *team = mem_alloc_aligned(sizeof *team + (size_t)n * sizeof *team->workers, LINE);
    if (team == NULL) {
        err_set(err, ERR_ENVIRONMENT, "threads: not enough memory for %d threads", n);
        return NULL;
    }
    memset(team, 0, sizeof *team + (size_t)n * sizeof *team->workers);
    team->n = n;
    team->n_made = 1;
    /* With more threads than CPUs the caller has none of its own. */
    team->home = pin && n <= threads_available() ? cpu_of(0) : -1;
    for (int i = 0; i < n; i++) {
        team->workers[i].team = team;
        team->workers[i].index = i;
    }
    for (int i = 1; i < n; i++, team->n_made++) {
        int refused = pthread_create(&team->workers[i].handle, NULL, worker_main, &team->workers[i]);
        if (refused != 0) {
            err_set(err, ERR_ENVIRONMENT,
                    "threads: thread %d of %d cannot be started: %s. Ask for fewer threads.", i + 1,
                    n, strerror(refused));
            threads_free(team);
            return NULL;
        }
        team->workers[i].cpu = pin ? pin_to(team->workers[i].handle, i) : -1;
    }
    return team;
}

/* A change of the region's number lets the helpers go; who sleeps is woken. */
static void begin_region(struct threads *team) {
    unsigned number = atomic_load_explicit(&team->region.value, memory_order_relaxed) >> 8;
    atomic_store(&team->region.value, (number + 1) << 8 | (unsigned)(team->n_active - 1));
    if (atomic_load(&team->sleepers) > 0) futex_wake_all(&team->region.value);
}

void threads_free(struct threads *team) {
    if (team == NULL) return;
    atomic_store(&team->ending, true);
    team->n_active = 1;
    begin_region(team);
    for (int i = 1; i < team->n_made; i++) pthread_join(team->workers[i].handle, NULL);
    mem_free(team);
}

int threads_count(const struct threads *team) {
    return team->n;
}

void threads_run(struct threads *team, int n, void (*body)(void *user, int thread), void *user) {
    team->n_active = n < team->n ? n : team->n;
    team->body = body;
    team->user = user;
    for (int i = 0; i < team->n_active; i++) {
        team->workers[i].stage = 0;
        for (int s = 0; s < STAGES; s++) {
            atomic_store_explicit(&team->workers[i].taken[s], 0, memory_order_relaxed);
        }
    }
    if (team->n_active > 1) {
        move_home(team);
        begin_region(team);
    }
    body(user, 0);
    threads_barrier(team, 0);
}

/* The last to arrive lets the others pass. A thread clears its count of the stage after the next: that
 * of the stage before the last, which all have left, since all arrived at the last barrier. */
void threads_barrier(struct threads *team, int thread) {
    struct worker *self = &team->workers[thread];
    uint32_t stage = self->stage++;
    unsigned n_active = (unsigned)team->n_active; /* before arriving: the next region may change it */
    atomic_store_explicit(&self->taken[(stage + 2) % STAGES], 0, memory_order_relaxed);
    if (n_active == 1) return;
    unsigned passed = atomic_load_explicit(&team->passed.value, memory_order_relaxed);
    unsigned arrived = atomic_fetch_add_explicit(&team->arrived.value, 1, memory_order_acq_rel) + 1;
    if (arrived == n_active) {
        atomic_store_explicit(&team->arrived.value, 0, memory_order_relaxed);
        /* Sequentially consistent, as what a sleeper does: either it sees the new number or it is seen. */
        atomic_store(&team->passed.value, passed + 1);
        if (atomic_load(&team->asleep.value) > 0) futex_wake_all(&team->passed.value);
        return;
    }
    for (int spins = 0; spins < SPINS_IN_BARRIER; spins++) {
        if (atomic_load_explicit(&team->passed.value, memory_order_acquire) != passed) return;
        pause_core();
    }
    atomic_fetch_add(&team->asleep.value, 1);
    while (atomic_load(&team->passed.value) == passed) futex_wait(&team->passed.value, passed);
    atomic_fetch_sub(&team->asleep.value, 1);
}

/* Where the share of `owner` begins; that of the last and one: n. */
static int64_t share_begin(const struct threads *team, int owner, int64_t n) {
    return n * owner / team->n_active;
}

bool threads_own(const struct threads *team, int thread, int64_t n, int64_t i) {
    return i >= share_begin(team, thread, n) && i < share_begin(team, thread + 1, n);
}

/* The next piece of the share of `owner`: half of what is left, within the limits. */
static bool take(struct threads *team, int owner, uint32_t stage, int64_t n, int64_t least, int64_t most,
                 int64_t *first, int64_t *last) {
    _Atomic int64_t *taken = &team->workers[owner].taken[stage % STAGES];
    const int64_t begin = share_begin(team, owner, n), size = share_begin(team, owner + 1, n) - begin;
    int64_t at = atomic_load_explicit(taken, memory_order_relaxed), end;
    do {
        const int64_t left = size - at, half = left / 2 < most ? left / 2 : most;
        if (left <= 0) return false; /* without a write to a line that others read */
        end = at + (half < least ? least : half - half % least);
        if (end > size) end = size;
    } while (!atomic_compare_exchange_weak_explicit(taken, &at, end, memory_order_relaxed, memory_order_relaxed));
    *first = begin + at;
    *last = begin + end;
    return true;
}

bool threads_next_half(struct threads *team, int thread, int64_t n, int64_t least, int64_t most, int64_t *first,
                       int64_t *last) {
    const uint32_t stage = team->workers[thread].stage;
    for (int i = 0; i < team->n_active; i++) {
        if (take(team, (thread + i) % team->n_active, stage, n, least, most, first, last)) return true;
    }
    return false;
}

bool threads_next(struct threads *team, int thread, int64_t n, int64_t step, int64_t *first,
                  int64_t *last) {
    return threads_next_half(team, thread, n, step, step, first, last);
}
