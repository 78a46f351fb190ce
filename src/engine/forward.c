/* forward.c - the network: embedding, layers of attention and feed-forward, logits.
 *
 * One path for all switches; they decide which kernels run, where scratch comes from and how
 * weights are decoded, never the order of the arithmetic. */
#include "engine/context.h"

#include "base/clock.h"
#include "engine/attention_naive.h"

#include <math.h>
#include <string.h>

static float *take(struct context *c, enum slot slot, int64_t n, struct err *err) {
    return scratch_take(&c->scratch, slot, n, sizeof(float), err);
}

static void give(struct context *c, enum slot slot) {
    scratch_give(&c->scratch, slot);
}

/* y += a * x */
static void add_scaled(struct context *c, float *y, float a, const float *x, int64_t n) {
    c->kernels->axpy_f32(y, a, x, n);
    c->counters.kernel_calls++;
}

static void add_bias(struct context *c, float *y, const float *bias, int64_t n_rows, int64_t n) {
    if (bias == NULL) return;
    for (int64_t i = 0; i < n_rows; i++)
        add_scaled(c, y + i * n, 1.0f, bias, n);
    c->counters.weight_bytes_read += (uint64_t)n * sizeof(float);
}

/* Normalises each of n_rows vectors of n values; y may be x. */
static void norm_rows(struct context *c, float *y, const float *x, const float *weight,
                      int64_t n_rows, int64_t n) {
    for (int64_t i = 0; i < n_rows; i++) {
        c->kernels->rms_norm(y + i * n, x + i * n, weight, c->model->params.rms_eps, n);
    }
    c->counters.kernel_calls += (uint64_t)n_rows;
    c->counters.weight_bytes_read += (uint64_t)n * sizeof(float);
}

void context_embed(struct context *c, float *x, const int32_t *tokens, int64_t n) {
    const struct weight *table = &c->model->token_embd;
    const float scale = c->model->params.embedding_scale;
    for (int64_t i = 0; i < n; i++, x += table->cols) {
        c->kernels->dequantize[table->type](x, table->data + (uint64_t)tokens[i] * table->row_bytes,
                                            table->cols);
        for (int64_t j = 0; scale != 1.0f && j < table->cols; j++) x[j] *= scale;
    }
}

static void count_embedding(struct context *c, int64_t n) {
    const struct weight *table = &c->model->token_embd;
    c->counters.kernel_calls += (uint64_t)n;
    c->counters.weight_bytes_read += (uint64_t)n * table->row_bytes;
    if (table->type != TENSOR_F32) c->counters.dequantized_values += (uint64_t)(n * table->cols);
}

static void ended(const struct context *c, enum fused_op operation) {
    if (c->faults != NULL) faults_operation(c->faults, operation);
}

/* Queries, keys and values of the block, ready for attention; keys and values go to the cache. */
static bool project(struct context *c, const struct layer *layer, int64_t index, const float *x,
                    const float *angles, float *q, int64_t n, struct err *err) {
    const struct model_params *p = &c->model->params;
    const struct rope *rope = &c->model->rope;
    const int64_t q_width = p->n_head * p->head_dim, kv_width = p->n_head_kv * p->head_dim;
    float *k = take(c, SLOT_K, n * kv_width, err);
    float *v = k == NULL ? NULL : take(c, SLOT_V, n * kv_width, err);
    if (v == NULL || !context_matmul(c, q, &layer->q, x, n, err) ||
        !context_matmul(c, k, &layer->k, x, n, err) ||
        !context_matmul(c, v, &layer->v, x, n, err)) {
        return false;
    }
    add_bias(c, q, layer->q_bias, n, q_width);
    add_bias(c, k, layer->k_bias, n, kv_width);
    add_bias(c, v, layer->v_bias, n, kv_width);
    if (layer->q_norm != NULL) norm_rows(c, q, q, layer->q_norm, n * p->n_head, p->head_dim);
    if (layer->k_norm != NULL) norm_rows(c, k, k, layer->k_norm, n * p->n_head_kv, p->head_dim);
    for (int64_t i = 0; i < n; i++) {
        const float *turn = angles + i * 2 * rope->n_pairs;
        rope_apply(rope, turn, q + i * q_width, p->n_head, p->head_dim);
        rope_apply(rope, turn, k + i * kv_width, p->n_head_kv, p->head_dim);
        kv_cache_store(&c->kv, index, c->n_past + i, k + i * kv_width, v + i * kv_width);
    }
    give(c, SLOT_K);
    give(c, SLOT_V);
    return true;
}

