/* attention_tables.h - what attention.c and the ISA files share; private to this folder. */
#ifndef WOOLLY_ENGINE_ATTENTION_TABLES_H
#define WOOLLY_ENGINE_ATTENTION_TABLES_H

#include "engine/kernels/attention.h"

enum {
    KV_BLOCK = 32,     /* values with one scale */
    KV_POSITIONS = 64, /* of one step of the online softmax */
    KV_QUERIES = 4,    /* that go through a block together: what is loaded serves all */
};

extern const struct attention_kernels attention_kernels_scalar;
#if defined(__x86_64__)
extern const struct attention_kernels attention_kernels_sse4, attention_kernels_avx2,
    attention_kernels_avx512, attention_kernels_avx512vnni;
/* A part of one token's attention over floats, by the ways of AVX2, which the levels of AVX-512 take as well: what
 * they had was slower. False, and nothing done, when the task is none of these. scratch: attend's. */
bool attention_floats_avx2(const struct attention_task *t, struct attention_part part, void *scratch);
#elif defined(__aarch64__)
extern const struct attention_kernels attention_kernels_neon;
#endif

#endif
