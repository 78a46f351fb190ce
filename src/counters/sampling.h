/* sampling.h - where a process spends its CPU time: instruction pointers at a steady rate.
 *
 * A software clock of the kernel interrupts each thread while it runs in user mode and notes where it
 * is, so no PMU and no rights beyond one's own processes are needed. Threads that start later are not
 * seen. Take samples in a repetition of its own: each costs the sampled thread 12 to 25 us. */
#ifndef WOOLLY_COUNTERS_SAMPLING_H
#define WOOLLY_COUNTERS_SAMPLING_H

#include "base/err.h"
#include "counters/perf_system.h"

#include <stdbool.h>
#include <stdint.h>

enum {
    /* Just beside the round rates at which other things happen. */
    IP_SAMPLING_HZ = 997,
    IP_SAMPLING_MOST_HZ = 20000,
};

struct ip_sampling;

struct ip_sampling_options {
    pid_t pid;                        /* 0: this process */
    int hz;                           /* 0: IP_SAMPLING_HZ */
    const struct perf_system *system; /* NULL: perf_system_linux */
};

/* One ring per thread, 10 s of samples unless the user's locked memory is short. NULL and err. */
struct ip_sampling *ip_sampling_open(const struct ip_sampling_options *options, struct err *err);
void ip_sampling_close(struct ip_sampling *sampling); /* NULL is fine */
int ip_sampling_threads(const struct ip_sampling *sampling);

/* Forgets earlier samples and begins; allocates nothing. */
bool ip_sampling_start(struct ip_sampling *sampling, struct err *err);
/* Ends the window and takes the samples out of the rings. */
bool ip_sampling_stop(struct ip_sampling *sampling, struct err *err);
/* Takes them out meanwhile, so that long windows lose none. */
bool ip_sampling_drain(struct ip_sampling *sampling, struct err *err);

/* The instruction pointers, in no order; valid until start or close. May be sorted in place. */
uint64_t *ip_sampling_ips(struct ip_sampling *sampling, int64_t *n);
/* Samples for which a ring had no room. */
int64_t ip_sampling_lost(const struct ip_sampling *sampling);

#endif
