/* fused_attention.c - the attention stage of the fused pass: rotation, KV store, heads in parallel. */
#include "engine/attention_naive.h"
#include "engine/fused_pass.h"

/* Norms and rotates what belongs to one KV head of one token, and stores its key and value. */
static void rotate_and_store(struct pass *p, const struct layer *layer, int64_t index, int64_t token,
                             int64_t head) {
    struct context *c = pass_owner(p, token);
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
    kv_cache_store_head(&c->kv, index, head, pass_position(p, token), k,
                        f->v + token * m->n_head_kv * dim + head * dim);
}

static struct attention_task task_of(const struct pass *p, int64_t index, int64_t head,
                                     int64_t token, int64_t n_tokens, int64_t first, int64_t last) {
    const struct context *c = pass_owner(p, token);
    const struct model_params *m = &c->model->params;
    const int64_t dim = m->head_dim, group = m->n_head / m->n_head_kv;
    return (struct attention_task){
        .q = p->f->q + token * m->n_head * dim + head * group * dim, .q_stride = m->n_head * dim,
        .n_tokens = n_tokens, .group = group, .head_dim = dim, .n_past = pass_position(p, token),
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
    const struct context *c = pass_owner(p, token);
    const int64_t first = pass_position(p, token), last = first + n_tokens;
    self->kernel_calls++;
    self->bytes += (uint64_t)last * (c->kv.key_row + c->kv.value_row);
    if (p->f->attention == NULL) {
        for (int64_t i = 0; i < n_tokens * group; i++) {
            int64_t t = token + i / group, g = i % group;
            attention_naive(c->kernels, mixed_of(p, t, head) + g * dim,
                            p->f->q + t * width + (head * group + g) * dim,
                            kv_cache_keys(&c->kv, index, head),
                            kv_cache_values(&c->kv, index, head), self->attention,
                            first + i / group + 1, dim, m->attention_scale);
        }
        return;
    }
    struct attention_task task = task_of(p, index, head, token, n_tokens, 0, last);
    if (token + n_tokens < p->n) { /* the next sequence's, mostly */
        kv_cache_expect(&task, &pass_owner(p, token + n_tokens)->kv, index, head, 0);
    } else if (n_tokens == 1 && threads_own(p->f->team, thread, m->n_head_kv, head + 1)) {
        kv_cache_expect(&task, &pass_owner(p, 0)->kv, index, head + 1, 0);
    }
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
    pass_barrier(p, thread, FUSED_ATTENTION); /* all keys are stored */
    while (threads_next(f->team, thread, m->n_head_kv * n_parts, 1, &first, &last)) {
        int64_t head = first / n_parts, part = first % n_parts;
        for (int64_t t = 0; t < p->n; t++) {
            int64_t seen = pass_position(p, t) + 1, from = part * FUSED_PART;
            int64_t to = from + FUSED_PART < seen ? from + FUSED_PART : seen;
            struct attention_task task = task_of(p, index, head, t, 1, from < to ? from : to, to);
            if (p->n == 1 && threads_own(f->team, thread, m->n_head_kv * n_parts, last)) {
                kv_cache_expect(&task, &pass_owner(p, t)->kv, index, last / n_parts, last % n_parts * FUSED_PART);
            }
            f->attention->attend(&task, f->parts[(t * m->n_head_kv + head) * f->max_parts + part],
                                 self->attention);
            self->kernel_calls++;
            if (from < to) self->bytes += (uint64_t)(to - from) * (task.key_row + task.value_row);
        }
    }
    pass_barrier(p, thread, FUSED_ATTENTION);
    while (threads_next(f->team, thread, m->n_head_kv, 1, &first, &last)) {
        for (int64_t t = 0; t < p->n; t++) {
            attention_merge(mixed_of(p, t, first), m->n_head * dim,
                            &f->parts[(t * m->n_head_kv + first) * f->max_parts], (int)n_parts, 1,
                            group, dim);
        }
    }
}

void pass_attention(struct pass *p, int thread, const struct layer *layer, int64_t index) {
    const struct model_params *m = &p->c->model->params;
    int64_t first, last, positions = 0;
    for (int64_t t = 0; t < p->n; t++) {
        positions = positions > pass_position(p, t) ? positions : pass_position(p, t) + 1;
    }
    /* Of several sequences each token has a cache of its own. */
    if (p->owners != NULL || pass_is_tile(p->f, p->n)) {
        const int64_t n_parts = (positions + FUSED_PART - 1) / FUSED_PART;
        const bool whole = n_parts == 1 || p->f->attention == NULL;
        while (threads_next(p->f->team, thread, m->n_head_kv, 1, &first, &last)) {
            for (int64_t t = 0; t < p->n; t++) rotate_and_store(p, layer, index, t, first);
            /* Token by token, so that a token's result does not depend on what runs with it. */
            for (int64_t t = 0; t < p->n && whole; t++) attend_whole(p, thread, index, first, t, 1);
        }
        if (!whole) attend_parts(p, thread, index, n_parts);
    } else {
        while (threads_next(p->f->team, thread, p->n, p->f->kernels.width, &first, &last)) {
            for (int64_t t = first; t < last; t++) {
                for (int64_t h = 0; h < m->n_head_kv; h++) rotate_and_store(p, layer, index, t, h);
            }
        }
        pass_barrier(p, thread, FUSED_ATTENTION);
        const int64_t query_tiles = (p->n + FUSED_QUERY_TILE - 1) / FUSED_QUERY_TILE;
        while (threads_next(p->f->team, thread, query_tiles * m->n_head_kv, 1, &first, &last)) {
            /* The last tokens see most: they go first, so that the end is even. */
            int64_t tile = query_tiles - 1 - first / m->n_head_kv, head = first % m->n_head_kv;
            int64_t token = tile * FUSED_QUERY_TILE;
            int64_t some = p->n - token < FUSED_QUERY_TILE ? p->n - token : FUSED_QUERY_TILE;
            attend_whole(p, thread, index, head, token, some);
        }
    }
    pass_barrier(p, thread, FUSED_ATTENTION);
}

