/* forward_fused.c - the network in one parallel region per block: quantised weights times quantised
 * activations, fused attention.
 *
 * Stages of a layer, with a barrier behind each:
 *   1  norm; q, k, v                     2  rope, KV store, attention by KV head
 *   3  output projection, added to x     4  norm; gate, up, SwiGLU, quantised     5  down, added to x
 * A small block (decode) is normed and quantised by every thread for itself, which is cheaper than a
 * barrier; a large one (prefill) by all together, tile by tile. */
#include "engine/fused.h"

#include "base/clock.h"
#include "engine/attention_naive.h"
#include "engine/context.h"

#include <math.h>
#include <string.h>

/* Weight bytes that a thread should have per stage before a second one is worth its barrier. */
#define LEAST_BYTES_PER_STAGE 32768
#define STAGES_PER_LAYER 5
/* Weight bytes of a piece in prefill: stays in L2 while all tiles of activations pass. */
#define PIECE_BYTES (128 * 1024)
#define PIECES_PER_THREAD 8

struct pass {
    struct context *c;
    struct fused *f;
    int64_t n, n_active;
    bool want_all, want_last;
    float *rows; /* [n, n_vocab] with want_all */
    float *last; /* [n_vocab] */
    volatile bool stop; /* written by thread 0 before a barrier */
};

/* The left side of a product: F32 rows `ld` apart, and the same as records, tile by tile. */
struct input {
    const float *x;
    int64_t ld, n, cols;
    const uint8_t *records;
};

/* A product's way out: dst[col * ld + row] = y + bias, or += scale * (y + bias). */
struct job {
    const struct fused_matrix *m;
    float *dst;
    int64_t ld;
    const float *bias;
    bool add;
    float scale;
};

static int width_of(int64_t n) {
    return n > 4 ? 8 : n > 2 ? 4 : n > 1 ? 2 : 1;
}

static int64_t tiles_of(int64_t n) {
    return (n + FUSED_WIDTH - 1) / FUSED_WIDTH;
}

static int64_t tile_columns(int64_t n, int64_t tile) {
    int64_t left = n - tile * FUSED_WIDTH;
    return left < FUSED_WIDTH ? left : FUSED_WIDTH;
}

static size_t tile_offset(int64_t cols, int64_t tile) {
    return (size_t)tile * qact_bytes(FUSED_WIDTH, fused_blocks(cols));
}

static bool is_small(const struct pass *p) {
    return p->n <= FUSED_WIDTH;
}

static void mark(struct pass *p, int thread, enum fused_op op) {
    if (!p->f->profile) return;
    struct fused_thread *self = &p->f->threads[thread];
    int64_t now = clock_now_ns();
    self->op_ns[op] += now - self->mark_ns;
    self->op_calls[op]++;
    self->mark_ns = now;
}

static void barrier(struct pass *p, int thread, enum fused_op op) {
    mark(p, thread, op);
    threads_barrier(p->f->team, thread);
    mark(p, thread, FUSED_WAIT);
}

/* ---- activations ---- */

