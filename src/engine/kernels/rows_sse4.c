/* rows_sse4.c - row product with 4 rows a pass and pmaddubsw. */
#include "engine/kernels/packed_vec_sse4.h"

#include "engine/kernels/packed_dot_maddubs.h"
#define MAX_WIDTH 4
#include "engine/kernels/rows_simd.h"

const struct row_kernels row_kernels_sse4 = ROW_KERNELS("sse4");
