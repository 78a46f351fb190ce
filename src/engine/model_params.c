/* model_params.c - reads and checks a model's metadata; every problem is reported at once. */
#include "base/span.h"
#include "engine/model.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Bounds far above any published model and far below what would overflow a product of three. */
#define MAX_LAYERS 1024u
#define MAX_WIDTH (1u << 20)
#define MAX_HEADS 4096u
#define MAX_HEAD_DIM 4096u
#define MAX_CONTEXT (1u << 26)

struct arch {
    const char *name;
    bool rope_halves;
    bool qkv_bias;
    bool qk_norm;
    bool scales; /* embedding, residual, attention and logit scale keys */
};

static const struct arch archs[] = {
    {.name = "llama"}, /* mistral files call themselves llama too */
    {.name = "qwen2", .rope_halves = true, .qkv_bias = true},
    {.name = "qwen3", .rope_halves = true, .qk_norm = true},
    {.name = "granite", .scales = true},
};
#define ARCH_LIST "llama (also mistral), qwen2, qwen3, granite"

void problems_add(struct problems *problems, const char *format, ...) {
    problems->count++;
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t size = strlen(text), separator = problems->used > 0 ? 2 : 0;
    if (problems->shown + 1 < problems->count || /* keep the order: after a gap, count only */
        problems->used + separator + size >= sizeof problems->text) {
        return;
    }
    if (separator > 0) memcpy(problems->text + problems->used, "; ", 2);
    memcpy(problems->text + problems->used + separator, text, size + 1);
    problems->used += separator + size;
    problems->shown++;
}

bool problems_none(const struct problems *problems, const char *path, const char *advice,
                   struct err *err) {
    if (problems->count == 0) return true;
    int hidden = problems->count - problems->shown;
    char more[48] = "", shown[24] = "";
    if (hidden > 0) snprintf(more, sizeof more, "; and %d more", hidden);
    if (problems->count > 1) snprintf(shown, sizeof shown, "%d problems: ", problems->count);
    size_t length = strlen(path); /* the end of a long path tells more than its start */
    const char *tail = length > 100 ? path + length - 100 : path;
    return err_set(err, ERR_INPUT, "model: %s: %s%s%s. %s", tail, shown, problems->text, more,
                   advice);
}

/* One architecture's keys, "llama.block_count" and so on. */
struct reader {
    const struct gguf *file;
    const char *arch;
    struct problems *problems;
};

static const char *full_key(const struct reader *r, const char *suffix, char out[128]) {
    snprintf(out, 128, "%s.%s", r->arch, suffix);
    return out;
}

/* Integer within low .. high. Absent: fallback, or a problem when fallback is negative. */
static int64_t read_integer(const struct reader *r, const char *suffix, uint64_t low, uint64_t high,
                            int64_t fallback) {
    char key[128];
    full_key(r, suffix, key);
    const struct gguf_value *value = gguf_value(r->file, key);
    uint64_t number = 0;
    if (value == NULL) {
        if (fallback < 0) problems_add(r->problems, "%s is missing", key);
        return fallback;
    }
    if (value->kind == GGUF_ARRAY || !gguf_get_u64(r->file, key, &number)) {
        problems_add(r->problems, "%s is no whole number (%s), allowed %llu..%llu", key,
                     gguf_kind_name(value->kind), (unsigned long long)low,
                     (unsigned long long)high);
    } else if (number < low || number > high) {
        problems_add(r->problems, "%s is %llu, allowed %llu..%llu", key, (unsigned long long)number,
                     (unsigned long long)low, (unsigned long long)high);
    } else {
        return (int64_t)number;
    }
    return -1;
}

/* Finite number above `above` and at most `most`; *present tells a value from the fallback. */
static double read_number(const struct reader *r, const char *suffix, double above, double most,
                          double fallback, bool *present) {
    char key[128];
    full_key(r, suffix, key);
    const struct gguf_value *value = gguf_value(r->file, key);
    double number = 0;
    if (present != NULL) *present = value != NULL;
    if (value == NULL) return fallback;
    if (!gguf_get_f64(r->file, key, &number)) {
        problems_add(r->problems, "%s is no number (%s)", key, gguf_kind_name(value->kind));
        return fallback;
    }
    if (!isfinite(number) || number <= above || number > most) {
        problems_add(r->problems, "%s is %g, allowed above %g up to %g", key, number, above, most);
        return fallback;
    }
    return number;
}

