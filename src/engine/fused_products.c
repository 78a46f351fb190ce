/* fused_products.c - stages of the fused pass that multiply by weights: pieces of work, products, SwiGLU.
 * What they multiply comes from fused_prepare.c. */
#include "engine/fused_pass.h"

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

/* y[c * stride + r] for the rows of one unit and some columns, at most FUSED_WIDTH. */
static void float_product(struct pass *p, struct fused_thread *self, const struct fused_matrix *m, int64_t unit,
                          const struct input *in, int64_t column, int64_t columns, float *y, int64_t stride) {
    const struct weight *w = m->w;
    const int64_t row = unit * p->f->kernels.unit;
    const int64_t n_rows = w->rows - row < p->f->kernels.unit ? w->rows - row : p->f->kernels.unit;
    const float *rows = float_rows(p, self, m, row, n_rows), *x = in->x + column * in->ld;
    if (columns == 1) {
        p->c->kernels->dot_f32_columns(y, x, rows, w->cols, (int)n_rows, w->cols);
        return;
    }
    for (int64_t r = 0; r < n_rows; r++) {
        float values[FUSED_WIDTH];
        p->c->kernels->dot_f32_columns(values, rows + r * w->cols, x, in->ld, (int)columns, w->cols);
        for (int64_t c = 0; c < columns; c++) y[c * stride + r] = values[c];
    }
}

/* y[c * stride + r] of n_units units and n_tiles tiles; of a float matrix one of each. */
static void product(struct pass *p, struct fused_thread *self, const struct fused_matrix *m, int64_t unit,
                    int64_t n_units, const struct input *in, int64_t tile, int64_t n_tiles, float *y, int64_t stride) {
    const struct product_kernels *k = &p->f->kernels;
    self->kernel_calls++;
    if (m->is_float) {
        float_product(p, self, m, unit, in, tile * k->width, pass_tile_columns(p->f, in->q.n, tile, n_tiles), y, stride);
    } else {
        product_block(k, &m->product, &in->q, unit, n_units, tile, n_tiles, y, stride, self->scratch);
    }
}

/* Columns of x lie whole pages apart, each line alone: asked for so many columns before it is added to. */
enum { EMIT_AHEAD = 6 };

static void emit(const struct job *job, const float *y, int64_t stride, int64_t row, int64_t n_rows,
                 int64_t first_column, int64_t columns) {
    for (int64_t c = 0; c < columns; c++) {
        float *to = (job->rows != NULL ? job->rows[first_column + c]
                                       : job->dst + (first_column + c) * job->ld) + row;
        if (job->add && c + EMIT_AHEAD < columns) __builtin_prefetch(to + EMIT_AHEAD * job->ld, 1, 3);
        const float *from = y + c * stride;
        const float *bias = job->bias == NULL ? NULL : job->bias + row;
        for (int64_t r = 0; r < n_rows; r++) {
            float value = bias == NULL ? from[r] : from[r] + bias[r];
            to[r] = job->add ? to[r] + job->scale * value : value;
        }
    }
}

/* Rows from `unit` on that n_units hold. */
static int64_t rows_of(const struct pass *p, const struct fused_matrix *m, int64_t unit, int64_t n_units) {
    const int64_t left = m->w->rows - unit * p->f->kernels.unit, most = n_units * p->f->kernels.unit;
    return left < most ? left : most;
}

static void run_units(struct pass *p, struct fused_thread *self, const struct job *job, int64_t unit, int64_t n_units,
                      const struct input *in, int64_t tile, int64_t n_tiles) {
    const struct product_kernels *k = &p->f->kernels;
    const int64_t row = unit * k->unit, n_rows = rows_of(p, job->m, unit, n_units);
    const int64_t column = tile * k->width, columns = pass_tile_columns(p->f, in->q.n, tile, n_tiles);
    const int64_t last_tile = (columns - 1) % k->width + 1;
    /* A product fills whole units and widths: only those may go where they belong at once. */
    if (job->rows == NULL && job->bias == NULL && !job->add && n_rows == n_units * k->unit &&
        last_tile == qact_width(last_tile)) {
        product(p, self, job->m, unit, n_units, in, tile, n_tiles, job->dst + column * job->ld + row, job->ld);
        return;
    }
    product(p, self, job->m, unit, n_units, in, tile, n_tiles, self->tile, FUSED_CHUNK);
    emit(job, self->tile, FUSED_CHUNK, row, n_rows, column, columns);
}

