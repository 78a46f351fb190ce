/* packed_avx512.c - packed product with 16 rows a register and vpmaddubsw. */
#include "engine/kernels/packed_vec_avx512.h"

#include "engine/kernels/packed_dot_maddubs.h"

enum { MAX_WIDTH = 8 };

#include "engine/kernels/packed_simd.h"

const struct packed_kernels packed_kernels_avx512 = {
    .name = "avx512",
    .rows = ROWS,
    .max_width = MAX_WIDTH,
    .biased = true,
    .fused = true,
    .quantize = {packed_quantize_avx2, packed_quantize_fours_avx2},
    .group = PACKED_GROUPS,
};
