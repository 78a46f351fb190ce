/* attention_neon.c - attention with the registers of vf_neon.h. */
#include "engine/kernels/vf_neon.h"

#include "engine/kernels/attention_simd.h"

const struct attention_kernels attention_kernels_neon = ATTENTION_KERNELS;
