/* test_packed.c - packed products: every level of this machine, every type and width equal to the
 * scalar one (bit for bit where it has fused multiply-adds), the scalar one close to the product of
 * the dequantised weights in double, and activations that are no numbers never hidden. */
#include "support/check.h"

#include "base/alloc.h"
#include "engine/kernels/packed.h"
#include "support/levels.h"
#include "support/random_rows.h"

#include <stdbool.h>

/* Rounding twice a block instead of once, relative to the sum of |w x|. */
static const double UNFUSED_TOLERANCE = 1e-6;

struct matrix {
    int64_t rows, cols;
    size_t row_bytes;
    uint8_t *file;
};

static void keep_rows(float *y, const struct matrix *m, const float *group, const struct packed_kernels *k,
                      int64_t first, int width) {
    for (int c = 0; c < width; c++) {
        for (int i = 0; i < k->rows && first + i < m->rows; i++) {
            y[c * m->rows + first + i] = group[c * k->rows + i];
        }
    }
}

/* Group by group, several as streams, two at once. */
enum way { BY_GROUP, BY_STREAMS, BY_PAIRS, WAY_COUNT };
static const char *const way_names[WAY_COUNT] = {"", " as streams", " by pairs"};

static bool has_way(const struct packed_kernels *k, enum tensor_type type, int width, enum way way) {
    if (way == BY_STREAMS) return k->streams[type] != NULL && width <= k->stream_width;
    return way == BY_GROUP || (k->pair[type] != NULL && width == k->max_width);
}

/* out[g] of two groups that a kernel computes at once. */
static void multiply_pair(float *const *out, const struct packed_kernels *k, enum tensor_type type,
                          const uint8_t *const *groups, const uint8_t *records, int64_t blocks) {
    float both[PACKED_MAX_WIDTH * 2 * PACKED_MAX_ROWS];
    k->pair[type](both, 2 * k->rows, groups, records, blocks);
    for (int c = 0; c < k->max_width; c++) {
        for (int g = 0; g < 2; g++) {
            memcpy(out[g] + c * k->rows, both + (2 * c + g) * k->rows, (size_t)k->rows * sizeof *both);
        }
    }
}

/* y [width, rows] through the kernels of an ISA. */
static void multiply(float *y, const struct packed_kernels *k, enum tensor_type type,
                     const struct matrix *m, const float *x, int width, enum way way) {
    int64_t blocks = packed_blocks(type, m->cols);
    size_t group_bytes = packed_group_bytes(type, k->rows, m->cols);
    int64_t n_groups = (m->rows + k->rows - 1) / k->rows;
    int64_t n_packed = (n_groups + PACKED_STREAMS - 1) / PACKED_STREAMS * PACKED_STREAMS;
    uint8_t *packed = mem_alloc_aligned((size_t)n_packed * group_bytes, 64);
    uint8_t *records = mem_new(qact_bytes(packed_activations(k, type), width, blocks));
    packed_quantize(k, type, records, width, width, x, m->cols, m->cols);
    for (int64_t g = 0; g < n_packed; g++) {
        const uint8_t *sources[PACKED_MAX_ROWS] = {0};
        for (int i = 0; i < k->rows && g * k->rows + i < m->rows; i++) {
            sources[i] = m->file + (size_t)(g * k->rows + i) * m->row_bytes;
        }
        packed_group(packed + (size_t)g * group_bytes, type, k->rows, k->biased, sources, m->cols);
    }
    float out[PACKED_STREAMS][PACKED_MAX_WIDTH * PACKED_MAX_ROWS];
    for (int64_t g = 0; g < n_packed; g += PACKED_STREAMS) {
        const uint8_t *groups[PACKED_STREAMS];
        float *to[PACKED_STREAMS];
        for (int s = 0; s < PACKED_STREAMS; s++) {
            groups[s] = packed + (size_t)(g + s) * group_bytes;
            to[s] = out[s];
            if (way == BY_GROUP) k->group[type](to[s], k->rows, groups[s], records, width, blocks);
        }
        if (way == BY_STREAMS) k->streams[type](to, k->rows, groups, records, width, blocks);
        for (int s = 0; way == BY_PAIRS && s < PACKED_STREAMS; s += 2) {
            multiply_pair(to + s, k, type, groups + s, records, blocks);
        }
        for (int s = 0; s < PACKED_STREAMS; s++) keep_rows(y, m, out[s], k, (g + s) * k->rows, width);
    }
    mem_free(packed);
    mem_free(records);
}

