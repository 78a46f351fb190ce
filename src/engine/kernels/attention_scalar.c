/* attention_scalar.c - attention in plain C. */
#include "engine/kernels/vf_scalar.h"

#define VF_NO_BYTES
#include "engine/kernels/attention_simd.h"

const struct attention_kernels attention_kernels_scalar = ATTENTION_KERNELS;
