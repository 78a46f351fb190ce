/* fused_products.c - stages of the fused pass that multiply by weights: norm and quantisation of the
 * input, pieces of work, products, SwiGLU. */
#include "engine/fused_pass.h"

#include <string.h>

/* Weight bytes of a piece in prefill: stays in L2 while all tiles of activations pass. */
#define PIECE_BYTES (128 * 1024)
#define PIECES_PER_THREAD 8

static size_t tile_offset(const struct fused *f, int64_t cols, int64_t tile) {
    return (size_t)tile * qact_bytes(f->width, fused_blocks(cols));
}

/* ---- activations ---- */

/* Columns of one tile to records; the blocks beyond cols are zero. */
static void quantize_tile(const struct fused *f, uint8_t *records, const float *x, int64_t ld,
                          int64_t n, int64_t cols) {
    const int width = qact_width(n);
    const int64_t blocks = cols / PACKED_BLOCK, padded = fused_blocks(cols);
    f->packed->quantize(records, width, (int)n, x, ld, cols);
    memset(records + qact_bytes(width, blocks), 0, qact_bytes(width, padded - blocks));
}

static bool has_records(const struct fused_matrix *const *matrices, int n) {
    for (int i = 0; i < n; i++) {
        if (!matrices[i]->is_float) return true;
    }
    return false;
}

/* x normed by weight (NULL: as it is), as every matrix of the stage needs it. Of a large block the
 * caller must pass a barrier before use. */
struct input pass_prepare(struct pass *p, int thread, const float *x, int64_t cols, int64_t n,
                            const float *weight, const struct fused_matrix *const *matrices,
                            int n_matrices) {
    struct fused *f = p->f;
    struct fused_thread *self = &f->threads[thread];
    const struct kernels *k = p->c->kernels;
    const float eps = p->c->model->params.rms_eps;
    const bool records = has_records(matrices, n_matrices) && cols % PACKED_BLOCK == 0;
    struct input in = {.x = x, .ld = cols, .n = n, .cols = cols};
    if (n <= f->width) {
        if (weight != NULL) {
            for (int64_t i = 0; i < n; i++) {
                k->rms_norm(self->normed + i * cols, x + i * cols, weight, eps, cols);
            }
            in.x = self->normed;
        }
        if (records) quantize_tile(f, self->records, in.x, cols, n, cols);
        in.records = self->records;
        pass_mark(p, thread, FUSED_PREPARE);
        return in;
    }
    int64_t first, last;
    while (threads_next(f->team, thread, pass_tiles(f, n), 1, &first, &last)) {
        int64_t columns = pass_tile_columns(f, n, first);
        const float *from = x + first * f->width * cols;
        if (weight != NULL) {
            float *to = f->normed + first * f->width * cols;
            for (int64_t i = 0; i < columns; i++) {
                k->rms_norm(to + i * cols, from + i * cols, weight, eps, cols);
            }
            from = to;
        }
        if (records) {
            quantize_tile(f, f->records + tile_offset(f, cols, first), from, cols, columns, cols);
        }
    }
    if (weight != NULL) in.x = f->normed;
    in.records = f->records;
    pass_barrier(p, thread, FUSED_PREPARE);
    return in;
}

/* ---- products ---- */

/* Decoded rows of a unit, kept for the tiles that follow. */
static const float *float_rows(struct pass *p, struct fused_thread *self,
                               const struct fused_matrix *m, int64_t row, int64_t n_rows) {
    const struct weight *w = m->w;
    const uint8_t *data = w->data + (uint64_t)row * w->row_bytes;
    if (w->type == TENSOR_F32) return (const float *)(const void *)data;
    if (self->decoded != w || self->decoded_row != row) {
        p->c->kernels->dequantize[w->type](self->rows, data, n_rows * w->cols);
        self->decoded = w;
        self->decoded_row = row;
    }
    return self->rows;
}

