/* roofline.h - what this machine can do at most: bytes read and multiply-adds per second.
 *
 * The roofs that every throughput is compared with. Each is measured by loops that do nothing else:
 * loads from a working set of a known size, or multiply-adds on registers. A measurement yields
 * samples; the largest is the roof, since a disturbance only ever makes one smaller. */
#ifndef WOOLLY_COUNTERS_ROOFLINE_H
#define WOOLLY_COUNTERS_ROOFLINE_H

#include "base/err.h"
#include "counters/machine.h"

#include <stdbool.h>
#include <stdint.h>

/* Raised when a change makes figures of before incomparable with those after it. */
#define ROOFLINE_METHOD 3

enum roofline_what {
    ROOFLINE_READ, /* 10^9 bytes/s: sequential streams over a working set */
    ROOFLINE_F32,  /* 10^9 multiply-adds/s of float32 */
    ROOFLINE_INT8, /* 10^9 multiply-adds/s of 8-bit integers into 32-bit sums */
    ROOFLINE_INT4, /* ... of unsigned 4-bit integers with 8-bit ones: some add in 16 bits first */
};
const char *roofline_what_name(enum roofline_what what); /* "read", "f32", "int8", "int4" */
bool roofline_what_from_name(const char *name, enum roofline_what *what);

/* NULL-terminated list of the instruction sets this build has and this machine runs, lowest first:
 * "scalar", "avx2", "avxvnni", "avx512", "avx512vnni", "neon", "dotprod", "i8mm". */
const char *const *roofline_isas(void);

enum roofline_level { ROOFLINE_L1, ROOFLINE_L2, ROOFLINE_L3, ROOFLINE_DRAM, ROOFLINE_LEVELS };
const char *roofline_level_name(enum roofline_level level); /* "l1", "l2", "l3", "dram" */

/* What a level is measured with. */
struct roofline_set {
    int64_t bytes;    /* working set of each thread; 0: this machine has or tells no such level */
    int64_t capacity; /* what the level holds for all threads together; 0 for DRAM: no end */
};
/* Half of a private cache and a quarter of the last-level one (divided among the threads that share
 * it), so that nothing else in it matters. Of memory, over all threads, 16 times the last-level caches in use, at least
 * 256 MiB and at most 1 GiB (4 times the caches where that is more), at most a quarter of what is free: caches keep
 * part of what is read over and over, of 4 times their size enough for 3 to 8 % too much. 512 MiB where no cache is told.
 * Reads sysfs and /proc. */
struct roofline_set roofline_set(const struct machine_info *machine, enum roofline_level level,
                                 int n_threads);

struct roofline_options {
    const char *isa;   /* NULL: the highest */
    int n_threads;     /* 1.. */
    int64_t bytes;     /* ROOFLINE_READ: working set of each thread, at least 4096 */
    int n_samples;     /* 1.. */
    int64_t sample_ns; /* each sample works at least so long; one more goes before, unrecorded */
    const volatile int *cancel; /* polled every fraction of a millisecond; may be NULL */
};

/* samples [n_samples] of all threads together, by wall time from the first start to the last end.
 * Starts n_threads threads of its own and ends them. Working sets lie in huge pages where the
 * system gives them, each touched first by the thread that reads it.
 * ERR_UNAVAILABLE: no such instruction set here; ERR_ENVIRONMENT: memory, threads;
 * ERR_CANCELLED. */
bool roofline_measure(enum roofline_what what, const struct roofline_options *options,
                      double *samples, struct err *err);

#endif
