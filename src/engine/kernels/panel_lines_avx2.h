/* panel_lines_avx2.h - sums of the lines of a block for 16 rows and 4 columns.
 *
 * Assembly, since a compiler does not keep eight sums, two lines and their products in the sixteen
 * registers there are. All go line by line (or by two lines) and within it column by column: products, then
 * their sums. The processor takes three to four of these instructions a cycle, loads included, so what
 * counts is their number: 2.6 (summed), 3.1 (paired) and 3.4 (scaled) a product of 32 bytes. */
#ifndef WOOLLY_ENGINE_PANEL_LINES_AVX2_H
#define WOOLLY_ENGINE_PANEL_LINES_AVX2_H

#include <immintrin.h>
#include <stdint.h>

/* s[2 * column + half]: rows 0 .. 7 and 8 .. 15 of a column. */
enum { PANEL_SUMS = 8 };

#define LOAD_LINE(k)                                                                               \
    "vmovdqa " #k "*64(%[w]), %[w0]\n\t"                                                           \
    "vmovdqa " #k "*64+32(%[w]), %[w1]\n\t"

#define OUTPUTS                                                                                    \
    [s0] "=&x"(s[0]), [s1] "=&x"(s[1]), [s2] "=&x"(s[2]), [s3] "=&x"(s[3]), [s4] "=&x"(s[4]),       \
        [s5] "=&x"(s[5]), [s6] "=&x"(s[6]), [s7] "=&x"(s[7]), [w0] "=&x"(w0), [w1] "=&x"(w1)

/* What goes by columns: the first line of a block, and line k. */
#define FIRST_LINE(each)                                                                           \
    LOAD_LINE(0)                                                                                   \
    each(0, 0, s0, s1, x0) each(1, 0, s2, s3, x1) each(2, 0, s4, s5, x0) each(3, 0, s6, s7, x1)
#define NEXT_LINE(k, each)                                                                         \
    LOAD_LINE(k)                                                                                   \
    each(0, k, s0, s1, x0, t0) each(1, k, s2, s3, x1, t1) each(2, k, s4, s5, x0, t0) each(3, k, s6, s7, x1, t1)

/* Products of both halves of line k, to a and b; b may be x. */
#define PRODUCTS(c, k, a, b, x)                                                                    \
    "vpbroadcastd " #c "*32+" #k "*4(%[x]), %[" #x "]\n\t"                                         \
    "vpmaddubsw %[" #x "], %[w0], %[" #a "]\n\t"                                                   \
    "vpmaddubsw %[" #x "], %[w1], %[" #b "]\n\t"

/* ---- up to 4 bits: added in 16 bits ---- */

#define SUMMED_NEXT(c, k, a, b, x, t)                                                              \
    PRODUCTS(c, k, t, x, x)                                                                        \
    "vpaddw %[" #t "], %[" #a "], %[" #a "]\n\t"                                                   \
    "vpaddw %[" #x "], %[" #b "], %[" #b "]\n\t"
#define SUMMED_LINE(k) NEXT_LINE(k, SUMMED_NEXT)
#define SUMMED_LINES(lines)                                                                        \
    __m256i w0, w1, x0, x1, t0, t1;                                                                \
    __asm__ volatile(lines                                                                         \
                     : OUTPUTS, [x0] "=&x"(x0), [x1] "=&x"(x1), [t0] "=&x"(t0), [t1] "=&x"(t1)     \
                     : [w] "r"(w), [x] "r"(x)                                                      \
                     : "memory")

/* s: int16 pairs, sums over 4 * n columns (n 4 or 8) of the columns' bytes x, 32 apart. */
static inline __attribute__((always_inline)) void summed_lines(__m256i *s, const uint8_t *w, const uint8_t *x,
                                                               const int n) {
    if (n == 8) {
        SUMMED_LINES(FIRST_LINE(PRODUCTS) SUMMED_LINE(1) SUMMED_LINE(2) SUMMED_LINE(3)
                         SUMMED_LINE(4) SUMMED_LINE(5) SUMMED_LINE(6) SUMMED_LINE(7));
    } else {
        SUMMED_LINES(FIRST_LINE(PRODUCTS) SUMMED_LINE(1) SUMMED_LINE(2) SUMMED_LINE(3));
    }
}

/* ---- more bits: the sums of two lines are widened before they are added ---- */

