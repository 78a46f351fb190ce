/* packed_avx2.c - packed product with 8 rows a register and vpmaddubsw. */
#include "engine/kernels/packed_vec_avx2.h"

#include "engine/kernels/packed_dot_maddubs.h"

enum { MAX_WIDTH = 4, STREAM_WIDTH = 4, STREAM_AHEAD_BYTES = 512 };

#include "engine/kernels/packed_simd.h"

#include "engine/kernels/packed_together_avx2.h"

#include "engine/kernels/packed_streams.h"

const struct packed_kernels packed_kernels_avx2 = {
    .name = "avx2",
    .rows = ROWS,
    .max_width = MAX_WIDTH,
    .biased = true,
    .fused = true,
    .quantize = {packed_quantize_avx2, packed_quantize_fours_avx2},
    .group = PACKED_GROUPS,
    .stream_width = STREAM_WIDTH,
    .streams = PACKED_STREAM_GROUPS,
};
