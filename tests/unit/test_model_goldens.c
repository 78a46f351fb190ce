/* Logits and greedy text of real weights against the float64 reference: the bundled F32 file in
 * every preset, and each quantised variant where the shared test data lie beside the project. */
#include "base/alloc.h"
#include "engine/engine.h"
#include "support/check.h"
#include "support/goldens.h"

#define SHARED "../shared/data/"
#define NEAR_REF64 1e-3 /* what the data's own measurements support; this engine does 2e-5 */

static const char *const presets[] = {"p0", "p1"};

static struct context *new_context(struct model *model, const char *preset, int64_t n_ctx) {
    struct context_options options = context_options_default();
    struct err err = {0};
    options.n_ctx = n_ctx;
    CHECK(engine_preset(preset, &options.switches, &err));
    struct context *context = context_new(model, &options, &err);
    CHECK_STR(err.message, "");
    return context;
}

static void check_against(struct model *model, const char *what, const struct golden_prompt *golden,
                          double tolerance) {
    static float rows[64 * STORIES_VOCAB];
    for (int i = 0; i < 2; i++) {
        struct err err = {0};
        struct context *context = new_context(model, presets[i], 64);
        if (context == NULL) return;
        CHECK(context_prefill(context, golden->ids, golden->n, rows, NULL, NULL, &err));
        CHECK_STR(err.message, "");
        struct logits_difference d = logits_compare(golden->ref64, rows, golden->n, STORIES_VOCAB);
        printf("%-38s %s  max %.1e  rms %.1e\n", what, presets[i], d.max_abs, d.rms);
        CHECK(d.finite && d.max_abs <= tolerance);
        CHECK_NEAR(d.top1, 1.0, 0.0);
        context_free(context);
    }
}

/* The same with every instruction set of this machine, each with the switches of p1. */
static void check_every_isa(struct model *model, const struct golden_prompt *golden) {
    static float rows[64 * STORIES_VOCAB];
    for (int isa = ISA_SCALAR; isa < ISA_COUNT; isa++) {
        if (kernels_get((enum isa)isa) == NULL) continue;
        struct context_options options = context_options_default();
        struct err err = {0};
        options.n_ctx = 64;
        options.switches.isa = (enum isa)isa;
        struct context *context = context_new(model, &options, &err);
        CHECK_STR(err.message, "");
        if (context == NULL) continue;
        CHECK(context_prefill(context, golden->ids, golden->n, rows, NULL, NULL, &err));
        struct logits_difference d = logits_compare(golden->ref64, rows, golden->n, STORIES_VOCAB);
        printf("%-38s %s  max %.1e\n", "v3", isa_name((enum isa)isa), d.max_abs);
        CHECK(d.finite && d.max_abs <= NEAR_REF64);
        context_free(context);
    }
}

static void check_greedy(struct model *model, const char *preset,
                         const struct golden_prompt *golden) {
    int32_t tokens[64];
    int64_t times[64], n = 0;
    struct err err = {0};
    enum finish_reason reason = FINISH_CANCELLED;
    struct context *context = new_context(model, preset, 128);
    struct decode_options options = {.n_tokens = 64, .sampling = sampling_default()};
    CHECK(context_prefill(context, golden->ids, golden->n, NULL, NULL, NULL, &err));
    CHECK(context_decode(context, &options, tokens, times, NULL, &n, &reason, NULL, &err));
    CHECK_INT(reason, FINISH_LENGTH);
    CHECK_INT(n, golden->n_greedy);
    for (int64_t i = 0; i < n && i < golden->n_greedy; i++) {
        CHECK_INT(tokens[i], golden->greedy[i]);
        CHECK(i == 0 || times[i] >= times[i - 1]);
    }
    context_free(context);
}

