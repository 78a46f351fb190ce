/* simd.h - dequantisation and F32 row arithmetic, included once per ISA.
 *
 * The including file defines VF (a register of LANES floats), COLUMNS (columns that one pass of
 * dot_f32_columns keeps in registers), VB (16 bytes), half and the vf_ and vb_ functions. vb_right
 * and vb_left shift each byte; bits of a neighbouring byte may come in, a mask follows always.
 * Rounding follows scalar.c step by step in dequantisation, so results are equal to the bit. */
#include "engine/kernels/blocks.h"
#include "engine/kernels/isa_tables.h"
#include "engine/kernels/vf_exp.h"

#include <math.h>
#include <string.h>

/* ---- dequantisation: 16 bytes of integers at a time ---- */

/* dst[0..15] = q * d */
INLINE void put_scaled(float *dst, VB q, VF d) {
    for (int i = 0; i < 16 / LANES; i++) {
        vf_store(dst + i * LANES, vf_mul(vf_from_i8(q, i), d));
    }
}

/* dst[0..15] = q * d + m, rounded twice */
INLINE void put_shifted(float *dst, VB q, VF d, VF m) {
    for (int i = 0; i < 16 / LANES; i++) {
        vf_store(dst + i * LANES, vf_add(vf_mul(vf_from_i8(q, i), d), m));
    }
}

INLINE VB low_nibbles(VB v) {
    return vb_and(v, vb_set1(15));
}

INLINE VB high_nibbles(VB v) {
    return low_nibbles(vb_right(v, 4));
}

/* Bits n and n + 1 of each byte. */
#define PAIR_OF_BITS(v, n) vb_and(vb_right(v, n), vb_set1(3))

/* Bit n of each byte as the value 1 << to. */
INLINE VB moved_bit(VB v, int n, int to) {
    return vb_left(vb_and(vb_right(v, n), vb_set1(1)), to);
}

static void dequantize_f16(float *dst, const void *src, int64_t n) {
    const uint8_t *p = src;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) vf_store(dst + i, vf_load_half(p + 2 * i));
    for (; i < n; i++) {
        uint16_t bits;
        memcpy(&bits, p + 2 * i, sizeof bits);
        dst[i] = half(bits);
    }
}

static void dequantize_bf16(float *dst, const void *src, int64_t n) {
    const uint8_t *p = src;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) vf_store(dst + i, vf_load_bf16(p + 2 * i));
    for (; i < n; i++) {
        uint16_t bits;
        memcpy(&bits, p + 2 * i, sizeof bits);
        dst[i] = f32_from_bf16(bits);
    }
}

static void dequantize_q4_0(float *dst, const void *src, int64_t n) {
    const struct block_q4_0 *b = src;
    const VB eight = vb_set1(8);
    for (int64_t i = 0; i < n / 32; i++, b++, dst += 32) {
        VF d = vf_set1(half(b->d));
        VB v = vb_load(b->qs);
        put_scaled(dst, vb_sub(low_nibbles(v), eight), d);
        put_scaled(dst + 16, vb_sub(high_nibbles(v), eight), d);
    }
}

static void dequantize_q4_1(float *dst, const void *src, int64_t n) {
    const struct block_q4_1 *b = src;
    for (int64_t i = 0; i < n / 32; i++, b++, dst += 32) {
        VF d = vf_set1(half(b->d)), m = vf_set1(half(b->m));
        VB v = vb_load(b->qs);
        put_shifted(dst, low_nibbles(v), d, m);
        put_shifted(dst + 16, high_nibbles(v), d, m);
    }
}

static void dequantize_q5_0(float *dst, const void *src, int64_t n) {
    const struct block_q5_0 *b = src;
    const VB sixteen = vb_set1(16);
    for (int64_t i = 0; i < n / 32; i++, b++, dst += 32) {
        VF d = vf_set1(half(b->d));
        VB v = vb_load(b->qs);
        VB low = vb_or(low_nibbles(v), fifth_bits(b->qh));
        VB high = vb_or(high_nibbles(v), fifth_bits(b->qh + 2));
        put_scaled(dst, vb_sub(low, sixteen), d);
        put_scaled(dst + 16, vb_sub(high, sixteen), d);
    }
}

