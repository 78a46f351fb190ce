/* bench_matmul.c - times one weight matrix times activations, split among threads as the fused
 * forward pass does it. */
#include "engine/bench_loop.h"

#include "base/alloc.h"
#include "engine/products.h"

#include <math.h>
#include <string.h>
#include <strings.h>

enum {
    FLOAT_UNIT = 16,             /* rows decoded at a time */
    CHECKED_ROWS = 32,
    CHECKED_TOKENS = 16,
};

struct matmul {
    const struct matmul_bench *bench;
    const struct kernels *kernels;
    struct product_kernels products;
    struct threads *team;
    int64_t unit, n_units, padded_rows, n_tiles, n_blocks;
    uint64_t row_bytes, unit_bytes, copy_bytes;
    int64_t n_copies;
    uint8_t *file;    /* one matrix in file layout, to check against */
    uint8_t *copies;  /* [n_copies] in the form that is multiplied */
    uint8_t *records; /* of all tiles */
    float *x;         /* [n_tokens, cols] */
    float *y;         /* [n_tokens up to whole tiles, padded_rows] */
    float *decoded;   /* [n_threads, FLOAT_UNIT, cols] */
    uint8_t *scratch; /* [n_threads, PRODUCT_SCRATCH] */
};

static const char *const form_names[MATMUL_FORM_COUNT] = {"float", "rows", "packed"};

const char *matmul_form_name(enum matmul_form form) {
    return form_names[form];
}

bool matmul_form_from_name(const char *name, enum matmul_form *form) {
    for (int i = 0; i < MATMUL_FORM_COUNT; i++) {
        if (strcasecmp(form_names[i], name) != 0) continue;
        *form = (enum matmul_form)i;
        return true;
    }
    return false;
}

bool matmul_form_supported(enum matmul_form form, enum tensor_type type) {
    if (form == MATMUL_PACKED) return packed_supported(type);
    return form == MATMUL_FLOAT || rows_supported(type);
}

/* ---- the work ---- */

static int64_t tile_columns(const struct matmul *m, int64_t tile) {
    int64_t left = m->bench->n_tokens - tile * m->products.width;
    return left < m->products.width ? left : m->products.width;
}

static size_t tile_bytes(const struct matmul *m) {
    return qact_bytes(packed_activations(m->products.packed, m->bench->type), m->products.width, m->n_blocks);
}

static struct product_input input_of(const struct matmul *m) {
    return (struct product_input){.n = m->bench->n_tokens, .cols = m->bench->cols,
                                  .records = {[QACT_BLOCKS] = m->records, [QACT_FOURS] = m->records},
                                  .tile_blocks = m->n_blocks};
}

static void multiply_float(struct matmul *m, int thread, const uint8_t *weights, int64_t row,
                           int64_t n_rows) {
    const struct matmul_bench *b = m->bench;
    const uint8_t *data = weights + (uint64_t)row * m->row_bytes;
    const float *rows = (const float *)(const void *)data;
    if (b->type != TENSOR_F32) {
        float *to = m->decoded + (int64_t)thread * FLOAT_UNIT * b->cols;
        m->kernels->dequantize[b->type](to, data, n_rows * b->cols);
        rows = to;
    }
    if (b->n_tokens == 1) {
        m->kernels->dot_f32_columns(m->y + row, m->x, rows, b->cols, (int)n_rows, b->cols);
        return;
    }
    for (int64_t tile = 0; tile < m->n_tiles; tile++) {
        const int64_t columns = tile_columns(m, tile);
        for (int64_t r = 0; r < n_rows; r++) {
            float sums[PACKED_MAX_WIDTH];
            m->kernels->dot_f32_columns(sums, rows + r * b->cols, m->x + tile * m->products.width * b->cols,
                                        b->cols, (int)columns, b->cols);
            for (int64_t c = 0; c < columns; c++) {
                m->y[(tile * m->products.width + c) * m->padded_rows + row + r] = sums[c];
            }
        }
    }
}

