/* isa_tables.h - the tables that the ISA files fill; joined by dispatch.c, private to this folder. */
#ifndef WOOLLY_ENGINE_ISA_TABLES_H
#define WOOLLY_ENGINE_ISA_TABLES_H

#include "engine/kernels/kernels.h"

extern const struct kernels kernels_scalar;
#if defined(__x86_64__)
extern const struct kernels kernels_sse4, kernels_avx2, kernels_avx512;
#elif defined(__aarch64__)
extern const struct kernels kernels_neon;
#endif

#endif
