/* panel_lines_avx2.h - sums of the lines of a block for 16 rows and 4 columns.
 *
 * Assembly, since a compiler does not keep eight sums, two lines and their products in the sixteen
 * registers there are. All three go line by line and within it column by column: two products, then the
 * sums of both. The processor takes about four of these instructions a cycle, loads included, so what
 * counts is their number: 2.75 a product of 32 bytes, of which two are the least. */
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

/* ---- unsigned bytes times signed ones, added in 16 bits ---- */

#define UNSIGNED_FIRST(c, k, a, b, x)                                                              \
    "vpbroadcastd " #c "*32+" #k "*4(%[x]), %[" #x "]\n\t"                                         \
    "vpmaddubsw %[" #x "], %[w0], %[" #a "]\n\t"                                                   \
    "vpmaddubsw %[" #x "], %[w1], %[" #b "]\n\t"
#define UNSIGNED_NEXT(c, k, a, b, x, t)                                                            \
    "vpbroadcastd " #c "*32+" #k "*4(%[x]), %[" #x "]\n\t"                                         \
    "vpmaddubsw %[" #x "], %[w0], %[" #t "]\n\t"                                                   \
    "vpmaddubsw %[" #x "], %[w1], %[" #x "]\n\t"                                                   \
    "vpaddw %[" #t "], %[" #a "], %[" #a "]\n\t"                                                   \
    "vpaddw %[" #x "], %[" #b "], %[" #b "]\n\t"
#define UNSIGNED_LINE_0                                                                            \
    LOAD_LINE(0)                                                                                   \
    UNSIGNED_FIRST(0, 0, s0, s1, x0) UNSIGNED_FIRST(1, 0, s2, s3, x1)                              \
    UNSIGNED_FIRST(2, 0, s4, s5, x0) UNSIGNED_FIRST(3, 0, s6, s7, x1)
#define UNSIGNED_LINE(k)                                                                           \
    LOAD_LINE(k)                                                                                   \
    UNSIGNED_NEXT(0, k, s0, s1, x0, t0) UNSIGNED_NEXT(1, k, s2, s3, x1, t1)                        \
    UNSIGNED_NEXT(2, k, s4, s5, x0, t0) UNSIGNED_NEXT(3, k, s6, s7, x1, t1)
#define UNSIGNED_LINES(lines)                                                                      \
    __m256i w0, w1, x0, x1, t0, t1;                                                                \
    __asm__ volatile(lines                                                                         \
                     : OUTPUTS, [x0] "=&x"(x0), [x1] "=&x"(x1), [t0] "=&x"(t0), [t1] "=&x"(t1)     \
                     : [w] "r"(w), [x] "r"(x)                                                      \
                     : "memory")

/* s: int16 pairs, sums over 4 * n columns (n 4 or 8) of the columns' bytes x, 32 apart. */
static inline __attribute__((always_inline)) void unsigned_lines(__m256i *s, const uint8_t *w, const uint8_t *x,
                                                                 const int n) {
    if (n == 8) {
        UNSIGNED_LINES(UNSIGNED_LINE_0 UNSIGNED_LINE(1) UNSIGNED_LINE(2) UNSIGNED_LINE(3)
                           UNSIGNED_LINE(4) UNSIGNED_LINE(5) UNSIGNED_LINE(6) UNSIGNED_LINE(7));
    } else {
        UNSIGNED_LINES(UNSIGNED_LINE_0 UNSIGNED_LINE(1) UNSIGNED_LINE(2) UNSIGNED_LINE(3));
    }
}

/* ---- signed bytes: their sign goes to the other factor ---- */

#define SIGNED_FIRST(c, k, a, b)                                                                   \
    "vpbroadcastd " #c "*32+" #k "*4(%[x]), %[x0]\n\t"                                             \
    "vpsignb %[w0], %[x0], %[t0]\n\t"                                                              \
    "vpsignb %[w1], %[x0], %[x0]\n\t"                                                              \
    "vpmaddubsw %[t0], %[a0], %[" #a "]\n\t"                                                       \
    "vpmaddubsw %[x0], %[a1], %[" #b "]\n\t"
#define SIGNED_NEXT(c, k, a, b)                                                                    \
    "vpbroadcastd " #c "*32+" #k "*4(%[x]), %[x0]\n\t"                                             \
    "vpsignb %[w0], %[x0], %[t0]\n\t"                                                              \
    "vpsignb %[w1], %[x0], %[x0]\n\t"                                                              \
    "vpmaddubsw %[t0], %[a0], %[t0]\n\t"                                                           \
    "vpmaddubsw %[x0], %[a1], %[x0]\n\t"                                                           \
    "vpaddw %[t0], %[" #a "], %[" #a "]\n\t"                                                       \
    "vpaddw %[x0], %[" #b "], %[" #b "]\n\t"
