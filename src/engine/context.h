/* context.h - one sequence running on a model, as the engine's own files see it. */
#ifndef WOOLLY_ENGINE_CONTEXT_H
#define WOOLLY_ENGINE_CONTEXT_H

#include "engine/fault.h"
#include "engine/fused.h"
#include "engine/kv_cache.h"
#include "engine/model.h"
#include "engine/scratch.h"
#include "engine/weight_cache.h"

struct context {
    struct model *model;
    struct engine_switches switches;
    const struct kernels *kernels; /* of switches.isa, or the scalar ones */
    const volatile int *cancel;
    int64_t n_ctx, n_batch; /* n_batch is 1 with pool off */
    int64_t buffers_n_ctx;  /* what the buffers of the fused pass have room for */
    int64_t n_past;
    int32_t *history;    /* [n_ctx]: the tokens so far */
    const float *logits; /* in SLOT_LOGITS, or NULL: nothing to sample from */
    struct kv_cache kv;
    struct weight_cache weights; /* with switches.weight_cache */
    struct scratch scratch;
    struct fused *fused;   /* with switches.fused_matmul */
    bool borrows;          /* fused is the lender's */
    struct faults *faults; /* NULL: none are planted */
    struct context_counters counters; /* cache figures live in weights until read */
};

/* Rows of weights decoded at a time with pool on: half of a 32 KiB L1 cache. */
#define WEIGHT_CHUNK_VALUES 4096

/* y [n, w->rows] = x [n, w->cols] times the transposed weight. Polls the cancel flag first. */
bool context_matmul(struct context *context, float *y, const struct weight *w, const float *x,
                    int64_t n, struct err *err);

/* x [n, n_embd] = rows of the embedding table. Counts nothing. */
void context_embed(struct context *context, float *x, const int32_t *tokens, int64_t n);
/* The time that results report. */
int64_t context_now_ns(const struct context *context);

enum forward_logits { LOGITS_NONE, LOGITS_LAST, LOGITS_ALL };
/* Runs a block of tokens, n <= n_batch, at n_past and moves n_past. LOGITS_ALL fills rows
 * [n, n_vocab] as well as the context's own last row. On failure n_past stays. */
bool context_forward(struct context *context, const int32_t *tokens, int64_t n,
                     enum forward_logits want, float *rows, struct err *err);
/* One token of each of n sequences, 1 .. context_most_together of them, in one pass of contexts[0];
 * all are as fused_forward wants them. All move, or none. */
bool context_forward_together(struct context *const *contexts, int64_t n, const int32_t *tokens,
                              struct err *err);
/* Takes back the last n tokens; the logits become those at `row`, of the token that is then the last. */
void context_take_back(struct context *context, int64_t n, const float *row);

/* What the heap and the kernel did between two calls, into the counters. */
struct work_mark {
    uint64_t allocations, bytes;
    int64_t minor_faults, major_faults;
};
struct work_mark context_work_begin(void);
void context_work_end(struct context *context, struct work_mark begin);

#endif
