/* synth.c - makes GGUF files of random weights in the shapes of published models.
 *
 * The spreads of the weights follow from three wishes: every matrix keeps the size of its input;
 * logits spread over LOGIT_SPREAD; and the token just read, whose embedding the last layer still
 * holds, does not win each time although the output matrix may be the embedding table. */
#include "engine/synth.h"

#include "base/alloc.h"
#include "base/path.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define FORMAT 1 /* in the file's name: raise it when the bytes of a spec change */
#define ALIGNMENT 32u
#define LOGIT_SPREAD 3.0
#define SHAPE_LIST "tiny, 110m, qwen2.5-0.5b, llama-3.2-1b, tinyllama-1.1b, granite-3.3-8b"
#define TYPE_LIST "f16, q8_0, q4_0, q4_k"

static const struct synth_shape shapes[] = {
    {.name = "tiny",
     .arch = "llama",
     .n_layer = 2,
     .n_embd = 256,
     .n_head = 8,
     .n_head_kv = 4,
     .n_ff = 512,
     .n_vocab = 512,
     .n_ctx_train = 512,
     .rms_eps = 1e-5,
     .rope_base = 10000,
     .tied = true},
    {.name = "110m",
     .arch = "llama",
     .n_layer = 12,
     .n_embd = 768,
     .n_head = 12,
     .n_head_kv = 12,
     .n_ff = 2048,
     .n_vocab = 32000,
     .n_ctx_train = 2048,
     .rms_eps = 1e-5,
     .rope_base = 10000,
     .tied = true},
    {.name = "qwen2.5-0.5b",
     .arch = "qwen2",
     .n_layer = 24,
     .n_embd = 896,
     .n_head = 14,
     .n_head_kv = 2,
     .n_ff = 4864,
     .n_vocab = 151936,
     .n_ctx_train = 32768,
     .rms_eps = 1e-6,
     .rope_base = 1000000,
     .pre = "qwen2",
     .tied = true,
     .qkv_bias = true},
    {.name = "llama-3.2-1b",
     .arch = "llama",
     .n_layer = 16,
     .n_embd = 2048,
     .n_head = 32,
     .n_head_kv = 8,
     .n_ff = 8192,
     .n_vocab = 128256,
     .n_ctx_train = 131072,
     .rms_eps = 1e-5,
     .rope_base = 500000,
     .pre = "llama-bpe",
     .adds_bos = true,
     .tied = true,
     .rope_factors = true},
    {.name = "tinyllama-1.1b",
     .arch = "llama",
     .n_layer = 22,
     .n_embd = 2048,
     .n_head = 32,
     .n_head_kv = 4,
     .n_ff = 5632,
     .n_vocab = 32000,
     .n_ctx_train = 2048,
     .rms_eps = 1e-5,
     .rope_base = 10000},
    {.name = "granite-3.3-8b",
     .arch = "granite",
     .n_layer = 40,
     .n_embd = 4096,
     .n_head = 32,
     .n_head_kv = 8,
     .n_ff = 12800,
     .n_vocab = 49159,
     .n_ctx_train = 131072,
     .rms_eps = 1e-5,
     .rope_base = 10000000,
     .pre = "refact",
     .tied = true,
     .embedding_scale = 12,
     .residual_scale = 0.22,
     .attention_scale = 0.0078125,
     .logit_divisor = 16},
};

struct synth_type {
    const char *name;
    enum tensor_type type;
    uint32_t file_type; /* general.file_type */
};
static const struct synth_type types[] = {
    {"f16", TENSOR_F16, 1},
    {"q8_0", TENSOR_Q8_0, 7},
    {"q4_0", TENSOR_Q4_0, 2},
    {"q4_k", TENSOR_Q4_K, 14},
};

const char *synth_describe(void) {
    return SHAPE_LIST "; types " TYPE_LIST;
}

/* ---- metadata ---- */

