/* packed_dot_maddubs.h - dots by vpmaddubsw: unsigned weights times signed activations, pairs added
 * in int16. Included after a packed_vec_*.h. */
#include "engine/kernels/packed_format.h"

/* Where both factors are signed, 8-bit weights need neither an offset nor records of fours. */
#define FOURS (!MADDUBS_SIGNED)
enum { SIGNED_BYTES = MADDUBS_SIGNED, COLUMN_STEP = 1, LINE_STEP = 1 };

INLINE int line_step(const int width) {
    return width < LINE_STEP ? width : LINE_STEP;
}

INLINE void prepare_lines(VI *lines, const int width) {
    (void)lines;
    (void)width;
}

/* So many products may be added in an int16 before widening: each is a pair. */
INLINE int sums_that_fit(const struct packed_format f) {
    const int bits = f.base_bits + f.extra_bits;
    return PACKED_IS_WIDE(f) ? 1 : bits <= 4 ? 8 : bits == 5 ? 4 : 2;
}

#if FOURS
/* The 8 lines of a block times a column's record of fours. */
INLINE VI fours_of_lines(const VI *w, const uint8_t *x) {
    VI dot = vi_zero();
    for (int k = 0; k < 8; k += 2) {
        const VI sum = vi_add_16(vi_maddubs(w[k], vi_broadcast_32(x + 4 * k)),
                                 vi_maddubs(w[k + 1], vi_broadcast_32(x + 4 * k + 4)));
        dot = vi_add_32(dot, vi_madd(sum, vi_broadcast_32(x + PACKED_BLOCK + 2 * k)));
    }
    return dot;
}

/* 32 values of a row a quad, as dot_quads takes them, times a column's record of fours. */
INLINE void fours_of_quads(VI *sums, const VI *first, const VI *second, const uint8_t *x) {
    const VI x0 = vi_load_quad(x), x1 = vi_load_quad(x + 16), m = vi_load_quad(x + PACKED_BLOCK);
    /* The m of each pair of neighbours. */
    const VI m0 = vi_low_32(m, m), m1 = vi_high_32(m, m);
    for (int e = 0; e < 4; e++) {
        sums[e] = vi_add_32(vi_madd(vi_maddubs(first[e], x0), m0), vi_madd(vi_maddubs(second[e], x1), m1));
    }
}
#endif

/* dot[0] = start + sum over n lines, 4 columns a line. */
INLINE void dot_lines(VI *dot, const VI *w, const uint8_t *x, const int n,
                      const struct packed_format f, const VI *start, const int width) {
    (void)width;
#if FOURS
    if (PACKED_IS_WIDE(f)) {
        dot[0] = fours_of_lines(w, x);
        return;
    }
#endif
    const int lines = sums_that_fit(f);
    dot[0] = start[0];
    for (int k = 0; k < n; k += lines) {
        VI sum = vi_maddubs(w[k], vi_broadcast_32(x + 4 * k));
        for (int i = 1; i < lines && k + i < n; i++) {
            sum = vi_add_16(sum, vi_maddubs(w[k + i], vi_broadcast_32(x + 4 * (k + i))));
        }
        dot[0] = vi_add_32(dot[0], vi_widen_pairs(sum));
    }
}

INLINE void prepare_quads(VI *quads, const int width) {
    (void)quads;
    (void)width;
}

/* dot[0]: sums of 16 or (where `second` is not NULL) 32 products a row: quad q of first[e] is row
 * 4 q + e. */
INLINE void dot_quads(VI *dot, const VI *first, const uint8_t *x, const VI *second,
                      const struct packed_format f, const int width) {
    (void)width;
    VI sums[4];
#if FOURS
    if (PACKED_IS_WIDE(f)) {
        fours_of_quads(sums, first, second, x);
        dot[0] = vi_sums(sums);
        return;
    }
#endif
    const VI x0 = vi_load_quad(x), x1 = second != NULL ? vi_load_quad(x + 16) : x0;
    for (int e = 0; e < 4; e++) {
        VI sum = vi_maddubs(first[e], x0);
        if (second == NULL) {
            sums[e] = vi_widen_pairs(sum);
        } else if (sums_that_fit(f) > 1) {
            sums[e] = vi_widen_pairs(vi_add_16(sum, vi_maddubs(second[e], x1)));
        } else {
            sums[e] = vi_add_32(vi_widen_pairs(sum), vi_widen_pairs(vi_maddubs(second[e], x1)));
        }
    }
    dot[0] = vi_sums(sums);
}