/* ---- pieces ---- */

static size_t unit_bytes_of(const struct fused *f, const struct fused_matrix *m) {
    return m->product.packed != NULL ? m->product.packed->group_bytes : (size_t)f->kernels.unit * m->w->row_bytes;
}

/* streams: units that decode reads at once. */
static struct product_pieces pieces_of(const struct pass *p, int64_t n_units, size_t unit_bytes, int64_t n, int64_t streams) {
    return product_pieces(&p->f->kernels, n_units, unit_bytes, pass_is_tile(p->f, n), p->n_active, streams);
}

/* Units [from, to) of one tile, as many at once as are read as streams. */
static void run_streams(struct pass *p, struct fused_thread *self, const struct job *job, int64_t from, int64_t to,
                        const struct input *in) {
    const struct product_kernels *k = &p->f->kernels;
    const int64_t length = (to - from) / PACKED_STREAMS, rows = k->unit;
    const struct product_matrix *m[PACKED_STREAMS];
    float *y[PACKED_STREAMS];
    for (int s = 0; s < PACKED_STREAMS; s++) {
        m[s] = &job->m->product;
        y[s] = self->tile + s * rows;
    }
    for (int64_t i = 0; i < length; i++) {
        int64_t units[PACKED_STREAMS];
        for (int s = 0; s < PACKED_STREAMS; s++) units[s] = from + s * length + i;
        self->kernel_calls++;
        product_streams(k, m, units, &in->q, y, PACKED_STREAMS * rows);
        for (int s = 0; s < PACKED_STREAMS; s++) {
            emit(job, y[s], PACKED_STREAMS * rows, units[s] * rows, rows_of(p, job->m, units[s], 1), 0, in->q.n);
        }
    }
    for (int64_t u = from + PACKED_STREAMS * length; u < to; u++) run_units(p, self, job, u, 1, in, 0, 1);
}

/* Units [from, to) of all columns. */
static void run_range(struct pass *p, struct fused_thread *self, const struct job *job, int64_t from, int64_t to,
                      const struct input *in) {
    const struct product_kernels *k = &p->f->kernels;
    const int64_t tiles = pass_tiles(p->f, in->q.n);
    self->bytes += (uint64_t)(to - from) * unit_bytes_of(p->f, job->m);
    if (job->m->is_float) { /* a unit is decoded once for all tiles */
        for (int64_t u = from; u < to; u++) {
            for (int64_t t = 0; t < tiles; t++) run_units(p, self, job, u, 1, in, t, 1);
        }
    } else if (product_has_streams(k, &job->m->product, in->q.n)) {
        run_streams(p, self, job, from, to, in);
    } else {
        for (int64_t t = 0; t < tiles; t += k->tiles_together) {
            const int64_t n_tiles = tiles - t < k->tiles_together ? tiles - t : k->tiles_together;
            for (int64_t u = from; u < to; u += k->units_together) {
                const int64_t n_units = to - u < k->units_together ? to - u : k->units_together;
                run_units(p, self, job, u, n_units, in, t, n_tiles);
            }
        }
    }
}

/* All products of a stage over one input; the caller passes the barrier. */
void pass_run_jobs(struct pass *p, int thread, const struct job *jobs, int n_jobs,
                     const struct input *in) {
    struct fused *f = p->f;
    int64_t total = 0, first, last;
    for (int j = 0; j < n_jobs; j++) total += jobs[j].m->n_units;
    const struct product_pieces pieces = pieces_of(p, total, unit_bytes_of(f, jobs[0].m), in->q.n, PACKED_STREAMS);
    while (threads_next_half(f->team, thread, total, pieces.least, pieces.most, &first, &last)) {
        int64_t begin = 0; /* of the job's units among all */
        for (int j = 0; j < n_jobs; begin += jobs[j].m->n_units, j++) {
            int64_t from = (first > begin ? first : begin) - begin;
            int64_t end = begin + jobs[j].m->n_units;
            int64_t to = (last < end ? last : end) - begin;
            if (to > from) run_range(p, &f->threads[thread], &jobs[j], from, to, in);
        }
    }
}

