/* packed_x86.h - body of the packed product for x86, included once per ISA.
 *
 * The including file defines the register vocabulary: ROWS, MAX_WIDTH, VI, VF, the vi_ and vf_
 * functions, and SIGNED_BYTES (1 where 8-bit weights stay signed for want of an unsigned x signed
 * instruction that cannot saturate). Every function here is inlined with a constant type and
 * width, so the format's switches cost nothing. */
#include "engine/kernels/packed_format.h"

#include <math.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

static const struct packed_format formats[TENSOR_TYPE_COUNT] = PACKED_FORMATS;

/* 8-bit values (stored or looked up) exceed what an unsigned product of vpmaddubsw may hold. */
INLINE bool is_wide(const struct packed_format f) {
    return f.base_bits == 8 || f.lookup;
}

/* What the unsigned stored values are too large by; always a power of two from 4 on, or 0. */
INLINE int zero_of(const struct packed_format f) {
    if (is_wide(f)) return SIGNED_BYTES ? 0 : 128;
    return f.zero;
}

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

/* Start value -zero * sum(x) from the record's -8 * sum. */
INLINE VI start_value(const struct packed_format f, VI bias) {
    const int zero = zero_of(f);
    if (zero == 0) return vi_zero();
    if (zero == 4) return vi_halve_32(bias);
    return zero == 8 ? bias : vi_double_32(bias, zero == 16 ? 1 : zero == 32 ? 2 : 4);
}

INLINE void group_body(const enum tensor_type type, const int W, float *y, int64_t stride,
                       const uint8_t *w, const uint8_t *x, int64_t n_blocks) {
    const struct packed_format f = formats[type];
    const int plane = PACKED_PLANE_BYTES(f) * ROWS, scale_bytes = PACKED_SCALE_BYTES(f) * ROWS;
    const int tile = PACKED_TILE_BYTES(f) * ROWS;
    const int share = tile / f.blocks;
    const int record = W * QACT_COLUMN_BYTES;
    const int d_at = W * PACKED_BLOCK, bias_at = d_at + 4 * W, half_at = d_at + 8 * W,
              s_at = d_at + 12 * W;
    VF acc[MAX_WIDTH];
    for (int c = 0; c < W; c++) acc[c] = vf_zero();
    for (int64_t t = 0; t < n_blocks / f.blocks; t++) {
        const uint8_t *scales = w, *planes = w + f.blocks * scale_bytes;
        const uint8_t *super = planes + f.blocks * plane;
        VF w_d = vf_zero(), w_dmin = vf_zero();
        if (f.super) {
            w_d = vf_load_half(super);
            if (f.mins) w_dmin = vf_load_half(super + 2 * ROWS);
        }
#pragma GCC unroll 2
        for (int i = 0; i < f.blocks; i++) {
            const uint8_t *s = scales + i * scale_bytes;
            /* Asking just ahead keeps the lines in the order of the stream, which the hardware's own
             * prefetcher then follows: far ahead it is slower, and not at all it loses track of a
             * tile whose super-block ends it. */
            for (int at = 0; at < share; at += 64) prefetch(w + PREFETCH_BYTES + i * share + at);
            VI lines[8];
            unpack_lines(lines, f, planes + i * plane);
            VF scale[2], min[2];
            for (int h = 0; h < f.scales; h++) {
                if (f.super) {
                    scale[h] = vf_mul(w_d, vf_load_i8(s + h * ROWS));
                    if (f.mins) min[h] = vf_mul(w_dmin, vf_load_u8(s + (f.scales + h) * ROWS));
                } else {
                    scale[h] = vf_load_half(s);
                    if (f.mins) min[h] = vf_load_half(s + 2 * ROWS);
                }
            }
            for (int c = 0; c < W; c++) {
                const uint8_t *q = x + c * PACKED_BLOCK;
                VF d = vf_broadcast(x + d_at + 4 * c);
                if (f.scales == 1) {
                    VI start = start_value(f, vi_broadcast_32(x + bias_at + 4 * c));
                    VI dot = dot_lines(lines, q, 8, f, start, W);
                    acc[c] = vf_fma(vf_mul(vf_from_i32(dot), d), scale[0], acc[c]);
                    if (f.mins) {
                        VF s_x = vf_broadcast(x + s_at + 4 * c);
                        acc[c] = f.super ? vf_fnma(min[0], s_x, acc[c]) : vf_fma(min[0], s_x, acc[c]);
                    }
                } else {
                    VI first = vi_broadcast_32(x + half_at + 4 * c);
                    VI second = vi_sub_32(vi_broadcast_32(x + bias_at + 4 * c), first);
                    VI dot0 = dot_lines(lines, q, 4, f, start_value(f, first), W);
                    VI dot1 = dot_lines(lines + 4, q + 16, 4, f, start_value(f, second), W);
                    VF eighth = vf_set1(-0.125f);
                    acc[c] = vf_fma(vf_mul(vf_from_i32(dot0), d), scale[0], acc[c]);
                    if (f.mins) {
                        acc[c] = vf_fnma(min[0], vf_mul(d, vf_mul(vf_from_i32(first), eighth)), acc[c]);
                    }
                    acc[c] = vf_fma(vf_mul(vf_from_i32(dot1), d), scale[1], acc[c]);
                    if (f.mins) {
                        acc[c] = vf_fnma(min[1], vf_mul(d, vf_mul(vf_from_i32(second), eighth)), acc[c]);
                    }
                }
            }
            x += record;
        }
        w += tile;
    }
    for (int c = 0; c < W; c++) vf_store(y + c * stride, acc[c]);
}

