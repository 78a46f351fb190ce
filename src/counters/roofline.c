/* roofline.c - threads of its own run the loops of roofline_kernels.h for a while and count. */
#include "counters/roofline.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "counters/proc_file.h"
#include "counters/roofline_kernels.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

#define MIB ((int64_t)1 << 20)
#define CHUNK_BYTES ((size_t)1 << 20) /* read between two looks at the clock: 5 to 100 us */
#define SKEW_BYTES ((size_t)4224) /* off a power of two: no two streams in the same cache sets */
#define ROUNDS 4000               /* of arithmetic between two looks: 10 to 50 us */
#define FIRST_SAMPLE_NS 20000000  /* at most, of the unrecorded one: clock speed, pages */
#define SPINS_BEFORE_YIELD 2000

/* ---- names ---- */

static const char *const what_names[] = {"read", "f32", "int8", "int4"};
static const char *const level_names[] = {"l1", "l2", "l3", "dram"};

const char *roofline_what_name(enum roofline_what what) {
    return what_names[what];
}

bool roofline_what_from_name(const char *name, enum roofline_what *what) {
    for (int i = ROOFLINE_READ; i <= ROOFLINE_INT4; i++) {
        if (strcmp(name, what_names[i]) != 0) continue;
        *what = (enum roofline_what)i;
        return true;
    }
    return false;
}

const char *roofline_level_name(enum roofline_level level) {
    return level_names[level];
}

/* ---- instruction sets ---- */

enum { MOST_ISAS = 8 };
static const struct roofline_kernels *tables[MOST_ISAS];
static const char *table_names[MOST_ISAS + 1];
static int n_tables;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void add_table(const struct roofline_kernels *table) {
    tables[n_tables] = table;
    table_names[n_tables++] = table->name;
}

#if defined(__x86_64__)
static bool has_avx_vnni(void) {
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1u << 4) != 0;
}
#endif

static void detect(void) {
    add_table(&roofline_scalar);
#if defined(__x86_64__)
    __builtin_cpu_init(); /* checks XGETBV too: the OS saves the registers */
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return;
    add_table(&roofline_avx2);
    if (has_avx_vnni()) add_table(&roofline_avxvnni);
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl"))
        return;
    add_table(&roofline_avx512);
    if (__builtin_cpu_supports("avx512vnni")) add_table(&roofline_avx512vnni);
#elif defined(__aarch64__)
    add_table(&roofline_neon);
    if (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) add_table(&roofline_dotprod);
    if (getauxval(AT_HWCAP2) & HWCAP2_I8MM) add_table(&roofline_i8mm);
#endif
}

const char *const *roofline_isas(void) {
    pthread_once(&once, detect);
    return table_names;
}

/* The named set's loops, or the highest's; what it lacks comes from the sets below it. */
static bool find_kernels(const char *isa, struct roofline_kernels *out, struct err *err) {
    pthread_once(&once, detect);
    int last = n_tables - 1;
    while (isa != NULL && last >= 0 && strcmp(tables[last]->name, isa) != 0)
        last--;
    if (last < 0) {
        return err_set(err, ERR_UNAVAILABLE,
                       "roofline: isa \"%.40s\" is not available on this machine, the highest "
                       "here is %s",
                       isa, tables[n_tables - 1]->name);
    }
    *out = (struct roofline_kernels){.name = tables[last]->name};
    for (int i = 0; i <= last; i++) {
        if (tables[i]->read[0] != NULL) memcpy(out->read, tables[i]->read, sizeof out->read);
        if (tables[i]->f32 != NULL) out->f32 = tables[i]->f32;
        if (tables[i]->int8 != NULL) {
            out->int8 = tables[i]->int8;
            out->int4 = tables[i]->int4 != NULL ? tables[i]->int4 : tables[i]->int8;
        }
    }
    return true;
}

/* ---- working sets ---- */

static int64_t at_least(int64_t a, int64_t b) {
    return a > b ? a : b;
}
static int64_t at_most(int64_t a, int64_t b) {
    return a < b ? a : b;
}

