/* tiny_model.h - small random models for tests: written as GGUF, and run in double precision by a
 * forward pass that shares nothing with the engine (textbook loops, every position from scratch).
 */
#ifndef WOOLLY_TESTS_TINY_MODEL_H
#define WOOLLY_TESTS_TINY_MODEL_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- GGUF bytes ---- */

struct tiny_bytes {
    unsigned char *data;
    size_t size, room;
};

static inline void tiny_put(struct tiny_bytes *b, const void *data, size_t size) {
    if (b->size + size > b->room) {
        b->room = 2 * (b->size + size);
        b->data = realloc(b->data, b->room);
    }
    if (size > 0) memcpy(b->data + b->size, data, size);
    b->size += size;
}
static inline void tiny_u32(struct tiny_bytes *b, uint32_t v) {
    tiny_put(b, &v, sizeof v);
}
static inline void tiny_u64(struct tiny_bytes *b, uint64_t v) {
    tiny_put(b, &v, sizeof v);
}
static inline void tiny_text(struct tiny_bytes *b, const char *text) {
    tiny_u64(b, strlen(text));
    tiny_put(b, text, strlen(text));
}

/* ---- what a tiny model looks like ---- */

struct tiny_config {
    const char *arch;
    int n_layer, n_embd, n_head, n_head_kv, n_ff, n_vocab, n_ctx;
    int head_dim; /* 0: n_embd / n_head, and no key in the file */
    int n_rot;    /* 0: the head, and no key in the file */
    int tied, qkv_bias, o_bias, qk_norm;
    double rope_base;                                           /* 0: 10000 and no key */
    const char *rope_scaling;                                   /* NULL: no key */
    double rope_factor, rope_attn_factor, beta_fast, beta_slow; /* 0: no key */
    int rope_orig_ctx;                                          /* 0: no key */
    int rope_freqs;                                             /* a rope_freqs.weight tensor */
    int no_positions; /* granite: rope.scaling.finetuned = false */
    double embedding_scale, residual_scale, attention_scale, logit_scale; /* 0: no key */
    /* For tests of bad files: keys and tensors whose full name is `skip` are left out; `extra`
     * writes keys of its own. */
    const char *skip;
    void (*extra)(struct tiny_bytes *b, uint64_t *n_keys);
};

static inline struct tiny_config tiny_config(const char *arch) {
    return (struct tiny_config){.arch = arch,
                                .n_layer = 2,
                                .n_embd = 32,
                                .n_head = 4,
                                .n_head_kv = 2,
                                .n_ff = 48,
                                .n_vocab = 320,
                                .n_ctx = 128};
}

struct tiny_tensor {
    char name[64];
    int n_dims;
    int64_t dims[2];
    float *data;
};

enum { TINY_TENSORS = 64 };

struct tiny_model {
    struct tiny_config config;
    int head_dim, n_rot;
    int n_tensors;
    struct tiny_tensor tensors[TINY_TENSORS];
};

static inline double tiny_random(uint64_t *state) { /* -1 .. 1 */
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 11) / (double)(1ull << 52) - 1.0;
}

static inline void tiny_add(struct tiny_model *m, const char *name, int64_t cols, int64_t rows,
                            double centre, double spread, uint64_t *state) {
    struct tiny_tensor *t = &m->tensors[m->n_tensors++];
    snprintf(t->name, sizeof t->name, "%s", name);
    t->n_dims = rows > 0 ? 2 : 1;
    t->dims[0] = cols;
    t->dims[1] = rows > 0 ? rows : 1;
    t->data = malloc((size_t)(t->dims[0] * t->dims[1]) * sizeof(float));
    for (int64_t i = 0; i < t->dims[0] * t->dims[1]; i++) {
        t->data[i] = (float)(centre + spread * tiny_random(state));
    }
}

