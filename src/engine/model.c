/* model.c - loads a GGUF model: metadata, vocabulary, then every tensor by name, type and shape. */
#include "engine/model.h"

#include "base/alloc.h"
#include "base/flag.h"
#include "engine/packed_model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define NAME_SIZE 96
#define NAME_LIMIT 200 /* of general.name */

struct model_options model_options_default(void) {
    return (struct model_options){.use_mmap = true};
}

/* ---- binding tensors to fields ---- */

struct binder {
    struct model *model;
    struct problems *problems;
    unsigned char *used; /* [n_tensors]: asked for by this architecture */
};

static const struct gguf_tensor *find(struct binder *b, const char *name, bool required) {
    const struct gguf_tensor *tensor = gguf_tensor(b->model->file, name);
    if (tensor != NULL) {
        b->used[tensor - b->model->file->tensors] = 1;
    } else if (required) {
        problems_add(b->problems, "tensor \"%s\" is missing", name);
    }
    return tensor;
}

static const char *shape_text(const struct gguf_tensor *t, char out[112]) {
    int used = snprintf(out, 112, "%lld", (long long)t->dims[0]);
    for (int i = 1; i < t->n_dims; i++) {
        used += snprintf(out + used, 112 - (size_t)used, " x %lld", (long long)t->dims[i]);
    }
    return out;
}

/* A matrix of `rows` rows of `cols` values. */
static void bind_matrix(struct binder *b, struct weight *out, const char *name, int64_t cols,
                        int64_t rows) {
    const struct gguf_tensor *t = find(b, name, true);
    if (t == NULL) return;
    char shape[112];
    if (t->dims[0] != cols || t->dims[1] != rows || t->dims[2] != 1 || t->dims[3] != 1) {
        problems_add(b->problems, "tensor \"%s\" is %s, needed %lld x %lld", name,
                     shape_text(t, shape), (long long)cols, (long long)rows);
        return;
    }
    *out = (struct weight){.tensor = t,
                           .data = t->data,
                           .type = t->type,
                           .rows = rows,
                           .cols = cols,
                           .row_bytes = tensor_type_row_bytes(t->type, (uint64_t)cols),
                           .id = b->model->n_weights++};
}

/* A vector of n F32 values, used where it lies in the file (tensor data is 8-aligned at least). */
static void bind_vector(struct binder *b, const float **out, const char *name, int64_t n,
                        bool required) {
    *out = NULL;
    const struct gguf_tensor *t = find(b, name, required);
    if (t == NULL) return;
    char shape[112];
    if (t->dims[0] != n || t->dims[1] != 1 || t->dims[2] != 1 || t->dims[3] != 1) {
        problems_add(b->problems, "tensor \"%s\" is %s, needed %lld", name, shape_text(t, shape),
                     (long long)n);
    } else if (t->type != TENSOR_F32) {
        problems_add(b->problems, "tensor \"%s\" is %s, needed F32", name,
                     tensor_type_info(t->type)->name);
    } else {
        *out = (const float *)(const void *)t->data;
    }
}

