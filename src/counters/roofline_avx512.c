/* roofline_avx512.c - 512-bit loads, FMA, and 8-bit products without VNNI. */
#include "counters/roofline_kernels.h"

#include <immintrin.h>

/* A load whose value is wanted, and no instruction more. */
ROOFLINE_INLINE void load(const char *p) {
    __m512i low = _mm512_load_si512((const void *)p);
    __asm__ volatile("" : : "v"(low));
    __m512i high = _mm512_load_si512((const void *)(p + 64));
    __asm__ volatile("" : : "v"(high));
}
ROOFLINE_READS(avx512, load)

static int64_t avx512_f32(int64_t rounds) {
    __m512 a = _mm512_set1_ps(1e-3f), b = _mm512_set1_ps(1e-3f);
    __m512 sum[12];
#define ZERO(i) sum[i] = _mm512_setzero_ps();
#define FMA(i) __asm__ volatile("vfmadd231ps %2, %1, %0" : "+v"(sum[i]) : "v"(a), "v"(b));
#define USE(i) __asm__ volatile("" : : "v"(sum[i]));
    ROOFLINE_TWELVE(ZERO)
    for (int64_t r = 0; r < rounds; r++) {
        ROOFLINE_TWELVE(FMA)
    }
    ROOFLINE_TWELVE(USE)
    return rounds * 12 * 16;
#undef ZERO
#undef FMA
#undef USE
}

#define ROOFLINE_VI __m512i
#define ROOFLINE_ZERO _mm512_setzero_si512
#define ROOFLINE_SET1_8 _mm512_set1_epi8
#define ROOFLINE_SET1_16 _mm512_set1_epi16
#define ROOFLINE_IN(value) "v"(value)
#include "counters/roofline_maddubs.h"

const struct roofline_kernels roofline_avx512 = {
    .name = "avx512",
    .read = {avx512_read_plain, avx512_read_ahead},
    .f32 = avx512_f32,
    .int8 = maddubs_int8,
    .int4 = maddubs_int4,
};