/* y[c * stride + r] for the rows of one unit and the columns of one tile. */
static void product(struct pass *p, struct fused_thread *self, const struct fused_matrix *m,
                    int64_t unit, const struct input *in, int64_t tile, float *y, int64_t stride) {
    const struct fused *f = p->f;
    const struct weight *w = m->w;
    const int64_t row = unit * f->unit, columns = pass_tile_columns(f, in->n, tile);
    const int64_t n_rows = w->rows - row < f->unit ? w->rows - row : f->unit;
    const int width = qact_width(columns);
    self->kernel_calls++;
    if (m->packed != NULL) {
        f->packed->group[w->type](y, stride, packed_matrix_group(m->packed, unit),
                                  in->records + tile_offset(f, in->cols, tile), width,
                                  packed_blocks(w->type, w->cols));
        return;
    }
    if (!m->is_float) {
        f->rows->rows[w->type](y, stride, w->data + (uint64_t)row * w->row_bytes, w->row_bytes, n_rows,
                               w->cols, in->records + tile_offset(f, in->cols, tile), width);
        return;
    }
    const float *rows = float_rows(p, self, m, row, n_rows);
    const float *x = in->x + tile * f->width * in->ld;
    if (columns == 1) {
        p->c->kernels->dot_f32_columns(y, x, rows, w->cols, (int)n_rows, w->cols);
        return;
    }
    for (int64_t r = 0; r < n_rows; r++) {
        float column[FUSED_WIDTH];
        p->c->kernels->dot_f32_columns(column, rows + r * w->cols, x, in->ld, (int)columns, w->cols);
        for (int64_t c = 0; c < columns; c++) y[c * stride + r] = column[c];
    }
}

static void emit(const struct job *job, const float *y, int64_t stride, int64_t row, int64_t n_rows,
                 int64_t first_column, int64_t columns) {
    for (int64_t c = 0; c < columns; c++) {
        float *to = (job->rows != NULL ? job->rows[first_column + c]
                                       : job->dst + (first_column + c) * job->ld) + row;
        const float *from = y + c * stride;
        const float *bias = job->bias == NULL ? NULL : job->bias + row;
        for (int64_t r = 0; r < n_rows; r++) {
            float value = bias == NULL ? from[r] : from[r] + bias[r];
            to[r] = job->add ? to[r] + job->scale * value : value;
        }
    }
}

static void run_unit(struct pass *p, struct fused_thread *self, const struct job *job, int64_t unit,
                     const struct input *in, int64_t tile) {
    const int64_t row = unit * p->f->unit;
    const int64_t left = job->m->w->rows - row, n_rows = left < p->f->unit ? left : p->f->unit;
    const int64_t column = tile * p->f->width, columns = pass_tile_columns(p->f, in->n, tile);
    /* A product fills whole units and widths: only those may go where they belong at once. */
    if (job->rows == NULL && job->bias == NULL && !job->add && n_rows == p->f->unit &&
        columns == qact_width(columns)) {
        product(p, self, job->m, unit, in, tile, job->dst + column * job->ld + row, job->ld);
        return;
    }
    product(p, self, job->m, unit, in, tile, self->tile, FUSED_CHUNK);
    emit(job, self->tile, FUSED_CHUNK, row, n_rows, column, columns);
}

/* Units of a piece: long runs of weights in decode, what stays in L2 in prefill. */
static int64_t piece_of(const struct pass *p, int64_t n_units, size_t unit_bytes, int64_t n) {
    const struct fused *f = p->f;
    int64_t even = n_units / (p->n_active * PIECES_PER_THREAD);
    if (p->n_active == 1 && n <= f->width) return n_units;
    int64_t fits = unit_bytes > 0 ? (int64_t)(PIECE_BYTES / unit_bytes) : 1;
    int64_t piece = n <= f->width || even < fits ? even : fits;
    return piece < 1 ? 1 : piece;
}

static size_t unit_bytes_of(const struct fused *f, const struct fused_matrix *m) {
    return m->packed != NULL ? m->packed->group_bytes : (size_t)f->unit * m->w->row_bytes;
}

/* All products of a stage over one input; the caller passes the barrier. */
void pass_run_jobs(struct pass *p, int thread, const struct job *jobs, int n_jobs,
                     const struct input *in) {
    struct fused *f = p->f;
    struct fused_thread *self = &f->threads[thread];
    const int64_t tiles = pass_tiles(f, in->n);
    int64_t total = 0, first, last;
    for (int j = 0; j < n_jobs; j++) total += jobs[j].m->n_units;
    const int64_t piece = piece_of(p, total, unit_bytes_of(f, jobs[0].m), in->n);
    while (threads_next(f->team, thread, total, piece, &first, &last)) {
        int64_t begin = 0; /* of the job's units among all */
        for (int j = 0; j < n_jobs; begin += jobs[j].m->n_units, j++) {
            int64_t from = (first > begin ? first : begin) - begin;
            int64_t end = begin + jobs[j].m->n_units;
            int64_t to = (last < end ? last : end) - begin;
            if (to > from) self->bytes += (uint64_t)(to - from) * unit_bytes_of(f, jobs[j].m);
            if (jobs[j].m->is_float) { /* a unit is decoded once for all tiles */
                for (int64_t u = from; u < to; u++) {
                    for (int64_t t = 0; t < tiles; t++) run_unit(p, self, &jobs[j], u, in, t);
                }
            } else {
                for (int64_t t = 0; t < tiles; t++) {
                    for (int64_t u = from; u < to; u++) run_unit(p, self, &jobs[j], u, in, t);
                }
            }
        }
    }
}