/* ---- feed-forward ---- */

/* Rows of chunks of gate and up, some columns of them. */
struct chunk {
    int64_t index, row, n_rows;
    float *gate, *up; /* [columns, FUSED_CHUNK] */
};

static struct chunk chunk_of(const struct pass *p, struct fused_thread *self, int64_t index, int place, int64_t columns) {
    const int64_t n_ff = p->c->model->params.n_ff, row = index * FUSED_CHUNK;
    float *gate = self->tile + place * 2 * columns * FUSED_CHUNK;
    return (struct chunk){.index = index, .row = row, .gate = gate, .up = gate + columns * FUSED_CHUNK,
                          .n_rows = n_ff - row < FUSED_CHUNK ? n_ff - row : FUSED_CHUNK};
}

/* Gate and up of some tiles of a chunk. */
static void multiply_chunk(struct pass *p, struct fused_thread *self, const struct fused_layer *layer,
                           const struct input *in, const struct chunk *chunk, int64_t tile, int64_t n_tiles) {
    const struct product_kernels *k = &p->f->kernels;
    const int64_t unit = chunk->row / k->unit, n_units = (chunk->n_rows + k->unit - 1) / k->unit;
    const struct fused_matrix *matrices[] = {&layer->gate, &layer->up};
    for (int i = 0; i < 2; i++) {
        float *y = i == 0 ? chunk->gate : chunk->up;
        const int64_t step = matrices[i]->is_float ? 1 : n_units;
        for (int64_t u = 0; u < n_units; u += step) {
            product(p, self, matrices[i], unit + u, step, in, tile, n_tiles, y + u * k->unit, FUSED_CHUNK);
        }
    }
}

/* Gate and up of PACKED_STREAMS chunks of one tile, each a stream: a chunk's rows of gate lie before those of up. Of a
 * single chunk gate's two halves and up's are the streams. */
static void stream_chunks(struct pass *p, struct fused_thread *self, const struct fused_layer *layer,
                          const struct input *in, const struct chunk *chunks, int n_chunks) {
    const struct product_kernels *k = &p->f->kernels;
    const int64_t units = FUSED_CHUNK / k->unit, of_chunk = 2 * units;
    for (int64_t i = 0; i < of_chunk * n_chunks / PACKED_STREAMS; i++) {
        const struct product_matrix *m[PACKED_STREAMS];
        int64_t index[PACKED_STREAMS];
        float *y[PACKED_STREAMS];
        for (int s = 0; s < PACKED_STREAMS; s++) {
            const struct chunk *chunk = &chunks[s * n_chunks / PACKED_STREAMS];
            const int64_t at = (s * n_chunks % PACKED_STREAMS) * of_chunk / PACKED_STREAMS + i;
            const bool is_gate = at < units;
            const int64_t u = is_gate ? at : at - units;
            m[s] = is_gate ? &layer->gate.product : &layer->up.product;
            index[s] = chunk->row / k->unit + u;
            y[s] = (is_gate ? chunk->gate : chunk->up) + u * k->unit;
        }
        self->kernel_calls++;
        product_streams(k, m, index, &in->q, y, FUSED_CHUNK);
    }
}

