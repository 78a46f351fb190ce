/* packed_dot_maddubs.h - dots by vpmaddubsw: unsigned weights times signed activations, pairs added
 * in int16. Included after a packed_vec_*.h. */
#include "engine/kernels/packed_format.h"

enum { SIGNED_BYTES = 1, COLUMN_STEP = 1, LINE_STEP = 1 };

INLINE int line_step(const int width) {
    return width < LINE_STEP ? width : LINE_STEP;
}

INLINE VI vi_lookup_iq4(VI index) {
    static const int8_t table[16] = PACKED_IQ4_VALUES;
    return vi_shuffle(vi_load_quad(table), index);
}

INLINE void prepare_lines(VI *lines, const int width) {
    (void)lines;
    (void)width;
}

/* Products of a line, pairs added. |w| <= 128 and |x| <= 127, so that signed 8-bit weights, their
 * sign given to x, just fit. */
INLINE VI products(VI w, VI x, const struct packed_format f) {
    if (f.base_bits < 8 && !f.lookup) return vi_maddubs(w, x);
    return vi_maddubs(vi_abs_8(w), vi_give_sign_8(x, w));
}

/* So many products of unsigned weights may be added in an int16 before widening: each is a pair. */
INLINE int sums_that_fit(const struct packed_format f) {
    const int bits = f.base_bits + f.extra_bits;
    return f.base_bits == 8 || f.lookup ? 1 : bits <= 4 ? 8 : bits == 5 ? 4 : 2;
}

/* dot[0] = start + sum over n lines, 4 columns a line. */
INLINE void dot_lines(VI *dot, const VI *w, const uint8_t *x, const int n,
                      const struct packed_format f, const VI *start, const int width) {
    (void)width;
    const int lines = sums_that_fit(f);
    dot[0] = start[0];
    for (int k = 0; k < n; k += lines) {
        VI sum = products(w[k], vi_broadcast_32(x + 4 * k), f);
        for (int i = 1; i < lines && k + i < n; i++) {
            sum = vi_add_16(sum, products(w[k + i], vi_broadcast_32(x + 4 * (k + i)), f));
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
    VI sums[4], x0 = vi_load_quad(x), x1 = second != NULL ? vi_load_quad(x + 16) : x0;
    for (int e = 0; e < 4; e++) {
        VI sum = products(first[e], x0, f);
        if (second == NULL) {
            sums[e] = vi_widen_pairs(sum);
        } else if (sums_that_fit(f) > 1) {
            sums[e] = vi_widen_pairs(vi_add_16(sum, products(second[e], x1, f)));
        } else {
            sums[e] = vi_add_32(vi_widen_pairs(sum), vi_widen_pairs(products(second[e], x1, f)));
        }
    }
    dot[0] = vi_sums(sums);
}