/* ---- feed-forward ---- */

/* Rows [row, row + FUSED_CHUNK) of gate and up of one tile: SwiGLU into h, and its records. */
static void gate_up_chunk(struct pass *p, struct fused_thread *self, const struct fused_layer *layer,
                          const struct input *in, int64_t chunk, int64_t tile, bool records) {
    struct fused *f = p->f;
    const int64_t n_ff = p->c->model->params.n_ff, row = chunk * FUSED_CHUNK;
    const int64_t n_rows = n_ff - row < FUSED_CHUNK ? n_ff - row : FUSED_CHUNK;
    const int64_t columns = pass_tile_columns(f, in->n, tile);
    float *gate = self->tile, *up = gate + f->width * FUSED_CHUNK;
    for (int64_t done = 0; done < n_rows; done += f->unit) {
        product(p, self, &layer->gate, (row + done) / f->unit, in, tile, gate + done, FUSED_CHUNK);
    }
    for (int64_t done = 0; done < n_rows; done += f->unit) {
        product(p, self, &layer->up, (row + done) / f->unit, in, tile, up + done, FUSED_CHUNK);
    }
    const int width = qact_width(columns);
    uint8_t *block = f->h_records + tile_offset(f, n_ff, tile) + qact_bytes(width, chunk);
    float *h = f->h + tile * f->width * n_ff + row;
    for (int64_t c = 0; c < columns; c++) {
        p->c->kernels->swiglu(h + c * n_ff, gate + c * FUSED_CHUNK, up + c * FUSED_CHUNK, n_rows);
    }
    if (records) f->packed->quantize(block, width, (int)columns, h, n_ff, FUSED_CHUNK);
}

static void zero_tail(struct fused *f, int64_t n, int64_t cols) {
    const int64_t blocks = cols / PACKED_BLOCK, padded = fused_blocks(cols);
    for (int64_t t = 0; t < pass_tiles(f, n) && padded > blocks; t++) {
        const int width = qact_width(pass_tile_columns(f, n, t));
        memset(f->h_records + tile_offset(f, cols, t) + qact_bytes(width, blocks), 0,
               qact_bytes(width, padded - blocks));
    }
}

void pass_feed_forward(struct pass *p, int thread, const struct layer *weights,
                         const struct fused_layer *layer) {
    struct fused *f = p->f;
    struct fused_thread *self = &f->threads[thread];
    const struct model_params *params = &p->c->model->params;
    const struct fused_matrix *inputs[] = {&layer->gate, &layer->up};
    struct input in = pass_prepare(p, thread, f->x, params->n_embd, p->n, weights->ffn_norm, inputs, 2);
    const bool records = !layer->down.is_float && params->n_ff % FUSED_CHUNK == 0;
    const int64_t chunks = (params->n_ff + FUSED_CHUNK - 1) / FUSED_CHUNK, tiles = pass_tiles(f, p->n);
    const size_t bytes = 2 * (size_t)(FUSED_CHUNK / f->unit) * unit_bytes_of(f, &layer->gate);
    const bool by_chunk = layer->gate.is_float || layer->up.is_float;
    int64_t first, last;
    while (threads_next(f->team, thread, chunks, piece_of(p, chunks, bytes, p->n), &first, &last)) {
        self->bytes += (uint64_t)(last - first) * bytes;
        for (int64_t i = 0; i < (last - first) * tiles; i++) {
            int64_t chunk = first + (by_chunk ? i / tiles : i % (last - first));
            int64_t tile = by_chunk ? i % tiles : i / (last - first);
            gate_up_chunk(p, self, layer, &in, chunk, tile, records);
        }
    }
    if (thread == 0 && records) zero_tail(f, p->n, params->n_ff);
    pass_barrier(p, thread, FUSED_GATE_UP);
    struct input hidden = {
        .x = f->h, .ld = params->n_ff, .n = p->n, .cols = params->n_ff, .records = f->h_records};
    struct job down = {.m = &layer->down, .dst = f->x, .ld = params->n_embd, .add = true,
                       .scale = params->residual_scale};
    pass_run_jobs(p, thread, &down, 1, &hidden);
    pass_barrier(p, thread, FUSED_DOWN);
}

