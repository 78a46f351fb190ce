/* perf_refusal.h - why the kernel does not count, told apart, and what would mend it. */
#ifndef WOOLLY_COUNTERS_PERF_REFUSAL_H
#define WOOLLY_COUNTERS_PERF_REFUSAL_H

#include "base/err.h"
#include "counters/perf_system.h"

/* Fills *err (ERR_UNAVAILABLE) from the errno that perf_event_open left for this event, asked for
 * with attr; returns false. Reads the paranoid level and the seccomp state where they matter. */
bool perf_refuse(const struct perf_system *system, const char *event,
                 const struct perf_event_attr *attr, int error_number, struct err *err);

/* The same for the mapping of a ring of `bytes`. */
bool perf_refuse_map(int error_number, size_t bytes, struct err *err);

#endif