/* Logical CPUs in a list such as "0-3,8-11"; 1 when it cannot be read. */
static int count_cpus(const char *path) {
    char text[1024];
    if (!proc_read_line(path, text, sizeof text)) return 1;
    int64_t n = 0;
    for (char *at = text; *at != '\0';) {
        char *end = at;
        long first = strtol(at, &end, 10), last = first;
        if (end == at) break;
        if (*end == '-') last = strtol(end + 1, &end, 10);
        n += last - first + 1;
        at = *end == ',' ? end + 1 : end;
    }
    return n < 1 ? 1 : n > 65536 ? 65536 : (int)n;
}

/* What the system or the container would still give, 0: not told. */
static int64_t available_bytes(void) {
    char text[4096];
    proc_read("/proc/meminfo", text, sizeof text);
    int64_t kib = proc_field(text, "MemAvailable");
    int64_t bytes = kib > 0 ? kib * 1024 : 0;
    if (proc_read_line("/sys/fs/cgroup/memory.max", text, sizeof text)) {
        int64_t most = strtoll(text, NULL, 10); /* "max" is 0 */
        if (most > 0) bytes = bytes > 0 ? at_most(bytes, most) : most;
    }
    return bytes;
}

struct roofline_set roofline_set(const struct machine_info *machine, enum roofline_level level,
                                 int n_threads) {
    int64_t threads = at_least(n_threads, 1);
    int64_t private_bytes[] = {machine->l1d_bytes, machine->l2_bytes};
    if (level == ROOFLINE_L1 || level == ROOFLINE_L2) {
        int64_t bytes = private_bytes[level];
        return (struct roofline_set){bytes / 2 / 4096 * 4096, bytes * threads};
    }
    /* Threads are spread over as many caches as there are. */
    int64_t online = at_least(machine->n_online, 1);
    int64_t sharers =
        at_most(count_cpus("/sys/devices/system/cpu/cpu0/cache/index3/shared_cpu_list"), online);
    int64_t caches = at_least(online / sharers, 1);
    int64_t in_use = at_most(caches, threads);
    if (level == ROOFLINE_L3) {
        int64_t per_cache = (threads + in_use - 1) / in_use;
        int64_t bytes = machine->l3_bytes / 4 / per_cache / 4096 * 4096;
        if (bytes <= machine->l2_bytes) bytes = 0; /* then it would be the second level's */
        return (struct roofline_set){bytes, machine->l3_bytes * in_use};
    }
    int64_t last_level = at_least(machine->l3_bytes * in_use, machine->l2_bytes * threads);
    int64_t total = last_level == 0 ? 512 * MIB : at_most(at_least(16 * last_level, 256 * MIB), 1024 * MIB);
    total = at_least(total, 4 * last_level);
    int64_t available = available_bytes();
    if (available > 0) total = at_most(total, available / 4);
    return (struct roofline_set){total / threads / 4096 * 4096, 0};
}

/* ---- one measurement ---- */

struct worker {
    pthread_t thread;
    struct team *team;
    int cpu;    /* where it stays, -1: anywhere */
    char *data; /* its working set */
    size_t at;  /* where its streams stand: the next sample goes on from there */
    int64_t start_ns, end_ns, work; /* of the sample at hand */
};

/* Written by the leader between barriers, read by all. */
struct team {
    const struct roofline_options *options;
    enum roofline_what what;
    struct roofline_kernels kernels;
    double *samples;
    struct worker *workers;
    int n_threads;
    _Alignas(64) atomic_int arrived; /* at barriers, since the start */
    atomic_int gate;                 /* 0: threads are being made, 1: go, -1: go home */
};

static bool is_cancelled(const struct team *team) {
    const volatile int *cancel = team->options->cancel;
    return cancel != NULL && __atomic_load_n(cancel, __ATOMIC_RELAXED) != 0;
}

static void pause_a_little(int *spins) {
    if (++*spins > SPINS_BEFORE_YIELD) sched_yield(); /* more threads than processors */
}

/* All wait for all; false when cancelled. Sleeping barriers wake one thread after the other, and
 * the samples' windows would not overlap. */
