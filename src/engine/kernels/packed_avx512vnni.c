/* packed_avx512vnni.c - packed product with 16 rows a register and vpdpbusd. */
#include "engine/kernels/packed_vec_avx512.h"

#define vi_dpbusd(sum, w, x) _mm512_dpbusd_epi32(sum, w, x)

#include "engine/kernels/packed_dot_vnni.h"

enum { MAX_WIDTH = 16, STREAM_WIDTH = 1, STREAM_AHEAD_BYTES = 1024 };

#include "engine/kernels/packed_simd.h"

#include "engine/kernels/packed_together_vnni.h"
#include "engine/kernels/packed_streams.h"

#include "engine/kernels/packed_pairs.h"

const struct packed_kernels packed_kernels_avx512vnni = {
    .name = "avx512vnni",
    .rows = ROWS,
    .max_width = MAX_WIDTH,
    .biased = true,
    .fused = true,
    .quantize = {packed_quantize_avx2},
    .group = PACKED_GROUPS,
    .pair = PACKED_PAIRS,
    .stream_width = STREAM_WIDTH,
    .streams = PACKED_STREAM_GROUPS,
};
