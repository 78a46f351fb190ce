/* Every architecture and every kind of rotation against the double-precision reference. */
#include "engine/engine.h"
#include "support/check.h"
#include "support/tiny_model.h"

#include <unistd.h>

enum { N = 24, VOCAB = 320 };

/* Presets p0 and p1 on a model as configured: logits of every position. */
static void check_config(const char *what, struct tiny_config config) {
    static struct tiny_model tiny;
    static float wanted[N * VOCAB], rows[N * VOCAB];
    int32_t tokens[N];
    for (int i = 0; i < N; i++)
        tokens[i] = (int32_t)((i * 37 + 11) % VOCAB);
    tiny_make(&tiny, config);
    const char *path = tiny_path("arch");
    CHECK(tiny_write(&tiny, path));
    tiny_run(&tiny, tokens, N, wanted);

    struct err err = {0};
    struct model *model = model_load(path, NULL, &err);
    unlink(path);
    CHECK_STR(err.message, "");
    if (model == NULL) return;
    CHECK_STR(model_info(model).arch, config.arch);
    static const char *const presets[] = {"p0", "p1"};
    for (int i = 0; i < 2; i++) {
        struct context_options options = context_options_default();
        options.n_batch = 7;
        CHECK(engine_preset(presets[i], &options.switches, &err));
        struct context *context = context_new(model, &options, &err);
        CHECK_STR(err.message, "");
        CHECK(context_prefill(context, tokens, N, rows, NULL, NULL, &err));
        struct logits_difference d = logits_compare(wanted, rows, N, VOCAB);
        if (d.max_abs > 1e-4 || d.top1 < 1.0) fprintf(stderr, "%s, %s:\n", what, presets[i]);
        CHECK_NEAR(d.max_abs, 0.0, 1e-4);
        CHECK_NEAR(d.top1, 1.0, 0.0);
        context_free(context);
    }
    model_free(model);
    tiny_free(&tiny);
}

int main(void) {
    struct tiny_config c = tiny_config("llama");
    check_config("llama", c);
    c.tied = 1;
    c.n_head_kv = 1;
    check_config("llama, tied, one key head", c);
    c = tiny_config("llama");
    c.o_bias = c.qkv_bias = 1;
    c.n_rot = 4;
    check_config("llama, biases, half of a head rotated", c);
    c = tiny_config("llama");
    c.head_dim = 16;
    c.rope_base = 500000;
    check_config("llama, heads wider than the model, other base", c);
    c = tiny_config("llama");
    c.rope_freqs = 1;
    check_config("llama 3 factors", c);
    c = tiny_config("llama");
    c.rope_scaling = "linear";
    c.rope_factor = 4;
    check_config("linear scaling", c);
    c.rope_scaling = NULL; /* a factor alone means linear; the reference needs the word */
    c.rope_factor = 0;
    c.rope_scaling = "none";
    check_config("no scaling, said so", c);

    c = tiny_config("llama");
    c.head_dim = 16;
    c.rope_scaling = "yarn";
    c.rope_factor = 4;
    c.rope_orig_ctx = 32;
    check_config("yarn", c);
    c.rope_attn_factor = 0.75;
    c.beta_fast = 8;
    c.beta_slow = 0.5;
    c.rope_orig_ctx = 512;
    check_config("yarn with its own betas and attention factor", c);
    c.rope_freqs = 1;
    check_config("yarn with factors", c);

    c = tiny_config("qwen2");
    c.qkv_bias = 1;
    c.tied = 1;
    c.rope_base = 1000000;
    check_config("qwen2", c);
    c.rope_scaling = "yarn";
    c.rope_factor = 2;
    c.rope_orig_ctx = 64;
    check_config("qwen2 with yarn", c);
    c = tiny_config("qwen3");
    c.qk_norm = 1;
    c.head_dim = 16;
    check_config("qwen3", c);
    c.n_rot = 8;
    check_config("qwen3, half of a head rotated", c);

    c = tiny_config("granite");
    c.embedding_scale = 3;
    c.residual_scale = 0.4;
    c.attention_scale = 0.2;
    c.logit_scale = 2.5;
    c.tied = 1;
    check_config("granite", c);
    c.no_positions = 1;
    check_config("granite without positions", c);
    return check_done();
}