/* One head of the block, token by token. q and out: rows `width` apart; scores [positions]. */
static void attend_head(struct context *c, float *out, const float *q, const float *keys,
                        const float *values, float *scores, int64_t n, int64_t width) {
    const struct model_params *p = &c->model->params;
    for (int64_t i = 0; i < n; i++) {
        int64_t seen = c->n_past + i + 1;
        attention_naive(c->kernels, out + i * width, q + i * width, keys, values, scores, seen,
                        p->head_dim, p->attention_scale);
        c->counters.kernel_calls += (uint64_t)seen + 2;
    }
}

/* x += attention output. */
static bool attention(struct context *c, const struct layer *layer, int64_t index, float *x,
                      const float *angles, int64_t n, struct err *err) {
    const struct model_params *p = &c->model->params;
    const int64_t width = p->n_head * p->head_dim, group = p->n_head / p->n_head_kv;
    float *q = take(c, SLOT_Q, n * width, err);
    float *normed = q == NULL ? NULL : take(c, SLOT_NORMED, n * p->n_embd, err);
    if (normed == NULL) return false;
    norm_rows(c, normed, x, layer->attn_norm, n, p->n_embd);
    ended(c, FUSED_PREPARE);
    if (!project(c, layer, index, normed, angles, q, n, err)) return false;
    ended(c, FUSED_QKV);
    give(c, SLOT_NORMED);

    float *mixed = take(c, SLOT_MIXED, n * width, err);
    float *scores = mixed == NULL ? NULL : take(c, SLOT_SCORES, c->n_past + n, err);
    if (scores == NULL) return false;
    for (int64_t head = 0; head < p->n_head; head++) {
        attend_head(c, mixed + head * p->head_dim, q + head * p->head_dim,
                    kv_cache_keys(&c->kv, index, head / group),
                    kv_cache_values(&c->kv, index, head / group), scores, n, width);
    }
    for (int64_t i = 0; i < n; i++) {
        c->counters.kv_bytes_read += kv_cache_bytes(&c->kv, c->n_past + i + 1) / p->n_layer;
    }
    give(c, SLOT_SCORES);
    give(c, SLOT_Q);
    ended(c, FUSED_ATTENTION);

    float *branch = take(c, SLOT_BRANCH, n * p->n_embd, err);
    if (branch == NULL || !context_matmul(c, branch, &layer->attn_output, mixed, n, err)) {
        return false;
    }
    add_bias(c, branch, layer->attn_output_bias, n, p->n_embd);
    add_scaled(c, x, p->residual_scale, branch, n * p->n_embd);
    give(c, SLOT_MIXED);
    give(c, SLOT_BRANCH);
    ended(c, FUSED_ATTN_OUTPUT);
    return true;
}

/* x += feed-forward output. */
static bool feed_forward(struct context *c, const struct layer *layer, float *x, int64_t n,
                         struct err *err) {
    const struct model_params *p = &c->model->params;
    float *normed = take(c, SLOT_NORMED, n * p->n_embd, err);
    float *gate = normed == NULL ? NULL : take(c, SLOT_GATE, n * p->n_ff, err);
    float *up = gate == NULL ? NULL : take(c, SLOT_UP, n * p->n_ff, err);
    if (up == NULL) return false;
    norm_rows(c, normed, x, layer->ffn_norm, n, p->n_embd);
    if (!context_matmul(c, gate, &layer->gate, normed, n, err) ||
        !context_matmul(c, up, &layer->up, normed, n, err)) {
        return false;
    }
    give(c, SLOT_NORMED);
    for (int64_t i = 0; i < n; i++) { /* by rows: where one ends must not depend on the block */
        c->kernels->swiglu(gate + i * p->n_ff, gate + i * p->n_ff, up + i * p->n_ff, p->n_ff);
    }
    c->counters.kernel_calls += (uint64_t)n;
    give(c, SLOT_UP);
    ended(c, FUSED_GATE_UP);

    float *branch = take(c, SLOT_BRANCH, n * p->n_embd, err);
    if (branch == NULL || !context_matmul(c, branch, &layer->down, gate, n, err)) return false;
    add_scaled(c, x, p->residual_scale, branch, n * p->n_embd);
    give(c, SLOT_GATE);
    give(c, SLOT_BRANCH);
    ended(c, FUSED_DOWN);
    return true;
}

