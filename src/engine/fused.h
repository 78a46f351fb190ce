/* fused.h - what the fused forward pass keeps: matrices in the form that is multiplied, the team of
 * threads, and buffers laid out once.
 *
 * One parallel region per block of tokens. Weights stay quantised; activations become int8 records
 * (kernels/packed.h) once per input. Rows are cut into units of `unit` rows, the piece of work that
 * threads share. What a unit computes does not depend on who computes it nor on how many columns
 * go with it, so output is the same for any number of threads. */
#ifndef WOOLLY_ENGINE_FUSED_H
#define WOOLLY_ENGINE_FUSED_H

#include "base/arena.h"
#include "engine/kernels/attention.h"
#include "engine/model.h"
#include "engine/products.h"
#include "engine/threads.h"

enum {
    FUSED_WIDTH = PACKED_MAX_WIDTH, /* columns of a tile of activations at most */
    FUSED_TOGETHER = 32,            /* sequences of a step at most */
    FUSED_CHUNK = PACKED_RUN_ROWS,  /* rows of gate and up that become one block of records */
    FUSED_PART = 1024,              /* positions of a part of a long context in decode */
    FUSED_QUERY_TILE = 32,          /* tokens of an attention task in prefill */
    FUSED_FLOAT_UNIT = 16,          /* rows of a unit where nothing is packed */
};

struct fused_matrix {
    const struct weight *w;
    struct product_matrix product;
    int64_t n_units;
    bool is_float; /* multiplied as F32: the type has no integer product */
};

struct fused_layer {
    struct fused_matrix q, k, v, o, gate, up, down;
};

/* Where a thread's time goes. */
enum fused_op {
    FUSED_PREPARE, FUSED_QKV, FUSED_ATTENTION, FUSED_ATTN_OUTPUT, FUSED_GATE_UP, FUSED_DOWN,
    FUSED_OUTPUT, FUSED_WAIT, FUSED_OP_COUNT,
};
const char *fused_op_name(int op); /* "prepare" .. "wait" */

struct fused_thread {
    _Alignas(64) uint8_t *records[QACT_KINDS]; /* of a small block's input */
    float *normed;                 /* [FUSED_WIDTH, widest] */
    float *tile;                   /* [2, columns together, FUSED_CHUNK] results on their way */
    void *scratch;                 /* of products */
    float *rows;                   /* [unit, widest] decoded weights */
    const struct weight *decoded;  /* whose rows these are, from decoded_row on */
    int64_t decoded_row;
    void *attention;               /* scratch of the attention kernels, and scores of the naive way */
    struct attention_part part;    /* results of one task of a large block */
    uint64_t kernel_calls;
    uint64_t allocations, allocated_bytes; /* heap requests inside the pass; thread 0's are the caller's */
    uint64_t bytes;  /* of weights and of the KV cache read since the last mark */
    int64_t mark_ns; /* with profile */
    struct {
        int64_t ns;
        uint64_t calls, bytes;
    } ops[FUSED_OP_COUNT];
};

struct fused {
    struct product_kernels kernels;
    const struct attention_kernels *attention; /* NULL: the naive way */
    const struct packed_model *model;          /* NULL: everything in file layout */
    struct threads *team;
    bool profile;
    struct fused_layer *layers;
    struct fused_matrix output;
    struct arena arena;
    struct fused_thread *threads;
    float **logits; /* [n_batch or width]: where a pass puts its rows */
    struct fused_tuning tuning;
    float *x, *q, *k, *v, *mixed, *h, *normed, *angles;
    bool takes[QACT_KINDS]; /* some matrix takes these records */
    uint8_t *records[QACT_KINDS], *h_records;
    struct attention_part *parts; /* [FUSED_TOGETHER, n_head_kv, max_parts] */
    int64_t max_parts;
};

struct context;
/* Needs context->switches, n_ctx, n_batch, kernels and model. */
bool fused_init(struct context *context, const struct context_options *options, struct err *err);
void fused_free(struct context *context);
uint64_t fused_bytes(const struct context *context);        /* buffers */
uint64_t fused_packed_bytes(const struct context *context); /* the model's packed weights */
/* Runs a block; moves nothing. owners [n]: the sequence that each token is the next one of, all with
 * the switches, model and n_ctx of `context`, whose threads and buffers do the work; NULL: all are the
 * next ones of `context`. The last n_logits tokens have their logits put to the rows. */
bool fused_forward(struct context *context, struct context *const *owners, const int32_t *tokens,
                   int64_t n, float *const *logits, int64_t n_logits, struct err *err);

/* With switches.tune, after everything else of the context is there. */
bool fused_tune(struct context *context, struct err *err);

/* Blocks of 32 values that records of `cols` columns cover: whole tiles of every type. */
static inline int64_t fused_blocks(int64_t cols) {
    return (cols + 255) / 256 * 8;
}

#endif