static const struct arch *find_arch(const struct gguf *file, struct problems *problems) {
    struct gguf_string name;
    if (!gguf_get_string(file, "general.architecture", &name)) {
        problems_add(problems, "general.architecture is missing, supported: " ARCH_LIST);
        return NULL;
    }
    for (size_t i = 0; i < sizeof archs / sizeof *archs; i++) {
        if (name.size == strlen(archs[i].name) &&
            memcmp(name.data, archs[i].name, name.size) == 0) {
            return &archs[i];
        }
    }
    problems_add(problems, "general.architecture is \"%.*s\", supported: " ARCH_LIST,
                 (int)(name.size < 40 ? name.size : 40), name.data);
    return NULL;
}

static bool string_is(struct gguf_string s, const char *text) {
    return s.size == strlen(text) && memcmp(s.data, text, s.size) == 0;
}

/* "none", "linear" and "yarn"; a missing kind with a factor means linear, as older files have it.
 */
static void read_rope(const struct reader *r, const struct arch *arch, struct model_params *p) {
    struct rope_params *rope = &p->rope;
    rope->halves = arch->rope_halves;
    rope->n_rot =
        read_integer(r, "rope.dimension_count", 0, MAX_HEAD_DIM, p->head_dim > 0 ? p->head_dim : 0);
    if (rope->n_rot > 0 &&
        (rope->n_rot % 2 != 0 || (p->head_dim > 0 && rope->n_rot > p->head_dim))) {
        problems_add(r->problems,
                     "%s.rope.dimension_count is %lld, allowed an even number up to %lld", r->arch,
                     (long long)rope->n_rot, (long long)p->head_dim);
    }
    rope->freq_base = read_number(r, "rope.freq_base", 1.0, 1e15, 10000.0, NULL);

    char key[128];
    bool has_factor = false;
    double old_factor = read_number(r, "rope.scale_linear", 0.0, 1e6, 1.0, NULL);
    rope->factor = read_number(r, "rope.scaling.factor", 0.0, 1e6, old_factor, &has_factor);
    struct gguf_string kind = {0};
    bool has_kind = gguf_get_string(r->file, full_key(r, "rope.scaling.type", key), &kind);
    if (!has_kind && gguf_value(r->file, key) != NULL) {
        problems_add(r->problems, "%s is no string, allowed \"none\", \"linear\", \"yarn\"", key);
    }
    if (!has_kind || string_is(kind, "linear")) {
        rope->scaling = rope->factor != 1.0 ? ROPE_LINEAR : ROPE_NONE;
    } else if (string_is(kind, "none")) {
        rope->scaling = ROPE_NONE;
    } else if (string_is(kind, "yarn")) {
        rope->scaling = ROPE_YARN;
        if (!has_factor) problems_add(r->problems, "%s.rope.scaling.factor is missing", r->arch);
    } else {
        problems_add(r->problems, "%s is \"%.*s\", allowed \"none\", \"linear\", \"yarn\"", key,
                     (int)(kind.size < 40 ? kind.size : 40), kind.data);
    }
    rope->n_ctx_orig = (double)read_integer(r, "rope.scaling.original_context_length", 1,
                                            MAX_CONTEXT, p->n_ctx_train > 0 ? p->n_ctx_train : 1);
    rope->attn_factor = read_number(r, "rope.scaling.attn_factor", 0.0, 1e6, 1.0, NULL);
    rope->attn_factor *= read_number(r, "rope.scaling.yarn_attn_factor", 0.0, 1e6, 1.0, NULL);
    rope->ext_factor = read_number(r, "rope.scaling.yarn_ext_factor", -1.0, 1.0, 1.0, NULL);
    rope->beta_fast = read_number(r, "rope.scaling.yarn_beta_fast", 0.0, 1e6, 32.0, NULL);
    rope->beta_slow = read_number(r, "rope.scaling.yarn_beta_slow", 0.0, 1e6, 1.0, NULL);
    bool rotates = true; /* the granite family marks models without positions this way */
    if (arch->scales &&
        gguf_get_bool(r->file, full_key(r, "rope.scaling.finetuned", key), &rotates) && !rotates) {
        rope->n_rot = 0;
    }
}

