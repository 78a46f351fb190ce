/* attention_avx512.c - attention with the registers of vf_avx512.h. */
#include "engine/kernels/vf_avx512.h"

#include "engine/kernels/attention_simd.h"

const struct attention_kernels attention_kernels_avx512 = ATTENTION_KERNELS;
