/* rows_avx512vnni.c - row product with 16 rows a pass and vpdpbusd. */
#include "engine/kernels/packed_vec_avx512.h"

#define vi_dpbusd(sum, w, x) _mm512_dpbusd_epi32(sum, w, x)

#include "engine/kernels/packed_dot_vnni.h"
#define MAX_WIDTH 8
#include "engine/kernels/rows_simd.h"

const struct row_kernels row_kernels_avx512vnni = ROW_KERNELS("avx512vnni");
