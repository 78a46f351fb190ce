/* fused_prepare.c - what the stages of the fused pass multiply: norms, and activations as records. */
#include "engine/fused_pass.h"

#include <string.h>

static size_t tile_bytes(const struct fused *f, enum qact_kind kind, int64_t cols) {
    return qact_bytes(kind, f->kernels.width, fused_blocks(cols));
}

/* The kinds of records that some matrices take. */
struct kinds {
    bool takes[QACT_KINDS];
};

static struct kinds kinds_of(const struct fused *f, const struct fused_matrix *const *matrices, int n) {
    struct kinds k = {{false}};
    for (int i = 0; i < n; i++) {
        k.takes[packed_activations(f->kernels.packed, matrices[i]->w->type)] |= !matrices[i]->is_float;
    }
    return k;
}

/* Columns of one tile to records of a kind; the blocks beyond cols are zero. */
static void quantize_kind(const struct fused *f, enum qact_kind kind, uint8_t *records, const float *x, int64_t n,
                          int64_t cols) {
    const int width = qact_width(n);
    const int64_t blocks = cols / PACKED_BLOCK, padded = fused_blocks(cols);
    f->kernels.packed->quantize[kind](records, width, (int)n, x, cols, cols);
    memset(records + qact_bytes(kind, width, blocks), 0, qact_bytes(kind, width, padded - blocks));
}

/* The same to all kinds that are needed, as tile number `tile` of each. */
static void quantize_tile(const struct fused *f, struct kinds needed, uint8_t *const *records, int64_t tile,
                          const float *x, int64_t n, int64_t cols) {
    if (cols % PACKED_BLOCK != 0) return; /* multiplied as floats */
    for (enum qact_kind kind = 0; kind < QACT_KINDS; kind++) {
        if (!needed.takes[kind]) continue;
        quantize_kind(f, kind, records[kind] + (size_t)tile * tile_bytes(f, kind, cols), x, n, cols);
    }
}

static struct input input_of(const float *x, int64_t n, int64_t cols, uint8_t *const *records) {
    struct input in = {.x = x, .ld = cols, .q = {.n = n, .cols = cols, .tile_blocks = fused_blocks(cols)}};
    for (int kind = 0; kind < QACT_KINDS; kind++) in.q.records[kind] = records[kind];
    return in;
}

/* One tile, by each thread for itself. */
static struct input prepare_tile(struct pass *p, int thread, const float *x, int64_t cols, int64_t n,
                                 const float *weight, struct kinds needed) {
    struct fused *f = p->f;
    struct fused_thread *self = &f->threads[thread];
    const float *from = x;
    if (weight != NULL) {
        for (int64_t i = 0; i < n; i++) {
            p->c->kernels->rms_norm(self->normed + i * cols, x + i * cols, weight, p->c->model->params.rms_eps, cols);
        }
        from = self->normed;
    }
    quantize_tile(f, needed, self->records, 0, from, n, cols);
    pass_mark(p, thread, FUSED_PREPARE);
    return input_of(from, n, cols, self->records);
}

struct input pass_prepare(struct pass *p, int thread, const float *x, int64_t cols, int64_t n,
                          const float *weight, const struct fused_matrix *const *matrices,
                          int n_matrices) {
    struct fused *f = p->f;
    const int width = f->kernels.width;
    const struct kinds needed = kinds_of(f, matrices, n_matrices);
    if (pass_is_tile(f, n)) return prepare_tile(p, thread, x, cols, n, weight, needed);
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
        quantize_tile(f, needed, f->records, tile, from, columns, cols);
    }
    pass_barrier(p, thread, FUSED_PREPARE);
    return input_of(weight != NULL ? f->normed : x, n, cols, f->records);
}

/* ---- the hidden values of the feed-forward ---- */

void pass_quantize_hidden(struct pass *p, const struct fused_matrix *down, int64_t tile, int64_t block, const float *h,
                          int64_t columns) {
    struct fused *f = p->f;
    const int width = qact_width(columns);
    const enum qact_kind kind = packed_activations(f->kernels.packed, down->w->type);
    uint8_t *records = f->h_records + (size_t)tile * tile_bytes(f, kind, down->w->cols);
    f->kernels.packed->quantize[kind](records + qact_bytes(kind, width, block), width, (int)columns, h, FUSED_CHUNK,
                                      FUSED_CHUNK);
}

static void zero_tails(const struct fused *f, const struct fused_matrix *down, int64_t n) {
    const enum qact_kind kind = packed_activations(f->kernels.packed, down->w->type);
    const int64_t cols = down->w->cols, blocks = cols / PACKED_BLOCK, padded = fused_blocks(cols);
    for (int64_t t = 0; t < pass_tiles(f, n) && padded > blocks; t++) {
        const int width = qact_width(pass_tile_columns(f, n, t, 1));
        uint8_t *records = f->h_records + (size_t)t * tile_bytes(f, kind, cols);
        memset(records + qact_bytes(kind, width, blocks), 0, qact_bytes(kind, width, padded - blocks));
    }
}

struct input pass_hidden(struct pass *p, int thread, const struct fused_matrix *down) {
    struct fused *f = p->f;
    const int64_t n_ff = p->c->model->params.n_ff;
    uint8_t *const records[QACT_KINDS] = {f->h_records, f->h_records}; /* of the one kind that down takes */
    if (thread == 0 && down != NULL) zero_tails(f, down, p->n);
    return input_of(f->h, p->n, n_ff, records);
}
