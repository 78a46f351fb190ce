/* rows_unpack.h - values and scales of blocks in file layout, for the rows of a register at once. Included
 * after a packed_vec_*.h and a packed_dot_*.h; inlined with a constant type.
 *
 * A register holds 16 bytes of each of QUADS rows, four registers e = 0..3 all ROWS rows of a pass: quad q
 * of register e is row 4 q + e. */
#ifndef WOOLLY_ENGINE_ROWS_UNPACK_H
#define WOOLLY_ENGINE_ROWS_UNPACK_H

#include "engine/kernels/blocks.h"
#include "engine/kernels/packed_finish.h"

#include <stddef.h>

/* Where a pass reads: row 4 q + e starts at base[q] + e * step. */
struct pass {
    const uint8_t *base[QUADS];
    int64_t step;
};

/* 16 bytes of every row of register e. */
INLINE VI load_rows(const struct pass *p, const int e, int64_t at) {
    return vi_load_quads(p->base, at + e * p->step);
}

INLINE VF load_halves(const struct pass *p, int64_t at) {
    const uint8_t *from[QUADS];
    for (int q = 0; q < QUADS; q++) from[q] = p->base[q] + at;
    return vf_load_halves(from, p->step);
}

INLINE VI nibbles(VI v, const int high) {
    return vi_and(high ? vi_shift_right(v, 4) : v, vi_set1_8(15));
}

/* Bits from..from + n - 1 of each byte moved to bit `to`. */
INLINE VI moved_bits(VI v, const int n, const int from, const int to) {
    VI moved = to > from   ? vi_shift_left(v, to - from)
               : to < from ? vi_shift_right(v, from - to)
                           : v;
    return vi_and(moved, vi_set1_8(((1 << n) - 1) << to));
}

