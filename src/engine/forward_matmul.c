/* forward_matmul.c - a weight matrix times activations: where every switch of p1 shows.
 *
 * F32 weights are used where they lie. Others are decoded, which happens in one of three ways:
 *   weight_cache   the whole tensor once, kept while the budget allows
 *   pool           a few rows at a time into L1, each used for all tokens of the block
 *   neither        the whole tensor into a fresh buffer, thrown away afterwards
 * All three give dot products of the same rows in the same order: the same bits. */
#include "engine/context.h"

#include "base/flag.h"

#define ROWS_PER_CALL (1 << 20) /* keeps the count of columns an int */

/* y[r + t * y_stride] for rows [n_rows, cols] and tokens x [n, cols]. */
static void multiply(struct context *c, float *y, int64_t y_stride, const float *rows,
                     int64_t n_rows, int64_t cols, const float *x, int64_t n) {
    const struct kernels *k = c->kernels;
    if (n == 1) { /* the token is the row that stays, the weights are the columns */
        for (int64_t r = 0; r < n_rows; r += ROWS_PER_CALL) {
            int64_t some = n_rows - r < ROWS_PER_CALL ? n_rows - r : ROWS_PER_CALL;
            k->dot_f32_columns(y + r, x, rows + r * cols, cols, (int)some, cols);
            c->counters.kernel_calls++;
        }
        return;
    }
    float *column = c->scratch.blocks[SLOT_COLUMN];
    for (int64_t r = 0; r < n_rows; r++) {
        k->dot_f32_columns(column, rows + r * cols, x, cols, (int)n, cols);
        for (int64_t t = 0; t < n; t++)
            y[r + t * y_stride] = column[t];
    }
    c->counters.kernel_calls += (uint64_t)n_rows;
}

static void decode(struct context *c, float *out, const struct weight *w, int64_t first_row,
                   int64_t n_rows) {
    c->kernels->dequantize[w->type](out, w->data + (uint64_t)first_row * w->row_bytes,
                                    n_rows * w->cols);
    c->counters.kernel_calls++;
    c->counters.dequantized_values += (uint64_t)(n_rows * w->cols);
    c->counters.weight_bytes_read += (uint64_t)n_rows * w->row_bytes;
    if (c->switches.simd && c->kernels->isa != ISA_SCALAR &&
        c->kernels->dequantize[w->type] == kernels_get(ISA_SCALAR)->dequantize[w->type]) {
        c->counters.scalar_fallbacks++;
    }
}

/* The whole tensor as F32 without decoding it for this call alone: in place, or cached. */
static const float *standing_values(struct context *c, const struct weight *w) {
    const uint64_t bytes = (uint64_t)w->rows * (uint64_t)w->cols * sizeof(float);
    if (w->type == TENSOR_F32) {
        c->counters.weight_bytes_read += bytes;
        return (const float *)(const void *)w->data;
    }
    if (!c->switches.weight_cache) return NULL;
    const float *values = weight_cache_find(&c->weights, w->id, bytes);
    if (values != NULL) {
        c->counters.weight_bytes_read += bytes;
        return values;
    }
    float *room = weight_cache_add(&c->weights, w->id, bytes);
    if (room != NULL) decode(c, room, w, 0, w->rows);
    return room;
}

bool context_matmul(struct context *c, float *y, const struct weight *w, const float *x, int64_t n,
                    struct err *err) {
    if (flag_is_set(c->cancel)) {
        return err_set(err, ERR_CANCELLED, "context: cancelled at tensor \"%s\"", w->tensor->name);
    }
    const float *values = standing_values(c, w);
    if (values != NULL) {
        multiply(c, y, w->rows, values, w->rows, w->cols, x, n);
        return true;
    }
    int64_t step = w->rows;
    if (c->switches.pool) step = w->cols < WEIGHT_CHUNK_VALUES ? WEIGHT_CHUNK_VALUES / w->cols : 1;
    float *decoded = scratch_take(&c->scratch, SLOT_WEIGHTS, step * w->cols, sizeof(float), err);
    if (decoded == NULL) return false;
    for (int64_t row = 0; row < w->rows; row += step) {
        int64_t some = w->rows - row < step ? w->rows - row : step;
        decode(c, decoded, w, row, some);
        multiply(c, y + row, w->rows, decoded, some, w->cols, x, n);
    }
    scratch_give(&c->scratch, SLOT_WEIGHTS);
    return true;
}