#define SIGNED_LINE_0                                                                              \
    LOAD_LINE(0) "vpabsb %[w0], %[a0]\n\tvpabsb %[w1], %[a1]\n\t"                                  \
    SIGNED_FIRST(0, 0, s0, s1) SIGNED_FIRST(1, 0, s2, s3)                                          \
    SIGNED_FIRST(2, 0, s4, s5) SIGNED_FIRST(3, 0, s6, s7)
#define SIGNED_LINE(k)                                                                             \
    LOAD_LINE(k) "vpabsb %[w0], %[a0]\n\tvpabsb %[w1], %[a1]\n\t"                                  \
    SIGNED_NEXT(0, k, s0, s1) SIGNED_NEXT(1, k, s2, s3)                                            \
    SIGNED_NEXT(2, k, s4, s5) SIGNED_NEXT(3, k, s6, s7)
#define SIGNED_LINES(lines)                                                                        \
    __m256i w0, w1, a0, a1, x0, t0;                                                                \
    __asm__ volatile(lines                                                                         \
                     : OUTPUTS, [a0] "=&x"(a0), [a1] "=&x"(a1), [x0] "=&x"(x0), [t0] "=&x"(t0)     \
                     : [w] "r"(w), [x] "r"(x)                                                      \
                     : "memory")

static inline __attribute__((always_inline)) void signed_lines(__m256i *s, const uint8_t *w, const uint8_t *x,
                                                               const int n) {
    if (n == 8) {
        SIGNED_LINES(SIGNED_LINE_0 SIGNED_LINE(1) SIGNED_LINE(2) SIGNED_LINE(3)
                         SIGNED_LINE(4) SIGNED_LINE(5) SIGNED_LINE(6) SIGNED_LINE(7));
    } else {
        SIGNED_LINES(SIGNED_LINE_0 SIGNED_LINE(1) SIGNED_LINE(2) SIGNED_LINE(3));
    }
}

/* ---- 8-bit values, every product widened before it is added ---- */

#define WIDENED_FIRST(c, k, a, b, x)                                                               \
    "vpbroadcastd " #c "*32+" #k "*4(%[x]), %[" #x "]\n\t"                                         \
    "vpmaddubsw %[" #x "], %[w0], %[" #a "]\n\t"                                                   \
    "vpmaddubsw %[" #x "], %[w1], %[" #b "]\n\t"                                                   \
    "vpmaddwd %[ones], %[" #a "], %[" #a "]\n\tvpmaddwd %[ones], %[" #b "], %[" #b "]\n\t"
#define WIDENED_NEXT(c, k, a, b, x, t)                                                             \
    "vpbroadcastd " #c "*32+" #k "*4(%[x]), %[" #x "]\n\t"                                         \
    "vpmaddubsw %[" #x "], %[w0], %[" #t "]\n\t"                                                   \
    "vpmaddubsw %[" #x "], %[w1], %[" #x "]\n\t"                                                   \
    "vpmaddwd %[ones], %[" #t "], %[" #t "]\n\tvpmaddwd %[ones], %[" #x "], %[" #x "]\n\t"         \
    "vpaddd %[" #t "], %[" #a "], %[" #a "]\n\tvpaddd %[" #x "], %[" #b "], %[" #b "]\n\t"
#define WIDENED_LINE_0                                                                             \
    LOAD_LINE(0)                                                                                   \
    WIDENED_FIRST(0, 0, s0, s1, x0) WIDENED_FIRST(1, 0, s2, s3, x1)                                \
    WIDENED_FIRST(2, 0, s4, s5, x0) WIDENED_FIRST(3, 0, s6, s7, x1)
#define WIDENED_LINE(k)                                                                            \
    LOAD_LINE(k)                                                                                   \
    WIDENED_NEXT(0, k, s0, s1, x0, t0) WIDENED_NEXT(1, k, s2, s3, x1, t1)                          \
    WIDENED_NEXT(2, k, s4, s5, x0, t0) WIDENED_NEXT(3, k, s6, s7, x1, t1)

/* s: int32, sums over 16 columns. */
static inline __attribute__((always_inline)) void widened_lines(__m256i *s, const uint8_t *w, const uint8_t *x) {
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i w0, w1, x0, x1, t0, t1;
    __asm__ volatile(WIDENED_LINE_0 WIDENED_LINE(1) WIDENED_LINE(2) WIDENED_LINE(3)
                     : OUTPUTS, [x0] "=&x"(x0), [x1] "=&x"(x1), [t0] "=&x"(t0), [t1] "=&x"(t1)
                     : [w] "r"(w), [x] "r"(x), [ones] "x"(ones)
                     : "memory");
}

#endif