static int model_keys(struct synth_out *out, const struct synth_shape *s,
                      const struct synth_type *type) {
    int n = 0;
    char key[96], name[64];
    const int64_t head_dim = s->n_embd / s->n_head;
    snprintf(name, sizeof name, "synthetic %s %s", s->name, type->name);
    synth_key_text(out, "general.architecture", s->arch), n++;
    synth_key_text(out, "general.name", name), n++;
    synth_key_u32(out, "general.file_type", type->file_type), n++;
    synth_key_u32(out, "general.quantization_version", 2), n++;
#define KEY(suffix) (snprintf(key, sizeof key, "%s." suffix, s->arch), n++, key)
    synth_key_u32(out, KEY("vocab_size"), (uint32_t)s->n_vocab);
    synth_key_u32(out, KEY("context_length"), (uint32_t)s->n_ctx_train);
    synth_key_u32(out, KEY("embedding_length"), (uint32_t)s->n_embd);
    synth_key_u32(out, KEY("block_count"), (uint32_t)s->n_layer);
    synth_key_u32(out, KEY("feed_forward_length"), (uint32_t)s->n_ff);
    synth_key_u32(out, KEY("attention.head_count"), (uint32_t)s->n_head);
    synth_key_u32(out, KEY("attention.head_count_kv"), (uint32_t)s->n_head_kv);
    synth_key_f32(out, KEY("attention.layer_norm_rms_epsilon"), s->rms_eps);
    synth_key_u32(out, KEY("rope.dimension_count"), (uint32_t)head_dim);
    synth_key_f32(out, KEY("rope.freq_base"), s->rope_base);
    if (s->embedding_scale > 0) {
        synth_key_f32(out, KEY("embedding_scale"), s->embedding_scale);
        synth_key_f32(out, KEY("residual_scale"), s->residual_scale);
        synth_key_f32(out, KEY("attention.scale"), s->attention_scale);
        synth_key_f32(out, KEY("logit_scale"), s->logit_divisor);
    }
#undef KEY
    return n + synth_vocabulary(out, s);
}

/* ---- tensors ---- */

struct tensor_plan {
    char name[48];
    enum tensor_type type;
    uint64_t cols, rows; /* rows 0: a vector */
    uint64_t bytes;
    double centre, spread;
    bool factors; /* llama 3's rotation factors instead of random values */
};

struct synth {
    const struct synth_shape *shape;
    const struct synth_type *type;
    struct synth_out out;
    uint64_t n_tensors, data_bytes; /* of the tensors visited so far, padding included */
};

typedef void visit_fn(struct synth *s, const struct tensor_plan *plan);