/* Index of the first NaN or infinity, or n: an exponent of all ones, compared as integers so that
 * the loop vectorises. */
static int64_t first_non_finite(const float *values, int64_t n) {
    uint32_t largest = 0;
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, values + i, sizeof bits);
        bits &= 0x7fffffffu;
        largest = bits > largest ? bits : largest;
    }
    if (largest < 0x7f800000u) return n;
    int64_t at = 0;
    while (isfinite(values[at]))
        at++;
    return at;
}

/* Scales the logits of the block's last `count` tokens and refuses what is not finite. */
static bool finish_row(const struct context *c, float *row, int64_t position, struct err *err) {
    const float scale = c->model->params.logit_scale;
    const int64_t n_vocab = c->model->n_vocab;
    for (int64_t i = 0; scale != 1.0f && i < n_vocab; i++) row[i] *= scale;
    if (c->faults != NULL) faults_logits(c->faults, row, n_vocab, position);
    int64_t bad = first_non_finite(row, n_vocab);
    if (bad == n_vocab) return true;
    return err_set(err, ERR_INPUT,
                   "context: logit of token %lld at position %lld is %s, allowed finite "
                   "values. The model's weights are damaged; a check of the model names the tensor.",
                   (long long)bad, (long long)position, isnan(row[bad]) ? "NaN" : "infinite");
}

static bool finish_logits(struct context *c, float *out, int64_t n, int64_t count, struct err *err) {
    for (int64_t i = 0; i < count; i++) {
        if (!finish_row(c, out + i * c->model->n_vocab, c->n_past + n - count + i, err)) return false;
    }
    return true;
}

/* Logits of the last `count` tokens of the block into out [count, n_vocab]. */
static bool output(struct context *c, const float *x, int64_t n, int64_t count, float *out,
                   struct err *err) {
    const struct model_params *p = &c->model->params;
    float *normed = take(c, SLOT_NORMED, count * p->n_embd, err);
    if (normed == NULL) return false;
    norm_rows(c, normed, x + (n - count) * p->n_embd, c->model->output_norm, count, p->n_embd);
    if (!context_matmul(c, out, &c->model->output, normed, count, err)) return false;
    give(c, SLOT_NORMED);
    ended(c, FUSED_OUTPUT);
    return finish_logits(c, out, n, count, err);
}

static bool logits(struct context *c, const float *x, int64_t n, enum forward_logits want,
                   float *rows, struct err *err) {
    const int64_t n_vocab = c->model->n_vocab;
    if (want == LOGITS_NONE) return true;
    scratch_give(&c->scratch, SLOT_LOGITS);
    float *own = take(c, SLOT_LOGITS, n_vocab, err);
    if (own == NULL) return false;
    if (want == LOGITS_LAST) {
        if (!output(c, x, n, 1, own, err)) return false;
    } else {
        if (!output(c, x, n, n, rows, err)) return false;
        memcpy(own, rows + (n - 1) * n_vocab, (size_t)n_vocab * sizeof(float));
    }
    c->logits = own;
    return true;
}

