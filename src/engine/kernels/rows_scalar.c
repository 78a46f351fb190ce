/* rows_scalar.c - the row product in plain C: the steps of packed_scalar.c on the file's blocks. */
#include "engine/kernels/packed_format.h"
#include "engine/kernels/rows_tables.h"

#include <math.h>
#include <string.h>

static float float_at(const uint8_t *p) {
    float value;
    memcpy(&value, p, sizeof value);
    return value;
}

/* acc + the product of one block with one column of its record. */
static float block_product(float acc, const struct packed_format *f, const struct packed_block *u,
                           const int8_t *values, const uint8_t *record, int width, int column) {
    const int8_t *x = (const int8_t *)record + column * PACKED_BLOCK;
    const uint8_t *tail = record + width * PACKED_BLOCK + 4 * column;
    int32_t dot[2] = {0, 0}, x_sum[2] = {0, 0};
    for (int c = 0; c < PACKED_BLOCK; c++) {
        dot[c / 16] += values[c] * x[c];
        x_sum[c / 16] += x[c];
    }
    float d = float_at(tail);
    if (!f->super) {
        acc = fmaf((float)(dot[0] + dot[1]) * d, f32_from_f16(u->scale), acc);
        return f->mins ? fmaf(f32_from_f16(u->min), float_at(tail + 12 * width), acc) : acc;
    }
    float w_d = f32_from_f16(u->d), w_dmin = f->mins ? f32_from_f16(u->dmin) : 0;
    for (int h = 0; h < f->scales; h++) {
        int32_t product = f->scales == 1 ? dot[0] + dot[1] : dot[h];
        float x_s = f->scales == 1 ? float_at(tail + 12 * width) : d * (float)x_sum[h];
        acc = fmaf((float)product * d, w_d * (float)u->sub_scale[h], acc);
        if (f->mins) acc = fmaf(-(w_dmin * (float)u->sub_min[h]), x_s, acc);
    }
    return acc;
}

static void rows(enum tensor_type type, float *y, int64_t stride, const uint8_t *w,
                 uint64_t row_bytes, int64_t n_rows, int64_t cols, const uint8_t *records,
                 int width) {
    static const int8_t iq4[16] = PACKED_IQ4_VALUES;
    const struct packed_format *f = &packed_formats[type];
    for (int64_t r = 0; r < n_rows; r++, w += row_bytes) {
        float acc[ROWS_MAX_WIDTH] = {0};
        const uint8_t *record = records;
        for (int64_t b = 0; b < cols / PACKED_BLOCK; b++, record += qact_bytes(QACT_BLOCKS, width, 1)) {
            struct packed_block u;
            packed_unpack(&u, type, w, b);
            int8_t values[PACKED_BLOCK];
            for (int j = 0; j < PACKED_BLOCK; j++) {
                values[j] = f->lookup ? iq4[u.q[j]] : (int8_t)(u.q[j] - f->zero);
            }
            for (int c = 0; c < width; c++) {
                acc[c] = block_product(acc[c], f, &u, values, record, width, c);
            }
        }
        for (int c = 0; c < width; c++) y[c * stride + r] = acc[c];
    }
}

#define ROWS(type)                                                                                 \
    static void rows_##type(float *y, int64_t stride, const uint8_t *w, uint64_t row_bytes,        \
                            int64_t n_rows, int64_t cols, const void *records, int width) {        \
        rows(TENSOR_##type, y, stride, w, row_bytes, n_rows, cols, records, width);                \
    }
ROWS(Q4_0) ROWS(Q4_1) ROWS(Q5_0) ROWS(Q5_1) ROWS(Q8_0) ROWS(Q2_K) ROWS(Q3_K) ROWS(Q4_K) ROWS(Q5_K)
ROWS(Q6_K) ROWS(IQ4_NL) ROWS(IQ4_XS)

#define ENTRY(type) [TENSOR_##type] = rows_##type
const struct row_kernels row_kernels_scalar = {
    .name = "scalar",
    .max_width = ROWS_MAX_WIDTH,
    .rows = {ENTRY(Q4_0), ENTRY(Q4_1), ENTRY(Q5_0), ENTRY(Q5_1), ENTRY(Q8_0), ENTRY(Q2_K),
             ENTRY(Q3_K), ENTRY(Q4_K), ENTRY(Q5_K), ENTRY(Q6_K), ENTRY(IQ4_NL), ENTRY(IQ4_XS)},
};
