/* process_counters.h - cheap per-process counters without a PMU, read at phase edges only. */
#ifndef WOOLLY_COUNTERS_PROCESS_COUNTERS_H
#define WOOLLY_COUNTERS_PROCESS_COUNTERS_H

#include "base/err.h"

#include <stdint.h>

struct process_counters {
    int64_t cpu_ns, thread_cpu_ns, wall_ns;
    int64_t minor_faults, major_faults, voluntary_switches, involuntary_switches;
    int64_t rss_bytes, peak_rss_bytes, rss_anon_bytes, rss_file_bytes; /* -1: not readable */
    int64_t steal_ns;                                                  /* of the machine; -1 */
    /* Requests of the calling thread (base/alloc.h); live bytes of the whole process through the seam. */
    int64_t allocations, allocated_bytes, live_bytes;
};
void process_counters_read(struct process_counters *out); /* about 25 us, no heap request */
/* VmHWM back to the present RSS (/proc/self/clear_refs). */
bool process_counters_reset_peak(struct err *err);

#endif
