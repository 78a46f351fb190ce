/* neon.c - kernels with 4 floats a register (AArch64). */
#include "engine/kernels/vf_neon.h"

#include "engine/kernels/simd.h"

const struct kernels kernels_neon = SIMD_KERNELS(ISA_NEON);