static bool run_block(struct context *c, const int32_t *tokens, int64_t n, enum forward_logits want,
                      float *rows, struct err *err) {
    const struct model *m = c->model;
    float *x = take(c, SLOT_RESIDUAL, n * m->params.n_embd, err);
    float *angles = x == NULL ? NULL : take(c, SLOT_ANGLES, n * 2 * m->rope.n_pairs, err);
    if (angles == NULL) return false;
    if (n > 1 && take(c, SLOT_COLUMN, n, err) == NULL) return false;
    context_embed(c, x, tokens, n);
    count_embedding(c, n);
    for (int64_t i = 0; i < n; i++) {
        rope_angles(&m->rope, c->n_past + i, angles + i * 2 * m->rope.n_pairs);
    }
    for (int64_t i = 0; i < m->params.n_layer; i++) {
        if (!attention(c, &m->layers[i], i, x, angles, n, err) ||
            !feed_forward(c, &m->layers[i], x, n, err)) {
            return false;
        }
    }
    if (!logits(c, x, n, want, rows, err)) return false;
    give(c, SLOT_COLUMN);
    give(c, SLOT_ANGLES);
    give(c, SLOT_RESIDUAL);
    return true;
}

static bool run_fused(struct context *c, const int32_t *tokens, int64_t n, enum forward_logits want,
                      float *rows, struct err *err) {
    const int64_t n_vocab = c->model->n_vocab;
    const int64_t count = want == LOGITS_ALL ? n : want == LOGITS_LAST ? 1 : 0;
    float *own = take(c, SLOT_LOGITS, n_vocab, err); /* pooled: always there */
    for (int64_t i = 0; i < count; i++) {
        c->fused->logits[i] = want == LOGITS_ALL ? rows + i * n_vocab : own;
    }
    if (!fused_forward(c, NULL, tokens, n, c->fused->logits, count, err)) return false;
    if (want == LOGITS_NONE) return true;
    if (!finish_logits(c, want == LOGITS_ALL ? rows : own, n, count, err)) return false;
    if (want == LOGITS_ALL) memcpy(own, rows + (n - 1) * n_vocab, (size_t)n_vocab * sizeof(float));
    c->logits = own;
    return true;
}

static void went_on(struct context *c, const int32_t *tokens, int64_t n) {
    memcpy(c->history + c->n_past, tokens, (size_t)n * sizeof *tokens);
    c->n_past += n;
    c->counters.tokens += (uint64_t)n;
}

bool context_forward(struct context *c, const int32_t *tokens, int64_t n, enum forward_logits want,
                     float *rows, struct err *err) {
    const int64_t start_ns = c->faults == NULL ? 0 : clock_now_ns();
    c->logits = NULL;
    if (c->switches.weight_cache) weight_cache_next_pass(&c->weights);
    bool ran = c->fused != NULL ? run_fused(c, tokens, n, want, rows, err)
                                : run_block(c, tokens, n, want, rows, err);
    if (!ran) {
        scratch_give_all(&c->scratch);
        return false;
    }
    went_on(c, tokens, n);
    if (c->faults != NULL) faults_pass(c->faults, n, start_ns);
    return true;
}

bool context_forward_together(struct context *const *contexts, int64_t n, const int32_t *tokens,
                              struct err *err) {
    struct fused *f = contexts[0]->fused;
    const struct faults *faults = contexts[0]->faults;
    const int64_t start_ns = faults == NULL ? 0 : clock_now_ns();
    for (int64_t i = 0; i < n; i++) {
        f->logits[i] = contexts[i]->scratch.blocks[SLOT_LOGITS];
        contexts[i]->logits = NULL;
    }
    if (!fused_forward(contexts[0], contexts, tokens, n, f->logits, n, err)) return false;
    for (int64_t i = 0; i < n; i++) {
        if (!finish_row(contexts[i], f->logits[i], contexts[i]->n_past, err)) return false;
    }
    for (int64_t i = 0; i < n; i++) {
        contexts[i]->logits = f->logits[i];
        went_on(contexts[i], &tokens[i], 1);
    }
    if (faults != NULL) faults_pass(faults, n, start_ns);
    return true;
}

void context_take_back(struct context *c, int64_t n, const float *row) {
    float *own = c->scratch.blocks[SLOT_LOGITS];
    memcpy(own, row, (size_t)c->model->n_vocab * sizeof *own);
    c->logits = own;
    c->n_past -= n;
}
