/* fused_prepare.c - what the stages of the fused pass multiply: norms, and activations as records. */
#include "engine/fused_pass.h"

#include <string.h>

static size_t tile_bytes(const struct fused *f, int64_t cols) {
    return qact_bytes(f->kernels.width, fused_blocks(cols));
}

static struct product_input product_input_of(const struct fused *f, int64_t n, int64_t cols, const uint8_t *records) {
    return (struct product_input){.n = n, .cols = cols, .records = records, .tile_bytes = tile_bytes(f, cols)};
}

/* Columns of one tile to records; the blocks beyond cols are zero. */
static void quantize_tile(const struct fused *f, uint8_t *records, const float *x, int64_t ld,
                          int64_t n, int64_t cols) {
    const int width = qact_width(n);
    const int64_t blocks = cols / PACKED_BLOCK, padded = fused_blocks(cols);
    f->kernels.packed->quantize(records, width, (int)n, x, ld, cols);
    memset(records + qact_bytes(width, blocks), 0, qact_bytes(width, padded - blocks));
}

static bool has_records(const struct fused_matrix *const *matrices, int n) {
    for (int i = 0; i < n; i++) {
        if (!matrices[i]->is_float) return true;
    }
    return false;
}

/* One tile, by each thread for itself. */
static struct input prepare_tile(struct pass *p, int thread, const float *x, int64_t cols, int64_t n,
                                 const float *weight, bool records) {
    struct fused *f = p->f;
    struct fused_thread *self = &f->threads[thread];
    struct input in = {.x = x, .ld = cols, .q = product_input_of(f, n, cols, self->records)};
    if (weight != NULL) {
        for (int64_t i = 0; i < n; i++) {
            p->c->kernels->rms_norm(self->normed + i * cols, x + i * cols, weight, p->c->model->params.rms_eps, cols);
        }
        in.x = self->normed;
    }
    if (records) quantize_tile(f, self->records, in.x, cols, n, cols);
    pass_mark(p, thread, FUSED_PREPARE);
    return in;
}

struct input pass_prepare(struct pass *p, int thread, const float *x, int64_t cols, int64_t n,
                          const float *weight, const struct fused_matrix *const *matrices,
                          int n_matrices) {
    struct fused *f = p->f;
    const int width = f->kernels.width;
    const bool records = has_records(matrices, n_matrices) && cols % PACKED_BLOCK == 0;
    if (pass_is_tile(f, n)) return prepare_tile(p, thread, x, cols, n, weight, records);
    int64_t tile, last;
    while (threads_next(f->team, thread, pass_tiles(f, n), 1, &tile, &last)) {
        const int64_t columns = pass_tile_columns(f, n, tile, 1);
        const float *from = x + tile * width * cols;
        if (weight != NULL) {
            float *to = f->normed + tile * width * cols;
            for (int64_t i = 0; i < columns; i++) {
                p->c->kernels->rms_norm(to + i * cols, from + i * cols, weight, p->c->model->params.rms_eps, cols);
            }
            from = to;
        }
        if (records) quantize_tile(f, f->records + (size_t)tile * tile_bytes(f, cols), from, cols, columns, cols);
    }
    pass_barrier(p, thread, FUSED_PREPARE);
    return (struct input){.x = weight != NULL ? f->normed : x, .ld = cols,
                          .q = product_input_of(f, n, cols, f->records)};
}

/* ---- the hidden values of the feed-forward ---- */

void pass_quantize_hidden(struct pass *p, int64_t tile, int64_t block, const float *h, int64_t columns) {
    struct fused *f = p->f;
    const int64_t n_ff = p->c->model->params.n_ff;
    const int width = qact_width(columns);
    uint8_t *records = f->h_records + (size_t)tile * tile_bytes(f, n_ff);
    f->kernels.packed->quantize(records + qact_bytes(width, block), width, (int)columns, h, FUSED_CHUNK, FUSED_CHUNK);
}

static void zero_tails(const struct fused *f, int64_t n, int64_t cols) {
    const int64_t blocks = cols / PACKED_BLOCK, padded = fused_blocks(cols);
    for (int64_t t = 0; t < pass_tiles(f, n) && padded > blocks; t++) {
        const int width = qact_width(pass_tile_columns(f, n, t, 1));
        uint8_t *records = f->h_records + (size_t)t * tile_bytes(f, cols);
        memset(records + qact_bytes(width, blocks), 0, qact_bytes(width, padded - blocks));
    }
}

struct input pass_hidden(struct pass *p, int thread, bool records) {
    const int64_t n_ff = p->c->model->params.n_ff;
    if (thread == 0 && records) zero_tails(p->f, p->n, n_ff);
    return (struct input){.x = p->f->h, .ld = n_ff,
                          .q = product_input_of(p->f, p->n, n_ff, p->f->h_records)};
}
