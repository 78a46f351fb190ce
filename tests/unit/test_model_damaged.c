/* Model files that are sound GGUF but no sound model: rows G6, G8 and the vocabulary part of G9.
 * Each is refused by name, all problems at once, and without a crash or a leak. */
#include "base/alloc.h"
#include "engine/engine.h"
#include "support/check.h"
#include "support/tiny_model.h"

#include <unistd.h>

static struct tiny_model tiny;
static int n_refused;

/* Writes the model at hand, expects model_load to refuse it with all the texts (NULL ends). */
static void check_refused(const char *what, const char *const *texts) {
    const char *path = tiny_path("damaged");
    CHECK(tiny_write(&tiny, path));
    struct err err = {0};
    int64_t live = mem_live_bytes();
    struct model *model = model_load(path, NULL, &err);
    unlink(path);
    if (model != NULL) fprintf(stderr, "accepted: %s\n", what);
    CHECK(model == NULL);
    CHECK_INT(err.code, ERR_INPUT);
    for (; model == NULL && *texts != NULL; texts++) {
        if (strstr(err.message, *texts) == NULL) fprintf(stderr, "%s:\n", what);
        CHECK_CONTAINS(err.message, *texts);
    }
    CHECK_CONTAINS(err.message, "woolly-damaged");
    model_free(model);
    CHECK_INT(mem_live_bytes(), live);
    n_refused++;
}
#define REFUSED(what, ...) check_refused(what, (const char *const[]){__VA_ARGS__, NULL})

static void make(struct tiny_config config) {
    tiny_free(&tiny);
    tiny_make(&tiny, config);
}

static void make_llama(void) {
    make(tiny_config("llama"));
}

/* ---- keys of another value: written by `extra` in place of the one that `skip` leaves out ---- */

static struct {
    const char *key;
    uint32_t kind;
    uint64_t bits;
    const char *text;
} other;

static void write_other(struct tiny_bytes *b, uint64_t *n_keys) {
    static const int width[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    tiny_text(b, other.key);
    tiny_u32(b, other.kind);
    if (other.kind == GGUF_STRING) {
        tiny_text(b, other.text);
    } else if (other.kind == GGUF_ARRAY) {
        tiny_u32(b, GGUF_U32), tiny_u64(b, 1), tiny_u32(b, (uint32_t)other.bits);
    } else {
        tiny_put(b, &other.bits, (size_t)width[other.kind]);
    }
    ++*n_keys;
}

static void with_key(const char *arch, const char *key, uint32_t kind, uint64_t bits,
                     const char *text) {
    struct tiny_config config = tiny_config(arch);
    config.skip = key;
    config.extra = write_other;
    other.key = key, other.kind = kind, other.bits = bits, other.text = text;
    config.qkv_bias = strcmp(arch, "qwen2") == 0;
    if (strcmp(arch, "granite") == 0) config.logit_scale = 2;
    make(config);
}

/* ---- what is missing ---- */

static void check_missing(void) {
    static const char *const keys[] = {
        "general.architecture",        "llama.block_count",
        "llama.context_length",        "llama.embedding_length",
        "llama.feed_forward_length",   "llama.attention.head_count",
        "tokenizer.ggml.model",        "tokenizer.ggml.tokens",
        "tokenizer.ggml.eos_token_id", "llama.attention.layer_norm_rms_epsilon",
    };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        struct tiny_config config = tiny_config("llama");
        config.skip = keys[i];
        make(config);
        REFUSED(keys[i], keys[i], "is missing");
    }
    make_llama();
    for (int i = 0; i < tiny.n_tensors; i++) {
        tiny.config.skip = tiny.tensors[i].name;
        if (strcmp(tiny.config.skip, "output.weight") == 0) continue; /* tied is legal */
        REFUSED(tiny.config.skip, tiny.config.skip, "is missing");
    }
    tiny.config.skip = NULL;

    /* Everything at once: a file with an architecture's name and nothing else. */
    struct tiny_config config = tiny_config("llama");
    make(config);
    tiny.config.arch = "qwen2"; /* all keys are qwen2's now, but the biases are not there */
    REFUSED("no biases", "6 problems", "blk.0.attn_q.bias", "blk.0.attn_k.bias",
            "blk.1.attn_v.bias");
    tiny.config.arch = "qwen3";
    REFUSED("no head norms", "4 problems", "blk.0.attn_q_norm.weight", "blk.1.attn_k_norm.weight");
    tiny.config.arch = "granite";
    REFUSED("granite without its scale", "granite.logit_scale is missing");
    struct err err = {0};
    struct tiny_bytes b = {0};
    tiny_put(&b, "GGUF", 4), tiny_u32(&b, 3), tiny_u64(&b, 0), tiny_u64(&b, 1);
    tiny_text(&b, "general.architecture"), tiny_u32(&b, GGUF_STRING), tiny_text(&b, "llama");
    const char *path = tiny_path("bare");
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL && fwrite(b.data, 1, b.size, file) == b.size && fclose(file) == 0);
    CHECK(model_load(path, NULL, &err) == NULL);
    unlink(path);
    free(b.data);
    CHECK_CONTAINS(err.message, "9 problems");
    CHECK_CONTAINS(err.message, "llama.block_count is missing");
    CHECK_CONTAINS(err.message, "tokenizer.ggml.eos_token_id is missing");
}

