/* noise.h - what else went on while something was measured: read before and after, the difference tells.
 *
 * Where a value cannot be read here it is -1 and says nothing. About 100 us, no heap request: at the edges
 * of a repetition only. */
#ifndef WOOLLY_COUNTERS_NOISE_H
#define WOOLLY_COUNTERS_NOISE_H

#include <stdint.h>

struct noise {
    int64_t wall_ns, cpu_ns, thread_cpu_ns; /* clock; CPU time of the process and of the calling thread */
    int64_t children_cpu_ns;                /* of child processes that have ended */
    int64_t involuntary_switches;           /* of all threads */
    int64_t run_delay_ns;  /* time that threads alive now were ready and had no CPU, summed */
    int64_t steal_ns;      /* time that the hypervisor gave to others, all CPUs; in steps of a clock tick */
    int64_t busy_ns;       /* CPU time of everybody on the machine; in steps of a clock tick */
    int64_t pressure_ns;   /* time that anybody on the machine waited for a CPU */
    int64_t throttles;     /* times that a core was slowed down for heat */
    int64_t clock_step_ns; /* wall clock less raw clock: jumps when somebody sets the time */
    int64_t suspended_ns;  /* time that the machine slept */
};
void noise_read(struct noise *out);

#endif