static bool meet(struct team *team, int *meetings) {
    int spins = 0, all = ++*meetings * team->n_threads;
    atomic_fetch_add(&team->arrived, 1);
    while (atomic_load(&team->arrived) < all) {
        if (is_cancelled(team)) return false;
        pause_a_little(&spins);
    }
    return !is_cancelled(team);
}

/* ---- where the threads run ---- */

/* The lowest CPU of the same core. */
static int first_sibling(int cpu) {
    char path[96], text[64];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
    return proc_read_line(path, text, sizeof text) ? atoi(text) : cpu;
}

/* Allowed CPUs, one of each core in front: *n_cores of them. How many in all. */
static int list_cpus(int *cpus, int *n_cores) {
    cpu_set_t allowed;
    bool seen[CPU_SETSIZE] = {false};
    int others[CPU_SETSIZE], n = 0, n_others = 0;
    *n_cores = 0;
    if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return 0; /* more than the set has */
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, &allowed)) continue;
        int core = first_sibling(cpu);
        if (core < 0 || core >= CPU_SETSIZE || seen[core]) {
            others[n_others++] = cpu;
        } else {
            seen[core] = true;
            cpus[n++] = cpu;
        }
    }
    *n_cores = n;
    memcpy(cpus + n, others, (size_t)n_others * sizeof *others);
    return n + n_others;
}

/* A processor for each of several threads, spread over all there are: left alone, the scheduler may
 * keep two threads on one while another program has the other, and half a machine would pass for
 * the roof. */
static void place(struct team *team) {
    int cpus[CPU_SETSIZE], n_cores = 0, n = list_cpus(cpus, &n_cores);
    int among = team->n_threads <= n_cores ? n_cores : n;
    bool fits = team->n_threads > 1 && team->n_threads <= among;
    for (int i = 0; i < team->n_threads; i++) {
        team->workers[i].cpu = fits ? cpus[(int64_t)i * among / team->n_threads] : -1;
    }
}

static void stay_in_place(const struct worker *worker) {
    cpu_set_t set;
    if (worker->cpu < 0) return;
    CPU_ZERO(&set);
    CPU_SET(worker->cpu, &set);
    (void)pthread_setaffinity_np(pthread_self(), sizeof set, &set); /* refused: anywhere */
}

/* ---- samples ---- */

/* Reads until the deadline; bytes read. */
static int64_t read_until(struct worker *worker, int variant, int64_t deadline_ns) {
    const struct team *team = worker->team;
    size_t stride = (size_t)team->options->bytes / ROOFLINE_STREAMS;
    if (stride > 16 * SKEW_BYTES) stride -= SKEW_BYTES;
    stride = stride / ROOFLINE_READ_STEP * ROOFLINE_READ_STEP;
    size_t step = CHUNK_BYTES / ROOFLINE_STREAMS;
    if (step > stride) step = stride;
    int64_t passes = (int64_t)(CHUNK_BYTES / ROOFLINE_STREAMS / step), bytes = 0;
    for (;;) {
        size_t left = stride - worker->at, piece = step < left ? step : left;
        for (int64_t i = 0; i < passes; i++) {
            team->kernels.read[variant](worker->data + worker->at, stride, piece);
        }
        worker->at = piece < left ? worker->at + piece : 0;
        bytes += passes * (int64_t)piece * ROOFLINE_STREAMS;
        worker->end_ns = clock_now_ns();
        if (worker->end_ns >= deadline_ns || is_cancelled(team)) return bytes;
    }
}

static int64_t compute_until(struct worker *worker, int64_t deadline_ns) {
    const struct team *team = worker->team;
    int64_t (*compute)(int64_t) = team->what == ROOFLINE_F32    ? team->kernels.f32
                                  : team->what == ROOFLINE_INT8 ? team->kernels.int8
                                                                : team->kernels.int4;
    for (int64_t work = 0;;) {
        work += compute(ROUNDS);
        worker->end_ns = clock_now_ns();
        if (worker->end_ns >= deadline_ns || is_cancelled(team)) return work;
    }
}