static inline void tiny_make(struct tiny_model *m, struct tiny_config c) {
    memset(m, 0, sizeof *m);
    m->config = c;
    m->head_dim = c.head_dim > 0 ? c.head_dim : c.n_embd / c.n_head;
    m->n_rot = c.n_rot > 0 ? c.n_rot : m->head_dim;
    uint64_t state = 42;
    const int64_t q = (int64_t)c.n_head * m->head_dim, kv = (int64_t)c.n_head_kv * m->head_dim;
    tiny_add(m, "token_embd.weight", c.n_embd, c.n_vocab, 0, 1.0, &state);
    for (int i = 0; i < c.n_layer; i++) {
        char name[64];
#define TINY(suffix) (snprintf(name, sizeof name, "blk.%d." suffix, i), name)
        tiny_add(m, TINY("attn_norm.weight"), c.n_embd, 0, 1.0, 0.3, &state);
        tiny_add(m, TINY("attn_q.weight"), c.n_embd, q, 0, 0.4, &state);
        tiny_add(m, TINY("attn_k.weight"), c.n_embd, kv, 0, 0.4, &state);
        tiny_add(m, TINY("attn_v.weight"), c.n_embd, kv, 0, 0.4, &state);
        tiny_add(m, TINY("attn_output.weight"), q, c.n_embd, 0, 0.4, &state);
        if (c.qkv_bias) {
            tiny_add(m, TINY("attn_q.bias"), q, 0, 0, 0.5, &state);
            tiny_add(m, TINY("attn_k.bias"), kv, 0, 0, 0.5, &state);
            tiny_add(m, TINY("attn_v.bias"), kv, 0, 0, 0.5, &state);
        }
        if (c.o_bias) tiny_add(m, TINY("attn_output.bias"), c.n_embd, 0, 0, 0.5, &state);
        if (c.qk_norm) {
            tiny_add(m, TINY("attn_q_norm.weight"), m->head_dim, 0, 1.0, 0.5, &state);
            tiny_add(m, TINY("attn_k_norm.weight"), m->head_dim, 0, 1.0, 0.5, &state);
        }
        tiny_add(m, TINY("ffn_norm.weight"), c.n_embd, 0, 1.0, 0.3, &state);
        tiny_add(m, TINY("ffn_gate.weight"), c.n_embd, c.n_ff, 0, 0.4, &state);
        tiny_add(m, TINY("ffn_up.weight"), c.n_embd, c.n_ff, 0, 0.4, &state);
        tiny_add(m, TINY("ffn_down.weight"), c.n_ff, c.n_embd, 0, 0.4, &state);
#undef TINY
    }
    tiny_add(m, "output_norm.weight", c.n_embd, 0, 1.0, 0.3, &state);
    if (!c.tied) tiny_add(m, "output.weight", c.n_embd, c.n_vocab, 0, 0.5, &state);
    if (c.rope_freqs) tiny_add(m, "rope_freqs.weight", m->n_rot / 2, 0, 4.0, 3.0, &state);
}

static inline void tiny_free(struct tiny_model *m) {
    for (int i = 0; i < m->n_tensors; i++)
        free(m->tensors[i].data);
    m->n_tensors = 0;
}

static inline struct tiny_tensor *tiny_tensor(struct tiny_model *m, const char *name) {
    for (int i = 0; i < m->n_tensors; i++) {
        if (strcmp(m->tensors[i].name, name) == 0) return &m->tensors[i];
    }
    return NULL;
}

/* ---- writing ---- */

static inline int tiny_key(struct tiny_bytes *b, const struct tiny_config *c, const char *key,
                           uint32_t kind, uint64_t *n_keys) {
    if (c->skip != NULL && strcmp(c->skip, key) == 0) return 0;
    tiny_text(b, key);
    tiny_u32(b, kind);
    ++*n_keys;
    return 1;
}

static inline void tiny_int(struct tiny_bytes *b, const struct tiny_config *c, const char *suffix,
                            uint32_t value, uint64_t *n_keys) {
    char key[128];
    snprintf(key, sizeof key, "%s.%s", c->arch, suffix);
    if (tiny_key(b, c, key, 4, n_keys)) tiny_u32(b, value);
}

