/* packed_dot_vnni.h - dots by vpdpbusd: unsigned weights (8-bit ones stored + 128) times signed
 * activations, four products added in int32. Included after a packed_vec_*.h and vi_dpbusd. */
#include "engine/kernels/packed_format.h"

#define FOURS 0
/* Lines of two columns go by turns where there are registers for it: fewer products wait for one before
 * them. */
enum { SIGNED_BYTES = 0, COLUMN_STEP = 1, LINE_STEP = ROWS == 16 ? 2 : 1 };

INLINE int line_step(const int width) {
    return width > 2 ? LINE_STEP : 1;
}

INLINE void prepare_lines(VI *lines, const int width) {
    (void)lines;
    (void)width;
}

/* dot[j] = start[j] + sum over n lines, 4 columns a line, of column j of a step. Two chains where there
 * are too few columns to hide the latency. */
INLINE void dot_lines(VI *dot, const VI *w, const uint8_t *x, const int n,
                      const struct packed_format f, const VI *start, const int width) {
    (void)f;
    if (width > 2) {
        for (int j = 0; j < LINE_STEP; j++) dot[j] = start[j];
        for (int k = 0; k < n; k++) {
            for (int j = 0; j < LINE_STEP; j++) {
                dot[j] = vi_dpbusd(dot[j], w[k], vi_broadcast_32(x + j * PACKED_BLOCK + 4 * k));
            }
        }
        return;
    }
    VI sum = start[0], second = vi_zero();
    for (int k = 0; k < n; k += 2) {
        sum = vi_dpbusd(sum, w[k], vi_broadcast_32(x + 4 * k));
        second = vi_dpbusd(second, w[k + 1], vi_broadcast_32(x + 4 * k + 4));
    }
    dot[0] = vi_add_32(sum, second);
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
    (void)f;
    VI sums[4], x0 = vi_load_quad(x), x1 = second != NULL ? vi_load_quad(x + 16) : x0;
    for (int e = 0; e < 4; e++) {
        sums[e] = vi_dpbusd(vi_zero(), first[e], x0);
        if (second != NULL) sums[e] = vi_dpbusd(sums[e], second[e], x1);
    }
    dot[0] = vi_sums(sums);
}
