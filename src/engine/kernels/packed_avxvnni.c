/* packed_avxvnni.c - packed product with 8 rows a register and vpdpbusd. */
#include "engine/kernels/packed_vec_avx2.h"

#include "engine/kernels/packed_dpbusd_avx2.h"

#include "engine/kernels/packed_dot_vnni.h"

enum { MAX_WIDTH = 4 };

#include "engine/kernels/packed_simd.h"

const struct packed_kernels packed_kernels_avxvnni = {
    .name = "avxvnni",
    .rows = ROWS,
    .max_width = MAX_WIDTH,
    .biased = true,
    .fused = true,
    .quantize = {packed_quantize_avx2},
    .group = PACKED_GROUPS,
};
