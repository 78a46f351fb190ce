/* simd_share.h - from instruction pointers to the share of packed SIMD, twice.
 *
 * Time share: the class of the instruction at each pointer. Long-running and waiting instructions are
 * met more often, so this says where the time goes.
 * Instruction share: each sample is spread over the instructions of its basic block, which all run
 * equally often; so waiting inside a block does not matter. Blocks count by their time, so code of
 * different speed shifts the share of a mixture by some points (4 measured against exact counts). */
#ifndef WOOLLY_COUNTERS_SIMD_SHARE_H
#define WOOLLY_COUNTERS_SIMD_SHARE_H

#include "counters/code_class.h"
#include "counters/code_map.h"

enum { SIMD_MOST_FUNCTIONS = 64 };

struct simd_function {
    struct code_function function;
    int64_t n_samples;
    double packed; /* instruction share within it */
};

struct simd_profile {
    int64_t n_samples; /* decoded */
    int64_t n_unknown; /* no code there any more, or none that decodes */
    double time[CODE_CLASSES], instructions[CODE_CLASSES]; /* shares; their sum is 1 */
    int n_functions; /* those with the most samples, in that order */
    struct simd_function functions[SIMD_MOST_FUNCTIONS];
};

/* Sorts ips in place. */
bool simd_profile_make(struct code_map *map, uint64_t *ips, int64_t n, struct simd_profile *out,
                       struct err *err);

/* Sum of the packed classes. */
double simd_packed(const double shares[CODE_CLASSES]);

/* 95 % interval of a share seen in n independent samples (Wilson). For shares that are means of
 * fractions it is on the wide side. */
void simd_interval(double share, int64_t n, double *low, double *high);

#endif