static inline void tiny_real(struct tiny_bytes *b, const struct tiny_config *c, const char *suffix,
                             double value, uint64_t *n_keys) {
    char key[128];
    float single = (float)value;
    if (value == 0) return;
    snprintf(key, sizeof key, "%s.%s", c->arch, suffix);
    if (tiny_key(b, c, key, 6, n_keys)) tiny_put(b, &single, sizeof single);
}

/* An SPM vocabulary: three control tokens, 256 bytes, then made-up words. */
static inline void tiny_vocabulary(struct tiny_bytes *b, const struct tiny_config *c,
                                   uint64_t *n_keys) {
    if (tiny_key(b, c, "tokenizer.ggml.model", 8, n_keys)) tiny_text(b, "llama");
    if (tiny_key(b, c, "tokenizer.ggml.tokens", 9, n_keys)) {
        tiny_u32(b, 8);
        tiny_u64(b, (uint64_t)c->n_vocab);
        for (int i = 0; i < c->n_vocab; i++) {
            char text[16];
            static const char *const control[] = {"<unk>", "<s>", "</s>"};
            if (i < 3) snprintf(text, sizeof text, "%s", control[i]);
            if (i >= 3) snprintf(text, sizeof text, "<0x%02X>", (unsigned)(i - 3) & 255u);
            if (i >= 259) snprintf(text, sizeof text, "w%d", i);
            tiny_text(b, text);
        }
    }
    if (tiny_key(b, c, "tokenizer.ggml.scores", 9, n_keys)) {
        tiny_u32(b, 6);
        tiny_u64(b, (uint64_t)c->n_vocab);
        for (int i = 0; i < c->n_vocab; i++) {
            float score = i < 259 ? 0.0f : -(float)i;
            tiny_put(b, &score, sizeof score);
        }
    }
    if (tiny_key(b, c, "tokenizer.ggml.token_type", 9, n_keys)) {
        tiny_u32(b, 5);
        tiny_u64(b, (uint64_t)c->n_vocab);
        for (int i = 0; i < c->n_vocab; i++)
            tiny_u32(b, i == 0 ? 2 : i < 3 ? 3 : i < 259 ? 6 : 1);
    }
    if (tiny_key(b, c, "tokenizer.ggml.bos_token_id", 4, n_keys)) tiny_u32(b, 1);
    if (tiny_key(b, c, "tokenizer.ggml.eos_token_id", 4, n_keys)) tiny_u32(b, 2);
}

static inline void tiny_metadata(struct tiny_bytes *b, const struct tiny_config *c,
                                 uint64_t *n_keys) {
    if (tiny_key(b, c, "general.architecture", 8, n_keys)) tiny_text(b, c->arch);
    if (tiny_key(b, c, "general.name", 8, n_keys)) tiny_text(b, "tiny");
    tiny_int(b, c, "block_count", (uint32_t)c->n_layer, n_keys);
    tiny_int(b, c, "context_length", (uint32_t)c->n_ctx, n_keys);
    tiny_int(b, c, "embedding_length", (uint32_t)c->n_embd, n_keys);
    tiny_int(b, c, "feed_forward_length", (uint32_t)c->n_ff, n_keys);
    tiny_int(b, c, "attention.head_count", (uint32_t)c->n_head, n_keys);
    tiny_int(b, c, "attention.head_count_kv", (uint32_t)c->n_head_kv, n_keys);
    tiny_real(b, c, "attention.layer_norm_rms_epsilon", 1e-5, n_keys);
    if (c->head_dim > 0) {
        tiny_int(b, c, "attention.key_length", (uint32_t)c->head_dim, n_keys);
        tiny_int(b, c, "attention.value_length", (uint32_t)c->head_dim, n_keys);
    }
    if (c->n_rot > 0) tiny_int(b, c, "rope.dimension_count", (uint32_t)c->n_rot, n_keys);
    tiny_real(b, c, "rope.freq_base", c->rope_base, n_keys);
    char key[128];
    snprintf(key, sizeof key, "%s.rope.scaling.type", c->arch);
    if (c->rope_scaling != NULL && tiny_key(b, c, key, 8, n_keys)) tiny_text(b, c->rope_scaling);
    tiny_real(b, c, "rope.scaling.factor", c->rope_factor, n_keys);
    tiny_real(b, c, "rope.scaling.attn_factor", c->rope_attn_factor, n_keys);
    tiny_real(b, c, "rope.scaling.yarn_beta_fast", c->beta_fast, n_keys);
    tiny_real(b, c, "rope.scaling.yarn_beta_slow", c->beta_slow, n_keys);
    if (c->rope_orig_ctx > 0) {
        tiny_int(b, c, "rope.scaling.original_context_length", (uint32_t)c->rope_orig_ctx, n_keys);
    }
    snprintf(key, sizeof key, "%s.rope.scaling.finetuned", c->arch);
    if (c->no_positions && tiny_key(b, c, key, 7, n_keys)) tiny_put(b, "", 1);
    tiny_real(b, c, "embedding_scale", c->embedding_scale, n_keys);
    tiny_real(b, c, "residual_scale", c->residual_scale, n_keys);
    tiny_real(b, c, "attention.scale", c->attention_scale, n_keys);
    tiny_real(b, c, "logit_scale", c->logit_scale, n_keys);
    tiny_vocabulary(b, c, n_keys);
    if (c->extra != NULL) c->extra(b, n_keys);
}