/* Units [first, last) times all tokens, as the fused pass goes about it. */
static void multiply_units(struct matmul *m, int thread, const struct product_matrix *matrix, int64_t first,
                           int64_t last) {
    const struct product_kernels *k = &m->products;
    const struct product_input in = input_of(m);
    uint8_t *scratch = m->scratch + (size_t)thread * PRODUCT_SCRATCH;
    int64_t next = first;
    if (product_has_streams(k, matrix, m->bench->n_tokens)) {
        const int64_t length = (last - first) / PACKED_STREAMS;
        const struct product_matrix *const same[PACKED_STREAMS] = {matrix, matrix, matrix, matrix};
        for (; next < first + length; next++) {
            int64_t units[PACKED_STREAMS];
            float *y[PACKED_STREAMS];
            for (int s = 0; s < PACKED_STREAMS; s++) {
                units[s] = next + s * length;
                y[s] = m->y + units[s] * m->unit;
            }
            product_streams(k, same, units, &in, y, m->padded_rows);
        }
        next = first + PACKED_STREAMS * length;
    }
    for (int64_t t = 0; t < m->n_tiles; t += k->tiles_together) {
        const int64_t n_tiles = m->n_tiles - t < k->tiles_together ? m->n_tiles - t : k->tiles_together;
        for (int64_t u = next; u < last; u += k->units_together) {
            const int64_t n_units = last - u < k->units_together ? last - u : k->units_together;
            product_block(k, matrix, &in, u, n_units, t, n_tiles,
                          m->y + t * k->width * m->padded_rows + u * m->unit, m->padded_rows, scratch);
        }
    }
}

static void quantize_tile(struct matmul *m, int64_t tile) {
    const struct product_kernels *k = &m->products;
    const int64_t cols = m->bench->cols, columns = tile_columns(m, tile);
    uint8_t *records = m->records + (size_t)tile * tile_bytes(m);
    packed_quantize(k->packed, m->bench->type, records, qact_width(columns), (int)columns,
                    m->x + tile * k->width * cols, cols, cols);
}

static void call(void *user, int thread, int64_t index) {
    struct matmul *m = user;
    const struct matmul_bench *b = m->bench;
    const uint8_t *weights = m->copies + (uint64_t)(index % m->n_copies) * m->copy_bytes;
    const struct packed_matrix packed = {.data = weights, .group_bytes = m->unit_bytes, .n_groups = m->n_units,
                                         .run = m->n_units};
    const struct product_matrix matrix = {.type = b->type, .rows = b->rows, .cols = b->cols, .file = weights,
                                          .row_bytes = m->row_bytes,
                                          .packed = b->form == MATMUL_PACKED ? &packed : NULL};
    const struct product_pieces pieces = product_pieces(&m->products, m->n_units, m->unit_bytes, m->n_tiles == 1,
                                                        b->window.n_threads, PACKED_STREAMS);
    int64_t first, last;
    if (b->form != MATMUL_FLOAT) {
        while (threads_next(m->team, thread, m->n_tiles, 1, &first, &last)) quantize_tile(m, first);
        threads_barrier(m->team, thread);
    }
    while (threads_next_half(m->team, thread, m->n_units, pieces.least, pieces.most, &first, &last)) {
        if (b->form == MATMUL_FLOAT) {
            for (int64_t u = first; u < last; u++) {
                int64_t row = u * m->unit, left = b->rows - row;
                multiply_float(m, thread, weights, row, left < m->unit ? left : m->unit);
            }
            continue;
        }
        multiply_units(m, thread, &matrix, first, last);
    }
    threads_barrier(m->team, thread);
}

/* ---- the answer ---- */

