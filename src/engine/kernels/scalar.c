/* scalar.c - the plain program: one value at a time, compiled without auto-vectorisation. The
 * reference that every other instruction set is tested against, and the "before" of preset p0. */
#include "engine/kernels/blocks.h"
#include "engine/kernels/isa_tables.h"

#include <math.h>
#include <string.h>

float f32_from_f16(uint16_t half) {
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = (half >> 10) & 31, mantissa = half & 1023;
    uint32_t bits;
    if (exponent == 31) {
        bits = sign | 0x7f800000u | mantissa << 13;
    } else if (exponent != 0) {
        bits = sign | (exponent + 112) << 23 | mantissa << 13;
    } else { /* subnormal: mantissa * 2^-24 is exact */
        float value = (float)mantissa * 0x1p-24f;
        return sign != 0 ? -value : value;
    }
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

float f32_from_bf16(uint16_t bits16) {
    uint32_t bits = (uint32_t)bits16 << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

uint16_t f16_from_f32(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    bits &= 0x7fffffff;
    if (bits > 0x7f800000) return sign | 0x7e00;        /* NaN */
    if (bits >= 0x477ff000) return sign | 0x7c00;       /* rounds to infinity */
    if (bits < 0x38800000) {                            /* subnormal half: steps of 2^-24 */
        float magnitude;
        memcpy(&magnitude, &bits, sizeof magnitude);
        return (uint16_t)(sign | (uint16_t)lrintf(magnitude * 0x1p24f));
    }
    uint32_t odd = bits >> 13 & 1;
    bits += 0xfff + odd; /* round to nearest even */
    return (uint16_t)(sign | (bits - 0x38000000) >> 13);
}

static void dequantize_f32(float *dst, const void *src, int64_t n) {
    memcpy(dst, src, (size_t)n * sizeof *dst);
}

static uint16_t half_at(const void *src, int64_t i) {
    uint16_t half;
    memcpy(&half, (const uint8_t *)src + 2 * i, sizeof half);
    return half;
}

static void dequantize_f16(float *dst, const void *src, int64_t n) {
    for (int64_t i = 0; i < n; i++) dst[i] = f32_from_f16(half_at(src, i));
}

static void dequantize_bf16(float *dst, const void *src, int64_t n) {
    for (int64_t i = 0; i < n; i++) dst[i] = f32_from_bf16(half_at(src, i));
}

static void dequantize_q4_0(float *dst, const void *src, int64_t n) {
    const struct block_q4_0 *b = src;
    for (int64_t i = 0; i < n / 32; i++, b++, dst += 32) {
        float d = f32_from_f16(b->d);
        for (int j = 0; j < 16; j++) {
            dst[j] = (float)((b->qs[j] & 15) - 8) * d;
            dst[j + 16] = (float)((b->qs[j] >> 4) - 8) * d;
        }
    }
}

static void dequantize_q4_1(float *dst, const void *src, int64_t n) {
    const struct block_q4_1 *b = src;
    for (int64_t i = 0; i < n / 32; i++, b++, dst += 32) {
        float d = f32_from_f16(b->d), m = f32_from_f16(b->m);
        for (int j = 0; j < 16; j++) {
            dst[j] = (float)(b->qs[j] & 15) * d + m;
            dst[j + 16] = (float)(b->qs[j] >> 4) * d + m;
        }
    }
}

/* Bit j of the four bytes, as value 16 or 0. */
static int fifth_bit(const uint8_t *qh, int j) {
    return ((qh[j / 8] >> (j % 8)) & 1) << 4;
}

static void dequantize_q5_0(float *dst, const void *src, int64_t n) {
    const struct block_q5_0 *b = src;
    for (int64_t i = 0; i < n / 32; i++, b++, dst += 32) {
        float d = f32_from_f16(b->d);
        for (int j = 0; j < 16; j++) {
            dst[j] = (float)(((b->qs[j] & 15) | fifth_bit(b->qh, j)) - 16) * d;
            dst[j + 16] = (float)(((b->qs[j] >> 4) | fifth_bit(b->qh, j + 16)) - 16) * d;
        }
    }
}

static void dequantize_q5_1(float *dst, const void *src, int64_t n) {
    const struct block_q5_1 *b = src;
    for (int64_t i = 0; i < n / 32; i++, b++, dst += 32) {
        float d = f32_from_f16(b->d), m = f32_from_f16(b->m);
        for (int j = 0; j < 16; j++) {
            dst[j] = (float)((b->qs[j] & 15) | fifth_bit(b->qh, j)) * d + m;
            dst[j + 16] = (float)((b->qs[j] >> 4) | fifth_bit(b->qh, j + 16)) * d + m;
        }
    }
}

static void dequantize_q8_0(float *dst, const void *src, int64_t n) {
    const struct block_q8_0 *b = src;
    for (int64_t i = 0; i < n / 32; i++, b++, dst += 32) {
        float d = f32_from_f16(b->d);
        for (int j = 0; j < 32; j++) dst[j] = (float)b->qs[j] * d;
    }
}

static void dequantize_q2_k(float *dst, const void *src, int64_t n) {
    const struct block_q2_k *b = src;
    for (int64_t i = 0; i < n / 256; i++, b++, dst += 256) {
        float d = f32_from_f16(b->d), dmin = f32_from_f16(b->dmin);
        for (int j = 0; j < 256; j++) {
            int q = (b->qs[j / 128 * 32 + j % 32] >> (j % 128 / 32 * 2)) & 3;
            uint8_t scale = b->scales[j / 16];
            dst[j] = d * (float)(scale & 15) * (float)q - dmin * (float)(scale >> 4);
        }
    }
}

static void dequantize_q3_k(float *dst, const void *src, int64_t n) {
    const struct block_q3_k *b = src;
    for (int64_t i = 0; i < n / 256; i++, b++, dst += 256) {
        float d = f32_from_f16(b->d);
        for (int j = 0; j < 256; j++) {
            int q = (b->qs[j / 128 * 32 + j % 32] >> (j % 128 / 32 * 2)) & 3;
            q += ((b->hmask[j % 32] >> (j / 32)) & 1) * 4 - 4;
            dst[j] = d * (float)scale_q3_k(b->scales, j / 16) * (float)q;
        }
    }
}

static void dequantize_q4_k(float *dst, const void *src, int64_t n) {
    const struct block_q4_k *b = src;
    for (int64_t i = 0; i < n / 256; i++, b++, dst += 256) {
        float d = f32_from_f16(b->d), dmin = f32_from_f16(b->dmin);
        for (int s = 0; s < 8; s++) {
            uint8_t scale, min;
            scale_min_k4(b->scales, s, &scale, &min);
            float ds = d * (float)scale, m = dmin * (float)min;
            for (int j = 0; j < 32; j++) {
                int q = (b->qs[s / 2 * 32 + j] >> (s % 2 * 4)) & 15;
                dst[32 * s + j] = ds * (float)q - m;
            }
        }
    }
}

static void dequantize_q5_k(float *dst, const void *src, int64_t n) {
    const struct block_q5_k *b = src;
    for (int64_t i = 0; i < n / 256; i++, b++, dst += 256) {
        float d = f32_from_f16(b->d), dmin = f32_from_f16(b->dmin);
        for (int s = 0; s < 8; s++) {
            uint8_t scale, min;
            scale_min_k4(b->scales, s, &scale, &min);
            float ds = d * (float)scale, m = dmin * (float)min;
            for (int j = 0; j < 32; j++) {
                int q = (b->qs[s / 2 * 32 + j] >> (s % 2 * 4)) & 15;
                q |= ((b->qh[j] >> s) & 1) << 4;
                dst[32 * s + j] = ds * (float)q - m;
            }
        }
    }
}

static void dequantize_q6_k(float *dst, const void *src, int64_t n) {
    const struct block_q6_k *b = src;
    for (int64_t i = 0; i < n / 256; i++, b++, dst += 256) {
        float d = f32_from_f16(b->d);
        for (int j = 0; j < 256; j++) {
            int h = j / 128, p = j % 128 / 32, l = j % 32;
            int q = (b->ql[64 * h + 32 * (p % 2) + l] >> (p / 2 * 4)) & 15;
            q |= ((b->qh[32 * h + l] >> (2 * p)) & 3) << 4;
            dst[j] = d * (float)b->scales[j / 16] * (float)(q - 32);
        }
    }
}

static const int8_t iq4_values[16] = IQ4_VALUES;

static void dequantize_iq4_nl(float *dst, const void *src, int64_t n) {
    const struct block_iq4_nl *b = src;
    for (int64_t i = 0; i < n / 32; i++, b++, dst += 32) {
        float d = f32_from_f16(b->d);
        for (int j = 0; j < 16; j++) {
            dst[j] = d * (float)iq4_values[b->qs[j] & 15];
            dst[j + 16] = d * (float)iq4_values[b->qs[j] >> 4];
        }
    }
}

static void dequantize_iq4_xs(float *dst, const void *src, int64_t n) {
    const struct block_iq4_xs *b = src;
    for (int64_t i = 0; i < n / 256; i++, b++, dst += 256) {
        float d = f32_from_f16(b->d);
        for (int s = 0; s < 8; s++) {
            float ds = d * (float)scale_iq4_xs(b, s);
            const uint8_t *qs = b->qs + 16 * s;
            for (int j = 0; j < 16; j++) {
                dst[32 * s + j] = ds * (float)iq4_values[qs[j] & 15];
                dst[32 * s + j + 16] = ds * (float)iq4_values[qs[j] >> 4];
            }
        }
    }
}

static float dot_f32(const float *a, const float *b, int64_t n) {
    float sum = 0;
    for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

static void dot_f32_columns(float *y, const float *w, const float *x, int64_t stride, int n_x,
                            int64_t n) {
    for (int j = 0; j < n_x; j++) y[j] = dot_f32(w, x + j * stride, n);
}

static void axpy_f32(float *y, float a, const float *x, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] += a * x[i];
}

static void rms_norm(float *y, const float *x, const float *weight, float eps, int64_t n) {
    float sum = 0;
    for (int64_t i = 0; i < n; i++) sum += x[i] * x[i];
    float scale = 1.0f / sqrtf(sum / (float)n + eps);
    for (int64_t i = 0; i < n; i++) y[i] = x[i] * scale * weight[i];
}

static void softmax(float *x, int64_t n) {
    float largest = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++) largest = fmaxf(largest, x[i]);
    for (int64_t i = 0; i < n; i++) {
        x[i] = expf(x[i] - largest);
        sum += x[i];
    }
    for (int64_t i = 0; i < n; i++) x[i] /= sum;
}

static void swiglu(float *y, const float *gate, const float *up, int64_t n) {
    for (int64_t i = 0; i < n; i++) y[i] = gate[i] / (1.0f + expf(-gate[i])) * up[i];
}

const struct kernels kernels_scalar = {
    .isa = ISA_SCALAR,
    .lanes = 1,
    .dequantize =
        {
            [TENSOR_F32] = dequantize_f32,       [TENSOR_F16] = dequantize_f16,
            [TENSOR_BF16] = dequantize_bf16,     [TENSOR_Q4_0] = dequantize_q4_0,
            [TENSOR_Q4_1] = dequantize_q4_1,     [TENSOR_Q5_0] = dequantize_q5_0,
            [TENSOR_Q5_1] = dequantize_q5_1,     [TENSOR_Q8_0] = dequantize_q8_0,
            [TENSOR_Q2_K] = dequantize_q2_k,     [TENSOR_Q3_K] = dequantize_q3_k,
            [TENSOR_Q4_K] = dequantize_q4_k,     [TENSOR_Q5_K] = dequantize_q5_k,
            [TENSOR_Q6_K] = dequantize_q6_k,     [TENSOR_IQ4_NL] = dequantize_iq4_nl,
            [TENSOR_IQ4_XS] = dequantize_iq4_xs,
        },
    .dot_f32 = dot_f32,
    .dot_f32_columns = dot_f32_columns,
    .axpy_f32 = axpy_f32,
    .rms_norm = rms_norm,
    .softmax = softmax,
    .swiglu = swiglu,
};