static void dequantize_q5_1(float *dst, const void *src, int64_t n) {
    const struct block_q5_1 *b = src;
    for (int64_t i = 0; i < n / 32; i++, b++, dst += 32) {
        VF d = vf_set1(half(b->d)), m = vf_set1(half(b->m));
        VB v = vb_load(b->qs);
        put_shifted(dst, vb_or(low_nibbles(v), fifth_bits(b->qh)), d, m);
        put_shifted(dst + 16, vb_or(high_nibbles(v), fifth_bits(b->qh + 2)), d, m);
    }
}

static void dequantize_q8_0(float *dst, const void *src, int64_t n) {
    const struct block_q8_0 *b = src;
    for (int64_t i = 0; i < n / 32; i++, b++, dst += 32) {
        VF d = vf_set1(half(b->d));
        put_scaled(dst, vb_load(b->qs), d);
        put_scaled(dst + 16, vb_load(b->qs + 16), d);
    }
}

static void dequantize_q2_k(float *dst, const void *src, int64_t n) {
    const struct block_q2_k *b = src;
    for (int64_t i = 0; i < n / 256; i++, b++) {
        float d = half(b->d), dmin = half(b->dmin);
        for (int h = 0; h < 2; h++) {
            VB v[2] = {vb_load(b->qs + 32 * h), vb_load(b->qs + 32 * h + 16)};
            for (int s = 0; s < 8; s++, dst += 16) {
                uint8_t scale = b->scales[8 * h + s];
                VB q = vb_and(vb_right(v[s % 2], s / 2 * 2), vb_set1(3));
                put_shifted(dst, q, vf_set1(d * (float)(scale & 15)),
                            vf_set1(-(dmin * (float)(scale >> 4))));
            }
        }
    }
}

static void dequantize_q3_k(float *dst, const void *src, int64_t n) {
    const struct block_q3_k *b = src;
    const VB four = vb_set1(4);
    for (int64_t i = 0; i < n / 256; i++, b++) {
        float d = half(b->d);
        VB mask[2] = {vb_load(b->hmask), vb_load(b->hmask + 16)};
        for (int s = 0; s < 16; s++, dst += 16) {
            VB v = vb_load(b->qs + s / 8 * 32 + s % 2 * 16);
            VB q = vb_and(vb_right(v, s % 8 / 2 * 2), vb_set1(3));
            q = vb_sub(vb_or(q, moved_bit(mask[s % 2], s / 2, 2)), four);
            put_scaled(dst, q, vf_set1(d * (float)scale_q3_k(b->scales, s)));
        }
    }
}

static void dequantize_q4_k(float *dst, const void *src, int64_t n) {
    const struct block_q4_k *b = src;
    for (int64_t i = 0; i < n / 256; i++, b++) {
        float d = half(b->d), dmin = half(b->dmin);
        for (int c = 0; c < 4; c++, dst += 64) {
            uint8_t scale[2], min[2];
            for (int p = 0; p < 2; p++) scale_min_k4(b->scales, 2 * c + p, &scale[p], &min[p]);
            VF d0 = vf_set1(d * (float)scale[0]), m0 = vf_set1(-(dmin * (float)min[0]));
            VF d1 = vf_set1(d * (float)scale[1]), m1 = vf_set1(-(dmin * (float)min[1]));
            for (int l = 0; l < 32; l += 16) {
                VB v = vb_load(b->qs + 32 * c + l);
                put_shifted(dst + l, low_nibbles(v), d0, m0);
                put_shifted(dst + 32 + l, high_nibbles(v), d1, m1);
            }
        }
    }
}

static void dequantize_q5_k(float *dst, const void *src, int64_t n) {
    const struct block_q5_k *b = src;
    for (int64_t i = 0; i < n / 256; i++, b++) {
        float d = half(b->d), dmin = half(b->dmin);
        for (int c = 0; c < 4; c++, dst += 64) {
            uint8_t scale[2], min[2];
            for (int p = 0; p < 2; p++) scale_min_k4(b->scales, 2 * c + p, &scale[p], &min[p]);
            VF d0 = vf_set1(d * (float)scale[0]), m0 = vf_set1(-(dmin * (float)min[0]));
            VF d1 = vf_set1(d * (float)scale[1]), m1 = vf_set1(-(dmin * (float)min[1]));
            for (int l = 0; l < 32; l += 16) {
                VB v = vb_load(b->qs + 32 * c + l), high = vb_load(b->qh + l);
                VB q0 = vb_or(low_nibbles(v), moved_bit(high, 2 * c, 4));
                VB q1 = vb_or(high_nibbles(v), moved_bit(high, 2 * c + 1, 4));
                put_shifted(dst + l, q0, d0, m0);
                put_shifted(dst + 32 + l, q1, d1, m1);
            }
        }
    }
}