/* Largest distance to `expected` [width, rows] or, where that is NULL, to the double product, relative
 * to the row's sum of |w x|. */
static double distance(const float *y, const float *expected, enum tensor_type type,
                       const struct matrix *m, const float *x, int width) {
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
            if (expected != NULL) sum = expected[c * m->rows + r];
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
    /* The largest sums there can be, of both signs. */
    for (int64_t i = 0; i < 2 * cols; i++) x[i] = i < cols ? 2.0f : -2.0f;
    for (int64_t r = 0; r < 2; r++) extreme_row(m.file + (size_t)r * m.row_bytes, type, cols, r == 0);

    for (enum isa isa = ISA_SCALAR; isa < ISA_COUNT; isa++) {
        const struct packed_kernels *k = packed_level(isa);
        if (k == NULL) continue;
        multiply(expected, packed_reference(k), type, &m, x, PACKED_MAX_WIDTH, BY_GROUP);
        /* int8 rounding of x: half a step of 1/127 of the block's largest. */
        const double d = distance(expected, NULL, type, &m, x, PACKED_MAX_WIDTH);
        if (!(d < 0.01)) fprintf(stderr, "%s: distance %g\n", tensor_type_info(type)->name, d);
        CHECK(d < 0.01);
        for (int width = 1; width <= k->max_width; width *= 2) {
            for (enum way way = BY_GROUP; way < WAY_COUNT; way++) {
                if (!has_way(k, type, width, way)) continue;
                memset(y, 0x7f, y_bytes);
                multiply(y, k, type, &m, x, width, way);
                bool equal = k->fused
                                 ? memcmp(y, expected, (size_t)(width * rows) * sizeof *y) == 0
                                 : distance(y, expected, type, &m, x, width) <= UNFUSED_TOLERANCE;
                if (!equal) {
                    fprintf(stderr, "%s %s width %d rows %lld cols %lld%s\n",
                            tensor_type_info(type)->name, k->name, width, (long long)rows,
                            (long long)cols, way_names[way]);
                }
                CHECK(equal);
            }
        }
    }
    mem_free(m.file);
    mem_free(x);
    mem_free(expected);
    mem_free(y);
}

static void test_records(const char *name, const void *records, const void *expected, enum qact_kind kind,
                         int width, int64_t n_blocks) {
    bool equal = memcmp(records, expected, qact_bytes(kind, width, n_blocks)) == 0;
    if (!equal) fprintf(stderr, "%s: records of kind %d and width %d differ\n", name, (int)kind, width);
    CHECK(equal);
}

/* What keeps the sums of products within their integers; records of fours of one column. */
static void test_bounds(const uint8_t *records, int64_t n_blocks) {
    for (int64_t b = 0; b < n_blocks; b++, records += qact_bytes(QACT_FOURS, 1, 1)) {
        for (int four = 0; four < 8; four++) {
            int above = 0, below = 0;
            int16_t steps;
            memcpy(&steps, records + PACKED_BLOCK + 2 * four, sizeof steps);
            for (int i = 0; i < 4; i++) {
                const int q = (int8_t)records[four / 2 * 8 + four % 2 * 2 + i % 2 + i / 2 * 4];
                *(q > 0 ? &above : &below) += q;
            }
            CHECK(above <= 128 && below >= -128 && steps >= 0 && steps <= QACT_MAX_STEPS);
        }
    }
}

