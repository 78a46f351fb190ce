/* packed_dotprod.c - packed product with 4 rows a register and sdot. */
#include "engine/kernels/packed_vec_neon.h"

#include "engine/kernels/packed_dot_sdot.h"

enum { MAX_WIDTH = 4 };

#include "engine/kernels/packed_simd.h"

const struct packed_kernels packed_kernels_dotprod = {
    .name = "dotprod",
    .rows = ROWS,
    .max_width = MAX_WIDTH,
    .biased = false,
    .fused = true,
    .quantize = {packed_quantize_neon},
    .group = PACKED_GROUPS,
};
