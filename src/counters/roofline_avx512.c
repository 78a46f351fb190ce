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

/* Whole bytes: two products fit 16 bits, so each pair is widened at once. */
static int64_t avx512_int8(int64_t rounds) {
    __m512i a = _mm512_set1_epi8(7), b = _mm512_set1_epi8(3), ones = _mm512_set1_epi16(1);
    __m512i sum[4];
    for (int i = 0; i < 4; i++) sum[i] = _mm512_setzero_si512();
#define CHAIN(i)                                                                                   \
    {                                                                                              \
        __m512i product;                                                                           \
        __asm__ volatile("vpmaddubsw %3, %2, %1\n\tvpmaddwd %4, %1, %1\n\tvpaddd %1, %0, %0"       \
                         : "+v"(sum[i]), "=&v"(product)                                            \
                         : "v"(a), "v"(b), "v"(ones));                                             \
    }
    for (int64_t r = 0; r < rounds; r++) {
        CHAIN(0) CHAIN(1) CHAIN(2) CHAIN(3) CHAIN(0) CHAIN(1) CHAIN(2) CHAIN(3)
    }
    for (int i = 0; i < 4; i++) __asm__ volatile("" : : "v"(sum[i]));
    return rounds * 8 * 64;
#undef CHAIN
}

/* Weights of few bits: eight products are added in 16 bits before they are widened, as 4 bits allow. Four
 * such chains by turns: one after the other they wait for each other in the scheduler's window. */
static int64_t avx512_int4(int64_t rounds) {
    __m512i a = _mm512_set1_epi8(7), b = _mm512_set1_epi8(3), ones = _mm512_set1_epi16(1);
    __m512i sum[4], chain[4], product;
    for (int i = 0; i < 4; i++) sum[i] = _mm512_setzero_si512();
#define FOUR(op) op(0) op(1) op(2) op(3)
#define FIRST(i) __asm__ volatile("vpmaddubsw %2, %1, %0" : "=&v"(chain[i]) : "v"(a), "v"(b));
#define MORE(i)                                                                                    \
    __asm__ volatile("vpmaddubsw %3, %2, %1\n\tvpaddw %1, %0, %0"                                  \
                     : "+v"(chain[i]), "=&v"(product)                                              \
                     : "v"(a), "v"(b));
#define WIDEN(i)                                                                                   \
    __asm__ volatile("vpmaddwd %2, %1, %1\n\tvpaddd %1, %0, %0"                                    \
                     : "+v"(sum[i]), "+v"(chain[i])                                                \
                     : "v"(ones));
    for (int64_t r = 0; r < rounds; r++) {
        FOUR(FIRST)
        FOUR(MORE) FOUR(MORE) FOUR(MORE) FOUR(MORE) FOUR(MORE) FOUR(MORE) FOUR(MORE)
        FOUR(WIDEN)
    }
    for (int i = 0; i < 4; i++) __asm__ volatile("" : : "v"(sum[i]));
    return rounds * 4 * 8 * 64;
#undef FOUR
#undef FIRST
#undef MORE
#undef WIDEN
}

const struct roofline_kernels roofline_avx512 = {
    .name = "avx512",
    .read = {avx512_read_plain, avx512_read_ahead},
    .f32 = avx512_f32,
    .int8 = avx512_int8,
    .int4 = avx512_int4,
};