static uint64_t padded(uint64_t bytes) {
    return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

static void visit_tensor(struct synth *s, visit_fn *visit, struct tensor_plan plan) {
    plan.bytes = tensor_type_row_bytes(plan.type, plan.cols) * (plan.rows > 0 ? plan.rows : 1);
    visit(s, &plan);
    s->n_tensors++;
    s->data_bytes += padded(plan.bytes);
}

static void visit_vector(struct synth *s, visit_fn *visit, const char *name, int64_t n,
                         double centre) {
    struct tensor_plan plan = {.type = TENSOR_F32,
                               .cols = (uint64_t)n,
                               .centre = centre,
                               .spread = 0.1,
                               .factors = strcmp(name, "rope_freqs.weight") == 0};
    snprintf(plan.name, sizeof plan.name, "%s", name);
    visit_tensor(s, visit, plan);
}

static void visit_matrix(struct synth *s, visit_fn *visit, const char *name, int64_t cols,
                         int64_t rows, double spread) {
    struct tensor_plan plan = {
        .type = s->type->type, .cols = (uint64_t)cols, .rows = (uint64_t)rows, .spread = spread};
    /* Rows that hold no whole super-block become what llama.cpp's quantiser makes of them. */
    if (plan.type == TENSOR_Q4_K && cols % 256 != 0) plan.type = TENSOR_Q5_0;
    snprintf(plan.name, sizeof plan.name, "%s", name);
    visit_tensor(s, visit, plan);
}

/* Standard deviations of the weights; see the head of this file. */
struct spreads {
    double embedding, input, attention_output, down;
};

static struct spreads spreads_of(const struct synth_shape *s) {
    const double width = (double)s->n_embd;
    const double divisor = s->logit_divisor > 0 ? s->logit_divisor : 1.0;
    const double enter = s->embedding_scale > 0 ? s->embedding_scale : 1.0;
    const double residual = s->residual_scale > 0 ? s->residual_scale : 1.0;
    struct spreads out = {.embedding = LOGIT_SPREAD * divisor / sqrt(width),
                          .input = 1.0 / sqrt(width)};
    /* The branches together outweigh the embedding by sqrt(width): its own token then gets
     * sqrt(width) / sqrt(width) spreads, one above the mean. */
    double all = out.embedding * enter * sqrt(width);
    double one = all / sqrt(2.0 * (double)s->n_layer) / residual;
    out.attention_output = one / sqrt(width);
    out.down = one / sqrt((double)s->n_ff) / 0.6; /* size of silu(g) * u for unit g and u */
    return out;
}

static void visit_layer(struct synth *s, visit_fn *visit, int64_t index,
                        const struct spreads *spread) {
    const struct synth_shape *m = s->shape;
    const int64_t kv = m->n_embd / m->n_head * m->n_head_kv;
    char name[48];
#define BLOCK(suffix) (snprintf(name, sizeof name, "blk.%lld." suffix, (long long)index), name)
    visit_vector(s, visit, BLOCK("attn_norm.weight"), m->n_embd, 1.0);
    visit_matrix(s, visit, BLOCK("attn_q.weight"), m->n_embd, m->n_embd, spread->input);
    visit_matrix(s, visit, BLOCK("attn_k.weight"), m->n_embd, kv, spread->input);
    visit_matrix(s, visit, BLOCK("attn_v.weight"), m->n_embd, kv, spread->input);
    if (m->qkv_bias) {
        visit_vector(s, visit, BLOCK("attn_q.bias"), m->n_embd, 0.0);
        visit_vector(s, visit, BLOCK("attn_k.bias"), kv, 0.0);
        visit_vector(s, visit, BLOCK("attn_v.bias"), kv, 0.0);
    }
    visit_matrix(s, visit, BLOCK("attn_output.weight"), m->n_embd, m->n_embd,
                 spread->attention_output);
    visit_vector(s, visit, BLOCK("ffn_norm.weight"), m->n_embd, 1.0);
    visit_matrix(s, visit, BLOCK("ffn_gate.weight"), m->n_embd, m->n_ff, spread->input);
    visit_matrix(s, visit, BLOCK("ffn_up.weight"), m->n_embd, m->n_ff, spread->input);
    visit_matrix(s, visit, BLOCK("ffn_down.weight"), m->n_ff, m->n_embd, spread->down);
#undef BLOCK
}

/* Every tensor in the order of the file. */
static void visit_all(struct synth *s, visit_fn *visit) {
    const struct synth_shape *m = s->shape;
    const struct spreads spread = spreads_of(m);
    s->n_tensors = s->data_bytes = 0;
    visit_matrix(s, visit, "token_embd.weight", m->n_embd, m->n_vocab, spread.embedding);
    if (m->rope_factors) visit_vector(s, visit, "rope_freqs.weight", m->n_embd / m->n_head / 2, 1);
    for (int64_t i = 0; i < m->n_layer; i++)
        visit_layer(s, visit, i, &spread);
    visit_vector(s, visit, "output_norm.weight", m->n_embd, 1.0);
    if (!m->tied) {
        visit_matrix(s, visit, "output.weight", m->n_embd, m->n_vocab, spread.embedding);
    }
}

static void count_tensor(struct synth *s, const struct tensor_plan *plan) {
    (void)s;
    (void)plan;
}

static void describe_tensor(struct synth *s, const struct tensor_plan *plan) {
    synth_put_text(&s->out, plan->name, strlen(plan->name));
    synth_put_u32(&s->out, plan->rows > 0 ? 2 : 1);
    synth_put_u64(&s->out, plan->cols);
    if (plan->rows > 0) synth_put_u64(&s->out, plan->rows);
    synth_put_u32(&s->out, (uint32_t)plan->type);
    synth_put_u64(&s->out, s->data_bytes);
}

/* Llama 3's stretch of the slow rotations, with the figures of its 3.2 models: factor 32 for wave
 * lengths above the 8192 tokens of the original context, 1 below a quarter, a ramp between. */
static void put_factors(struct synth *s, const struct tensor_plan *plan) {
    const double pi = 3.14159265358979323846, factor = 32.0, slow = 1.0, fast = 4.0;
    for (uint64_t i = 0; i < plan->cols; i++) {
        double wave = 2.0 * pi * pow(s->shape->rope_base, (double)i / (double)plan->cols);
        double turns = 8192.0 / wave, ramp = (turns - slow) / (fast - slow);
        if (ramp < 0.0) ramp = 0.0;
        if (ramp > 1.0) ramp = 1.0;
        float value = (float)(1.0 / ((1.0 - ramp) / factor + ramp));
        synth_put(&s->out, &value, sizeof value);
    }
}

/* The name decides the stream, so that a tensor's bytes do not depend on its neighbours. */
static uint64_t seed_of(const char *name) {
    uint64_t h = 1469598103934665603ull; /* FNV-1a */
    for (; *name != '\0'; name++)
        h = (h ^ (uint8_t)*name) * 1099511628211ull;
    return h;
}

static void write_tensor(struct synth *s, const struct tensor_plan *plan) {
    if (plan->factors) {
        put_factors(s, plan);
    } else {
        synth_fill(&s->out, plan->type, plan->cols * (plan->rows > 0 ? plan->rows : 1),
                   plan->centre, plan->spread, seed_of(plan->name));
    }
    static const uint8_t zeros[ALIGNMENT];
    synth_put(&s->out, zeros, (size_t)(padded(plan->bytes) - plan->bytes));
}

/* ---- the file ---- */

/* Everything before the tensor data. With fd -1 it only counts, which tells n_keys and total. */
static int write_header(struct synth *s, int n_keys) {
    struct synth_out *out = &s->out;
    visit_all(s, count_tensor);
    synth_put(out, "GGUF", 4);
    synth_put_u32(out, 3);
    synth_put_u64(out, s->n_tensors);
    synth_put_u64(out, (uint64_t)n_keys);
    n_keys = model_keys(out, s->shape, s->type);
    visit_all(s, describe_tensor);
    static const uint8_t zeros[ALIGNMENT];
    synth_put(out, zeros, (size_t)(padded(out->done) - out->done));
    out->total = out->done + s->data_bytes;
    return n_keys;
}

static bool write_model(struct synth *s, int fd) {
    int n_keys = write_header(s, 0);
    synth_flush(&s->out);
    s->out.fd = fd;
    s->out.done = 0;
    write_header(s, n_keys);
    visit_all(s, write_tensor);
    synth_flush(&s->out);
    if (!s->out.failed && fsync(fd) != 0) synth_fail(&s->out, errno);
    return !s->out.failed;
}

/* Writes beside the path and renames, so that the path never names half a model. */
static bool make_file(struct synth *s, const char *path) {
    char temporary[4096];
    int size = snprintf(temporary, sizeof temporary, "%s.tmp-%ld", path, (long)getpid());
    if (size < 0 || (size_t)size >= sizeof temporary) {
        return err_set(s->out.err, ERR_INPUT, "synth: %.200s...: the path is too long", path);
    }
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) return err_set_errno(s->out.err, errno, "synth: %s: cannot be written", temporary);
    bool made = write_model(s, fd);
    if (close(fd) != 0 && made) {
        synth_fail(&s->out, errno);
        made = false;
    }
    if (made && rename(temporary, path) != 0) {
        err_set_errno(s->out.err, errno, "synth: %s: cannot be renamed from %s", path, temporary);
        made = false;
    }
    if (!made) unlink(temporary);
    return made;
}

