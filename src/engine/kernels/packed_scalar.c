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

/* A quarter of the sum of four values > 0 or (sign -1) < 0; NaN stays. */
static float quarter_sum(const float *x, float sign) {
    float part[4];
    for (int i = 0; i < 4; i++) {
        const float v = sign * x[i % 2 + 4 * (i / 2)];
        part[i] = v < 0 ? 0 : v * 0.25f;
    }
    return (part[0] + part[1]) + (part[2] + part[3]);
}

static void quantize_fours_block(uint8_t *record, int width, int column, const float *x) {
    uint32_t size[8], largest = 0; /* of four values each: bits of a float */
    for (int i = 0; i < 8; i++) {
        const float *four = x + i / 2 * 8 + i % 2 * 2;
        const uint32_t above = bits_of_size(quarter_sum(four, 1)), below = bits_of_size(quarter_sum(four, -1));
        size[i] = above > below ? above : below;
        if (size[i] > largest) largest = size[i];
    }
    const struct quantum scale = fours_of(largest);
    if (scale.inverse == 0) {
        store_empty_fours(record, width, column, scale.d);
        return;
    }
    int8_t *q = (int8_t *)record + column * QACT_FOURS_COLUMN;
    int32_t sum = 0;
    for (int i = 0; i < 8; i++) {
        float quarter;
        memcpy(&quarter, &size[i], sizeof quarter);
        const float steps = fminf(fmaxf(ceilf(quarter * scale.inverse), 1), QACT_MAX_STEPS);
        const float inverse = 1 / (steps * scale.d);
        const int16_t m = (int16_t)steps;
        memcpy(q + PACKED_BLOCK + 2 * i, &m, sizeof m);
        for (int j = 0; j < 4; j++) {
            const int at = i / 2 * 8 + i % 2 * 2 + j % 2 + 4 * (j / 2);
            q[at] = (int8_t)lrintf(x[at] * inverse);
            sum += m * q[at];
        }
    }
    store_fours_tail(record, width, column, scale.d, sum);
}

static void quantize(void *records, int width, int columns, const float *x, int64_t ld, int64_t n) {
    quantize_columns(QACT_BLOCKS, records, width, columns, x, ld, n, quantize_block);
}

static void quantize_fours(void *records, int width, int columns, const float *x, int64_t ld, int64_t n) {
    quantize_columns(QACT_FOURS, records, width, columns, x, ld, n, quantize_fours_block);
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

/* Where block i of a tile has its scales and its planes. */
static const uint8_t *scales_of(const struct packed_format *f, const uint8_t *tile, int i) {
    return tile + (PACKED_SUPER_BYTES(*f) + i * PACKED_SCALE_BYTES(*f)) * ROWS;
}

static const uint8_t *planes_of(const struct packed_format *f, const uint8_t *tile, int i) {
    return scales_of(f, tile, f->blocks) + i * PACKED_PLANE_BYTES(*f) * ROWS;
}

static float block_product(float acc, const struct packed_format *f, const uint8_t *tile, int i,
                           int r, const uint8_t *record, int width, int column) {
    static const int8_t iq4[16] = PACKED_IQ4_VALUES;
    const uint8_t *p = planes_of(f, tile, i), *s = scales_of(f, tile, i);
    const int8_t *x = (const int8_t *)record + column * PACKED_BLOCK;
    const uint8_t *tail = record + width * PACKED_BLOCK + 4 * column;
    int32_t dot[2] = {0, 0}, x_sum[2] = {0, 0};
    for (int c = 0; c < PACKED_BLOCK; c++) {
        int value = stored_value(p, f, r, c);
        value = f->lookup ? iq4[value] : value - f->zero;
        dot[c / 16] += value * x[c];
        x_sum[c / 16] += x[c];
    }
    float d = float_at(tail);
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

/* The same with 8-bit weights and a record of fours; as weights stored + 128 are multiplied, so that the same
 * steps round alike. */
static float fours_product(float acc, const struct packed_format *f, const uint8_t *tile, int i, int r,
                           const uint8_t *record, int width, int column) {
    static const uint8_t iq4[16] = PACKED_IQ4_BIASED;
    const uint8_t *p = planes_of(f, tile, i), *s = scales_of(f, tile, i);
    const int8_t *x = (const int8_t *)record + column * QACT_FOURS_COLUMN;
    const uint8_t *tail = record + width * QACT_FOURS_COLUMN + 4 * column;
    int32_t dot = 0;
    for (int c = 0; c < PACKED_BLOCK; c++) {
        const int stored = stored_value(p, f, r, c), value = f->lookup ? iq4[stored] : stored + 128;
        int16_t m;
        memcpy(&m, x + PACKED_BLOCK + 2 * (c / 8 * 2 + c / 2 % 2), sizeof m);
        dot += value * x[c] * m;
    }
    const float scale = f->super ? half_at(tile + 2 * r) * (float)(int8_t)s[r] : half_at(s + 2 * r);
    return fmaf(fmaf((float)dot, float_at(tail), float_at(tail + 4 * width)), scale, acc);
}

static void group(enum tensor_type type, float *y, int64_t stride, const uint8_t *w,
                  const void *records, int width, int64_t n_blocks, enum qact_kind kind) {
    const struct packed_format *f = &packed_formats[type];
    for (int column = 0; column < width; column++) {
        for (int r = 0; r < ROWS; r++) {
            float acc = 0;
            for (int64_t b = 0; b < n_blocks; b++) {
                const uint8_t *tile = w + b / f->blocks * PACKED_TILE_BYTES(*f) * ROWS;
                const uint8_t *record = (const uint8_t *)records + qact_bytes(kind, width, b);
                acc = kind == QACT_FOURS ? fours_product(acc, f, tile, (int)(b % f->blocks), r, record, width, column)
                                         : block_product(acc, f, tile, (int)(b % f->blocks), r, record, width, column);
            }
            y[column * stride + r] = acc;
        }
    }
}

#define GROUP(type)                                                                                \
    static void group_##type(float *y, int64_t stride, const uint8_t *w, const void *records,      \
                             int width, int64_t n_blocks) {                                        \
        group(TENSOR_##type, y, stride, w, records, width, n_blocks, QACT_BLOCKS);                 \
    }
GROUP(Q4_0) GROUP(Q4_1) GROUP(Q5_0) GROUP(Q5_1) GROUP(Q8_0) GROUP(Q2_K) GROUP(Q3_K) GROUP(Q4_K)
GROUP(Q5_K) GROUP(Q6_K) GROUP(IQ4_NL) GROUP(IQ4_XS)

#define FOURS_GROUP(type)                                                                          \
    static void fours_##type(float *y, int64_t stride, const uint8_t *w, const void *records,      \
                             int width, int64_t n_blocks) {                                        \
        group(TENSOR_##type, y, stride, w, records, width, n_blocks, QACT_FOURS);                  \
    }
FOURS_GROUP(Q8_0) FOURS_GROUP(IQ4_NL) FOURS_GROUP(IQ4_XS)

#define ENTRY(type) [TENSOR_##type] = group_##type
#define FOURS_ENTRY(type) [TENSOR_##type] = fours_##type
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
const struct packed_kernels packed_kernels_scalar_fours =
    SCALAR_KERNELS(.quantize = {quantize, quantize_fours},
                   .group = {NARROW_ENTRIES, FOURS_ENTRY(Q8_0), FOURS_ENTRY(IQ4_NL), FOURS_ENTRY(IQ4_XS)});