static void bind_layer(struct binder *b, struct layer *layer, int64_t index) {
    const struct model_params *p = &b->model->params;
    const int64_t n_q = p->n_head * p->head_dim, n_kv = p->n_head_kv * p->head_dim;
    char name[NAME_SIZE];
#define BLOCK(suffix) (snprintf(name, sizeof name, "blk.%lld." suffix, (long long)index), name)
    bind_vector(b, &layer->attn_norm, BLOCK("attn_norm.weight"), p->n_embd, true);
    bind_matrix(b, &layer->q, BLOCK("attn_q.weight"), p->n_embd, n_q);
    bind_matrix(b, &layer->k, BLOCK("attn_k.weight"), p->n_embd, n_kv);
    bind_matrix(b, &layer->v, BLOCK("attn_v.weight"), p->n_embd, n_kv);
    bind_matrix(b, &layer->attn_output, BLOCK("attn_output.weight"), n_q, p->n_embd);
    bind_vector(b, &layer->q_bias, BLOCK("attn_q.bias"), n_q, p->qkv_bias);
    bind_vector(b, &layer->k_bias, BLOCK("attn_k.bias"), n_kv, p->qkv_bias);
    bind_vector(b, &layer->v_bias, BLOCK("attn_v.bias"), n_kv, p->qkv_bias);
    bind_vector(b, &layer->attn_output_bias, BLOCK("attn_output.bias"), p->n_embd, false);
    if (p->qk_norm) {
        bind_vector(b, &layer->q_norm, BLOCK("attn_q_norm.weight"), p->head_dim, true);
        bind_vector(b, &layer->k_norm, BLOCK("attn_k_norm.weight"), p->head_dim, true);
    }
    bind_vector(b, &layer->ffn_norm, BLOCK("ffn_norm.weight"), p->n_embd, true);
    bind_matrix(b, &layer->gate, BLOCK("ffn_gate.weight"), p->n_embd, p->n_ff);
    bind_matrix(b, &layer->up, BLOCK("ffn_up.weight"), p->n_embd, p->n_ff);
    bind_matrix(b, &layer->down, BLOCK("ffn_down.weight"), p->n_ff, p->n_embd);
#undef BLOCK
}

/* Every tensor the architecture needs is there and fits; none is there that it would ignore,
 * since a model computed without some of its weights is silently another model. */
static bool bind_tensors(struct model *model, const float **rope_factors, struct err *err) {
    struct problems problems = {0};
    struct binder b = {.model = model, .problems = &problems};
    const struct gguf *file = model->file;
    const struct model_params *p = &model->params;
    b.used = mem_new_array(file->n_tensors, 1);
    if (b.used == NULL) {
        return err_set(err, ERR_ENVIRONMENT, "model: not enough memory to list %zu tensors",
                       file->n_tensors);
    }
    bind_matrix(&b, &model->token_embd, "token_embd.weight", p->n_embd, model->n_vocab);
    model->tied_embeddings = gguf_tensor(file, "output.weight") == NULL;
    if (model->tied_embeddings) {
        model->output = model->token_embd;
    } else {
        bind_matrix(&b, &model->output, "output.weight", p->n_embd, model->n_vocab);
    }
    bind_vector(&b, &model->output_norm, "output_norm.weight", p->n_embd, true);
    bind_vector(&b, rope_factors, "rope_freqs.weight", p->rope.n_rot / 2, false);
    for (int64_t i = 0; i < p->n_layer; i++)
        bind_layer(&b, &model->layers[i], i);
    for (size_t i = 0; i < file->n_tensors; i++) {
        if (!b.used[i]) {
            problems_add(&problems, "tensor \"%s\" is no part of a %s model as this build runs it",
                         file->tensors[i].name, p->arch);
        }
    }
    mem_free(b.used);
    return problems_none(&problems, file->path,
                         "The file is damaged or of a kind this build does not read.", err);
}

static bool check_rope_factors(const struct model *model, const float *factors, struct err *err) {
    for (int64_t i = 0; factors != NULL && i < model->params.rope.n_rot / 2; i++) {
        if (!isfinite(factors[i]) || factors[i] <= 0.0f) {
            return err_set(err, ERR_INPUT,
                           "model: %s: tensor \"rope_freqs.weight\": value %lld is %g, allowed "
                           "finite and above 0. The file is damaged.",
                           model->file->path, (long long)i, (double)factors[i]);
        }
    }
    return true;
}

/* ---- figures about the model ---- */

static uint64_t vector_bytes(const float *vector, int64_t n) {
    return vector == NULL ? 0 : (uint64_t)n * sizeof(float);
}

static uint64_t layer_bytes(const struct model_params *p, const struct layer *l) {
    const int64_t n_q = p->n_head * p->head_dim, n_kv = p->n_head_kv * p->head_dim;
    uint64_t bytes = 0;
    const struct weight *weights[] = {&l->q,    &l->k,  &l->v,   &l->attn_output,
                                      &l->gate, &l->up, &l->down};
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++) {
        bytes += weights[i]->tensor->bytes;
    }
    bytes += vector_bytes(l->attn_norm, p->n_embd) + vector_bytes(l->ffn_norm, p->n_embd);
    bytes += vector_bytes(l->q_bias, n_q) + vector_bytes(l->k_bias, n_kv);
    bytes += vector_bytes(l->v_bias, n_kv) + vector_bytes(l->attn_output_bias, p->n_embd);
    bytes += vector_bytes(l->q_norm, p->head_dim) + vector_bytes(l->k_norm, p->head_dim);
    return bytes;
}