/* Work of all threads over the time from the first start to the last end. */
static double joint_rate(const struct team *team) {
    int64_t start = INT64_MAX, end = INT64_MIN, work = 0;
    for (int i = 0; i < team->n_threads; i++) {
        const struct worker *w = &team->workers[i];
        start = at_most(start, w->start_ns);
        end = at_least(end, w->end_ns);
        work += w->work;
    }
    return (double)work / (double)at_least(end - start, 1); /* per ns: 10^9 a second */
}

static void run_samples(struct worker *worker) {
    struct team *team = worker->team;
    const struct roofline_options *o = team->options;
    bool is_leader = worker == team->workers;
    int meetings = 0;
    stay_in_place(worker);
    if (team->what == ROOFLINE_READ) memset(worker->data, 1, (size_t)o->bytes);
    for (int s = -1; s < o->n_samples; s++) {
        int64_t length = s < 0 ? at_most(o->sample_ns, FIRST_SAMPLE_NS) : o->sample_ns;
        if (!meet(team, &meetings)) return;
        worker->start_ns = clock_now_ns();
        worker->work = team->what == ROOFLINE_READ
                           ? read_until(worker, s & 1, worker->start_ns + length)
                           : compute_until(worker, worker->start_ns + length);
        if (!meet(team, &meetings)) return;
        if (is_leader && s >= 0) team->samples[s] = joint_rate(team);
    }
}

static void *thread_main(void *user) {
    struct worker *worker = user;
    int spins = 0;
    while (atomic_load(&worker->team->gate) == 0)
        pause_a_little(&spins);
    if (atomic_load(&worker->team->gate) > 0) run_samples(worker);
    return NULL;
}

static bool run_team(struct team *team, struct err *err) {
    int made = 0, failure = 0;
    for (; made < team->n_threads && failure == 0; made += failure == 0) {
        failure =
            pthread_create(&team->workers[made].thread, NULL, thread_main, &team->workers[made]);
    }
    atomic_store(&team->gate, failure == 0 ? 1 : -1);
    for (int i = 0; i < made; i++)
        pthread_join(team->workers[i].thread, NULL);
    if (failure != 0) {
        return err_set_errno(err, failure, "roofline: thread %d of %d cannot be started", made + 1,
                             team->n_threads);
    }
    if (is_cancelled(team)) return err_set(err, ERR_CANCELLED, "roofline: cancelled");
    return true;
}

/* A slice for each thread, apart by whole huge pages so that no two threads share one. */
static bool lay_out(struct team *team, char **block, struct err *err) {
    int64_t bytes = team->options->bytes, slice = (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
    int64_t all = 0;
    if (bytes < 4096 || __builtin_mul_overflow(slice, (int64_t)team->n_threads, &all)) {
        return err_set(err, ERR_INPUT, "roofline: a working set of %lld bytes, allowed are 4096..",
                       (long long)bytes);
    }
    *block = mem_alloc_pages((size_t)all, true);
    if (*block == NULL) {
        return err_set(err, ERR_ENVIRONMENT, "roofline: out of memory for %lld bytes to read",
                       (long long)all);
    }
    for (int i = 0; i < team->n_threads; i++)
        team->workers[i].data = *block + i * slice;
    return true;
}

bool roofline_measure(enum roofline_what what, const struct roofline_options *options,
                      double *samples, struct err *err) {
    struct team team = {
        .options = options, .what = what, .samples = samples, .n_threads = options->n_threads};
    char *block = NULL;
    if (options->n_threads < 1 || options->n_samples < 1) {
        return err_set(err, ERR_INPUT, "roofline: %d threads and %d samples, allowed are 1..",
                       options->n_threads, options->n_samples);
    }
    if (!find_kernels(options->isa, &team.kernels, err)) return false;
    team.workers = mem_new_array((uint64_t)options->n_threads, sizeof *team.workers);
    if (team.workers == NULL) {
        return err_set(err, ERR_ENVIRONMENT, "roofline: out of memory for %d threads",
                       options->n_threads);
    }
    for (int i = 0; i < team.n_threads; i++)
        team.workers[i].team = &team;
    place(&team);
    bool ok = what != ROOFLINE_READ || lay_out(&team, &block, err);
    if (ok) ok = run_team(&team, err);
    mem_free(block);
    mem_free(team.workers);
    return ok;
}
