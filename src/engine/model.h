/* model.h - a loaded model as the engine's own files see it; private to src/engine.
 *
 * Loading is the only place that looks at names: afterwards a layer's tensors are fields whose
 * shapes are known to fit, and the forward pass checks nothing. */
#ifndef WOOLLY_ENGINE_MODEL_H
#define WOOLLY_ENGINE_MODEL_H

#include "engine/engine.h"
#include "engine/kernels/packed.h"
#include "engine/rope.h"

#include <pthread.h>

/* What the metadata says, checked. */
struct model_params {
    const char *arch; /* static text */
    bool qkv_bias;    /* the architecture needs biases of q, k, v */
    bool qk_norm;     /* ... an RMS norm of every query and key head */
    int64_t n_layer, n_embd, n_head, n_head_kv, head_dim, n_ff, n_ctx_train;
    float rms_eps;
    /* 1 where an architecture has none. logit_scale multiplies (a file's divisor, inverted). */
    float embedding_scale, residual_scale, logit_scale;
    float attention_scale; /* of q . k */
    struct rope_params rope;
};

/* Every problem of the metadata in one message (row G8). */
bool model_params_read(const struct gguf *file, struct model_params *out, struct err *err);

/* Lists what is wrong with a file, for one message at the end. */
struct problems {
    char text[800];
    size_t used;
    int count, shown;
};
void problems_add(struct problems *problems, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* True when there are none; else fills err with all of them. */
bool problems_none(const struct problems *problems, const char *path, const char *advice,
                   struct err *err);

/* A tensor as a matrix of `rows` rows of `cols` values; vectors have one row. */
struct weight {
    const struct gguf_tensor *tensor;
    const uint8_t *data;
    enum tensor_type type;
    int64_t rows, cols;
    uint64_t row_bytes;
    int32_t id; /* 0 .. n_weights - 1: its slot in a weight cache */
};

struct layer {
    const float *attn_norm, *ffn_norm;
    struct weight q, k, v, attn_output;
    const float *q_bias, *k_bias, *v_bias, *attn_output_bias; /* NULL: none */
    const float *q_norm, *k_norm;                             /* NULL: none */
    struct weight gate, up, down;
};

/* What measured fastest for a model; decode_threads 0: not measured. */
struct fused_tuning {
    int decode_threads, block_threads;
    float cost[PACKED_MAX_WIDTH + 1]; /* of a pass of 1, 2, 4, .. columns, in passes of one; 0: unknown */
};

struct model {
    struct gguf *file;
    struct tokenizer *tokenizer;
    char *name;
    struct model_params params;
    struct rope rope;
    int64_t n_vocab;
    struct weight token_embd, output; /* output is token_embd when tied */
    const float *output_norm;
    struct layer *layers; /* [n_layer] */
    int32_t n_weights;
    bool tied_embeddings;
    uint64_t weight_bytes, n_params, bytes_per_token;
    enum tensor_type main_type;
    pthread_mutex_t packing; /* guards what follows */
    struct packed_model *packed; /* the forms made so far */
    struct fused_tuning tuning;  /* the last found, for these switches */
    struct engine_switches tuned_for;
};

#endif