#define PAIR_LOAD(k, l)                                                                            \
    "vmovdqa " #k "*64(%[w]), %[w0]\n\tvmovdqa " #k "*64+32(%[w]), %[w1]\n\t"                      \
    "vmovdqa " #l "*64(%[w]), %[v0]\n\tvmovdqa " #l "*64+32(%[w]), %[v1]\n\t"
/* To t0 and x0, from a column whose bytes lie at x. */
#define PAIR_PRODUCTS(x, k, l)                                                                     \
    "vpbroadcastd " #x "+" #k "*4(%[x]), %[x0]\n\tvpbroadcastd " #x "+" #l "*4(%[x]), %[x1]\n\t"   \
    "vpmaddubsw %[x0], %[w0], %[t0]\n\tvpmaddubsw %[x0], %[w1], %[x0]\n\t"                         \
    "vpmaddubsw %[x1], %[v0], %[t1]\n\tvpmaddubsw %[x1], %[v1], %[x1]\n\t"                         \
    "vpaddw %[t1], %[t0], %[t0]\n\tvpaddw %[x1], %[x0], %[x0]\n\t"
#define WIDEN_FIRST(by, a, b)                                                                      \
    "vpmaddwd %[" #by "], %[t0], %[" #a "]\n\tvpmaddwd %[" #by "], %[x0], %[" #b "]\n\t"
#define WIDEN_NEXT(by, a, b)                                                                       \
    "vpmaddwd %[" #by "], %[t0], %[t0]\n\tvpmaddwd %[" #by "], %[x0], %[x0]\n\t"                   \
    "vpaddd %[t0], %[" #a "], %[" #a "]\n\tvpaddd %[x0], %[" #b "], %[" #b "]\n\t"
#define PAIR_OF_LINES(k, l, each, widen)                                                           \
    PAIR_LOAD(k, l)                                                                                \
    each(0, k, l, s0, s1, widen) each(1, k, l, s2, s3, widen) each(2, k, l, s4, s5, widen)         \
        each(3, k, l, s6, s7, widen)
#define TWO_PAIRS(each) PAIR_OF_LINES(0, 1, each, WIDEN_FIRST) PAIR_OF_LINES(2, 3, each, WIDEN_NEXT)
#define FOUR_PAIRS(each)                                                                           \
    TWO_PAIRS(each) PAIR_OF_LINES(4, 5, each, WIDEN_NEXT) PAIR_OF_LINES(6, 7, each, WIDEN_NEXT)
/* All sixteen registers are taken. */
#define LINES_BY_PAIRS(lines)                                                                      \
    static const int16_t ones[16] __attribute__((aligned(32))) = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}; \
    __m256i w0, w1, v0, v1, x0, x1, t0, t1;                                                        \
    __asm__ volatile(lines                                                                         \
                     : OUTPUTS, [v0] "=&x"(v0), [v1] "=&x"(v1), [x0] "=&x"(x0), [x1] "=&x"(x1),    \
                       [t0] "=&x"(t0), [t1] "=&x"(t1)                                              \
                     : [w] "r"(w), [x] "r"(x), [ones] "m"(ones)                                    \
                     : "memory")

/* 5 and 6 bits. */
#define PAIRED(c, k, l, a, b, widen) PAIR_PRODUCTS(c*32, k, l) widen(ones, a, b)

/* s: int32, sums over 4 * n columns (n 4 or 8). */
static inline __attribute__((always_inline)) void paired_lines(__m256i *s, const uint8_t *w, const uint8_t *x,
                                                               const int n) {
    if (n == 8) {
        LINES_BY_PAIRS(FOUR_PAIRS(PAIRED));
    } else {
        LINES_BY_PAIRS(TWO_PAIRS(PAIRED));
    }
}

/* 8 bits: widened by the steps of records of fours. */
#define SCALED(c, k, l, a, b, widen)                                                               \
    PAIR_PRODUCTS(c*48, k, l)                                                                      \
    "vpbroadcastd " #c "*48+32+" #k "*2(%[x]), %[t1]\n\t" widen(t1, a, b)

/* s: int32, sums over a block. */
static inline __attribute__((always_inline)) void scaled_lines(__m256i *s, const uint8_t *w, const uint8_t *x) {
    LINES_BY_PAIRS(FOUR_PAIRS(SCALED));
}

#endif
