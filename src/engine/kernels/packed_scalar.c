/* packed_scalar.c - the packed product in plain C: what every other ISA must equal bit for bit. */
#include "engine/kernels/packed_quantize.h"

#include <math.h>
#include <string.h>

enum { ROWS = 8 };

static uint32_t bits_of_size(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits & ABS_BITS;
}

static void quantize_block(uint8_t *record, int width, int column, const float *x) {
    uint32_t largest = 0;
    for (int j = 0; j < PACKED_BLOCK; j++) {
        const uint32_t bits = bits_of_size(x[j]);
        if (bits > largest) largest = bits;
    }
    struct quantum scale = quantum_of(largest);
    if (scale.inverse == 0) {
        store_empty(record, width, column, scale.d);
        return;
    }
    int8_t *q = (int8_t *)record + column * PACKED_BLOCK;
    int32_t half = 0, sum = 0;
    for (int j = 0; j < PACKED_BLOCK; j++) {
        q[j] = (int8_t)lrintf(x[j] * scale.inverse);
        sum += q[j];
        if (j == 15) half = sum;
    }
    store_tail(record, width, column, scale.d, half, sum);
}

static void quantize_halves_block(uint8_t *record, int width, int column, const float *x) {
    int8_t *q = (int8_t *)record + column * PACKED_BLOCK;
    struct quantum scale[2];
    int32_t sum[2] = {0, 0};
    for (int h = 0; h < 2; h++) {
        uint32_t largest = 0;
        for (int j = 16 * h; j < 16 * h + 16; j++) {
            const uint32_t alone = bits_of_size(x[j] * 0.5f), both = bits_of_size(x[j] * 0.5f + x[j ^ 1] * 0.5f);
            if (alone > largest) largest = alone;
            if (both > largest) largest = both;
        }
        scale[h] = quantum_of_half(largest);
        for (int j = 16 * h; j < 16 * h + 16; j++) {
            q[j] = scale[h].inverse == 0 ? 0 : (int8_t)lrintf(x[j] * scale[h].inverse);
            sum[h] += q[j];
        }
    }
    store_halves_tail(record, width, column, scale[0].d, scale[1].d, sum[0], sum[1]);
}

static void quantize(void *records, int width, int columns, const float *x, int64_t ld, int64_t n) {
    quantize_columns(records, width, columns, x, ld, n, quantize_block);
}

static void quantize_halves(void *records, int width, int columns, const float *x, int64_t ld, int64_t n) {
    quantize_columns(records, width, columns, x, ld, n, quantize_halves_block);
}

static int stored_value(const uint8_t *p, const struct packed_format *f, int r, int c) {
    int line = 4 * ROWS, lane = 4 * r, value;
    if (f->base_bits == 8) return (int8_t)p[c / 4 * line + lane + c % 4];
    if (f->base_bits == 4) {
        value = (p[c % 16 / 4 * line + lane + c % 4] >> (c < 16 ? 0 : 4)) & 15;
    } else {
        value = (p[c / 16 * line + lane + c % 4] >> (2 * (c % 16 / 4))) & 3;
    }
    const uint8_t *extra = p + f->base_bits * line;
    if (f->extra_bits == 1) {
        value |= ((extra[lane + c % 4] >> (c / 4)) & 1) << f->base_bits;
    } else if (f->extra_bits == 2) {
        value |= ((extra[c / 16 * line + lane + c % 4] >> (2 * (c % 16 / 4))) & 3) << f->base_bits;
    }
    return value;
}

static float half_at(const uint8_t *p) {
    uint16_t bits;
    memcpy(&bits, p, sizeof bits);
    return f32_from_f16(bits);
}

static float float_at(const uint8_t *p) {
    float value;
    memcpy(&value, p, sizeof value);
    return value;
}