/* NMSE of y against decoded weights times x in F64, on rows and tokens spread evenly. */
static bool measure_error(const struct matmul *m, double *nmse) {
    const struct matmul_bench *b = m->bench;
    float *row_values = mem_new_array((size_t)b->cols, sizeof *row_values);
    if (row_values == NULL) return false;
    const int64_t rows = b->rows < CHECKED_ROWS ? b->rows : CHECKED_ROWS;
    const int64_t tokens = b->n_tokens < CHECKED_TOKENS ? b->n_tokens : CHECKED_TOKENS;
    double error = 0, power = 0;
    for (int64_t i = 0; i < rows; i++) {
        int64_t row = rows > 1 ? i * (b->rows - 1) / (rows - 1) : 0;
        kernels_get(ISA_SCALAR)
            ->dequantize[b->type](row_values, m->file + (uint64_t)row * m->row_bytes, b->cols);
        for (int64_t j = 0; j < tokens; j++) {
            int64_t token = tokens > 1 ? j * (b->n_tokens - 1) / (tokens - 1) : 0;
            double sum = 0;
            for (int64_t k = 0; k < b->cols; k++) {
                sum += (double)row_values[k] * (double)m->x[token * b->cols + k];
            }
            double d = (double)m->y[token * m->padded_rows + row] - sum;
            error += d * d;
            power += sum * sum;
        }
    }
    mem_free(row_values);
    *nmse = power > 0 ? error / power : error;
    return true;
}

/* ---- setting up ---- */

static bool refuse_memory(uint64_t bytes, struct err *err) {
    return err_set(err, ERR_ENVIRONMENT,
                   "bench_matmul: not enough memory for %llu bytes. Ask for a smaller matrix or "
                   "footprint",
                   (unsigned long long)bytes);
}

static bool check(const struct matmul_bench *b, struct err *err) {
    const struct tensor_type_info *info = tensor_type_info(b->type);
    const int64_t step = b->form == MATMUL_FLOAT || info->block_values > PACKED_BLOCK
                             ? info->block_values
                             : PACKED_BLOCK;
    if (kernels_get(b->isa) == NULL) {
        return err_set(err, ERR_UNAVAILABLE,
                       "bench_matmul: %s is not available on this machine, the best one here is %s",
                       isa_name(b->isa), isa_name(kernels_best()));
    }
    if (!matmul_form_supported(b->form, b->type)) {
        return err_set(err, ERR_UNAVAILABLE, "bench_matmul: %s is not multiplied in the form %s",
                       info->name, form_names[b->form]);
    }
    if (b->rows < 1 || b->rows > 1 << 24 || b->cols < 1 || b->cols > 1 << 24 ||
        b->cols % step != 0 || b->n_tokens < 1 || b->n_tokens > 1 << 16 ||
        b->footprint > (uint64_t)1 << 40) {
        return err_set(err, ERR_INPUT,
                       "bench_matmul: %lld rows of %lld %s, %lld tokens; columns are a multiple of "
                       "%lld, rows and columns at most 2^24, tokens 2^16",
                       (long long)b->rows, (long long)b->cols, info->name, (long long)b->n_tokens,
                       (long long)step);
    }
    return bench_window_check("bench_matmul", &b->window, err);
}

static void pack(struct matmul *m) {
    const struct matmul_bench *b = m->bench;
    for (int64_t u = 0; u < m->n_units; u++) {
        const uint8_t *sources[PACKED_MAX_ROWS] = {0};
        for (int64_t r = 0; r < m->unit && u * m->unit + r < b->rows; r++) {
            sources[r] = m->file + (uint64_t)(u * m->unit + r) * m->row_bytes;
        }
        packed_group(m->copies + (uint64_t)u * m->unit_bytes, b->type, (int)m->unit,
                     m->products.packed->biased, sources, b->cols);
    }
}

