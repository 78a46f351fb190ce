/* clock.h - monotonic nanoseconds for durations, wall time for labels. */
#ifndef WOOLLY_BASE_CLOCK_H
#define WOOLLY_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

int64_t clock_now_ns(void);        /* CLOCK_MONOTONIC */
int64_t clock_thread_cpu_ns(void); /* CPU time of the calling thread; 0.7 us a call */
int64_t clock_process_cpu_ns(void);
int64_t clock_wall_ns(void); /* CLOCK_REALTIME since 1970: labels only, never a duration */
/* Smallest step seen between two different readings, over about 1000 readings. */
int64_t clock_resolution_ns(void);
/* Sleeps the whole time, also when a signal interrupts, unless *stop becomes nonzero. */
void clock_sleep_ns(int64_t ns, const volatile int *stop);
/* RFC 3339 in UTC with milliseconds: 2026-01-02T03:04:05.678Z; out holds at least 32 bytes. */
void clock_format_utc(int64_t wall_ns, char *out, size_t size);

#endif
