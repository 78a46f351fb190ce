/* rows_i8mm.c - row product with 4 rows a pass and smmla. */
#include "engine/kernels/packed_vec_neon.h"

#define USE_MMLA
#include "engine/kernels/packed_dot_sdot.h"
#define MAX_WIDTH 8
#include "engine/kernels/rows_simd.h"

const struct row_kernels row_kernels_i8mm = ROW_KERNELS("i8mm");