static inline int tiny_write(const struct tiny_model *m, const char *path) {
    struct tiny_bytes keys = {0}, file = {0};
    uint64_t n_keys = 0, offset = 0, n_tensors = 0;
    const char *skip = m->config.skip;
    tiny_metadata(&keys, &m->config, &n_keys);
    for (int i = 0; i < m->n_tensors; i++) {
        n_tensors += skip == NULL || strcmp(skip, m->tensors[i].name) != 0;
    }
    tiny_put(&file, "GGUF", 4);
    tiny_u32(&file, 3);
    tiny_u64(&file, n_tensors);
    tiny_u64(&file, n_keys);
    tiny_put(&file, keys.data, keys.size);
    for (int i = 0; i < m->n_tensors; i++) {
        const struct tiny_tensor *t = &m->tensors[i];
        if (skip != NULL && strcmp(skip, t->name) == 0) continue;
        tiny_text(&file, t->name);
        tiny_u32(&file, (uint32_t)t->n_dims);
        for (int d = 0; d < t->n_dims; d++)
            tiny_u64(&file, (uint64_t)t->dims[d]);
        tiny_u32(&file, 0);
        tiny_u64(&file, offset);
        offset += ((uint64_t)(t->dims[0] * t->dims[1]) * 4 + 31) / 32 * 32;
    }
    static const unsigned char zeros[32];
    tiny_put(&file, zeros, (32 - file.size % 32) % 32);
    for (int i = 0; i < m->n_tensors; i++) {
        const struct tiny_tensor *t = &m->tensors[i];
        if (skip != NULL && strcmp(skip, t->name) == 0) continue;
        tiny_put(&file, t->data, (size_t)(t->dims[0] * t->dims[1]) * 4);
        tiny_put(&file, zeros, (32 - file.size % 32) % 32);
    }
    FILE *out = fopen(path, "wb");
    int fine = out != NULL && fwrite(file.data, 1, file.size, out) == file.size;
    if (out != NULL) fine = fclose(out) == 0 && fine;
    free(keys.data);
    free(file.data);
    return fine;
}

/* ---- the same network in double precision ---- */

static inline void tiny_matvec(double *y, struct tiny_model *m, int layer, const char *suffix,
                               const double *x) {
    char name[64];
    snprintf(name, sizeof name, layer < 0 ? "%s.weight" : "blk.%2$d.%1$s.weight", suffix, layer);
    const struct tiny_tensor *w = tiny_tensor(m, name);
    snprintf(name, sizeof name, layer < 0 ? "%s.bias" : "blk.%2$d.%1$s.bias", suffix, layer);
    const struct tiny_tensor *bias = tiny_tensor(m, name);
    for (int64_t r = 0; r < w->dims[1]; r++) {
        y[r] = bias != NULL ? (double)bias->data[r] : 0.0;
        for (int64_t i = 0; i < w->dims[0]; i++)
            y[r] += (double)w->data[r * w->dims[0] + i] * x[i];
    }
}

