/* rows_dotprod.c - row product with 4 rows a pass and sdot. */
#include "engine/kernels/packed_vec_neon.h"

#include "engine/kernels/packed_dot_sdot.h"
#define MAX_WIDTH 4
#include "engine/kernels/rows_simd.h"

const struct row_kernels row_kernels_dotprod = ROW_KERNELS("dotprod");
