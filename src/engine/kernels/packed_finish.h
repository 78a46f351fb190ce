/* packed_finish.h - what the packed and the row product share: from the integer dots of a block to
 * its share of the result. Included after a packed_dot_*.h. */
#ifndef WOOLLY_ENGINE_PACKED_FINISH_H
#define WOOLLY_ENGINE_PACKED_FINISH_H

static const struct packed_format formats[TENSOR_TYPE_COUNT] = PACKED_FORMATS;

INLINE bool takes_fours(const struct packed_format f) {
    return PACKED_IS_WIDE(f) && FOURS;
}

/* Bytes of the records of W columns. */
INLINE int record_bytes(const struct packed_format f, const int W) {
    return W * qact_column_bytes(takes_fours(f) ? QACT_FOURS : QACT_BLOCKS);
}

/* What the values are too large by; a power of two from 4 on, or 0. Records of fours have it in their offset. */
INLINE int zero_of(const struct packed_format f) {
    if (PACKED_IS_WIDE(f)) return SIGNED_BYTES || FOURS ? 0 : 128;
    return f.zero;
}

INLINE VI vi_lookup_iq4(VI index) {
    static const int8_t values[16] = PACKED_IQ4_VALUES;
    static const uint8_t biased[16] = PACKED_IQ4_BIASED;
    return vi_shuffle(SIGNED_BYTES ? vi_load_quad(values) : vi_load_quad(biased), index);
}

/* Start value -zero * sum(x) from the record's -8 * sum. */
INLINE VI start_value(const struct packed_format f, VI bias) {
    const int zero = zero_of(f);
    if (zero == 0) return vi_zero();
    if (zero == 4) return vi_halve_32(bias);
    if (zero == 8) return bias;
    return zero == 16   ? vi_double_32(bias, 1)
           : zero == 32 ? vi_double_32(bias, 2)
                        : vi_double_32(bias, 4);
}

/* Scales of a block's rows: [1] only for types with scales of 16 columns. */
struct scales {
    VF scale[2], min[2];
};

/* Parts of a column's record of width W; of records of fours q, followed by m, d and offset. */
struct column {
    const uint8_t *q, *d, *bias, *half, *s, *offset;
};

INLINE struct column column_of(const struct packed_format f, const uint8_t *record, const int W, const int c) {
    const int column = takes_fours(f) ? QACT_FOURS_COLUMN : PACKED_BLOCK;
    const uint8_t *tail = record + W * column + 4 * c;
    return (struct column){record + c * column, tail, tail + 4 * W, tail + 8 * W, tail + 12 * W, tail + 4 * W};
}

/* The start values of the dots of a block: [1] only where there are two. */
INLINE void start_values(VI *start, const struct packed_format f, const struct column x) {
    if (takes_fours(f)) {
        start[0] = vi_zero();
        return;
    }
    VI bias = vi_broadcast_32(x.bias);
    if (f.scales == 1) {
        start[0] = start_value(f, bias);
    } else {
        VI half = vi_broadcast_32(x.half);
        start[0] = start_value(f, half);
        start[1] = start_value(f, vi_sub_32(bias, half));
    }
}

/* acc + the block; dot[i] includes its start value. */
INLINE VF finish_block(VF acc, const struct packed_format f, const VI *dot, const struct scales *w,
                       const struct column x) {
    VF d = vf_broadcast(x.d);
    if (takes_fours(f)) {
        return vf_fma(vf_fma(vf_from_i32(dot[0]), d, vf_broadcast(x.offset)), w->scale[0], acc);
    }
    if (f.scales == 1) {
        acc = vf_fma(vf_mul(vf_from_i32(dot[0]), d), w->scale[0], acc);
        if (!f.mins) return acc;
        VF s = vf_broadcast(x.s);
        return f.super ? vf_fnma(w->min[0], s, acc) : vf_fma(w->min[0], s, acc);
    }
    int32_t bias, half;
    float x_d;
    memcpy(&bias, x.bias, sizeof bias);
    memcpy(&half, x.half, sizeof half);
    memcpy(&x_d, x.d, sizeof x_d);
    for (int h = 0; h < 2; h++) {
        acc = vf_fma(vf_mul(vf_from_i32(dot[h]), d), w->scale[h], acc);
        if (f.mins) {
            float s = x_d * ((float)(h == 0 ? half : bias - half) * -0.125f);
            acc = vf_fnma(w->min[h], vf_set1(s), acc);
        }
    }
    return acc;
}

#endif
