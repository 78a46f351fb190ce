/* perf_events.h - counts the kernel's performance events, one group of them per thread.
 *
 * All events of a thread count over the same time and are read by one system call, or by rdpmc for
 * the calling thread where the kernel allows that. What was not counted all the time, or not at all,
 * is no reading: it has a reason instead, and is never scaled. */
#ifndef WOOLLY_COUNTERS_PERF_EVENTS_H
#define WOOLLY_COUNTERS_PERF_EVENTS_H

#include "base/err.h"
#include "counters/perf_system.h"

enum { PERF_MAX_EVENTS = 16, PERF_MAX_THREADS = 1024 };

struct perf_group; /* the events, over all threads */

struct perf_options {
    const char *const *events; /* names, 1..PERF_MAX_EVENTS of them */
    int n_events;
    /* Threads to count, alive now; NULL: all of process pid (0: this one). */
    const pid_t *tids;
    int n_tids;
    pid_t pid;
    /* Threads and processes that these start from now on count too, into their starter's. */
    bool inherit;
    const struct perf_system *system; /* NULL: perf_system_linux */
};

/* Opens members one by one and drops only those that fail; perf_group_refusal tells why. NULL and
 * err when none is left: err is the reason of the first. Counts only between start and stop. */
struct perf_group *perf_group_open(const struct perf_options *options, struct err *err);
void perf_group_close(struct perf_group *group); /* NULL is fine */
int perf_group_threads(const struct perf_group *group);
int perf_group_tid(const struct perf_group *group, int thread);
/* Event i in the order of the options: NULL when it is counted, else the reason. */
const char *perf_group_refusal(const struct perf_group *group, int event);

/* A window begins, or ends. Allocate nothing; about 1 us a read and 3 us a switch per thread. */
bool perf_group_start(struct perf_group *group, struct err *err);
bool perf_group_stop(struct perf_group *group, struct err *err);
/* Reads every thread's group once and drops the values: for measuring what that costs. */
bool perf_group_touch(struct perf_group *group, struct err *err);

enum perf_state {
    PERF_COUNTED,     /* all the time (99.9 %) that its threads ran */
    PERF_REFUSED,     /* never opened */
    PERF_NOT_RUNNING, /* the counter got no time on the PMU */
    PERF_MULTIPLEXED, /* it shared its place: the count covers running_share of the time */
    PERF_BROKEN,      /* the count went back, as no sound counter does */
};
struct perf_reading {
    enum perf_state state;
    uint64_t value;       /* with PERF_COUNTED */
    double running_share; /* of the window's time on a CPU; 1 when the threads never ran */
};
/* Event i in the last window, or in the one under way; thread < 0: the sum over all. One thread that
 * is no reading makes the sum none. */
struct perf_reading perf_group_reading(struct perf_group *group, int event, int thread);
/* Reads the window under way; perf_group_stop does it by itself. */
bool perf_group_update(struct perf_group *group, struct err *err);
/* "got no time on the PMU", ..: what a reading that is none says of itself, for event i. */
void perf_group_explain(const struct perf_group *group, int event, struct perf_reading reading,
                        struct err *err);
/* Did the window of the calling thread begin with rdpmc? */
bool perf_group_used_rdpmc(const struct perf_group *group);

/* Can this build and machine count the event, for this user? If not, why, and what would mend it. */
bool perf_event_available(const struct perf_system *system, const char *event, struct err *reason);

/* Thread ids of a process (0: this one). 0 and err when they cannot be read or are more than `most`. */
int perf_thread_ids(pid_t pid, pid_t *tids, int most, struct err *err);

#endif