static void sum_up(struct model *model) {
    uint64_t by_type[TENSOR_TYPE_COUNT] = {0};
    const struct gguf *file = model->file;
    for (size_t i = 0; i < file->n_tensors; i++) {
        const struct gguf_tensor *t = &file->tensors[i];
        by_type[t->type] += t->bytes;
        model->weight_bytes += t->bytes;
        model->n_params += (uint64_t)t->dims[0] * (uint64_t)t->dims[1] * (uint64_t)t->dims[2] *
                           (uint64_t)t->dims[3];
    }
    for (int type = 0; type < TENSOR_TYPE_COUNT; type++) {
        if (by_type[type] > by_type[model->main_type]) model->main_type = (enum tensor_type)type;
    }
    model->bytes_per_token = model->token_embd.row_bytes + model->output.tensor->bytes +
                             vector_bytes(model->output_norm, model->params.n_embd);
    for (int64_t i = 0; i < model->params.n_layer; i++) {
        model->bytes_per_token += layer_bytes(&model->params, &model->layers[i]);
    }
}

/* ---- loading ---- */

static char *copy_name(const struct gguf *file) {
    struct gguf_string name = {0};
    gguf_get_string(file, "general.name", &name);
    size_t size = name.size < NAME_LIMIT ? (size_t)name.size : NAME_LIMIT;
    char *copy = mem_new(size + 1);
    if (copy != NULL && size > 0) memcpy(copy, name.data, size);
    return copy;
}

static bool load_vocabulary(struct model *model, struct err *err) {
    model->tokenizer = tokenizer_new(model->file, err);
    if (model->tokenizer == NULL) return false;
    model->n_vocab = tokenizer_n_vocab(model->tokenizer);
    const struct gguf_tensor *t = gguf_tensor(model->file, "token_embd.weight");
    if (t == NULL || t->dims[1] == model->n_vocab) return true; /* missing: reported later */
    return err_set(err, ERR_INPUT,
                   "model: %s: tensor \"token_embd.weight\" has %lld rows, the vocabulary %lld "
                   "tokens; they must agree. The file is damaged or was put together wrongly.",
                   model->file->path, (long long)t->dims[1], (long long)model->n_vocab);
}

static bool load(struct model *model, const char *path, const struct model_options *options,
                 struct err *err) {
    struct gguf_options file_options = {.use_mmap = options->use_mmap, .cancel = options->cancel};
    model->file = gguf_open(path, &file_options, err);
    if (model->file == NULL || !model_params_read(model->file, &model->params, err)) return false;
    if (!load_vocabulary(model, err)) return false;
    model->name = copy_name(model->file);
    model->layers = mem_new_array((size_t)model->params.n_layer, sizeof *model->layers);
    if (model->name == NULL || model->layers == NULL) {
        return err_set(err, ERR_ENVIRONMENT, "model: not enough memory for %lld layers",
                       (long long)model->params.n_layer);
    }
    const float *factors = NULL;
    if (!bind_tensors(model, &factors, err) || !check_rope_factors(model, factors, err)) {
        return false;
    }
    if (factors != NULL && model->params.rope.scaling == ROPE_NONE) {
        model->params.rope.scaling = ROPE_LLAMA3;
    }
    if (!rope_init(&model->rope, &model->params.rope, factors)) {
        return err_set(err, ERR_ENVIRONMENT, "model: not enough memory for %lld rotation rates",
                       (long long)model->params.rope.n_rot / 2);
    }
    sum_up(model);
    return true;
}

