/* roofline_avx512vnni.c - 8-bit dot products in one instruction, 512 bits wide. */
#include "counters/roofline_kernels.h"

#include <immintrin.h>

static int64_t vnni_int8(int64_t rounds) {
    __m512i a = _mm512_set1_epi8(7), b = _mm512_set1_epi8(3);
    __m512i sum[12];
#define ZERO(i) sum[i] = _mm512_setzero_si512();
#define DOT(i) __asm__ volatile("vpdpbusd %2, %1, %0" : "+v"(sum[i]) : "v"(a), "v"(b));
#define USE(i) __asm__ volatile("" : : "v"(sum[i]));
    ROOFLINE_TWELVE(ZERO)
    for (int64_t r = 0; r < rounds; r++) {
        ROOFLINE_TWELVE(DOT)
    }
    ROOFLINE_TWELVE(USE)
    return rounds * 12 * 64;
#undef ZERO
#undef DOT
#undef USE
}

const struct roofline_kernels roofline_avx512vnni = {.name = "avx512vnni", .int8 = vnni_int8};