static inline void tiny_norm(double *y, struct tiny_model *m, int layer, const char *suffix,
                             const double *x) {
    char name[64];
    snprintf(name, sizeof name, layer < 0 ? "%s.weight" : "blk.%2$d.%1$s.weight", suffix, layer);
    const struct tiny_tensor *w = tiny_tensor(m, name);
    double squares = 0;
    for (int64_t i = 0; i < w->dims[0]; i++)
        squares += x[i] * x[i];
    double scale = 1.0 / sqrt(squares / (double)w->dims[0] + 1e-5);
    for (int64_t i = 0; i < w->dims[0]; i++)
        y[i] = x[i] * scale * (double)w->data[i];
}

/* Wave lengths as the papers and model cards give them: one angle step a pair. */
static inline double tiny_angle(struct tiny_model *m, int pair, int position) {
    const struct tiny_config *c = &m->config;
    const double pi = acos(-1.0), base = c->rope_base > 0 ? c->rope_base : 10000.0;
    double plain = 1.0 / pow(base, (double)(2 * pair) / m->n_rot);
    if (c->rope_freqs) plain /= (double)tiny_tensor(m, "rope_freqs.weight")->data[pair];
    if (c->rope_scaling == NULL || strcmp(c->rope_scaling, "none") == 0) return position * plain;
    if (strcmp(c->rope_scaling, "linear") == 0) return position * (plain / c->rope_factor);
    double fast = c->beta_fast > 0 ? c->beta_fast : 32.0,
           slow = c->beta_slow > 0 ? c->beta_slow : 1.0;
    double original = c->rope_orig_ctx > 0 ? c->rope_orig_ctx : c->n_ctx;
    /* YaRN: dimension at which `turns` rotations fit into the original context. */
    double low = floor(m->n_rot * log(original / (fast * 2 * pi)) / (2 * log(base)));
    double high = ceil(m->n_rot * log(original / (slow * 2 * pi)) / (2 * log(base)));
    if (low < 0) low = 0;
    if (high > m->n_rot - 1) high = m->n_rot - 1;
    if (high - low < 0.001) high = low + 0.001;
    double interpolated = (pair - low) / (high - low);
    if (interpolated < 0) interpolated = 0;
    if (interpolated > 1) interpolated = 1;
    return position * (plain / c->rope_factor * interpolated + plain * (1 - interpolated));
}

static inline void tiny_rotate(struct tiny_model *m, double *head, int position) {
    const struct tiny_config *c = &m->config;
    if (c->no_positions) return;
    int halves = strncmp(c->arch, "qwen", 4) == 0;
    double size = c->rope_attn_factor > 0 ? c->rope_attn_factor : 1.0;
    if (c->rope_scaling != NULL && strcmp(c->rope_scaling, "yarn") == 0) {
        size *= 0.1 * log(c->rope_factor) + 1.0;
    }
    for (int i = 0; i < m->n_rot / 2; i++) {
        double a = tiny_angle(m, i, position);
        double *first = head + (halves ? i : 2 * i), *second = first + (halves ? m->n_rot / 2 : 1);
        double x = *first, y = *second;
        *first = size * (x * cos(a) - y * sin(a));
        *second = size * (y * cos(a) + x * sin(a));
    }
}

enum { TINY_WIDTH = 256, TINY_POSITIONS = 64 };

