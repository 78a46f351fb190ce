/* rows_neon.c - row product with 4 rows a pass and 16-bit products. */
#include "engine/kernels/packed_vec_neon.h"

#include "engine/kernels/packed_dot_maddubs.h"
#define MAX_WIDTH 4
#include "engine/kernels/rows_simd.h"

const struct row_kernels row_kernels_neon = ROW_KERNELS("neon");