/* Columns of one tile to records; the blocks beyond cols are zero. */
static void quantize_tile(const struct fused *f, uint8_t *records, const float *x, int64_t ld,
                          int64_t n, int64_t cols) {
    const int width = width_of(n);
    const int64_t blocks = cols / PACKED_BLOCK, padded = fused_blocks(cols);
    for (int64_t c = 0; c < n; c++) f->packed->quantize(records, width, (int)c, x + c * ld, cols);
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
static struct input prepare(struct pass *p, int thread, const float *x, int64_t cols, int64_t n,
                            const float *weight, const struct fused_matrix *const *matrices,
                            int n_matrices) {
    struct fused *f = p->f;
    struct fused_thread *self = &f->threads[thread];
    const struct kernels *k = p->c->kernels;
    const float eps = p->c->model->params.rms_eps;
    const bool records = has_records(matrices, n_matrices) && cols % PACKED_BLOCK == 0;
    struct input in = {.x = x, .ld = cols, .n = n, .cols = cols};
    if (n <= FUSED_WIDTH) {
        if (weight != NULL) {
            for (int64_t i = 0; i < n; i++) {
                k->rms_norm(self->normed + i * cols, x + i * cols, weight, eps, cols);
            }
            in.x = self->normed;
        }
        if (records) quantize_tile(f, self->records, in.x, cols, n, cols);
        in.records = self->records;
        return in;
    }
    int64_t first, last;
    while (threads_next(f->team, thread, tiles_of(n), 1, &first, &last)) {
        int64_t columns = tile_columns(n, first);
        const float *from = x + first * FUSED_WIDTH * cols;
        if (weight != NULL) {
            float *to = f->normed + first * FUSED_WIDTH * cols;
            for (int64_t i = 0; i < columns; i++) {
                k->rms_norm(to + i * cols, from + i * cols, weight, eps, cols);
            }
            from = to;
        }
        if (records) {
            quantize_tile(f, f->records + tile_offset(cols, first), from, cols, columns, cols);
        }
    }
    if (weight != NULL) in.x = f->normed;
    in.records = f->records;
    barrier(p, thread, FUSED_PREPARE);
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
    const int64_t row = unit * f->unit, columns = tile_columns(in->n, tile);
    const int64_t n_rows = w->rows - row < f->unit ? w->rows - row : f->unit;
    const int width = width_of(columns);
    self->kernel_calls++;
    if (m->packed != NULL) {
        f->packed->group[w->type](y, stride, m->packed + (size_t)unit * m->group_bytes,
                                  in->records + tile_offset(in->cols, tile), width,
                                  packed_blocks(w->type, w->cols));
        return;
    }
    if (!m->is_float) {
        f->rows->rows[w->type](y, stride, w->data + (uint64_t)row * w->row_bytes, w->row_bytes, n_rows,
                               w->cols, in->records + tile_offset(in->cols, tile), width);
        return;
    }
    const float *rows = float_rows(p, self, m, row, n_rows);
    const float *x = in->x + tile * FUSED_WIDTH * in->ld;
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
        float *to = job->dst + (first_column + c) * job->ld + row;
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
    product(p, self, job->m, unit, in, tile, self->tile, FUSED_CHUNK);
    emit(job, self->tile, FUSED_CHUNK, row, n_rows, tile * FUSED_WIDTH, tile_columns(in->n, tile));
}

/* Units of a piece: long runs of weights in decode, what stays in L2 in prefill. */
static int64_t piece_of(const struct pass *p, int64_t n_units, size_t unit_bytes, int64_t n) {
    int64_t even = n_units / (p->n_active * PIECES_PER_THREAD);
    if (p->n_active == 1 && n <= FUSED_WIDTH) return n_units;
    int64_t fits = unit_bytes > 0 ? (int64_t)(PIECE_BYTES / unit_bytes) : 1;
    int64_t piece = n <= FUSED_WIDTH || even < fits ? even : fits;
    return piece < 1 ? 1 : piece;
}

static size_t unit_bytes_of(const struct fused *f, const struct fused_matrix *m) {
    return m->packed != NULL ? m->group_bytes : (size_t)f->unit * m->w->row_bytes;
}

/* All products of a stage over one input; the caller passes the barrier. */
static void run_jobs(struct pass *p, int thread, const struct job *jobs, int n_jobs,
                     const struct input *in) {
    struct fused_thread *self = &p->f->threads[thread];
    const int64_t tiles = tiles_of(in->n);
    int64_t total = 0, first, last;
    for (int j = 0; j < n_jobs; j++) total += jobs[j].m->n_units;
    const int64_t piece = piece_of(p, total, unit_bytes_of(p->f, jobs[0].m), in->n);
    while (threads_next(p->f->team, thread, total, piece, &first, &last)) {
        int64_t begin = 0; /* of the job's units among all */
        for (int j = 0; j < n_jobs; begin += jobs[j].m->n_units, j++) {
            int64_t from = (first > begin ? first : begin) - begin;
            int64_t end = begin + jobs[j].m->n_units;
            int64_t to = (last < end ? last : end) - begin;
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
    const int64_t columns = tile_columns(in->n, tile);
    float *gate = self->tile, *up = gate + FUSED_WIDTH * FUSED_CHUNK;
    for (int64_t done = 0; done < n_rows; done += f->unit) {
        product(p, self, &layer->gate, (row + done) / f->unit, in, tile, gate + done, FUSED_CHUNK);
    }
    for (int64_t done = 0; done < n_rows; done += f->unit) {
        product(p, self, &layer->up, (row + done) / f->unit, in, tile, up + done, FUSED_CHUNK);
    }
    const int width = width_of(columns);
    uint8_t *block = f->h_records + tile_offset(n_ff, tile) + qact_bytes(width, chunk);
    for (int64_t c = 0; c < columns; c++) {
        float *h = f->h + (tile * FUSED_WIDTH + c) * n_ff + row;
        p->c->kernels->swiglu(h, gate + c * FUSED_CHUNK, up + c * FUSED_CHUNK, n_rows);
        if (records) f->packed->quantize(block, width, (int)c, h, FUSED_CHUNK);
    }
}

static void zero_tail(struct fused *f, int64_t n, int64_t cols) {
    const int64_t blocks = cols / PACKED_BLOCK, padded = fused_blocks(cols);
    for (int64_t t = 0; t < tiles_of(n) && padded > blocks; t++) {
        const int width = width_of(tile_columns(n, t));
        memset(f->h_records + tile_offset(cols, t) + qact_bytes(width, blocks), 0,
               qact_bytes(width, padded - blocks));
    }
}

static void feed_forward(struct pass *p, int thread, const struct layer *weights,
                         const struct fused_layer *layer) {
    struct fused *f = p->f;
    struct fused_thread *self = &f->threads[thread];
    const struct model_params *params = &p->c->model->params;
    const struct fused_matrix *inputs[] = {&layer->gate, &layer->up};
    struct input in = prepare(p, thread, f->x, params->n_embd, p->n, weights->ffn_norm, inputs, 2);
    const bool records = !layer->down.is_float && params->n_ff % FUSED_CHUNK == 0;
    const int64_t chunks = (params->n_ff + FUSED_CHUNK - 1) / FUSED_CHUNK, tiles = tiles_of(p->n);
    const size_t bytes = 2 * (size_t)(FUSED_CHUNK / f->unit) * unit_bytes_of(f, &layer->gate);
    const bool by_chunk = layer->gate.is_float || layer->up.is_float;
    int64_t first, last;
    while (threads_next(f->team, thread, chunks, piece_of(p, chunks, bytes, p->n), &first, &last)) {
        for (int64_t i = 0; i < (last - first) * tiles; i++) {
            int64_t chunk = first + (by_chunk ? i / tiles : i % (last - first));
            int64_t tile = by_chunk ? i % tiles : i / (last - first);
            gate_up_chunk(p, self, layer, &in, chunk, tile, records);
        }
    }
    if (thread == 0 && records) zero_tail(f, p->n, params->n_ff);
    barrier(p, thread, FUSED_GATE_UP);
    struct input hidden = {
        .x = f->h, .ld = params->n_ff, .n = p->n, .cols = params->n_ff, .records = f->h_records};
    struct job down = {.m = &layer->down, .dst = f->x, .ld = params->n_embd, .add = true,
                       .scale = params->residual_scale};
    run_jobs(p, thread, &down, 1, &hidden);
    barrier(p, thread, FUSED_DOWN);
}

/* ---- attention ---- */

/* Norms and rotates what belongs to one KV head of one token, and stores its key and value. */
static void rotate_and_store(struct pass *p, const struct layer *layer, int64_t index, int64_t token,
                             int64_t head) {
    struct context *c = p->c;
    struct fused *f = p->f;
    const struct model_params *m = &c->model->params;
    const struct rope *rope = &c->model->rope;
    const int64_t dim = m->head_dim, group = m->n_head / m->n_head_kv;
    const float *turn = f->angles + token * 2 * rope->n_pairs;
    float *q = f->q + token * m->n_head * dim + head * group * dim;
    float *k = f->k + token * m->n_head_kv * dim + head * dim;
    for (int64_t g = 0; layer->q_norm != NULL && g < group; g++) {
        c->kernels->rms_norm(q + g * dim, q + g * dim, layer->q_norm, m->rms_eps, dim);
    }
    if (layer->k_norm != NULL) c->kernels->rms_norm(k, k, layer->k_norm, m->rms_eps, dim);
    rope_apply(rope, turn, q, group, dim);
    rope_apply(rope, turn, k, 1, dim);
    kv_cache_store_head(&c->kv, index, head, c->n_past + token, k,
                        f->v + token * m->n_head_kv * dim + head * dim);
}

static struct attention_task task_of(const struct pass *p, int64_t index, int64_t head,
                                     int64_t token, int64_t n_tokens, int64_t first, int64_t last) {
    const struct context *c = p->c;
    const struct model_params *m = &c->model->params;
    const int64_t dim = m->head_dim, group = m->n_head / m->n_head_kv;
    return (struct attention_task){
        .q = p->f->q + token * m->n_head * dim + head * group * dim, .q_stride = m->n_head * dim,
        .n_tokens = n_tokens, .group = group, .head_dim = dim, .n_past = c->n_past + token,
        .first = first, .last = last, .keys = kv_cache_key_rows(&c->kv, index, head),
        .values = kv_cache_value_rows(&c->kv, index, head), .key_row = c->kv.key_row,
        .value_row = c->kv.value_row, .key_type = c->kv.key_type, .value_type = c->kv.value_type,
        .scale = m->attention_scale};
}

static float *mixed_of(const struct pass *p, int64_t token, int64_t head) {
    const struct model_params *m = &p->c->model->params;
    return p->f->mixed + token * m->n_head * m->head_dim +
           head * (m->n_head / m->n_head_kv) * m->head_dim;
}

/* n_tokens queries of one KV head over everything they see. */
static void attend_whole(struct pass *p, int thread, int64_t index, int64_t head, int64_t token,
                         int64_t n_tokens) {
    struct fused_thread *self = &p->f->threads[thread];
    const struct model_params *m = &p->c->model->params;
    const int64_t dim = m->head_dim, group = m->n_head / m->n_head_kv, width = m->n_head * dim;
    const int64_t last = p->c->n_past + token + n_tokens;
    self->kernel_calls++;
    if (p->f->attention == NULL) {
        for (int64_t i = 0; i < n_tokens * group; i++) {
            int64_t t = token + i / group, g = i % group;
            attention_naive(p->c->kernels, mixed_of(p, t, head) + g * dim,
                            p->f->q + t * width + (head * group + g) * dim,
                            kv_cache_keys(&p->c->kv, index, head),
                            kv_cache_values(&p->c->kv, index, head), self->attention,
                            p->c->n_past + t + 1, dim, m->attention_scale);
        }
        return;
    }
    struct attention_task task = task_of(p, index, head, token, n_tokens, 0, last);
    p->f->attention->attend(&task, self->part, self->attention);
    attention_merge(mixed_of(p, token, head), width, &self->part, 1, n_tokens, group, dim);
}

/* A long context in decode: every part by whoever is free, then merged in order. */
static void attend_parts(struct pass *p, int thread, int64_t index, int64_t n_parts) {
    struct fused *f = p->f;
    struct fused_thread *self = &f->threads[thread];
    const struct model_params *m = &p->c->model->params;
    const int64_t dim = m->head_dim, group = m->n_head / m->n_head_kv;
    int64_t first, last;
    barrier(p, thread, FUSED_ATTENTION); /* all keys are stored */
    while (threads_next(f->team, thread, m->n_head_kv * n_parts, 1, &first, &last)) {
        int64_t head = first / n_parts, part = first % n_parts;
        for (int64_t t = 0; t < p->n; t++) {
            int64_t seen = p->c->n_past + t + 1, from = part * FUSED_PART;
            int64_t to = from + FUSED_PART < seen ? from + FUSED_PART : seen;
            struct attention_task task = task_of(p, index, head, t, 1, from < to ? from : to, to);
            f->attention->attend(&task, f->parts[(t * m->n_head_kv + head) * f->max_parts + part],
                                 self->attention);
            self->kernel_calls++;
        }
    }
    barrier(p, thread, FUSED_ATTENTION);
    while (threads_next(f->team, thread, m->n_head_kv, 1, &first, &last)) {
        for (int64_t t = 0; t < p->n; t++) {
            attention_merge(mixed_of(p, t, first), m->n_head * dim,
                            &f->parts[(t * m->n_head_kv + first) * f->max_parts], (int)n_parts, 1,
                            group, dim);
        }
    }
}

static void attention(struct pass *p, int thread, const struct layer *layer, int64_t index) {
    const struct model_params *m = &p->c->model->params;
    const int64_t positions = p->c->n_past + p->n;
    int64_t first, last;
    if (is_small(p)) {
        const int64_t n_parts = (positions + FUSED_PART - 1) / FUSED_PART;
        const bool whole = n_parts == 1 || p->f->attention == NULL;
        while (threads_next(p->f->team, thread, m->n_head_kv, 1, &first, &last)) {
            for (int64_t t = 0; t < p->n; t++) rotate_and_store(p, layer, index, t, first);
            /* Token by token, so that a token's result does not depend on what runs with it. */
            for (int64_t t = 0; t < p->n && whole; t++) attend_whole(p, thread, index, first, t, 1);
        }
        if (!whole) attend_parts(p, thread, index, n_parts);
    } else {
        while (threads_next(p->f->team, thread, p->n, FUSED_WIDTH, &first, &last)) {
            for (int64_t t = first; t < last; t++) {
                for (int64_t h = 0; h < m->n_head_kv; h++) rotate_and_store(p, layer, index, t, h);
            }
        }
        barrier(p, thread, FUSED_ATTENTION);
        const int64_t query_tiles = (p->n + FUSED_QUERY_TILE - 1) / FUSED_QUERY_TILE;
        while (threads_next(p->f->team, thread, query_tiles * m->n_head_kv, 1, &first, &last)) {
            /* The last tokens see most: they go first, so that the end is even. */
            int64_t tile = query_tiles - 1 - first / m->n_head_kv, head = first % m->n_head_kv;
            int64_t token = tile * FUSED_QUERY_TILE;
            int64_t some = p->n - token < FUSED_QUERY_TILE ? p->n - token : FUSED_QUERY_TILE;
            attend_whole(p, thread, index, head, token, some);
        }
    }
    barrier(p, thread, FUSED_ATTENTION);
}

static void attention_block(struct pass *p, int thread, const struct layer *weights,
                            const struct fused_layer *layer, int64_t index) {
    struct fused *f = p->f;
    const struct model_params *m = &p->c->model->params;
    const int64_t q_width = m->n_head * m->head_dim, kv_width = m->n_head_kv * m->head_dim;
    const struct fused_matrix *inputs[] = {&layer->q, &layer->k, &layer->v};
    struct input in = prepare(p, thread, f->x, m->n_embd, p->n, weights->attn_norm, inputs, 3);
    const struct job jobs[] = {
        {.m = &layer->q, .dst = f->q, .ld = q_width, .bias = weights->q_bias},
        {.m = &layer->k, .dst = f->k, .ld = kv_width, .bias = weights->k_bias},
        {.m = &layer->v, .dst = f->v, .ld = kv_width, .bias = weights->v_bias},
    };
    run_jobs(p, thread, jobs, 3, &in);
    barrier(p, thread, FUSED_QKV);
    attention(p, thread, weights, index);
    const struct fused_matrix *projection[] = {&layer->o};
    in = prepare(p, thread, f->mixed, q_width, p->n, NULL, projection, 1);
    struct job out = {.m = &layer->o, .dst = f->x, .ld = m->n_embd, .bias = weights->attn_output_bias,
                      .add = true, .scale = m->residual_scale};
    run_jobs(p, thread, &out, 1, &in);
    barrier(p, thread, FUSED_ATTN_OUTPUT);
}

/* ---- the whole pass ---- */

static void output(struct pass *p, int thread) {
    struct fused *f = p->f;
    const struct model *model = p->c->model;
    const int64_t count = p->want_all ? p->n : 1;
    const struct fused_matrix *inputs[] = {&f->output};
    const float *x = f->x + (p->n - count) * model->params.n_embd;
    struct input in = prepare(p, thread, x, model->params.n_embd, count, model->output_norm, inputs, 1);
    struct job logits = {.m = &f->output, .dst = p->want_all ? p->rows : p->last, .ld = model->n_vocab};
    run_jobs(p, thread, &logits, 1, &in);
    mark(p, thread, FUSED_OUTPUT);
}

static void run_pass(void *user, int thread) {
    struct pass *p = user;
    struct context *c = p->c;
    struct fused_thread *self = &p->f->threads[thread];
    self->decoded = NULL;
    if (p->f->profile) self->mark_ns = clock_now_ns();
    for (int64_t i = 0; i < c->model->params.n_layer; i++) {
        attention_block(p, thread, &c->model->layers[i], &p->f->layers[i], i);
        if (thread == 0 && c->cancel != NULL && *c->cancel) p->stop = true;
        feed_forward(p, thread, &c->model->layers[i], &p->f->layers[i]);
        if (p->stop) return; /* all threads saw it behind the same barrier */
    }
    if (p->want_all || p->want_last) output(p, thread);
}

static void embed(struct context *c, float *x, const int32_t *tokens, int64_t n) {
    const struct weight *table = &c->model->token_embd;
    const float scale = c->model->params.embedding_scale;
    for (int64_t i = 0; i < n; i++, x += table->cols) {
        c->kernels->dequantize[table->type](x, table->data + (uint64_t)tokens[i] * table->row_bytes,
                                            table->cols);
        for (int64_t j = 0; scale != 1.0f && j < table->cols; j++) x[j] *= scale;
    }
}

/* Threads whose share of a stage is worth a barrier. */
static int64_t active_threads(const struct context *c, int64_t n) {
    int64_t columns = n > 1 ? 1 + n / 2 : 1; /* work per weight grows with the columns */
    int64_t per_stage = (int64_t)c->model->bytes_per_token /
                        (c->model->params.n_layer * STAGES_PER_LAYER) * columns;
    int64_t most = per_stage / LEAST_BYTES_PER_STAGE;
    return most < 1 ? 1 : most < c->switches.n_threads ? most : c->switches.n_threads;
}

static void count_work(struct context *c, int64_t n) {
    struct fused *f = c->fused;
    c->counters.weight_bytes_read += c->model->bytes_per_token;
    for (int64_t i = 0; i < n; i++) {
        c->counters.kv_bytes_read += kv_cache_bytes(&c->kv, c->n_past + i + 1);
    }
    for (int i = 0; i < c->switches.n_threads; i++) {
        c->counters.kernel_calls += f->threads[i].kernel_calls;
        f->threads[i].kernel_calls = 0;
    }
}

bool fused_forward(struct context *c, const int32_t *tokens, int64_t n, int want_all, int want_last,
                   float *rows, struct err *err) {
    struct pass p = {.c = c, .f = c->fused, .n = n, .want_all = want_all != 0,
                     .want_last = want_last != 0, .rows = rows,
                     .last = c->scratch.blocks[SLOT_LOGITS],
                     .n_active = active_threads(c, n)};
    embed(c, p.f->x, tokens, n);
    for (int64_t i = 0; i < n; i++) {
        rope_angles(&c->model->rope, c->n_past + i, p.f->angles + i * 2 * c->model->rope.n_pairs);
    }
    threads_run(p.f->team, (int)p.n_active, run_pass, &p);
    if (p.stop) return err_set(err, ERR_CANCELLED, "context: cancelled in a block of %lld tokens", (long long)n);
    count_work(c, n);
    return true;
}
