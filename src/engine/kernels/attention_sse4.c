/* attention_sse4.c - attention with the registers of vf_sse4.h. */
#include "engine/kernels/vf_sse4.h"

#include "engine/kernels/attention_simd.h"

const struct attention_kernels attention_kernels_sse4 = ATTENTION_KERNELS;