static void dequantize_q6_k(float *dst, const void *src, int64_t n) {
    const struct block_q6_k *b = src;
    const VB middle = vb_set1(32);
    for (int64_t i = 0; i < n / 256; i++, b++, dst += 256) {
        float d = half(b->d);
        for (int h = 0; h < 2; h++) {
            for (int l = 0; l < 32; l += 16) {
                VB first = vb_load(b->ql + 64 * h + l), second = vb_load(b->ql + 64 * h + 32 + l);
                VB high = vb_load(b->qh + 32 * h + l);
                VB q[4] = {
                    vb_or(low_nibbles(first), vb_left(PAIR_OF_BITS(high, 0), 4)),
                    vb_or(low_nibbles(second), vb_left(PAIR_OF_BITS(high, 2), 4)),
                    vb_or(high_nibbles(first), vb_left(PAIR_OF_BITS(high, 4), 4)),
                    vb_or(high_nibbles(second), vb_left(PAIR_OF_BITS(high, 6), 4)),
                };
                for (int p = 0; p < 4; p++) {
                    float scale = (float)b->scales[8 * h + 2 * p + l / 16];
                    put_scaled(dst + 128 * h + 32 * p + l, vb_sub(q[p], middle),
                               vf_set1(d * scale));
                }
            }
        }
    }
}

static const int8_t iq4_values[16] = IQ4_VALUES;

static void dequantize_iq4_nl(float *dst, const void *src, int64_t n) {
    const struct block_iq4_nl *b = src;
    const VB table = vb_load(iq4_values);
    for (int64_t i = 0; i < n / 32; i++, b++, dst += 32) {
        VF d = vf_set1(half(b->d));
        VB v = vb_load(b->qs);
        put_scaled(dst, vb_table(table, low_nibbles(v)), d);
        put_scaled(dst + 16, vb_table(table, high_nibbles(v)), d);
    }
}

static void dequantize_iq4_xs(float *dst, const void *src, int64_t n) {
    const struct block_iq4_xs *b = src;
    const VB table = vb_load(iq4_values);
    for (int64_t i = 0; i < n / 256; i++, b++) {
        float d = half(b->d);
        for (int s = 0; s < 8; s++, dst += 32) {
            VF ds = vf_set1(d * (float)scale_iq4_xs(b, s));
            VB v = vb_load(b->qs + 16 * s);
            put_scaled(dst, vb_table(table, low_nibbles(v)), ds);
            put_scaled(dst + 16, vb_table(table, high_nibbles(v)), ds);
        }
    }
}

/* ---- F32 rows ---- */

enum { CHAINS = 4 }; /* independent sums: hides the latency of a fused multiply-add */

/* W columns of x against one row. Every column sums in the same order, whatever W is. */
INLINE void dot_body(float *y, const float *w, const float *x, int64_t stride, const int W,
                     int64_t n) {
    VF sum[COLUMNS][CHAINS];
    for (int c = 0; c < W; c++) {
        for (int k = 0; k < CHAINS; k++) sum[c][k] = vf_zero();
    }
    int64_t i = 0;
    for (; i + CHAINS * LANES <= n; i += CHAINS * LANES) {
        for (int k = 0; k < CHAINS; k++) {
            VF row = vf_load(w + i + k * LANES);
            for (int c = 0; c < W; c++) {
                sum[c][k] = vf_fma(row, vf_load(x + c * stride + i + k * LANES), sum[c][k]);
            }
        }
    }
    for (; i + LANES <= n; i += LANES) {
        VF row = vf_load(w + i);
        for (int c = 0; c < W; c++) sum[c][0] = vf_fma(row, vf_load(x + c * stride + i), sum[c][0]);
    }
    for (int c = 0; c < W; c++) {
        float total = vf_sum(vf_add(vf_add(sum[c][0], sum[c][1]), vf_add(sum[c][2], sum[c][3])));
        for (int64_t j = i; j < n; j++) total += w[j] * x[c * stride + j];
        y[c] = total;
    }
}

