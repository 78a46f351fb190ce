/* machine.h - what machine this is: facts for the report and the fingerprint that runs compare by.
 */
#ifndef WOOLLY_COUNTERS_MACHINE_H
#define WOOLLY_COUNTERS_MACHINE_H

#include <stdint.h>

struct machine_info {
    char cpu[128], arch[32], isa[256]; /* isa: "avx2 fma f16c avx512f ..." that matter here */
    int n_cores, n_online;             /* physical cores, schedulable logical CPUs */
    int n_numa_nodes;                  /* 0: not told */
    int64_t l1d_bytes, l2_bytes, l3_bytes, memory_bytes; /* 0: not told */
    char kernel[128], os[128], hypervisor[64];           /* "" : none or not told */
    char governor[32], turbo[16], smt[16], microcode[32]; /* "" : not told */
    double load_1m;                                      /* -1: not told */
    char hostname[64];
    char fingerprint[17]; /* hex of a 64-bit hash over cpu, cores, memory (GiB), kernel, hypervisor
                           */
};
/* Reads /proc and /sys; missing files leave the field empty. About 1 ms. */
void machine_read(struct machine_info *out);

#endif
