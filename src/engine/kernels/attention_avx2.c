/* attention_avx2.c - attention with the registers of vf_avx2.h. */
#include "engine/kernels/vf_avx2.h"

#include "engine/kernels/attention_simd.h"

const struct attention_kernels attention_kernels_avx2 = ATTENTION_KERNELS;
