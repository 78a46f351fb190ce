/* test_rows.c - products with rows in file layout: equal to the packed product of the same level bit for
 * bit, for every type, width and number of rows, on every level this machine has. */
#include "support/check.h"

#include "base/alloc.h"
#include "engine/kernels/rows.h"
#include "support/levels.h"
#include "support/random_rows.h"

enum { GUARD = 0x5a5a5a5a };

struct matrix {
    enum tensor_type type;
    int64_t rows, cols;
    uint64_t row_bytes; /* more than a row needs */
    uint8_t *bytes;     /* at an odd address */
};

/* y [PACKED_MAX_WIDTH, rows] by the packed product of that level, column by column. */
static void packed_product(float *y, const struct packed_kernels *k, const struct matrix *m,
                           const float *x) {
    int64_t blocks = packed_blocks(m->type, m->cols);
    uint8_t *group = mem_alloc_aligned(packed_group_bytes(m->type, k->rows, m->cols), 64);
    uint8_t *records = mem_new(qact_bytes(packed_activations(k, m->type), 1, blocks));
    for (int64_t r = 0; r < m->rows; r += k->rows) {
        const uint8_t *sources[PACKED_MAX_ROWS] = {0};
        for (int i = 0; i < k->rows && r + i < m->rows; i++) {
            sources[i] = m->bytes + (uint64_t)(r + i) * m->row_bytes;
        }
        packed_group(group, m->type, k->rows, k->biased, sources, m->cols);
        for (int c = 0; c < PACKED_MAX_WIDTH; c++) {
            float out[PACKED_MAX_ROWS];
            packed_quantize(k, m->type, records, 1, 1, x + c * m->cols, m->cols, m->cols);
            k->group[m->type](out, k->rows, group, records, 1, blocks);
            for (int i = 0; i < k->rows && r + i < m->rows; i++) y[c * m->rows + r + i] = out[i];
        }
    }
    mem_free(group);
    mem_free(records);
}

/* True when the first n_rows rows equal the expected ones and nothing beyond them is written. */
static bool rows_equal(enum isa isa, const struct matrix *m, int64_t n_rows, const float *x,
                       int width, const float *expected) {
    int64_t stride = n_rows + 3;
    size_t bytes = (size_t)(width * stride) * sizeof(float);
    float *y = mem_new(bytes);
    const enum qact_kind kind = packed_activations(packed_level(isa), m->type);
    void *records = mem_new(qact_bytes(kind, width, m->cols / PACKED_BLOCK));
    uint32_t guard = GUARD;
    for (int64_t i = 0; i < width * stride; i++) memcpy(&y[i], &guard, sizeof guard);
    packed_quantize(packed_level(isa), m->type, records, width, width, x, m->cols, m->cols);
    row_level(isa)->rows[m->type](y, stride, m->bytes, m->row_bytes, n_rows, m->cols,
                                        records, width);
    bool equal = true;
    for (int c = 0; c < width; c++) {
        const float *column = y + c * stride;
        equal &= memcmp(column, expected + c * m->rows, (size_t)n_rows * sizeof *y) == 0;
        for (int64_t r = n_rows; r < stride; r++) {
            equal &= memcmp(&column[r], &guard, sizeof guard) == 0;
        }
    }
    mem_free(y);
    mem_free(records);
    return equal;
}

static void test_matrix(enum tensor_type type, int64_t rows, int64_t cols, int slack) {
    struct matrix m = {type, rows, cols, 0, NULL};
    uint64_t used = tensor_type_row_bytes(type, (uint64_t)cols);
    m.row_bytes = used + (uint64_t)slack;
    /* Ends with the last row: a read beyond it is one the sanitizer sees. */
    uint8_t *memory = mem_alloc((size_t)rows * m.row_bytes - (size_t)slack + 1);
    m.bytes = memory + 1;
    float *x = mem_new((size_t)cols * PACKED_MAX_WIDTH * sizeof *x);
    float *expected = mem_new((size_t)rows * PACKED_MAX_WIDTH * sizeof *expected);
    for (int64_t r = 0; r < rows; r++) random_row(m.bytes + (uint64_t)r * m.row_bytes, type, cols);
    for (int64_t i = 0; i < cols * PACKED_MAX_WIDTH; i++) x[i] = random_float();
    for (enum isa isa = ISA_SCALAR; isa < ISA_COUNT; isa++) {
        const struct row_kernels *k = row_level(isa);
        if (k == NULL) continue;
        packed_product(expected, packed_level(isa), &m, x);
        for (int width = 1; width <= k->max_width; width *= 2) {
            for (int64_t n = rows; n > 0; n = n > 20 ? n - 7 : n - 1) {
                bool equal = rows_equal(isa, &m, n, x, width, expected);
                if (!equal) {
                    fprintf(stderr, "%s %s: width %d, %lld rows of %lld\n",
                            tensor_type_info(type)->name, k->name, width, (long long)n,
                            (long long)cols);
                }
                CHECK(equal);
            }
        }
    }
    mem_free(memory);
    mem_free(x);
    mem_free(expected);
}

int main(void) {
    if (!levels_print()) return 77;
    for (int type = 0; type < TENSOR_TYPE_COUNT; type++) {
        CHECK(rows_supported((enum tensor_type)type) == packed_supported((enum tensor_type)type));
        if (!rows_supported((enum tensor_type)type)) continue;
        int64_t step = tensor_type_info((uint32_t)type)->block_values;
        test_matrix((enum tensor_type)type, 19, step, 0);
        test_matrix((enum tensor_type)type, 37, 3 * step, 0);
        test_matrix((enum tensor_type)type, 9, 1280, 5);
        test_matrix((enum tensor_type)type, 33, 768, 64);
    }
    return check_done();
}