#define GROUP(type)                                                                                \
    static void group_##type(float *y, int64_t stride, const uint8_t *w, const void *records,      \
                             int width, int64_t n_blocks) {                                        \
        switch (width) {                                                                           \
        case 1: group_body(TENSOR_##type, 1, y, stride, w, records, n_blocks); break;              \
        case 2: group_body(TENSOR_##type, 2, y, stride, w, records, n_blocks); break;              \
        case 4: group_body(TENSOR_##type, 4, y, stride, w, records, n_blocks); break;              \
        default: group_body(TENSOR_##type, MAX_WIDTH, y, stride, w, records, n_blocks); break;     \
        }                                                                                          \
    }
GROUP(Q4_0) GROUP(Q4_1) GROUP(Q5_0) GROUP(Q5_1) GROUP(Q8_0) GROUP(Q2_K) GROUP(Q3_K) GROUP(Q4_K)
GROUP(Q5_K) GROUP(Q6_K) GROUP(IQ4_NL) GROUP(IQ4_XS)

/* Largest |x| of 8 floats and so on: one block of 32 activations to int8; see packed.h. */
static void quantize(void *records, int width, int column, const float *x, int64_t n) {
    uint8_t *record = records;
    const __m256 sign = _mm256_set1_ps(-0.0f);
    const __m256i ones8 = _mm256_set1_epi8(1), ones16 = _mm256_set1_epi16(1);
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    for (int64_t b = 0; b < n / PACKED_BLOCK; b++, record += width * QACT_COLUMN_BYTES) {
        __m256 v[4];
        for (int i = 0; i < 4; i++) v[i] = _mm256_loadu_ps(x + b * PACKED_BLOCK + 8 * i);
        __m256 m = _mm256_max_ps(
            _mm256_max_ps(_mm256_andnot_ps(sign, v[0]), _mm256_andnot_ps(sign, v[1])),
            _mm256_max_ps(_mm256_andnot_ps(sign, v[2]), _mm256_andnot_ps(sign, v[3])));
        __m128 h = _mm_max_ps(_mm256_castps256_ps128(m), _mm256_extractf128_ps(m, 1));
        h = _mm_max_ps(h, _mm_movehl_ps(h, h));
        float largest = _mm_cvtss_f32(_mm_max_ss(h, _mm_movehdup_ps(h)));
        float d = largest / 127.0f, inverse = largest > 0 ? 127.0f / largest : 0;
        __m256i i32[4];
        for (int i = 0; i < 4; i++) {
            i32[i] = _mm256_cvtps_epi32(_mm256_mul_ps(v[i], _mm256_set1_ps(inverse)));
        }
        __m256i packed = _mm256_packs_epi16(_mm256_packs_epi32(i32[0], i32[1]),
                                            _mm256_packs_epi32(i32[2], i32[3]));
        packed = _mm256_permutevar8x32_epi32(packed, order);
        _mm256_storeu_si256((__m256i *)(record + column * PACKED_BLOCK), packed);
        /* Lanes 0-3: sums of the first 16 values, 4-7: of the second 16. */
        __m256i sums = _mm256_madd_epi16(_mm256_maddubs_epi16(ones8, packed), ones16);
        __m128i low = _mm256_castsi256_si128(sums), high = _mm256_extracti128_si256(sums, 1);
        __m128i both = _mm_hadd_epi32(low, high);
        both = _mm_hadd_epi32(both, both);
        int32_t half = _mm_cvtsi128_si32(both), sum = half + _mm_extract_epi32(both, 1);
        float s = d * (float)sum;
        int32_t bias = -8 * sum;
        half *= -8;
        uint8_t *tail = record + width * PACKED_BLOCK + 4 * column;
        memcpy(tail, &d, 4);
        memcpy(tail + 4 * width, &bias, 4);
        memcpy(tail + 8 * width, &half, 4);
        memcpy(tail + 12 * width, &s, 4);
    }
}

#define ENTRY(type) [TENSOR_##type] = group_##type
#define PACKED_GROUPS                                                                              \
    {ENTRY(Q4_0), ENTRY(Q4_1), ENTRY(Q5_0), ENTRY(Q5_1), ENTRY(Q8_0),   ENTRY(Q2_K),               \
     ENTRY(Q3_K), ENTRY(Q4_K), ENTRY(Q5_K), ENTRY(Q6_K), ENTRY(IQ4_NL), ENTRY(IQ4_XS)}
