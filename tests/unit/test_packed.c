/* test_packed.c - packed products: every ISA, type and width equal to the scalar one bit for bit,
 * and the scalar one close to the product of the dequantised weights in double. */
#include "support/check.h"

#include "base/alloc.h"
#include "engine/kernels/packed.h"
#include "support/random_rows.h"

#include <stdbool.h>

struct matrix {
    int64_t rows, cols;
    size_t row_bytes;
    uint8_t *file;
};

/* y [n_x, rows] through the kernels of an ISA. */
static void multiply(float *y, const struct packed_kernels *k, enum tensor_type type,
                     const struct matrix *m, const float *x, int width) {
    int64_t blocks = packed_blocks(type, m->cols);
    size_t group_bytes = packed_group_bytes(type, k->rows, m->cols);
    uint8_t *group = mem_alloc_aligned(group_bytes, 64);
    uint8_t *records = mem_new(qact_bytes(width, blocks));
    for (int c = 0; c < width; c++) k->quantize(records, width, c, x + c * m->cols, m->cols);
    for (int64_t r = 0; r < m->rows; r += k->rows) {
        const uint8_t *sources[PACKED_MAX_ROWS] = {0};
        for (int i = 0; i < k->rows && r + i < m->rows; i++) {
            sources[i] = m->file + (size_t)(r + i) * m->row_bytes;
        }
        packed_group(group, type, k->rows, k->biased, sources, m->cols);
        float out[PACKED_MAX_WIDTH * PACKED_MAX_ROWS];
        k->group[type](out, k->rows, group, records, width, blocks);
        for (int c = 0; c < width; c++) {
            for (int i = 0; i < k->rows && r + i < m->rows; i++) {
                y[c * m->rows + r + i] = out[c * k->rows + i];
            }
        }
    }
    mem_free(group);
    mem_free(records);
}

/* Largest distance to the double product, relative to the row's sum of |w x|. */
static double distance(const float *y, enum tensor_type type, const struct matrix *m,
                       const float *x, int width) {
    float *row = mem_new((size_t)m->cols * sizeof *row);
    double worst = 0;
    for (int64_t r = 0; r < m->rows; r++) {
        kernels_get(ISA_SCALAR)->dequantize[type](row, m->file + (size_t)r * m->row_bytes, m->cols);
        for (int c = 0; c < width; c++) {
            double sum = 0, norm = 0;
            for (int64_t i = 0; i < m->cols; i++) {
                sum += (double)row[i] * x[c * m->cols + i];
                norm += fabs((double)row[i] * x[c * m->cols + i]);
            }
            double d = fabs(sum - y[c * m->rows + r]) / (norm + 1e-30);
            if (!(d <= worst)) worst = d;
        }
    }
    mem_free(row);
    return worst;
}

static void test_type(enum tensor_type type, int64_t rows, int64_t cols) {
    struct matrix m = {rows, cols, tensor_type_row_bytes(type, (uint64_t)cols), NULL};
    m.file = mem_alloc((size_t)rows * m.row_bytes);
    float *x = mem_new((size_t)cols * PACKED_MAX_WIDTH * sizeof *x);
    size_t y_bytes = (size_t)rows * PACKED_MAX_WIDTH * sizeof(float);
    float *expected = mem_new(y_bytes), *y = mem_new(y_bytes);
    for (int64_t r = 0; r < rows; r++) random_row(m.file + (size_t)r * m.row_bytes, type, cols);
    for (int64_t i = 0; i < cols * PACKED_MAX_WIDTH; i++) x[i] = random_float();

    const struct packed_kernels *scalar = packed_kernels_get(ISA_SCALAR);
    multiply(expected, scalar, type, &m, x, PACKED_MAX_WIDTH);
    /* int8 rounding of x: half a step of 1/127 of the block's largest. */
    double d = distance(expected, type, &m, x, PACKED_MAX_WIDTH);
    if (!(d < 0.01)) fprintf(stderr, "%s: distance %g\n", tensor_type_info(type)->name, d);
    CHECK(d < 0.01);
    for (enum isa isa = ISA_SCALAR; isa < ISA_COUNT; isa++) {
        const struct packed_kernels *k = packed_kernels_get(isa);
        if (kernels_get(isa) == NULL) continue;
        for (int width = 1; width <= k->max_width; width *= 2) {
            memset(y, 0x7f, y_bytes);
            multiply(y, k, type, &m, x, width);
            bool equal = memcmp(y, expected, (size_t)(width * rows) * sizeof *y) == 0;
            if (!equal) {
                fprintf(stderr, "%s %s width %d rows %lld cols %lld\n",
                        tensor_type_info(type)->name, k->name, width, (long long)rows,
                        (long long)cols);
            }
            CHECK(equal);
        }
    }
    mem_free(m.file);
    mem_free(x);
    mem_free(expected);
    mem_free(y);
}

int main(void) {
    for (int type = 0; type < TENSOR_TYPE_COUNT; type++) {
        if (tensor_type_info((uint32_t)type) == NULL || !packed_supported(type)) continue;
        int64_t step = tensor_type_info((uint32_t)type)->block_values;
        test_type(type, 16, step);
        test_type(type, 37, 3 * step);
        test_type(type, 5, 1280);
        test_type(type, 64, 2048);
    }
    return check_done();
}
