/* rows_avx512.c - row product with 16 rows a pass and vpmaddubsw. */
#include "engine/kernels/packed_vec_avx512.h"

#include "engine/kernels/packed_dot_maddubs.h"
#define MAX_WIDTH 8
#include "engine/kernels/rows_simd.h"

const struct row_kernels row_kernels_avx512 = ROW_KERNELS("avx512");