/* Numbers of all sizes give the records of the scalar code on every level. */
static void test_quantize(void) {
    enum { BLOCKS = 64, N = BLOCKS * PACKED_BLOCK };
    static float x[N];
    static uint8_t records[N * 8], expected[N * 8];
    for (int i = 0; i < N; i++) x[i] = ldexpf(random_float(), i / PACKED_BLOCK * 4 - 149);
    memset(x + 8 * PACKED_BLOCK, 0, PACKED_BLOCK * sizeof *x);
    x[9 * PACKED_BLOCK + 2] = x[9 * PACKED_BLOCK + 3] = 3.4e38f; /* their sum is infinite */
    for (int i = 0; i < 8; i++) x[10 * PACKED_BLOCK + i] = i % 4 < 2 ? 2.0f : -2.0f;
    for (int i = 8; i < 24; i++) x[40 * PACKED_BLOCK + i] *= i < 16 ? 1e-6f : 1e-2f; /* few steps of the block's d */
    for (enum isa isa = ISA_SCALAR; isa < ISA_COUNT; isa++) {
        const struct packed_kernels *k = packed_level(isa);
        if (k == NULL) continue;
        for (int width = 1; width <= 4; width *= 4) {
            for (enum qact_kind kind = 0; kind < QACT_KINDS && k->quantize[kind] != NULL; kind++) {
                memset(records, 0, sizeof records);
                memset(expected, 0, sizeof expected);
                k->quantize[kind](records, width, width, x, 0, N);
                packed_reference(k)->quantize[kind](expected, width, width, x, 0, N);
                test_records(k->name, records, expected, kind, width, BLOCKS);
                if (kind == QACT_FOURS && width == 1) test_bounds(records, BLOCKS);
            }
        }
    }
}

/* One infinity or NaN among the activations of a column makes all its results NaN, and no others. */
static void test_not_a_number(enum tensor_type type) {
    const int64_t cols = 512;
    struct matrix m = {16, cols, tensor_type_row_bytes(type, (uint64_t)cols), NULL};
    m.file = mem_alloc((size_t)m.rows * m.row_bytes);
    for (int64_t r = 0; r < m.rows; r++) random_row(m.file + (size_t)r * m.row_bytes, type, cols);
    memset(m.file, 0, m.row_bytes); /* not even a row of zeros hides it */
    float *x = mem_new(2 * (size_t)cols * sizeof *x), y[2 * 16];
    const float bad[] = {NAN, -NAN, INFINITY, -INFINITY};
    for (enum isa isa = ISA_SCALAR; isa < ISA_COUNT; isa++) {
        const struct packed_kernels *k = packed_level(isa);
        if (k == NULL) continue;
        for (int i = 0; i < 12; i++) {
            for (int64_t j = 0; j < 2 * cols; j++) x[j] = random_float();
            x[cols + i * 41] = bad[i % 4]; /* every place in a block in turn */
            multiply(y, k, type, &m, x, 2, BY_GROUP);
            for (int r = 0; r < m.rows; r++) CHECK(isfinite(y[r]) && isnan(y[m.rows + r]));
            if (k->streams[type] == NULL) continue;
            multiply(y, k, type, &m, x + cols, 1, BY_STREAMS);
            for (int r = 0; r < m.rows; r++) CHECK(isnan(y[r]));
        }
    }
    mem_free(m.file);
    mem_free(x);
}

int main(void) {
    if (!levels_print()) return 77;
    test_quantize();
    for (int type = 0; type < TENSOR_TYPE_COUNT; type++) {
        if (tensor_type_info((uint32_t)type) == NULL || !packed_supported(type)) continue;
        int64_t step = tensor_type_info((uint32_t)type)->block_values;
        test_type(type, 16, step);
        test_type(type, 37, 3 * step);
        test_type(type, 5, 1280);
        test_type(type, 64, 2048);
        test_not_a_number(type);
    }
    return check_done();
}