struct model *model_load(const char *path, const struct model_options *options, struct err *err) {
    struct model_options defaults = model_options_default();
    struct model *model = mem_new(sizeof *model);
    if (model == NULL) {
        err_set(err, ERR_ENVIRONMENT, "model: not enough memory for %zu bytes", sizeof *model);
        return NULL;
    }
    pthread_mutex_init(&model->packing, NULL);
    if (load(model, path, options != NULL ? options : &defaults, err)) return model;
    model_free(model);
    return NULL;
}

void model_free(struct model *model) {
    if (model == NULL) return;
    packed_models_free(model);
    pthread_mutex_destroy(&model->packing);
    rope_free(&model->rope);
    mem_free(model->layers);
    mem_free(model->name);
    tokenizer_free(model->tokenizer);
    gguf_close(model->file);
    mem_free(model);
}

struct model_info model_info(const struct model *model) {
    const struct model_params *p = &model->params;
    return (struct model_info){
        .path = model->file->path,
        .arch = p->arch,
        .name = model->name,
        .type_name = tensor_type_info(model->main_type)->name,
        .file_bytes = model->file->size,
        .weight_bytes = model->weight_bytes,
        .n_params = model->n_params,
        .n_layer = p->n_layer,
        .n_embd = p->n_embd,
        .n_head = p->n_head,
        .n_head_kv = p->n_head_kv,
        .head_dim = p->head_dim,
        .n_ff = p->n_ff,
        .n_vocab = model->n_vocab,
        .n_ctx_train = p->n_ctx_train,
        .tied_embeddings = model->tied_embeddings,
        .rope_scaling = rope_scaling_name(p->rope.scaling),
        .rope_freq_base = p->rope.freq_base,
        .rms_eps = (double)p->rms_eps,
    };
}

const struct gguf *model_file(const struct model *model) {
    return model->file;
}

const struct tokenizer *model_tokenizer(const struct model *model) {
    return model->tokenizer;
}

uint64_t model_bytes_per_token(const struct model *model) {
    return model->bytes_per_token;
}

/* ---- scanning the weights ---- */

#define CHECK_VALUES 16384 /* a multiple of every block */

/* Index of the first NaN or infinity, or n. */
static int64_t first_non_finite(const float *values, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(values[i])) return i;
    }
    return n;
}

static bool check_tensor(const struct model *model, const struct gguf_tensor *t, float *values,
                         const volatile int *cancel, struct err *err) {
    const struct tensor_type_info *info = tensor_type_info(t->type);
    dequantize_fn *dequantize = kernels_get(kernels_best())->dequantize[t->type];
    int64_t left = (int64_t)(t->bytes / (uint64_t)info->block_bytes) * info->block_values;
    int64_t done = 0;
    for (const uint8_t *data = t->data; left > 0;) {
        if (flag_is_set(cancel)) {
            return err_set(err, ERR_CANCELLED, "model: check cancelled at tensor \"%s\"", t->name);
        }
        int64_t n = left < CHECK_VALUES ? left : CHECK_VALUES;
        dequantize(values, data, n);
        int64_t bad = first_non_finite(values, n);
        if (bad < n) {
            return err_set(
                err, ERR_INPUT,
                "model: %s: tensor \"%s\": block %lld (value %lld) is %s, allowed finite "
                "values. The file is damaged; download or convert it again.",
                model->file->path, t->name, (long long)((done + bad) / info->block_values),
                (long long)(done + bad), isnan(values[bad]) ? "NaN" : "infinite");
        }
        data += (uint64_t)(n / info->block_values) * (uint64_t)info->block_bytes;
        done += n;
        left -= n;
    }
    return true;
}

bool model_check(const struct model *model, const volatile int *cancel, struct err *err) {
    float *values = mem_alloc_aligned(CHECK_VALUES * sizeof *values, 64);
    if (values == NULL) {
        return err_set(err, ERR_ENVIRONMENT, "model: not enough memory for %zu bytes",
                       CHECK_VALUES * sizeof *values);
    }
    bool fine = true;
    for (size_t i = 0; i < model->file->n_tensors && fine; i++) {
        fine = check_tensor(model, &model->file->tensors[i], values, cancel, err);
    }
    mem_free(values);
    return fine;
}
