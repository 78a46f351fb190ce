/* rows_avx2.c - row product with 8 rows a pass and vpmaddubsw. */
#include "engine/kernels/packed_vec_avx2.h"

#include "engine/kernels/packed_dot_maddubs.h"
#define MAX_WIDTH 4
#include "engine/kernels/rows_simd.h"

const struct row_kernels row_kernels_avx2 = ROW_KERNELS("avx2");
