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

/* Whole bytes: two products fit 16 bits, so each pair is widened at once. */
static int64_t avx2_int8(int64_t rounds) {
    __m256i a = _mm256_set1_epi8(7), b = _mm256_set1_epi8(3), ones = _mm256_set1_epi16(1);
    __m256i sum[4];
    for (int i = 0; i < 4; i++) sum[i] = _mm256_setzero_si256();
#define CHAIN(i)                                                                                   \
    {                                                                                              \
        __m256i product;                                                                           \
        __asm__ volatile("vpmaddubsw %3, %2, %1\n\tvpmaddwd %4, %1, %1\n\tvpaddd %1, %0, %0"       \
                         : "+x"(sum[i]), "=&x"(product)                                            \
                         : "x"(a), "x"(b), "x"(ones));                                             \
    }
    for (int64_t r = 0; r < rounds; r++) {
        CHAIN(0) CHAIN(1) CHAIN(2) CHAIN(3) CHAIN(0) CHAIN(1) CHAIN(2) CHAIN(3)
    }
    for (int i = 0; i < 4; i++) __asm__ volatile("" : : "x"(sum[i]));
    return rounds * 8 * 32;
#undef CHAIN
}

/* Weights of few bits: eight products are added in 16 bits before they are widened, as 4 bits allow. Four
 * such chains by turns: one after the other they wait for each other in the scheduler's window. */
static int64_t avx2_int4(int64_t rounds) {
    __m256i a = _mm256_set1_epi8(7), b = _mm256_set1_epi8(3), ones = _mm256_set1_epi16(1);
    __m256i sum[4], chain[4], product;
    for (int i = 0; i < 4; i++) sum[i] = _mm256_setzero_si256();
#define FOUR(op) op(0) op(1) op(2) op(3)
#define FIRST(i) __asm__ volatile("vpmaddubsw %2, %1, %0" : "=&x"(chain[i]) : "x"(a), "x"(b));
#define MORE(i)                                                                                    \
    __asm__ volatile("vpmaddubsw %3, %2, %1\n\tvpaddw %1, %0, %0"                                  \
                     : "+x"(chain[i]), "=&x"(product)                                              \
                     : "x"(a), "x"(b));
#define WIDEN(i)                                                                                   \
    __asm__ volatile("vpmaddwd %2, %1, %1\n\tvpaddd %1, %0, %0"                                    \
                     : "+x"(sum[i]), "+x"(chain[i])                                                \
                     : "x"(ones));
    for (int64_t r = 0; r < rounds; r++) {
        FOUR(FIRST)
        FOUR(MORE) FOUR(MORE) FOUR(MORE) FOUR(MORE) FOUR(MORE) FOUR(MORE) FOUR(MORE)
        FOUR(WIDEN)
    }
    for (int i = 0; i < 4; i++) __asm__ volatile("" : : "x"(sum[i]));
    return rounds * 4 * 8 * 32;
#undef FOUR
#undef FIRST
#undef MORE
#undef WIDEN
}

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
    .int8 = avx2_int8,
    .int4 = avx2_int4,
};
const struct roofline_kernels roofline_avxvnni = {.name = "avxvnni", .int8 = avxvnni_int8};
