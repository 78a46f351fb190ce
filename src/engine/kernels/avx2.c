/* avx2.c - kernels with 8 floats a register (AVX2, FMA, F16C). */
#include "engine/kernels/vf_avx2.h"
#include "engine/kernels/simd.h"

const struct kernels kernels_avx2 = SIMD_KERNELS(ISA_AVX2);
