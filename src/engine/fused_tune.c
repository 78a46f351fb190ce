/* fused_tune.c - what is fastest for this model on this machine, by measuring it: how many threads a token
 * and a block of a prompt are worth, and what a pass of several columns costs beside one of one. */
#include "base/clock.h"
#include "engine/fused.h"
#include "engine/context.h"

/* The fastest pass counts, so that neither a cold first one nor a disturbed one does. */
enum { MOST_PASSES = 4, LEAST_PASSES = 2, ENOUGH_NS = 50000000 };

/* Best of some passes of n tokens from position 0; below 0: it failed. */
static int64_t time_pass(struct context *c, int64_t n, struct err *err) {
    static const int32_t tokens[2 * PACKED_MAX_WIDTH] = {0};
    float *logits = c->scratch.blocks[SLOT_LOGITS];
    for (int64_t i = 0; i < n; i++) c->fused->logits[i] = logits;
    int64_t best = INT64_MAX, all = 0;
    for (int i = 0; i < MOST_PASSES && (i < LEAST_PASSES || all < ENOUGH_NS); i++) {
        int64_t start = clock_now_ns();
        /* All columns of the output as well where they would be wanted: in a pass of guesses. */
        if (!fused_forward(c, NULL, tokens, n, c->fused->logits, n <= c->fused->kernels.width ? n : 0, err)) {
            return -1;
        }
        int64_t spent = clock_now_ns() - start;
        all += spent;
        if (spent < best) best = spent;
    }
    return best;
}

/* The fastest of 1, 2, 4 .. n_threads threads for passes of n tokens, put to *threads; its time, or below 0. */
static int64_t best_threads(struct context *c, int64_t n, int *threads, struct err *err) {
    int64_t best = INT64_MAX;
    int winner = 1;
    for (int t = 1; t <= c->switches.n_threads;
         t = t < c->switches.n_threads && 2 * t > c->switches.n_threads ? c->switches.n_threads : 2 * t) {
        *threads = t;
        int64_t spent = time_pass(c, n, err);
        if (spent < 0) return -1;
        if (spent < best) {
            best = spent;
            winner = t;
        }
    }
    *threads = winner;
    return best;
}

static bool measure(struct context *c, struct fused_tuning *out, struct err *err) {
    const int64_t width = c->fused->kernels.width;
    out->decode_threads = out->block_threads = 1;
    const int64_t one = best_threads(c, 1, &out->decode_threads, err);
    if (one < 0) return false;
    out->block_threads = c->switches.n_threads;
    const int64_t block = 2 * width < c->n_batch ? 2 * width : c->n_batch;
    /* What one token gives all threads to do, a block of them does all the more. */
    const bool is_clear = out->decode_threads == c->switches.n_threads;
    if (block > width && !is_clear && best_threads(c, block, &out->block_threads, err) < 0) return false;
    if (c->switches.lookup > 0) out->cost[1] = 1;
    for (int64_t n = 2; n <= width && n <= c->n_ctx && c->switches.lookup > 0; n *= 2) {
        int64_t spent = time_pass(c, n, err);
        if (spent < 0) return false;
        out->cost[n] = one > 0 ? (float)spent / (float)one : 0;
    }
    return true;
}

static bool same(const struct engine_switches *a, const struct engine_switches *b) {
    return a->isa == b->isa && a->simd == b->simd && a->n_threads == b->n_threads &&
           a->repack == b->repack && a->huge_pages == b->huge_pages && a->key_type == b->key_type &&
           a->value_type == b->value_type && a->fused_attention == b->fused_attention &&
           a->lookup == b->lookup;
}

bool fused_tune(struct context *c, struct err *err) {
    struct model *model = c->model;
    bool ok = true;
    pthread_mutex_lock(&model->packing);
    if (model->tuning.decode_threads == 0 || !same(&model->tuned_for, &c->switches)) {
        struct fused_tuning *found = &c->fused->tuning; /* the passes run by what is being tried */
        ok = measure(c, found, err);
        if (ok) {
            model->tuning = *found;
            model->tuned_for = c->switches;
        }
        context_reset_counters(c);
    }
    c->fused->tuning = model->tuning;
    pthread_mutex_unlock(&model->packing);
    return ok;
}
