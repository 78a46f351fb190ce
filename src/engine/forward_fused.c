/* forward_fused.c - the network in one parallel region per block: quantised weights times quantised
 * activations, fused attention.
 *
 * Stages of a layer, with a barrier behind each:
 *   1  norm; q, k, v                     2  rope, KV store, attention by KV head
 *   3  output projection, added to x     4  norm; gate, up, SwiGLU, quantised     5  down, added to x
 * A small block (decode) is normed and quantised by every thread for itself, which is cheaper than a
 * barrier; a large one (prefill) by all together, tile by tile. */
#include "engine/fused_pass.h"

#include "base/alloc.h"
#include "base/flag.h"

/* Weight bytes that a thread should have per stage before a second one is worth its barrier. */
#define LEAST_BYTES_PER_STAGE 32768
#define STAGES_PER_LAYER 5

static void attention_block(struct pass *p, int thread, const struct layer *weights,
                            const struct fused_layer *layer, int64_t index) {
    struct fused *f = p->f;
    const struct model_params *m = &p->c->model->params;
    const int64_t q_width = m->n_head * m->head_dim, kv_width = m->n_head_kv * m->head_dim;
    const struct fused_matrix *inputs[] = {&layer->q, &layer->k, &layer->v};
    struct input in = pass_prepare(p, thread, f->x, m->n_embd, p->n, weights->attn_norm, inputs, 3);
    const struct job jobs[] = {
        {.m = &layer->q, .dst = f->q, .ld = q_width, .bias = weights->q_bias},
        {.m = &layer->k, .dst = f->k, .ld = kv_width, .bias = weights->k_bias},
        {.m = &layer->v, .dst = f->v, .ld = kv_width, .bias = weights->v_bias},
    };
    pass_run_jobs(p, thread, jobs, 3, &in);
    pass_barrier(p, thread, FUSED_QKV);
    pass_attention(p, thread, weights, index);
    const struct fused_matrix *projection[] = {&layer->o};
    in = pass_prepare(p, thread, f->mixed, q_width, p->n, NULL, projection, 1);
    struct job out = {.m = &layer->o, .dst = f->x, .ld = m->n_embd, .bias = weights->attn_output_bias,
                      .add = true, .scale = m->residual_scale};
    pass_run_jobs(p, thread, &out, 1, &in);
    pass_barrier(p, thread, FUSED_ATTN_OUTPUT);
}

/* ---- the whole pass ---- */

static void output(struct pass *p, int thread) {
    struct fused *f = p->f;
    const struct model *model = p->c->model;
    const int64_t n_embd = model->params.n_embd;
    const struct fused_matrix *inputs[] = {&f->output};
    const float *x = f->x + (p->n - p->n_logits) * n_embd;
    struct input in = pass_prepare(p, thread, x, n_embd, p->n_logits, model->output_norm, inputs, 1);
    struct job logits = {.m = &f->output, .rows = p->logits};
    pass_run_jobs(p, thread, &logits, 1, &in);
    pass_mark(p, thread, FUSED_OUTPUT);
}

static void run_layers(struct pass *p, int thread) {
    struct context *c = p->c;
    for (int64_t i = 0; i < c->model->params.n_layer; i++) {
        attention_block(p, thread, &c->model->layers[i], &p->f->layers[i], i);
        if (thread == 0 && flag_is_set(c->cancel)) p->stop = true;
        pass_feed_forward(p, thread, &c->model->layers[i], &p->f->layers[i]);
        if (p->stop) return; /* all threads saw it behind the same barrier */
    }
    if (p->n_logits > 0) output(p, thread);
}

static void run_pass(void *user, int thread) {
    struct pass *p = user;
    struct fused_thread *self = &p->f->threads[thread];
    const struct mem_stats before = mem_thread_stats();
    self->decoded = NULL;
    if (p->f->profile) self->mark_ns = clock_now_ns();
    run_layers(p, thread);
    const struct mem_stats after = mem_thread_stats();
    self->allocations += after.allocations - before.allocations;
    self->allocated_bytes += after.bytes - before.bytes;
}

/* Threads whose share of a stage is worth a barrier. */
static int64_t active_threads(const struct context *c, int64_t n) {
    const struct fused_tuning *tuned = &c->fused->tuning;
    if (tuned->decode_threads > 0) {
        return pass_is_tile(c->fused, n) ? tuned->decode_threads : tuned->block_threads;
    }
    int64_t columns = n > 1 ? 1 + n / 2 : 1; /* work per weight grows with the columns */
    int64_t per_stage = (int64_t)c->model->bytes_per_token /
                        (c->model->params.n_layer * STAGES_PER_LAYER) * columns;
    int64_t most = per_stage / LEAST_BYTES_PER_STAGE;
    return most < 1 ? 1 : most < c->switches.n_threads ? most : c->switches.n_threads;
}

static void count_work(const struct pass *p) {
    struct context *c = p->c;
    struct fused *f = p->f;
    c->counters.weight_bytes_read += c->model->bytes_per_token;
    for (int64_t i = 0; i < p->n; i++) {
        c->counters.kv_bytes_read += kv_cache_bytes(&c->kv, pass_position(p, i) + 1);
    }
    for (int i = 0; i < c->switches.n_threads; i++) {
        struct fused_thread *thread = &f->threads[i];
        c->counters.kernel_calls += thread->kernel_calls;
        if (i > 0) { /* the caller counts its own */
            c->counters.allocations += thread->allocations;
            c->counters.allocated_bytes += thread->allocated_bytes;
        }
        thread->kernel_calls = thread->allocations = thread->allocated_bytes = 0;
    }
}

bool fused_forward(struct context *c, struct context *const *owners, const int32_t *tokens, int64_t n,
                   float *const *logits, int64_t n_logits, struct err *err) {
    struct pass p = {.c = c, .owners = owners, .f = c->fused, .n = n, .n_logits = n_logits,
                     .logits = logits, .n_active = active_threads(c, n)};
    context_embed(c, p.f->x, tokens, n);
    for (int64_t i = 0; i < n; i++) {
        rope_angles(&c->model->rope, pass_position(&p, i), p.f->angles + i * 2 * c->model->rope.n_pairs);
    }
    threads_run(p.f->team, (int)p.n_active, run_pass, &p);
    if (p.stop) return err_set(err, ERR_CANCELLED, "context: cancelled in a block of %lld tokens", (long long)n);
    count_work(&p);
    return true;
}