/* The sample that the model's author publishes: 256 tokens from BOS alone, as text. */
static void check_published(struct model *model, const char *preset) {
    enum { N = 256 };
    int32_t tokens[N], wanted[GOLDEN_MAX];
    int64_t times[N], n = 0;
    size_t size = 0, index_size = 0, used = 0;
    char *text = golden_file(GOLDENS "published_greedy.txt", &size);
    char *index = golden_file(GOLDENS "index.json", &index_size);
    CHECK(text != NULL && index != NULL);
    if (text == NULL || index == NULL) return;
    CHECK_INT(golden_ids(index, "\"published_greedy\"", "token_ids", wanted), N);
    struct err err = {0};
    enum finish_reason reason = FINISH_CANCELLED;
    const int32_t bos = 1;
    struct context *context = new_context(model, preset, 2 * N);
    struct decode_options options = {.n_tokens = N, .sampling = sampling_default()};
    CHECK(context_prefill(context, &bos, 1, NULL, NULL, NULL, &err));
    CHECK(context_decode(context, &options, tokens, times, NULL, &n, &reason, NULL, &err));
    CHECK_INT(n, N);
    CHECK(memcmp(tokens, wanted, sizeof tokens) == 0);
    static char made[N * 64];
    for (int64_t i = 0; i < n; i++) {
        used += tokenizer_piece(model_tokenizer(model), tokens[i], false, made + used,
                                sizeof made - 1 - used);
    }
    made[used] = '\0';
    while (size > 0 && text[size - 1] == '\n')
        text[--size] = '\0';
    while (used > 0 && made[used - 1] == '\n')
        made[--used] = '\0';
    CHECK_STR(made + (made[0] == ' '), text + (text[0] == ' '));
    free(text);
    free(index);
    context_free(context);
}

static void check_variants(void) {
    static const char *const names[] = {
        "stories260K.f16",
        "stories260K.bf16",
        "stories260K.q8_0",
        "stories260K.q4_0",
        "stories260K.q4_1",
        "stories260K.q5_0",
        "stories260K.q5_1",
        "stories260K.iq4_nl",
        "stories260K-wide256.q8_0",
        "stories260K-wide256.q4_0",
        "stories260K-wide256.q2_k",
        "stories260K-wide256.q3_k_m",
        "stories260K-wide256.q4_k_m",
        "stories260K-wide256.q5_k_m",
        "stories260K-wide256.q6_k",
    };
    static struct golden_prompt golden;
    CHECK(golden_prompt("v3", &golden));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[256];
        struct err err = {0};
        snprintf(path, sizeof path, SHARED "goldens/variants/%s.v3.logits.ref64.f32.bin", names[i]);
        if (golden_floats(path, golden.ref64, sizeof golden.ref64 / sizeof *golden.ref64) !=
            (size_t)golden.n * STORIES_VOCAB) {
            printf("variants left out: %s is not there\n", path);
            return;
        }
        snprintf(path, sizeof path, SHARED "models/%s.gguf", names[i]);
        struct model *model = model_load(path, NULL, &err);
        CHECK_STR(err.message, "");
        if (model == NULL) continue;
        CHECK(model_check(model, NULL, &err));
        check_against(model, names[i], &golden, NEAR_REF64);
        model_free(model);
    }
}

int main(void) {
    static struct golden_prompt golden;
    int64_t live = mem_live_bytes();
    struct err err = {0};
    for (int mapped = 0; mapped < 2; mapped++) {
        struct model_options options = model_options_default();
        options.use_mmap = mapped;
        struct model *model = model_load(STORIES_F32, &options, &err);
        CHECK_STR(err.message, "");
        if (model == NULL) return check_done();
        CHECK_INT(model_info(model).n_vocab, STORIES_VOCAB);
        static const char *const prompts[] = {"v1", "v2", "v3"};
        for (int i = 0; i < 3; i++) {
            CHECK(golden_prompt(prompts[i], &golden));
            check_against(model, prompts[i], &golden, NEAR_REF64);
            for (int p = 0; p < 2; p++)
                check_greedy(model, presets[p], &golden);
        }
        check_every_isa(model, &golden); /* the last prompt, v3 */
        for (int p = 0; p < 2; p++)
            check_published(model, presets[p]);
        model_free(model);
    }
    check_variants();
    CHECK_INT(mem_live_bytes(), live);
    return check_done();
}
