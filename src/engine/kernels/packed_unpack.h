/* packed_unpack.h - values and scales of a block of the packed layout, in registers. Included after a
 * packed_vec_*.h and a packed_dot_*.h. Every function is inlined with a constant format, so that the
 * format's switches cost nothing. */
#ifndef WOOLLY_ENGINE_PACKED_UNPACK_H
#define WOOLLY_ENGINE_PACKED_UNPACK_H

#include "engine/kernels/packed_finish.h"

/* The 8 lines of a block, one byte a value: line k byte j is column 4k + j. */
INLINE void unpack_lines(VI *w, const struct packed_format f, const uint8_t *p) {
    const int line = 4 * ROWS;
    if (f.base_bits == 8) {
        for (int k = 0; k < 8; k++) w[k] = vi_load(p + k * line);
        return;
    }
    const VI low = vi_set1_8((1 << f.base_bits) - 1);
    if (f.base_bits == 4) {
        for (int k = 0; k < 4; k++) {
            VI v = vi_load(p + k * line);
            w[k] = vi_and(v, low);
            w[k + 4] = vi_and(vi_shift_right(v, 4), low);
        }
    } else {
        for (int k = 0; k < 2; k++) {
            VI v = vi_load(p + k * line);
            for (int field = 0; field < 4; field++) {
                w[4 * k + field] = vi_and(field == 0 ? v : vi_shift_right(v, 2 * field), low);
            }
        }
    }
    const uint8_t *extra = p + f.base_bits * line;
    if (f.extra_bits == 1) {
        VI v = vi_load(extra), bit = vi_set1_8(1 << f.base_bits);
        for (int k = 0; k < 8; k++) {
            int up = f.base_bits - k;
            VI moved = up > 0 ? vi_shift_left(v, up) : up < 0 ? vi_shift_right(v, -up) : v;
            w[k] = vi_or(w[k], vi_and(moved, bit));
        }
    } else if (f.extra_bits == 2) {
        VI bits = vi_set1_8(3 << f.base_bits);
        for (int k = 0; k < 8; k++) {
            VI v = vi_load(extra + k / 4 * line);
            int up = f.base_bits - 2 * (k % 4);
            VI moved = up > 0 ? vi_shift_left(v, up) : up < 0 ? vi_shift_right(v, -up) : v;
            w[k] = vi_or(w[k], vi_and(moved, bits));
        }
    }
    if (f.lookup) {
        for (int k = 0; k < 8; k++) w[k] = vi_lookup_iq4(w[k]);
    }
}

/* What a tile at w has for all of its blocks; without meaning where the format has none. */
struct supers {
    VF d, dmin;
};

INLINE struct supers load_supers(const struct packed_format f, const uint8_t *w) {
    const VF d = f.super ? vf_load_half(w) : vf_zero();
    return (struct supers){d, f.super && f.mins ? vf_load_half(w + 2 * ROWS) : d};
}

INLINE struct scales load_scales(const struct packed_format f, const uint8_t *s, const struct supers supers) {
    const VF w_d = supers.d, w_dmin = supers.dmin;
    struct scales out = {{w_d, w_d}, {w_d, w_d}};
    for (int h = 0; h < f.scales; h++) {
        if (f.super) {
            out.scale[h] = vf_mul(w_d, vf_load_i8(s + h * ROWS));
            if (f.mins) out.min[h] = vf_mul(w_dmin, vf_load_u8(s + (f.scales + h) * ROWS));
        } else {
            out.scale[h] = vf_load_half(s);
            if (f.mins) out.min[h] = vf_load_half(s + 2 * ROWS);
        }
    }
    return out;
}

#endif