/* SwiGLU of some tiles of a chunk, as the records that down takes or (NULL) as what is multiplied as floats. */
static void finish_chunk(struct pass *p, const struct chunk *chunk, int64_t n, int64_t tile, int64_t n_tiles,
                         const struct fused_matrix *down) {
    struct fused *f = p->f;
    const struct product_kernels *k = &f->kernels;
    const int64_t n_ff = p->c->model->params.n_ff;
    for (int64_t t = tile; t < tile + n_tiles; t++) {
        const int64_t columns = pass_tile_columns(f, n, t, 1), at = (t - tile) * k->width * FUSED_CHUNK;
        float *h = down != NULL ? chunk->gate + at : f->h + t * k->width * n_ff + chunk->row;
        const int64_t ld = down != NULL ? FUSED_CHUNK : n_ff;
        for (int64_t c = 0; c < columns; c++) {
            p->c->kernels->swiglu(h + c * ld, chunk->gate + at + c * FUSED_CHUNK,
                                  chunk->up + at + c * FUSED_CHUNK, chunk->n_rows);
        }
        if (down != NULL) pass_quantize_hidden(p, down, t, chunk->index, h, columns);
    }
}

void pass_feed_forward(struct pass *p, int thread, const struct layer *weights,
                         const struct fused_layer *layer) {
    struct fused *f = p->f;
    struct fused_thread *self = &f->threads[thread];
    const struct product_kernels *k = &f->kernels;
    const struct model_params *params = &p->c->model->params;
    const struct fused_matrix *inputs[] = {&layer->gate, &layer->up};
    const struct input in = pass_prepare(p, thread, f->x, params->n_embd, p->n, weights->ffn_norm, inputs, 2);
    const bool as_floats = layer->down.is_float || params->n_ff % FUSED_CHUNK != 0;
    const struct fused_matrix *down = as_floats ? NULL : &layer->down;
    const bool is_float = layer->gate.is_float || layer->up.is_float;
    const int64_t chunks = (params->n_ff + FUSED_CHUNK - 1) / FUSED_CHUNK, tiles = pass_tiles(f, p->n);
    const size_t bytes = 2 * (size_t)(FUSED_CHUNK / k->unit) * unit_bytes_of(f, &layer->gate);
    const bool streams = params->n_ff % FUSED_CHUNK == 0 && layer->gate.product.type == layer->up.product.type &&
                         product_has_streams(k, &layer->gate.product, p->n) &&
                         product_has_streams(k, &layer->up.product, p->n);
    const int64_t together = is_float ? 1 : k->tiles_together;
    const struct product_pieces pieces = pieces_of(p, chunks, bytes, p->n, PACKED_STREAMS);
    int64_t first, last;
    while (threads_next_half(f->team, thread, chunks, pieces.least, pieces.most, &first, &last)) {
        self->bytes += (uint64_t)(last - first) * bytes;
        const int64_t length = streams ? (last - first) / PACKED_STREAMS : 0;
        for (int64_t i = first; i < first + length; i++) {
            struct chunk some[PACKED_STREAMS];
            for (int s = 0; s < PACKED_STREAMS; s++) {
                some[s] = chunk_of(p, self, i + s * length, s, qact_width(p->n));
            }
            stream_chunks(p, self, layer, &in, some, PACKED_STREAMS);
            for (int s = 0; s < PACKED_STREAMS; s++) finish_chunk(p, &some[s], p->n, 0, 1, down);
        }
        for (int64_t t = 0; t < tiles; t += together) {
            const int64_t n_tiles = tiles - t < together ? tiles - t : together;
            for (int64_t i = first + PACKED_STREAMS * length; i < last; i++) {
                const struct chunk chunk = chunk_of(p, self, i, 0, n_tiles * k->width);
                if (streams) {
                    stream_chunks(p, self, layer, &in, &chunk, 1);
                } else {
                    multiply_chunk(p, self, layer, &in, &chunk, t, n_tiles);
                }
                finish_chunk(p, &chunk, p->n, t, n_tiles, down);
            }
        }
    }
    const struct input hidden = pass_hidden(p, thread, down);
    pass_barrier(p, thread, FUSED_GATE_UP);
    struct job job = {.m = &layer->down, .dst = f->x, .ld = params->n_embd, .add = true,
                       .scale = params->residual_scale};
    pass_run_jobs(p, thread, &job, 1, &hidden);
    pass_barrier(p, thread, FUSED_DOWN);
}