static inline void tiny_attention(struct tiny_model *m, int layer, double (*keys)[TINY_WIDTH],
                                  double (*values)[TINY_WIDTH], const double *q, int position,
                                  double *out) {
    const struct tiny_config *c = &m->config;
    double scale = c->attention_scale > 0 ? c->attention_scale : 1.0 / sqrt(m->head_dim);
    (void)layer;
    for (int h = 0; h < c->n_head; h++) {
        int kv = h / (c->n_head / c->n_head_kv) * m->head_dim;
        double score[TINY_POSITIONS], sum = 0;
        for (int j = 0; j <= position; j++) {
            double dot = 0;
            for (int d = 0; d < m->head_dim; d++)
                dot += q[h * m->head_dim + d] * keys[j][kv + d];
            score[j] = exp(dot * scale);
            sum += score[j];
        }
        for (int d = 0; d < m->head_dim; d++) {
            double mixed = 0;
            for (int j = 0; j <= position; j++)
                mixed += score[j] / sum * values[j][kv + d];
            out[h * m->head_dim + d] = mixed;
        }
    }
}

/* Logits of every token, rows [n, n_vocab]. n at most TINY_POSITIONS. */
static inline void tiny_run(struct tiny_model *m, const int32_t *tokens, int n, float *rows) {
    const struct tiny_config *c = &m->config;
    static double keys[8][TINY_POSITIONS][TINY_WIDTH], values[8][TINY_POSITIONS][TINY_WIDTH];
    const double residual = c->residual_scale > 0 ? c->residual_scale : 1.0;
    for (int t = 0; t < n; t++) {
        double x[TINY_WIDTH], y[TINY_WIDTH], q[TINY_WIDTH], mixed[TINY_WIDTH], up[TINY_WIDTH];
        double branch[TINY_WIDTH], logits[1024];
        for (int i = 0; i < c->n_embd; i++) {
            x[i] = (double)tiny_tensor(m, "token_embd.weight")->data[tokens[t] * c->n_embd + i];
            if (c->embedding_scale > 0) x[i] *= c->embedding_scale;
        }
        for (int l = 0; l < c->n_layer; l++) {
            tiny_norm(y, m, l, "attn_norm", x);
            tiny_matvec(q, m, l, "attn_q", y);
            tiny_matvec(keys[l][t], m, l, "attn_k", y);
            tiny_matvec(values[l][t], m, l, "attn_v", y);
            for (int h = 0; h < c->n_head; h++) {
                double *head = q + h * m->head_dim;
                if (c->qk_norm) tiny_norm(head, m, l, "attn_q_norm", head);
                tiny_rotate(m, head, t);
            }
            for (int h = 0; h < c->n_head_kv; h++) {
                double *head = keys[l][t] + h * m->head_dim;
                if (c->qk_norm) tiny_norm(head, m, l, "attn_k_norm", head);
                tiny_rotate(m, head, t);
            }
            tiny_attention(m, l, keys[l], values[l], q, t, mixed);
            tiny_matvec(branch, m, l, "attn_output", mixed);
            for (int i = 0; i < c->n_embd; i++)
                x[i] += residual * branch[i];
            tiny_norm(y, m, l, "ffn_norm", x);
            tiny_matvec(q, m, l, "ffn_gate", y);
            tiny_matvec(up, m, l, "ffn_up", y);
            for (int i = 0; i < c->n_ff; i++)
                q[i] = q[i] / (1.0 + exp(-q[i])) * up[i];
            tiny_matvec(branch, m, l, "ffn_down", q);
            for (int i = 0; i < c->n_embd; i++)
                x[i] += residual * branch[i];
        }
        tiny_norm(y, m, -1, "output_norm", x);
        tiny_matvec(logits, m, -1, c->tied ? "token_embd" : "output", y);
        for (int i = 0; i < c->n_vocab; i++) {
            rows[t * c->n_vocab + i] =
                (float)(logits[i] / (c->logit_scale > 0 ? c->logit_scale : 1.0));
        }
    }
}

/* A path in the system's temporary folder that this process alone uses. */
static inline const char *tiny_path(const char *name) {
    static char path[512];
    const char *folder = getenv("TMPDIR");
    snprintf(path, sizeof path, "%s/woolly-%s-%ld.gguf", folder != NULL ? folder : "/tmp", name,
             (long)getpid());
    return path;
}

#endif
