/* roofline_avx2.c - 256-bit loads, FMA, 8-bit products; and VNNI on 256 bits. */
#include "counters/roofline_kernels.h"

#include <immintrin.h>

/* A load whose value is wanted, and no instruction more. */
ROOFLINE_INLINE void load(const char *p) {
    for (int i = 0; i < ROOFLINE_READ_STEP; i += 32) {
        __m256i value = _mm256_load_si256((const __m256i *)(const void *)(p + i));
        __asm__ volatile("" : : "x"(value));
    }
}
ROOFLINE_READS(avx2, load)

static int64_t avx2_f32(int64_t rounds) {
    __m256 a = _mm256_set1_ps(1e-3f), b = _mm256_set1_ps(1e-3f);
    __m256 sum[12];
#define ZERO(i) sum[i] = _mm256_setzero_ps();
#define FMA(i) __asm__ volatile("vfmadd231ps %2, %1, %0" : "+x"(sum[i]) : "x"(a), "x"(b));
#define USE(i) __asm__ volatile("" : : "x"(sum[i]));
    ROOFLINE_TWELVE(ZERO)
    for (int64_t r = 0; r < rounds; r++) {
        ROOFLINE_TWELVE(FMA)
    }
    ROOFLINE_TWELVE(USE)
    return rounds * 12 * 8;
#undef FMA
}

#define ROOFLINE_VI __m256i
#define ROOFLINE_ZERO _mm256_setzero_si256
#define ROOFLINE_SET1_8 _mm256_set1_epi8
#define ROOFLINE_SET1_16 _mm256_set1_epi16
#define ROOFLINE_IN(value) "x"(value)
#include "counters/roofline_maddubs.h"

/* Not a file of its own: only one instruction is newer. {vex}: not AVX-512's encoding of it. */
__attribute__((target("avxvnni"))) static int64_t avxvnni_int8(int64_t rounds) {
    __m256i a = _mm256_set1_epi8(7), b = _mm256_set1_epi8(3);
    __m256i sum[12];
#undef ZERO
#define ZERO(i) sum[i] = _mm256_setzero_si256();
#define DOT(i) __asm__ volatile("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum[i]) : "x"(a), "x"(b));
    ROOFLINE_TWELVE(ZERO)
    for (int64_t r = 0; r < rounds; r++) {
        ROOFLINE_TWELVE(DOT)
    }
    ROOFLINE_TWELVE(USE)
    return rounds * 12 * 32;
#undef ZERO
#undef DOT
#undef USE
}

const struct roofline_kernels roofline_avx2 = {
    .name = "avx2",
    .read = {avx2_read_plain, avx2_read_ahead},
    .f32 = avx2_f32,
    .int8 = maddubs_int8,
    .int4 = maddubs_int4,
};
const struct roofline_kernels roofline_avxvnni = {.name = "avxvnni", .int8 = avxvnni_int8};