static void read_heads(const struct reader *r, struct model_params *p) {
    p->n_head = read_integer(r, "attention.head_count", 1, MAX_HEADS, -1);
    p->n_head_kv =
        read_integer(r, "attention.head_count_kv", 1, MAX_HEADS, p->n_head > 0 ? p->n_head : 0);
    if (p->n_head > 0 && p->n_head_kv > 0 && p->n_head % p->n_head_kv != 0) {
        problems_add(r->problems,
                     "%s.attention.head_count is %lld, allowed a multiple of head_count_kv %lld",
                     r->arch, (long long)p->n_head, (long long)p->n_head_kv);
    }
    char key[128];
    if (gguf_value(r->file, full_key(r, "attention.key_length", key)) != NULL) {
        p->head_dim = read_integer(r, "attention.key_length", 1, MAX_HEAD_DIM, -1);
    } else if (p->n_head > 0 && p->n_embd > 0) {
        if (p->n_embd % p->n_head != 0) {
            problems_add(r->problems,
                         "%s.embedding_length is %lld, allowed a multiple of head_count %lld",
                         r->arch, (long long)p->n_embd, (long long)p->n_head);
        } else {
            p->head_dim = p->n_embd / p->n_head;
        }
    }
    int64_t values = read_integer(r, "attention.value_length", 1, MAX_HEAD_DIM,
                                  p->head_dim > 0 ? p->head_dim : 0);
    if (values > 0 && p->head_dim > 0 && values != p->head_dim) {
        problems_add(r->problems, "%s.attention.value_length is %lld, allowed the key length %lld",
                     r->arch, (long long)values, (long long)p->head_dim);
    }
}

static void read_scales(const struct reader *r, const struct arch *arch, struct model_params *p) {
    p->embedding_scale = p->residual_scale = p->logit_scale = 1.0f;
    p->attention_scale = p->head_dim > 0 ? (float)(1.0 / sqrt((double)p->head_dim)) : 1.0f;
    if (!arch->scales) return;
    bool present = false;
    p->embedding_scale =
        (float)read_number(r, "embedding_scale", 0.0, 1e6, p->embedding_scale, NULL);
    p->residual_scale = (float)read_number(r, "residual_scale", 0.0, 1e6, p->residual_scale, NULL);
    p->attention_scale =
        (float)read_number(r, "attention.scale", 0.0, 1e6, p->attention_scale, NULL);
    double divisor = read_number(r, "logit_scale", 0.0, 1e6, 1.0, &present);
    if (!present) problems_add(r->problems, "%s.logit_scale is missing", r->arch);
    p->logit_scale = (float)(1.0 / divisor);
}

bool model_params_read(const struct gguf *file, struct model_params *out, struct err *err) {
    struct problems problems = {0};
    struct model_params p = {0};
    const struct arch *arch = find_arch(file, &problems);
    if (arch != NULL) {
        struct reader r = {.file = file, .arch = arch->name, .problems = &problems};
        p.arch = arch->name;
        p.qkv_bias = arch->qkv_bias;
        p.qk_norm = arch->qk_norm;
        p.n_layer = read_integer(&r, "block_count", 1, MAX_LAYERS, -1);
        p.n_embd = read_integer(&r, "embedding_length", 1, MAX_WIDTH, -1);
        p.n_ff = read_integer(&r, "feed_forward_length", 1, MAX_WIDTH, -1);
        p.n_ctx_train = read_integer(&r, "context_length", 1, MAX_CONTEXT, -1);
        read_heads(&r, &p);
        bool has_eps = false;
        p.rms_eps =
            (float)read_number(&r, "attention.layer_norm_rms_epsilon", 0.0, 1.0, 1e-5, &has_eps);
        if (!has_eps) {
            problems_add(&problems, "%s.attention.layer_norm_rms_epsilon is missing", r.arch);
        }
        read_rope(&r, arch, &p);
        read_scales(&r, arch, &p);
        if (read_integer(&r, "expert_count", 0, MAX_WIDTH, 0) > 0) {
            problems_add(&problems, "%s.expert_count is above 0: mixtures of experts are not read",
                         r.arch);
        }
    }
    static const char *const needed[] = {"tokenizer.ggml.model", "tokenizer.ggml.tokens",
                                         "tokenizer.ggml.eos_token_id"};
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        if (gguf_value(file, needed[i]) == NULL)
            problems_add(&problems, "%s is missing", needed[i]);
    }
    if (!problems_none(&problems, file->path,
                       "The file is damaged or of a kind this build does not read.", err)) {
        return false;
    }
    *out = p;
    return true;
}