static float dot_f32(const float *a, const float *b, int64_t n) {
    float y;
    dot_body(&y, a, b, 0, 1, n);
    return y;
}

static void dot_f32_columns(float *y, const float *w, const float *x, int64_t stride, int n_x,
                            int64_t n) {
    int j = 0;
    for (; j + COLUMNS <= n_x; j += COLUMNS) dot_body(y + j, w, x + j * stride, stride, COLUMNS, n);
    for (; j < n_x; j++) dot_body(y + j, w, x + j * stride, stride, 1, n);
}

static void axpy_f32(float *y, float a, const float *x, int64_t n) {
    VF factor = vf_set1(a);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vf_store(y + i, vf_fma(factor, vf_load(x + i), vf_load(y + i)));
    }
    for (; i < n; i++) y[i] = fmaf(a, x[i], y[i]);
}

static void rms_norm(float *y, const float *x, const float *weight, float eps, int64_t n) {
    float scale = 1.0f / sqrtf(dot_f32(x, x, n) / (float)n + eps);
    VF factor = vf_set1(scale);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vf_store(y + i, vf_mul(vf_mul(vf_load(x + i), factor), vf_load(weight + i)));
    }
    for (; i < n; i++) y[i] = x[i] * scale * weight[i];
}

static void softmax(float *x, int64_t n) {
    VF most = vf_set1(-INFINITY);
    float largest = -INFINITY;
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) most = vf_max(vf_load(x + i), most);
    largest = vf_largest(most);
    for (; i < n; i++) largest = fmaxf(largest, x[i]);
    VF sums = vf_zero(), shift = vf_set1(largest);
    for (i = 0; i + LANES <= n; i += LANES) {
        VF e = vf_exp(vf_sub(vf_load(x + i), shift));
        vf_store(x + i, e);
        sums = vf_add(sums, e);
    }
    float sum = vf_sum(sums);
    for (; i < n; i++) {
        x[i] = expf(x[i] - largest);
        sum += x[i];
    }
    float inverse = 1.0f / sum;
    VF factor = vf_set1(inverse);
    for (i = 0; i + LANES <= n; i += LANES) vf_store(x + i, vf_mul(vf_load(x + i), factor));
    for (; i < n; i++) x[i] *= inverse;
}

static void swiglu(float *y, const float *gate, const float *up, int64_t n) {
    const VF one = vf_set1(1.0f);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        VF g = vf_load(gate + i);
        /* silu(g) = g * s / (1 + s) with s = e^-|g| on the side that cannot overflow */
        VF e = vf_exp(vf_sub(vf_zero(), vf_abs(g)));
        VF numerator = vf_select_negative(g, e, one);
        vf_store(y + i, vf_mul(vf_mul(g, vf_div(numerator, vf_add(one, e))), vf_load(up + i)));
    }
    for (; i < n; i++) y[i] = gate[i] / (1.0f + expf(-gate[i])) * up[i];
}

#define SIMD_KERNELS(isa_id)                                                                        \
    {                                                                                              \
        .isa = isa_id, .lanes = LANES,                                                             \
        .dequantize = {[TENSOR_F16] = dequantize_f16,     [TENSOR_BF16] = dequantize_bf16,         \
                       [TENSOR_Q4_0] = dequantize_q4_0,   [TENSOR_Q4_1] = dequantize_q4_1,         \
                       [TENSOR_Q5_0] = dequantize_q5_0,   [TENSOR_Q5_1] = dequantize_q5_1,         \
                       [TENSOR_Q8_0] = dequantize_q8_0,   [TENSOR_Q2_K] = dequantize_q2_k,         \
                       [TENSOR_Q3_K] = dequantize_q3_k,   [TENSOR_Q4_K] = dequantize_q4_k,         \
                       [TENSOR_Q5_K] = dequantize_q5_k,   [TENSOR_Q6_K] = dequantize_q6_k,         \
                       [TENSOR_IQ4_NL] = dequantize_iq4_nl, [TENSOR_IQ4_XS] = dequantize_iq4_xs},  \
        .dot_f32 = dot_f32, .dot_f32_columns = dot_f32_columns, .axpy_f32 = axpy_f32,              \
        .rms_norm = rms_norm, .softmax = softmax, .swiglu = swiglu,                                \
    }
