/* packed_i8mm.c - packed product with 4 rows a register and smmla. */
#include "engine/kernels/packed_vec_neon.h"

#define USE_MMLA
#include "engine/kernels/packed_dot_sdot.h"

enum { MAX_WIDTH = 8 };

#include "engine/kernels/packed_simd.h"

const struct packed_kernels packed_kernels_i8mm = {
    .name = "i8mm",
    .rows = ROWS,
    .max_width = MAX_WIDTH,
    .biased = false,
    .fused = true,
    .quantize = {packed_quantize_neon},
    .group = PACKED_GROUPS,
};
