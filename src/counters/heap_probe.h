/* heap_probe.h - counts the heap requests of a running process by probes on its libc, where root allows. */
#ifndef WOOLLY_COUNTERS_HEAP_PROBE_H
#define WOOLLY_COUNTERS_HEAP_PROBE_H

#include "base/err.h"
#include "counters/perf_system.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { HEAP_PROBE_FUNCTIONS = 8 };
/* "malloc" .. "pvalloc". */
const char *heap_probe_function(int i);

struct heap_probe_counts {
    int64_t ns;                              /* how long it really was */
    uint64_t requests[HEAP_PROBE_FUNCTIONS]; /* calls of each function, over all threads */
    int n_threads;
    char object[64]; /* whose functions: "libc.so.6" */
};

/* Counts for about `ns`, in all threads that are there and those that they start. A hit costs the process
 * 1.2 us. ERR_UNAVAILABLE and the reason where probes are not allowed or the process has no such library. */
bool heap_probe_run(const struct perf_system *system, pid_t pid, int64_t ns, const volatile int *cancel,
                    struct heap_probe_counts *out, struct err *err);

#endif