static float block_product(float acc, const struct packed_format *f, const uint8_t *tile, int i,
                           int r, const uint8_t *record, int width, int column, bool halves) {
    static const int8_t iq4[16] = PACKED_IQ4_VALUES;
    const uint8_t *scales = tile + PACKED_SUPER_BYTES(*f) * ROWS;
    const uint8_t *planes = scales + f->blocks * PACKED_SCALE_BYTES(*f) * ROWS;
    const uint8_t *p = planes + i * PACKED_PLANE_BYTES(*f) * ROWS;
    const int8_t *x = (const int8_t *)record + column * PACKED_BLOCK;
    const uint8_t *tail = record + width * PACKED_BLOCK + 4 * column;
    int32_t dot[2] = {0, 0}, x_sum[2] = {0, 0};
    for (int c = 0; c < PACKED_BLOCK; c++) {
        int value = stored_value(p, f, r, c);
        value = f->lookup ? iq4[value] : value - f->zero;
        dot[c / 16] += value * x[c];
        x_sum[c / 16] += x[c];
    }
    const uint8_t *s = scales + i * PACKED_SCALE_BYTES(*f) * ROWS;
    float d = float_at(tail);
    if (halves) {
        /* As weights stored + 128 are multiplied: the same steps round alike. */
        const float scale = f->super ? half_at(tile + 2 * r) * (float)(int8_t)s[r] : half_at(s + 2 * r);
        const float first = fmaf((float)(dot[0] + 128 * x_sum[0]), d, float_at(tail + 8 * width));
        return fmaf(fmaf((float)(dot[1] + 128 * x_sum[1]), float_at(tail + 4 * width), first), scale, acc);
    }
    if (!f->super) {
        acc = fmaf((float)(dot[0] + dot[1]) * d, half_at(s + 2 * r), acc);
        if (f->mins) {
            acc = fmaf(half_at(s + 2 * ROWS + 2 * r), float_at(tail + 12 * width), acc);
        }
        return acc;
    }
    float w_d = half_at(tile + 2 * r);
    float w_dmin = f->mins ? half_at(tile + 2 * ROWS + 2 * r) : 0;
    for (int h = 0; h < f->scales; h++) {
        int32_t product = f->scales == 1 ? dot[0] + dot[1] : dot[h];
        float x_s = f->scales == 1 ? float_at(tail + 12 * width) : d * (float)x_sum[h];
        acc = fmaf((float)product * d, w_d * (float)(int8_t)s[h * ROWS + r], acc);
        if (f->mins) {
            acc = fmaf(-(w_dmin * (float)s[(f->scales + h) * ROWS + r]), x_s, acc);
        }
    }
    return acc;
}

static void group(enum tensor_type type, float *y, int64_t stride, const uint8_t *w,
                  const void *records, int width, int64_t n_blocks, bool halves) {
    const struct packed_format *f = &packed_formats[type];
    for (int column = 0; column < width; column++) {
        for (int r = 0; r < ROWS; r++) {
            float acc = 0;
            for (int64_t b = 0; b < n_blocks; b++) {
                const uint8_t *tile = w + b / f->blocks * PACKED_TILE_BYTES(*f) * ROWS;
                const uint8_t *record = (const uint8_t *)records + qact_bytes(width, b);
                acc = block_product(acc, f, tile, (int)(b % f->blocks), r, record, width, column, halves);
            }
            y[column * stride + r] = acc;
        }
    }
}

#define GROUP(type)                                                                                \
    static void group_##type(float *y, int64_t stride, const uint8_t *w, const void *records,      \
                             int width, int64_t n_blocks) {                                        \
        group(TENSOR_##type, y, stride, w, records, width, n_blocks, false);                       \
    }
GROUP(Q4_0) GROUP(Q4_1) GROUP(Q5_0) GROUP(Q5_1) GROUP(Q8_0) GROUP(Q2_K) GROUP(Q3_K) GROUP(Q4_K)
GROUP(Q5_K) GROUP(Q6_K) GROUP(IQ4_NL) GROUP(IQ4_XS)

#define HALVES_GROUP(type)                                                                         \
    static void halves_##type(float *y, int64_t stride, const uint8_t *w, const void *records,     \
                              int width, int64_t n_blocks) {                                       \
        group(TENSOR_##type, y, stride, w, records, width, n_blocks, true);                        \
    }
HALVES_GROUP(Q8_0) HALVES_GROUP(IQ4_NL) HALVES_GROUP(IQ4_XS)

#define ENTRY(type) [TENSOR_##type] = group_##type
#define HALVES_ENTRY(type) [TENSOR_##type] = halves_##type
#define NARROW_ENTRIES                                                                             \
    ENTRY(Q4_0), ENTRY(Q4_1), ENTRY(Q5_0), ENTRY(Q5_1), ENTRY(Q2_K), ENTRY(Q3_K), ENTRY(Q4_K),     \
        ENTRY(Q5_K), ENTRY(Q6_K)
#define SCALAR_KERNELS(...)                                                                        \
    {                                                                                              \
        .name = "scalar", .rows = ROWS, .max_width = PACKED_MAX_WIDTH, .biased = false,            \
        .fused = true, __VA_ARGS__                                                                 \
    }
const struct packed_kernels packed_kernels_scalar =
    SCALAR_KERNELS(.quantize = {quantize},
                   .group = {NARROW_ENTRIES, ENTRY(Q8_0), ENTRY(IQ4_NL), ENTRY(IQ4_XS)});
const struct packed_kernels packed_kernels_scalar_halves =
    SCALAR_KERNELS(.quantize = {quantize, quantize_halves},
                   .group = {NARROW_ENTRIES, HALVES_ENTRY(Q8_0), HALVES_ENTRY(IQ4_NL), HALVES_ENTRY(IQ4_XS)});
