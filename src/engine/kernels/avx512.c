/* avx512.c - kernels with 16 floats a register (AVX-512 F, BW, DQ, VL). */
#include "engine/kernels/vf_avx512.h"
#include "engine/kernels/simd.h"

const struct kernels kernels_avx512 = SIMD_KERNELS(ISA_AVX512);