/* Byte i of a quad from bits i (`first` 0) or 16 + i of the 4 bytes at the start of each quad. */
INLINE VI fifth_bits(VI v, const int first) {
    static const int8_t spread[2][16] = {{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1},
                                         {2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3}};
    static const uint8_t bits[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    return vi_test_bits(vi_shuffle(v, vi_load_quad(spread[first])), vi_load_quad(bits), 16);
}

/* Block `sub` = 4 * outer + inner of the file block at `at`: columns 0-15 of row 4 q + e in quad q of
 * w[e], columns 16-31 in w[4 + e]. */
INLINE void load_block(VI *w, const enum tensor_type type, const struct pass *p, int64_t at,
                       int outer, const int inner) {
#pragma GCC unroll 4
    for (int e = 0; e < 4; e++) {
        VI *first = &w[e], *second = &w[4 + e];
        switch (type) {
        case TENSOR_Q4_0:
        case TENSOR_Q4_1:
        case TENSOR_Q5_0:
        case TENSOR_Q5_1:
        case TENSOR_IQ4_NL:
        case TENSOR_IQ4_XS: {
            const int scales = type == TENSOR_Q4_1 || type == TENSOR_Q5_1 ? 4 : 2;
            const bool fifth = type == TENSOR_Q5_0 || type == TENSOR_Q5_1;
            VI v = load_rows(p, e, type == TENSOR_IQ4_XS ? at + 8 + 64 * outer + 16 * inner
                                                         : at + scales + (fifth ? 4 : 0));
            *first = nibbles(v, 0);
            *second = nibbles(v, 1);
            if (fifth) {
                VI high = load_rows(p, e, at + scales);
                *first = vi_or(*first, fifth_bits(high, 0));
                *second = vi_or(*second, fifth_bits(high, 1));
            } else if (type == TENSOR_IQ4_NL || type == TENSOR_IQ4_XS) {
                *first = vi_lookup_iq4(*first);
                *second = vi_lookup_iq4(*second);
            }
            break;
        }
        case TENSOR_Q8_0:
            *first = load_rows(p, e, at + 2);
            *second = load_rows(p, e, at + 18);
            if (!SIGNED_BYTES) {
                *first = vi_xor(*first, vi_set1_8(128));
                *second = vi_xor(*second, vi_set1_8(128));
            }
            break;
        case TENSOR_Q2_K:
        case TENSOR_Q3_K: {
            const int64_t qs = at + (type == TENSOR_Q2_K ? 16 : 32) + 32 * outer;
            *first = moved_bits(load_rows(p, e, qs), 2, 2 * inner, 0);
            *second = moved_bits(load_rows(p, e, qs + 16), 2, 2 * inner, 0);
            if (type == TENSOR_Q3_K) {
                VI high0 = vi_shift_right_by(load_rows(p, e, at), 4 * outer);
                VI high1 = vi_shift_right_by(load_rows(p, e, at + 16), 4 * outer);
                *first = vi_or(*first, moved_bits(high0, 1, inner, 2));
                *second = vi_or(*second, moved_bits(high1, 1, inner, 2));
            }
            break;
        }
        case TENSOR_Q4_K:
        case TENSOR_Q5_K: {
            const int64_t qs =
                at + (type == TENSOR_Q4_K ? 16 : 48) + 64 * outer + 32 * (inner / 2);
            *first = nibbles(load_rows(p, e, qs), inner % 2);
            *second = nibbles(load_rows(p, e, qs + 16), inner % 2);
            if (type == TENSOR_Q5_K) {
                VI high0 = vi_shift_right_by(load_rows(p, e, at + 16), 4 * outer);
                VI high1 = vi_shift_right_by(load_rows(p, e, at + 32), 4 * outer);
                *first = vi_or(*first, moved_bits(high0, 1, inner, 4));
                *second = vi_or(*second, moved_bits(high1, 1, inner, 4));
            }
            break;
        }
        case TENSOR_Q6_K: {
            const int64_t ql = at + 64 * outer + 32 * (inner % 2), qh = at + 128 + 32 * outer;
            *first = vi_or(nibbles(load_rows(p, e, ql), inner / 2),
                           moved_bits(load_rows(p, e, qh), 2, 2 * inner, 4));
            *second = vi_or(nibbles(load_rows(p, e, ql + 16), inner / 2),
                            moved_bits(load_rows(p, e, qh + 16), 2, 2 * inner, 4));
            break;
        }
        default:
            *first = *second = vi_zero();
        }
    }
}

/* Sub-scales of a super-block, transposed: field k (a 32-bit lane) of quad q of scale[j] has those
 * of number 4 j + k, as unsigned bytes of rows 4 q .. 4 q + 3; signed ones stored + offset. */
struct sub_scales {
    VI scale[4], min[4];
    VF d, dmin;
};

INLINE int scale_offset(const enum tensor_type type) {
    return type == TENSOR_Q6_K ? 128 : type == TENSOR_Q3_K || type == TENSOR_IQ4_XS ? 32 : 0;
}

/* t[j] field k: byte 4 j + k + skip of the 16 at `at`, of four rows. */
INLINE void load_transposed(VI *t, const struct pass *p, int64_t at, const int skip) {
    static const int8_t without_2[16] = {2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, -1, -1};
    VI v[4];
    for (int e = 0; e < 4; e++) {
        v[e] = load_rows(p, e, at);
        if (skip == 2) v[e] = vi_shuffle(v[e], vi_load_quad(without_2));
    }
    VI low01 = vi_low_8(v[0], v[1]), low23 = vi_low_8(v[2], v[3]);
    VI high01 = vi_high_8(v[0], v[1]), high23 = vi_high_8(v[2], v[3]);
    t[0] = vi_low_16(low01, low23);
    t[1] = vi_high_16(low01, low23);
    t[2] = vi_low_16(high01, high23);
    t[3] = vi_high_16(high01, high23);
}

/* Field k of the result is field a, b, c, d of v for k = 0..3. */
#define FIELDS(v, a, b, c, d) vi_shuffle(v, vi_load_quad(FIELD_INDEX(a, b, c, d)))
#define FIELD_INDEX(a, b, c, d)                                                                    \
    ((const int8_t[16]){4 * (a), 4 * (a) + 1, 4 * (a) + 2, 4 * (a) + 3,                            \
                        4 * (b), 4 * (b) + 1, 4 * (b) + 2, 4 * (b) + 3,                            \
                        4 * (c), 4 * (c) + 1, 4 * (c) + 2, 4 * (c) + 3,                            \
                        4 * (d), 4 * (d) + 1, 4 * (d) + 2, 4 * (d) + 3})

/* Keeps the fields whose mask byte is given: 0 clears a field. */
INLINE VI masked_fields(VI v, const int a, const int b, const int c, const int d) {
    return vi_and(v, vi_load_quad(((const uint8_t[16]){
                         (uint8_t)a, (uint8_t)a, (uint8_t)a, (uint8_t)a, (uint8_t)b, (uint8_t)b,
                         (uint8_t)b, (uint8_t)b, (uint8_t)c, (uint8_t)c, (uint8_t)c, (uint8_t)c,
                         (uint8_t)d, (uint8_t)d, (uint8_t)d, (uint8_t)d})));
}

INLINE void load_sub_scales(struct sub_scales *s, const enum tensor_type type,
                            const struct pass *p, int64_t at) {
    VI t[4];
    switch (type) {
    case TENSOR_Q2_K:
        load_transposed(t, p, at, 0);
        for (int j = 0; j < 4; j++) {
            s->scale[j] = nibbles(t[j], 0);
            s->min[j] = nibbles(t[j], 1);
        }
        s->d = load_halves(p, at + 80);
        s->dmin = load_halves(p, at + 82);
        break;
    case TENSOR_Q3_K: { /* bytes 94 .. 109, so as to read none beyond the block */
        load_transposed(t, p, at + 94, 2);
        s->scale[0] = vi_or(nibbles(t[0], 0), moved_bits(t[2], 2, 0, 4));
        s->scale[1] = vi_or(nibbles(t[1], 0), moved_bits(t[2], 2, 2, 4));
        s->scale[2] = vi_or(nibbles(t[0], 1), moved_bits(t[2], 2, 4, 4));
        s->scale[3] = vi_or(nibbles(t[1], 1), moved_bits(t[2], 2, 6, 4));
        s->d = load_halves(p, at + 108);
        break;
    }
    case TENSOR_Q4_K:
    case TENSOR_Q5_K:
        load_transposed(t, p, at + 4, 0);
        s->scale[0] = moved_bits(t[0], 6, 0, 0);
        s->min[0] = moved_bits(t[1], 6, 0, 0);
        s->scale[1] = vi_or(nibbles(t[2], 0), moved_bits(t[0], 2, 6, 4));
        s->min[1] = vi_or(nibbles(t[2], 1), moved_bits(t[1], 2, 6, 4));
        s->d = load_halves(p, at);
        s->dmin = load_halves(p, at + 2);
        break;
    case TENSOR_Q6_K:
        load_transposed(t, p, at + 192, 0);
        for (int j = 0; j < 4; j++) s->scale[j] = vi_xor(t[j], vi_set1_8(128));
        s->d = load_halves(p, at + 208);
        break;
    case TENSOR_IQ4_XS: { /* fields of t[0]: d, d, two bytes of high bits; of t[1]: low nibbles */
        load_transposed(t, p, at, 0);
        for (int j = 0; j < 2; j++) {
            VI low = j == 0 ? FIELDS(t[1], 0, 0, 1, 1) : FIELDS(t[1], 2, 2, 3, 3);
            VI high = j == 0 ? FIELDS(t[0], 2, 2, 2, 2) : FIELDS(t[0], 3, 3, 3, 3);
            low = vi_or(masked_fields(low, 15, 0, 15, 0),
                        masked_fields(vi_shift_right(low, 4), 0, 15, 0, 15));
            high = vi_or(vi_or(masked_fields(vi_shift_left(high, 4), 0x30, 0, 0, 0),
                               masked_fields(vi_shift_left(high, 2), 0, 0x30, 0, 0)),
                         vi_or(masked_fields(high, 0, 0, 0x30, 0),
                               masked_fields(vi_shift_right(high, 2), 0, 0, 0, 0x30)));
            s->scale[j] = vi_or(low, high);
        }
        s->d = load_halves(p, at);
        break;
    }
    default:
        break;
    }
}

/* The rows' values of field k, less `offset`, as floats. */
INLINE VF field(VI v, const int k, const int offset) {
    const int8_t b = (int8_t)(4 * k);
    VI wide = vi_shuffle(v, vi_load_quad(((const int8_t[16]){
                                b, -1, -1, -1, (int8_t)(b + 1), -1, -1, -1, (int8_t)(b + 2), -1,
                                -1, -1, (int8_t)(b + 3), -1, -1, -1})));
    return vf_from_i32(offset == 0 ? wide : vi_sub_32(wide, vi_set1_32(offset)));
}

/* Bytes of a block in the file: of 32 values, or of 256 for the K types. */
INLINE int file_block_bytes(const enum tensor_type type) {
    const struct packed_format f = formats[type];
    switch (type) {
    case TENSOR_Q2_K: return (int)sizeof(struct block_q2_k);
    case TENSOR_Q3_K: return (int)sizeof(struct block_q3_k);
    case TENSOR_Q4_K: return (int)sizeof(struct block_q4_k);
    case TENSOR_Q5_K: return (int)sizeof(struct block_q5_k);
    case TENSOR_Q6_K: return (int)sizeof(struct block_q6_k);
    case TENSOR_IQ4_XS: return (int)sizeof(struct block_iq4_xs);
    default: return (f.mins ? 4 : 2) + PACKED_PLANE_BYTES(f);
    }
}

/* Of the block at `at`; types that are not K types. */
INLINE struct scales load_simple_scales(const enum tensor_type type, const struct pass *p, int64_t at) {
    struct scales s;
    s.scale[0] = s.scale[1] = load_halves(p, at);
    s.min[0] = s.min[1] = formats[type].mins ? load_halves(p, at + 2) : s.scale[0];
    return s;
}

/* Of block 4 * outer + inner of a super-block. */
INLINE struct scales scales_of_block(const struct sub_scales *sub, const enum tensor_type type,
                                     const int outer, const int inner) {
    const struct packed_format f = formats[type];
    struct scales s = {{sub->d, sub->d}, {sub->d, sub->d}};
    for (int h = 0; h < f.scales; h++) {
        const int n = f.scales * inner + h, j = f.scales * outer + n / 4;
        s.scale[h] = vf_mul(sub->d, field(sub->scale[j], n % 4, scale_offset(type)));
        if (f.mins) s.min[h] = vf_mul(sub->dmin, field(sub->min[j], n % 4, 0));
    }
    return s;
}

#endif
