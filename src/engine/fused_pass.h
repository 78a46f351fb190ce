/* fused_pass.h - one pass of the fused network over a block, shared by the files that do its stages. */
#ifndef WOOLLY_ENGINE_FUSED_PASS_H
#define WOOLLY_ENGINE_FUSED_PASS_H

#include "base/clock.h"
#include "engine/context.h"

struct pass {
    struct context *c;             /* whose threads and buffers do the work */
    struct context *const *owners; /* [n]: the sequence of each token; NULL: all are the next ones of c */
    struct fused *f;
    int64_t n, n_active;
    int64_t n_logits;     /* of the last tokens; 0: none */
    float *const *logits; /* [n_logits] rows of n_vocab */
    volatile bool stop;   /* written by thread 0 before a barrier */
};

/* The left side of a product: F32 rows `ld` apart, and the same as records. */
struct input {
    const float *x;
    int64_t ld;
    struct product_input q;
};

/* A product's way out: y + bias to dst[col * ld + row] (or rows[col][row]), or added there times scale. */
struct job {
    const struct fused_matrix *m;
    float *dst;
    float *const *rows; /* NULL: dst */
    int64_t ld;
    const float *bias;
    bool add;
    float scale;
};

/* ---- tiles: `width` columns of activations, the last one fewer ---- */

static inline int64_t pass_tiles(const struct fused *f, int64_t n) {
    return (n + f->kernels.width - 1) / f->kernels.width;
}

/* Of n_tiles tiles from `tile` on. */
static inline int64_t pass_tile_columns(const struct fused *f, int64_t n, int64_t tile, int64_t n_tiles) {
    int64_t left = n - tile * f->kernels.width, most = n_tiles * f->kernels.width;
    return left < most ? left : most;
}

/* A block of one tile: every thread prepares it for itself. */
static inline bool pass_is_tile(const struct fused *f, int64_t n) {
    return n <= f->kernels.width;
}

static inline struct context *pass_owner(const struct pass *p, int64_t token) {
    return p->owners == NULL ? p->c : p->owners[token];
}

static inline int64_t pass_position(const struct pass *p, int64_t token) {
    return p->owners == NULL ? p->c->n_past + token : p->owners[token]->n_past;
}

/* ---- profile: the time since the last mark belongs to op ---- */

static inline void pass_mark(struct pass *p, int thread, enum fused_op op) {
    struct fused_thread *self = &p->f->threads[thread];
    if (p->c->faults != NULL && thread == 0) faults_operation(p->c->faults, op);
    if (!p->f->profile) return;
    int64_t now = clock_now_ns();
    self->ops[op].ns += now - self->mark_ns;
    self->ops[op].calls++;
    self->ops[op].bytes += self->bytes;
    self->mark_ns = now;
    self->bytes = 0;
}

static inline void pass_barrier(struct pass *p, int thread, enum fused_op op) {
    pass_mark(p, thread, op);
    threads_barrier(p->f->team, thread);
    pass_mark(p, thread, FUSED_WAIT);
}

/* ---- stages ---- */

/* x normed by weight (NULL: as it is), as every matrix of the stage needs it. Of a large block it passes
 * a barrier. */
struct input pass_prepare(struct pass *p, int thread, const float *x, int64_t cols, int64_t n,
                          const float *weight, const struct fused_matrix *const *matrices,
                          int n_matrices);
/* Values [columns, FUSED_CHUNK] of block `block` of a tile of the feed-forward's inside, to its records. */
void pass_quantize_hidden(struct pass *p, const struct fused_matrix *down, int64_t tile, int64_t block, const float *h,
                          int64_t columns);
/* What `down` (NULL: multiplied as floats) multiplies; of use behind the barrier that the caller passes. */
struct input pass_hidden(struct pass *p, int thread, const struct fused_matrix *down);
/* All products of a stage over one input; the caller passes the barrier. */
void pass_run_jobs(struct pass *p, int thread, const struct job *jobs, int n_jobs,
                   const struct input *in);
void pass_feed_forward(struct pass *p, int thread, const struct layer *weights,
                       const struct fused_layer *layer);
/* From q, k, v to what the heads gathered, in fused.mixed; ends behind a barrier. */
void pass_attention(struct pass *p, int thread, const struct layer *layer, int64_t index);

#endif
