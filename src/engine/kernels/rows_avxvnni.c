/* rows_avxvnni.c - row product with 8 rows a pass and vpdpbusd. */
#include "engine/kernels/packed_vec_avx2.h"

#include "engine/kernels/packed_dpbusd_avx2.h"

#include "engine/kernels/packed_dot_vnni.h"
#define MAX_WIDTH 4
#include "engine/kernels/rows_simd.h"

const struct row_kernels row_kernels_avxvnni = ROW_KERNELS("avxvnni");