/* "SHAPE-TYPE": the shape's name may hold hyphens, the type's does not. */
static bool parse_spec(struct synth *s, const char *spec, struct err *err) {
    const char *hyphen = strrchr(spec, '-');
    size_t size = hyphen != NULL ? (size_t)(hyphen - spec) : 0;
    for (size_t i = 0; hyphen != NULL && i < sizeof shapes / sizeof *shapes; i++) {
        if (strlen(shapes[i].name) == size && memcmp(shapes[i].name, spec, size) == 0) {
            s->shape = &shapes[i];
        }
    }
    for (size_t i = 0; hyphen != NULL && i < sizeof types / sizeof *types; i++) {
        if (strcmp(types[i].name, hyphen + 1) == 0) s->type = &types[i];
    }
    if (s->shape != NULL && s->type != NULL) return true;
    return err_set(err, ERR_INPUT,
                   "synth: \"%.60s\" is no SHAPE-TYPE such as 110m-q4_0; shapes are " SHAPE_LIST
                   "; types are " TYPE_LIST ".",
                   spec);
}

bool synth_model(const char *spec, const char *folder,
                 void (*progress)(void *user, uint64_t done_bytes, uint64_t total_bytes),
                 void *user, const volatile int *cancel, char *out, size_t out_size,
                 struct err *err) {
    struct synth s = {.out = {.fd = -1,
                              .progress = progress,
                              .user = user,
                              .cancel = cancel,
                              .path = out,
                              .err = err}};
    if (!parse_spec(&s, spec, err)) return false;
    int size = snprintf(out, out_size, "%s/synthetic-%d-%s-%s.gguf", folder, FORMAT, s.shape->name,
                        s.type->name);
    if (size < 0 || (size_t)size >= out_size) {
        return err_set(err, ERR_INPUT, "synth: %.200s...: the path is too long", folder);
    }
    if (path_exists(out)) return true;
    if (!path_make_folders(folder, err)) return false;
    s.out.buffer = mem_alloc(SYNTH_BUFFER_BYTES);
    if (s.out.buffer == NULL) {
        return err_set(err, ERR_ENVIRONMENT, "synth: not enough memory for %u bytes",
                       SYNTH_BUFFER_BYTES);
    }
    bool made = make_file(&s, out);
    mem_free(s.out.buffer);
    return made;
}