static bool make_weights(struct matmul *m, struct err *err) {
    const struct matmul_bench *b = m->bench;
    const bool packed = b->form == MATMUL_PACKED;
    const uint64_t file_bytes = (uint64_t)b->rows * m->row_bytes;
    m->unit_bytes = packed ? packed_group_bytes(b->type, (int)m->unit, b->cols)
                           : (uint64_t)m->unit * m->row_bytes;
    const uint64_t bytes = packed ? (uint64_t)m->n_units * m->unit_bytes : file_bytes;
    m->copy_bytes = (bytes + 63) / 64 * 64;
    m->n_copies = (int64_t)(b->footprint / m->copy_bytes) + (b->footprint % m->copy_bytes != 0);
    if (m->n_copies < 1) m->n_copies = 1;
    const uint64_t all = (uint64_t)m->n_copies * m->copy_bytes;
    m->file = mem_alloc_aligned(file_bytes, 64);
    m->copies = mem_alloc_aligned(all, 64);
    if (m->file == NULL || m->copies == NULL) return refuse_memory(all, err);
    bench_fill_blocks(m->file, b->type, file_bytes, 1);
    if (packed) {
        pack(m);
    } else {
        memcpy(m->copies, m->file, file_bytes);
    }
    for (int64_t i = 1; i < m->n_copies; i++) {
        if (b->window.cancel != NULL && *b->window.cancel) break;
        memcpy(m->copies + (uint64_t)i * m->copy_bytes, m->copies, bytes);
    }
    return true;
}

static bool make_buffers(struct matmul *m, struct err *err) {
    const struct matmul_bench *b = m->bench;
    const int width = m->products.width;
    const size_t n_y = (size_t)(m->n_tiles * width * m->padded_rows);
    const size_t records = (size_t)m->n_tiles * tile_bytes(m);
    m->x = mem_new_array((size_t)(b->n_tokens * b->cols), sizeof *m->x);
    m->y = mem_new_array(n_y, sizeof *m->y);
    m->records = mem_alloc_aligned(records, 64);
    m->decoded = mem_new_array((size_t)(b->window.n_threads * FLOAT_UNIT * b->cols), sizeof(float));
    m->scratch = mem_alloc_aligned((size_t)b->window.n_threads * PRODUCT_SCRATCH, 64);
    if (m->x == NULL || m->y == NULL || m->records == NULL || m->decoded == NULL || m->scratch == NULL) {
        return refuse_memory(n_y * sizeof *m->y + records, err);
    }
    memset(m->records, 0, records); /* the blocks behind cols stay zero */
    bench_fill_floats(m->x, b->n_tokens * b->cols, 2);
    return true;
}

bool bench_matmul(const struct matmul_bench *b, double *samples_ns,
                  struct matmul_bench_result *result, struct err *err) {
    if (!check(b, err)) return false;
    struct matmul m = {.bench = b, .kernels = kernels_get(b->isa),
                       .products = product_kernels_of(b->isa, b->form == MATMUL_PACKED)};
    m.unit = b->form == MATMUL_FLOAT ? FLOAT_UNIT : m.products.unit;
    m.n_units = (b->rows + m.unit - 1) / m.unit;
    m.padded_rows = m.n_units * m.unit;
    m.n_tiles = (b->n_tokens + m.products.width - 1) / m.products.width;
    m.n_blocks = (b->cols + 255) / 256 * 8;
    m.row_bytes = tensor_type_row_bytes(b->type, (uint64_t)b->cols);
    bool ok = make_weights(&m, err) && make_buffers(&m, err);
    if (ok) m.team = threads_new(b->window.n_threads, true, err);
    ok = ok && m.team != NULL && !bench_cancelled("bench_matmul", &b->window, err);
    if (ok) {
        struct bench_loop loop = {
            .call = call, .user = &m, .team = m.team, .n_threads = b->window.n_threads, .calls = 1};
        bench_loop_sample(&loop);
        ok = measure_error(&m, &result->nmse);
        if (!ok) refuse_memory((uint64_t)b->cols * sizeof(float), err);
        bench_loop_prepare(&loop, b->window.min_ns);
        for (int i = 0; ok && i < b->window.n_samples; i++) {
            samples_ns[i] = bench_loop_sample(&loop);
            ok = !bench_cancelled("bench_matmul", &b->window, err);
        }
    }
    result->weight_bytes = m.copy_bytes;
    result->footprint = m.copy_bytes * (uint64_t)m.n_copies;
    threads_free(m.team);
    mem_free(m.file);
    mem_free(m.copies);
    mem_free(m.records);
    mem_free(m.scratch);
    mem_free(m.x);
    mem_free(m.y);
    mem_free(m.decoded);
    return ok;
}
