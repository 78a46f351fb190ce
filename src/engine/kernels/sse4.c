/* sse4.c - kernels with 4 floats a register (SSE4.2). */
#include "engine/kernels/vf_sse4.h"

#include "engine/kernels/simd.h"

const struct kernels kernels_sse4 = SIMD_KERNELS(ISA_SSE4);
