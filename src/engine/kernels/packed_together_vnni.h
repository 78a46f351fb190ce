/* packed_together_vnni.h - a block of PACKED_STREAMS groups times one column by vpdpbusd: a line of activations is
 * broadcast once for all of them. Included after packed_dot_vnni.h. */

#include "engine/kernels/packed_together.h"

/* What a stream needs of block i of the tile at w, beside what dot_together asks for: two blocks share a line of
 * scales. */
INLINE void ask_together(const uint8_t *w, const struct packed_format f, const int i) {
    if (i % 2 == 0) ask_ahead(w + (PACKED_SUPER_BYTES(f) + i * PACKED_SCALE_BYTES(f)) * ROWS, f, 64);
}

/* dot[s] = start + the block at planes[s] times the column's record x: the sums that dot_lines has. The groups'
 * products go by turns, so that none waits for the one before it, and so does asking ahead. High nibbles stay where
 * they are and their sum is divided by 16, which saves a shift a line. */
INLINE void dot_together(VI *dot, const uint8_t *const *planes, const uint8_t *x, const struct packed_format f,
                         VI start) {
    const bool nibbles = f.base_bits == 4;
    const VI low = vi_set1_8(15), high = vi_set1_8(240);
    VI second[PACKED_STREAMS];
    for (int s = 0; s < PACKED_STREAMS; s++) {
        dot[s] = start;
        second[s] = vi_zero();
    }
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
        const int line = nibbles ? k : 2 * k, next = nibbles ? k + 4 : 2 * k + 1;
        const VI x0 = vi_broadcast_32(x + 4 * line), x1 = vi_broadcast_32(x + 4 * next);
#pragma GCC unroll 4
        for (int s = 0; s < PACKED_STREAMS; s++) {
            const uint8_t *p = planes[s] + line * 4 * ROWS;
            ask_ahead(p, f, 4 * ROWS);
            const VI v = vi_load(p);
            dot[s] = vi_dpbusd(dot[s], nibbles ? vi_and(v, low) : v, x0);
            if (nibbles) {
                second[s] = vi_dpbusd(second[s], vi_and(v, high), x1);
            } else {
                dot[s] = vi_dpbusd(dot[s], vi_load(p + 4 * ROWS), x1);
            }
        }
    }
    for (int s = 0; nibbles && s < PACKED_STREAMS; s++) dot[s] = vi_add_32(dot[s], vi_sixteenth_32(second[s]));
}
