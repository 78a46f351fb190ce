/* perf_names.h - from an event's name to what the kernel is asked for, and the names there are. */
#ifndef WOOLLY_COUNTERS_PERF_NAMES_H
#define WOOLLY_COUNTERS_PERF_NAMES_H

#include "base/err.h"
#include "counters/perf_system.h"

/* Software events ("task-clock"), the kernel's names for what most PMUs count ("cycles",
 * "LLC-load-misses"), tracepoints ("sched:sched_switch", from tracefs), and with libpfm4 the
 * processor's own ("RETIRED_SSE_AVX_FLOPS:ANY"). Letters of either case.
 * Fills type, config.. of *attr, sets its size, and exclude_kernel = exclude_hv = 1 unless the
 * event happens inside the kernel, where user mode alone would count 0 for ever.
 * Any thread, one at a time: libpfm4 keeps state. */
bool perf_event_find(const struct perf_system *system, const char *name,
                     struct perf_event_attr *attr, struct err *err);

/* Does the event need the processor's PMU? */
bool perf_event_is_hardware(const struct perf_event_attr *attr);

/* Calls `each` for every name there is here, software events first; whether an event can be counted
 * is another question. name and about live until each returns. */
void perf_event_list(void (*each)(void *user, const char *name, const char *kind,
                                  const char *about),
                     void *user);

/* "libpfm4 4.13" or "" in a build without it. */
const char *perf_event_library(void);

#endif