/* ---- what is out of range or of another kind ---- */

static void check_values(void) {
    static const struct {
        const char *arch, *key;
        uint32_t kind;
        uint64_t bits;
        const char *text;
        const char *said;
    } cases[] = {
        {"llama", "general.architecture", GGUF_STRING, 0, "mamba", "\"mamba\", supported: llama"},
        {"llama", "general.architecture", GGUF_STRING, 0, "", "supported"},
        {"llama", "general.architecture", GGUF_STRING, 0, "llama2", "\"llama2\""},
        {"llama", "general.architecture", GGUF_STRING, 0, "\x1b[31mllama", "?[31mllama"},
        {"llama", "general.architecture", GGUF_U32, 5, NULL, "general.architecture is missing"},
        {"llama", "llama.block_count", GGUF_U32, 0, NULL, "block_count is 0, allowed 1..1024"},
        {"llama", "llama.block_count", GGUF_U32, 1000000000, NULL, "is 1000000000, allowed"},
        {"llama", "llama.block_count", GGUF_U64, UINT64_MAX, NULL, "allowed 1..1024"},
        {"llama", "llama.block_count", GGUF_I32, 0xffffffff, NULL, "no whole number"},
        {"llama", "llama.block_count", GGUF_F32, 0x40000000, NULL, "no whole number (f32)"},
        {"llama", "llama.block_count", GGUF_STRING, 0, "2", "no whole number (string)"},
        {"llama", "llama.block_count", GGUF_ARRAY, 2, NULL, "no whole number (array)"},
        {"llama", "llama.block_count", GGUF_BOOL, 1, NULL, "no whole number (bool)"},
        {"llama", "llama.block_count", GGUF_U32, 3, NULL,
         "tensor \"blk.2.attn_norm.weight\" is missing"},
        {"llama", "llama.block_count", GGUF_U32, 1, NULL, "\"blk.1.attn_norm.weight\" is no part"},
        {"llama", "llama.context_length", GGUF_U32, 0, NULL, "context_length is 0"},
        {"llama", "llama.context_length", GGUF_U32, 0x80000000, NULL, "is 2147483648, allowed"},
        {"llama", "llama.embedding_length", GGUF_U32, 0, NULL, "embedding_length is 0"},
        {"llama", "llama.embedding_length", GGUF_U32, 33, NULL,
         "33, allowed a multiple of head_count 4"},
        {"llama", "llama.embedding_length", GGUF_U32, 64, NULL, "is 32 x 320, needed 64 x 320"},
        {"llama", "llama.embedding_length", GGUF_U32, 0xffffffff, NULL, "allowed 1..1048576"},
        {"llama", "llama.feed_forward_length", GGUF_U32, 0, NULL, "feed_forward_length is 0"},
        {"llama", "llama.feed_forward_length", GGUF_U32, 49, NULL, "needed 32 x 49"},
        {"llama", "llama.attention.head_count", GGUF_U32, 0, NULL, "head_count is 0"},
        {"llama", "llama.attention.head_count", GGUF_U32, 5, NULL, "multiple of"},
        {"llama", "llama.attention.head_count", GGUF_U32, 100000, NULL, "is 100000, allowed"},
        {"llama", "llama.attention.head_count_kv", GGUF_U32, 0, NULL, "head_count_kv is 0"},
        {"llama", "llama.attention.head_count_kv", GGUF_U32, 3, NULL,
         "multiple of head_count_kv 3"},
        {"llama", "llama.attention.head_count_kv", GGUF_U32, 8, NULL,
         "multiple of head_count_kv 8"},
        {"llama", "llama.attention.head_count_kv", GGUF_U32, 4, NULL, "needed 32 x 32"},
        {"llama", "llama.attention.key_length", GGUF_U32, 0, NULL, "key_length is 0"},
        {"llama", "llama.attention.key_length", GGUF_U32, 100000, NULL, "is 100000, allowed"},
        {"llama", "llama.attention.key_length", GGUF_U32, 16, NULL, "needed 32 x 64"},
        {"llama", "llama.attention.value_length", GGUF_U32, 4, NULL, "value_length is 4"},
        {"llama", "llama.rope.dimension_count", GGUF_U32, 3, NULL, "dimension_count is 3"},
        {"llama", "llama.rope.dimension_count", GGUF_U32, 10, NULL, "even number up to 8"},
        {"llama", "llama.rope.freq_base", GGUF_F32, 0, NULL, "freq_base is 0"},
        {"llama", "llama.rope.freq_base", GGUF_F32, 0x7fc00000, NULL, "freq_base is nan"},
        {"llama", "llama.rope.freq_base", GGUF_STRING, 0, "x", "is no number (string)"},
        {"llama", "llama.rope.scaling.type", GGUF_STRING, 0, "longrope", "\"longrope\", allowed"},
        {"llama", "llama.rope.scaling.type", GGUF_U32, 1, NULL, "is no string"},
        {"llama", "llama.rope.scaling.type", GGUF_STRING, 0, "yarn", "scaling.factor is missing"},
        {"llama", "llama.rope.scaling.factor", GGUF_F32, 0, NULL, "scaling.factor is 0"},
        {"llama", "llama.rope.scaling.original_context_length", GGUF_U32, 0, NULL, "length is 0"},
        {"llama", "llama.attention.layer_norm_rms_epsilon", GGUF_F32, 0xbf800000, NULL, "is -1"},
        {"llama", "llama.attention.layer_norm_rms_epsilon", GGUF_F32, 0x7f800000, NULL, "is inf"},
        {"llama", "llama.expert_count", GGUF_U32, 8, NULL, "mixtures of experts"},
        {"granite", "granite.residual_scale", GGUF_F32, 0xffc00000, NULL, "residual_scale is"},
        {"granite", "granite.logit_scale", GGUF_F32, 0, NULL, "logit_scale is 0"},
        {"granite", "granite.embedding_scale", GGUF_F32, 0x7f800000, NULL,
         "embedding_scale is inf"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        with_key(cases[i].arch, cases[i].key, cases[i].kind, cases[i].bits, cases[i].text);
        REFUSED(cases[i].key, cases[i].said);
    }
    /* Several at once are all named. */
    with_key("llama", "llama.block_count", GGUF_U32, 0, NULL);
    tiny.config.n_ff = 0;
    tiny.config.n_head = 0;
    REFUSED("three problems", "problems", "block_count is 0", "feed_forward_length is 0",
            "head_count is 0");
}

/* ---- tensors that do not fit ---- */

static void rename_tensor(const char *from, const char *to) {
    struct tiny_tensor *t = tiny_tensor(&tiny, from);
    snprintf(t->name, sizeof t->name, "%s", to);
}

static void check_tensors(void) {
    make_llama();
    rename_tensor("blk.1.ffn_up.weight", "blk.1.ffn_upp.weight");
    REFUSED("misspelt", "2 problems", "\"blk.1.ffn_up.weight\" is missing",
            "\"blk.1.ffn_upp.weight\" is no part of a llama model");
    make_llama();
    tiny_tensor(&tiny, "output_norm.weight")->dims[0] = 16;
    REFUSED("short norm", "\"output_norm.weight\" is 16, needed 32");
    make_llama();
    struct tiny_tensor *t = tiny_tensor(&tiny, "blk.0.ffn_down.weight");
    t->dims[0] = 32, t->dims[1] = 48;
    REFUSED("transposed", "\"blk.0.ffn_down.weight\" is 32 x 48, needed 48 x 32");
    make_llama();
    tiny_tensor(&tiny, "token_embd.weight")->dims[1] = 319;
    REFUSED("fewer rows than tokens", "319 rows", "320 tokens");
    make_llama();
    tiny_tensor(&tiny, "output.weight")->dims[1] = 319;
    REFUSED("output of fewer rows", "output.weight", "needed 32 x 320");
    struct tiny_config config = tiny_config("llama");
    config.rope_freqs = 1;
    static const float bad[] = {NAN, 0.0f, -1.0f, INFINITY};
    for (int i = 0; i < 4; i++) {
        make(config);
        tiny_tensor(&tiny, "rope_freqs.weight")->data[2] = bad[i];
        REFUSED("rope factor", "rope_freqs.weight", "value 2");
    }
    make(config);
    tiny_tensor(&tiny, "rope_freqs.weight")->dims[0] = 3;
    REFUSED("too few rope factors", "rope_freqs.weight", "needed 4");
    config = tiny_config("llama");
    config.qk_norm = 1; /* a llama that brings weights it would not use is another model */
    make(config);
    REFUSED("weights the architecture ignores", "attn_q_norm.weight\" is no part of a llama model");
}

/* ---- vocabulary ---- */

static void check_vocabulary(void) {
    with_key("llama", "tokenizer.ggml.tokens", GGUF_U32, 7, NULL);
    REFUSED("tokens is no array", "tokenizer.ggml.tokens");
    with_key("llama", "tokenizer.ggml.tokens", GGUF_ARRAY, 7, NULL);
    REFUSED("tokens are numbers", "tokenizer.ggml.tokens");
    with_key("llama", "tokenizer.ggml.model", GGUF_STRING, 0, "bert");
    REFUSED("another tokenizer", "bert");
    with_key("llama", "tokenizer.ggml.model", GGUF_U32, 0, NULL);
    REFUSED("the kind is no text", "tokenizer.ggml.model");
    with_key("llama", "tokenizer.ggml.scores", GGUF_ARRAY, 7, NULL);
    REFUSED("one score", "tokenizer.ggml.scores");
    with_key("llama", "tokenizer.ggml.token_type", GGUF_ARRAY, 1, NULL);
    REFUSED("one token type", "tokenizer.ggml.token_type");
    with_key("llama", "tokenizer.ggml.eos_token_id", GGUF_U32, 320, NULL);
    REFUSED("end token out of range", "tokenizer.ggml.eos_token_id", "320");
    with_key("llama", "tokenizer.ggml.bos_token_id", GGUF_U32, 100000, NULL);
    REFUSED("begin token out of range", "tokenizer.ggml.bos_token_id", "100000");
    with_key("llama", "tokenizer.ggml.eos_token_id", GGUF_STRING, 0, "2");
    REFUSED("end token is text", "tokenizer.ggml.eos_token_id");
}

/* A damaged file either loads and runs without a crash or is refused: bits flipped anywhere in the
 * header, the whole way to a token. */
static void check_flips(void) {
    struct tiny_config config = tiny_config("llama");
    config.n_layer = 1, config.n_embd = 8, config.n_head = 2, config.n_head_kv = 1;
    config.n_ff = 8, config.n_vocab = 262, config.n_ctx = 16;
    make(config);
    char path[512];
    snprintf(path, sizeof path, "%s", tiny_path("flip"));
    CHECK(tiny_write(&tiny, path));
    FILE *file = fopen(path, "r+b");
    uint64_t state = 3;
    int loaded = 0, refused = 0;
    for (int i = 0; file != NULL && i < 1500; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        long at = (long)(state >> 33) % 9000;
        fseek(file, at, SEEK_SET);
        int byte = fgetc(file);
        fseek(file, at, SEEK_SET);
        fputc(byte ^ 1 << (state >> 20 & 7), file);
        fflush(file);
        struct err err = {0};
        struct model_options options = {.use_mmap = false};
        struct model *model = model_load(path, &options, &err);
        if (model != NULL) {
            struct context_options small = context_options_default();
            small.n_ctx = 4;
            struct context *c = context_new(model, &small, &err);
            int32_t tokens[] = {1, 7};
            if (c != NULL) context_prefill(c, tokens, 2, NULL, NULL, NULL, &err);
            context_free(c);
            loaded++;
        } else {
            CHECK(err.code == ERR_INPUT && strchr(err.message, '\n') == NULL);
            refused++;
        }
        model_free(model);
        fseek(file, at, SEEK_SET);
        fputc(byte, file);
    }
    if (file != NULL) fclose(file);
    unlink(path);
    printf("bits flipped: %d loaded, %d refused\n", loaded, refused);
    CHECK(loaded > 100 && refused > 100);
}

/* Every heap request of loading fails once: an error of the environment, and no leak. */
static void check_short_memory(void) {
    make_llama();
    const char *path = tiny_path("memory");
    CHECK(tiny_write(&tiny, path));
    int64_t live = mem_live_bytes();
    struct model *model = NULL;
    for (uint64_t nth = 1; model == NULL && nth < 500; nth++) {
        struct err err = {0};
        mem_fail_at(nth, 0);
        model = model_load(path, NULL, &err);
        mem_fail_at(0, 0);
        if (model != NULL) {
            CHECK(nth > 12);
            break;
        }
        CHECK_INT(err.code, ERR_ENVIRONMENT);
        CHECK_CONTAINS(err.message, "memory");
        CHECK_INT(mem_live_bytes(), live);
    }
    CHECK(model != NULL);
    model_free(model);
    unlink(path);
}

int main(void) {
    int64_t live = mem_live_bytes();
    check_missing();
    check_values();
    check_tensors();
    check_vocabulary();
    check_flips();
    check_short_memory();
    tiny_free(&tiny);
    printf("%d damaged models refused\n", n_refused);
    CHECK(n_refused >= 100);
    CHECK_INT(mem_live_bytes(), live);
    return check_done();
}
