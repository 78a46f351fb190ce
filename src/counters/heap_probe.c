/* heap_probe.c - see heap_probe.h. */
#include "counters/heap_probe.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "counters/code_map.h"
#include "counters/perf_events.h"
#include "counters/perf_refusal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_THREADS = 512 };

static const char *const functions[HEAP_PROBE_FUNCTIONS] = {
    "malloc", "calloc", "realloc", "memalign", "aligned_alloc", "posix_memalign", "valloc", "pvalloc"};

const char *heap_probe_function(int i) {
    return functions[i];
}

struct probe {
    int fd, function;
};

struct probes {
    struct probe *list;
    int n, most;
};

static bool refuse(const struct perf_system *system, const struct perf_event_attr *attr, int error_number,
                   struct err *err) {
    if (error_number != EACCES && error_number != EPERM) {
        return perf_refuse(system, "uprobe", attr, error_number, err);
    }
    return err_set(err, ERR_UNAVAILABLE,
                   "probes in another process are not permitted (perf_event_open: %s): run as root or with "
                   "CAP_PERFMON, or start the program under allocations.lua",
                   error_number == EACCES ? "EACCES" : "EPERM");
}

static bool add(const struct perf_system *system, struct probes *probes, pid_t tid,
                const struct code_place *place, int type, int function, struct err *err) {
    struct perf_event_attr attr = {.type = (uint32_t)type, .size = sizeof attr, .inherit = 1,
                                   .uprobe_path = (uint64_t)(uintptr_t)place->path,
                                   .probe_offset = place->offset};
    if (probes->n == probes->most) {
        int most = probes->most == 0 ? 64 : 2 * probes->most;
        struct probe *larger = mem_realloc(probes->list, (size_t)most * sizeof *larger);
        if (larger == NULL) return err_set(err, ERR_ENVIRONMENT, "probes: not enough memory");
        probes->list = larger;
        probes->most = most;
    }
    int fd = system->open(&attr, tid, -1, -1);
    if (fd < 0 && errno == ESRCH) return true; /* a thread that just ended */
    if (fd < 0) return refuse(system, &attr, errno, err);
    probes->list[probes->n++] = (struct probe){.fd = fd, .function = function};
    return true;
}

static bool find_type(const struct perf_system *system, int *type, struct err *err) {
    char text[32];
    if (system->read_line("/sys/bus/event_source/devices/uprobe/type", text, sizeof text)) {
        *type = atoi(text);
        return true;
    }
    return err_set(err, ERR_UNAVAILABLE,
                   "this kernel has no probes for perf_event_open (CONFIG_UPROBE_EVENTS); start the program "
                   "under allocations.lua");
}

static bool open_all(const struct perf_system *system, pid_t pid, struct code_map *map, struct probes *probes,
                     struct heap_probe_counts *out, struct err *err) {
    int type = 0;
    pid_t tids[MOST_THREADS];
    if (!find_type(system, &type, err)) return false;
    out->n_threads = perf_thread_ids(pid, tids, MOST_THREADS, err);
    if (out->n_threads == 0) return false;
    for (int i = 0; i < HEAP_PROBE_FUNCTIONS; i++) {
        struct code_place place;
        if (!code_map_locate(map, "libc.so", functions[i], &place)) continue;
        snprintf(out->object, sizeof out->object, "%s", place.object);
        for (int k = 0; k < out->n_threads; k++) {
            if (!add(system, probes, tids[k], &place, type, i, err)) return false;
        }
    }
    if (probes->n > 0) return true;
    return err_set(err, ERR_UNAVAILABLE,
                   "process %d has no libc.so that tells where malloc is: linked statically, or another libc",
                   (int)pid);
}

static uint64_t read_all(const struct perf_system *system, const struct probes *probes,
                         uint64_t sums[HEAP_PROBE_FUNCTIONS]) {
    uint64_t all = 0;
    memset(sums, 0, HEAP_PROBE_FUNCTIONS * sizeof *sums);
    for (int i = 0; i < probes->n; i++) {
        uint64_t value = 0;
        if (system->read(probes->list[i].fd, &value, sizeof value) != sizeof value) continue;
        sums[probes->list[i].function] += value;
        all += value;
    }
    return all;
}

bool heap_probe_run(const struct perf_system *system, pid_t pid, int64_t ns, const volatile int *cancel,
                    struct heap_probe_counts *out, struct err *err) {
    *out = (struct heap_probe_counts){0};
    struct code_map *map = code_map_open(pid, err);
    if (map == NULL) return false;
    struct probes probes = {0};
    bool good = open_all(system, pid, map, &probes, out, err);
    if (good) { /* while probes are being set, the first ones count already */
        uint64_t before[HEAP_PROBE_FUNCTIONS], after[HEAP_PROBE_FUNCTIONS];
        read_all(system, &probes, before);
        int64_t start = clock_now_ns();
        clock_sleep_ns(ns, cancel);
        read_all(system, &probes, after);
        out->ns = clock_now_ns() - start;
        for (int i = 0; i < HEAP_PROBE_FUNCTIONS; i++) out->requests[i] = after[i] - before[i];
    }
    for (int i = 0; i < probes.n; i++) system->close(probes.list[i].fd);
    mem_free(probes.list);
    code_map_close(map);
    return good;
}
