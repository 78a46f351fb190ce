/* test_fused.c - the fused pass on real weights: right answers, the same bits for any number of threads,
 * any company and any repeat; guesses change no text; counters and profile add up. */
#include "base/alloc.h"
#include "engine/context.h"
#include "support/check.h"
#include "support/goldens.h"

#define SHARED "../shared/data/"
enum { VOCAB = STORIES_VOCAB, ROWS = 64, MANY = 19 };

static struct golden_prompt golden; /* v3: 29 tokens */

static struct model *load(const char *path) {
    struct err err = {0};
    struct model *model = model_load(path, NULL, &err);
    CHECK_STR(err.message, "");
    if (model == NULL) exit(check_done());
    return model;
}

static struct context_options options_of(const char *preset, int n_threads) {
    struct context_options o = context_options_default();
    CHECK(engine_preset(preset, &o.switches, NULL));
    o.n_ctx = 512;
    o.switches.n_threads = n_threads;
    return o;
}

static struct context *open_context(struct model *model, struct context_options o) {
    struct err err = {0};
    struct context *context = context_new(model, &o, &err);
    CHECK_STR(err.message, "");
    if (context == NULL) exit(check_done());
    return context;
}

static void prefill(struct context *c, float *rows) {
    struct err err = {0};
    CHECK(context_prefill(c, golden.ids, golden.n, rows, NULL, NULL, &err));
    CHECK_STR(err.message, "");
}

/* ---- right answers ---- */

static struct logits_difference against(struct model *model, struct context_options o,
                                        const float *wanted) {
    static float rows[ROWS * VOCAB];
    struct context *c = open_context(model, o);
    prefill(c, rows);
    context_free(c);
    return logits_compare(wanted, rows, golden.n, VOCAB);
}

/* Float weights and a float cache leave nothing to round but the order of sums. */
static void check_float(struct model *model) {
    static const char *const presets[] = {"p2", "p3", "p4", "p5"};
    for (int i = 0; i < 4; i++) {
        struct context_options o = options_of(presets[i], i + 1);
        o.switches.key_type = o.switches.value_type = KV_F32;
        struct logits_difference d = against(model, o, golden.ref64);
        CHECK(d.finite && d.max_abs <= 1e-3);
        CHECK_NEAR(d.top1, 1.0, 0.0);
    }
}

static void check_cache_types(struct model *model) {
    static const struct {
        enum kv_type type;
        double kld, top1;
    } limits[] = {{KV_F16, 1e-5, 0.99}, {KV_Q8_0, 1e-3, 0.99}};
    for (size_t i = 0; i < 2; i++) {
        struct context_options o = options_of("p4", 2);
        o.switches.key_type = o.switches.value_type = limits[i].type;
        static const char *const prompts[] = {"v1", "v2", "v3"};
        double kld = 0, top1 = 0, n = 0;
        for (int p = 0; p < 3; p++) {
            CHECK(golden_prompt(prompts[p], &golden));
            struct logits_difference d = against(model, o, golden.ref64);
            kld += d.kld_mean * (double)d.n_rows;
            top1 += d.top1 * (double)d.n_rows;
            n += (double)d.n_rows;
        }
        printf("%s keys and values, %.0f tokens: kld %.1e top1 %.3f\n", kv_type_name(limits[i].type), n,
               kld / n, top1 / n);
        CHECK(kld / n <= limits[i].kld && top1 / n >= limits[i].top1);
    }
}

/* Rounding activations to 8 bits moves logits as far from exact arithmetic as another engine that rounds
 * them is: its own logits of the same files are the measure. */
static void check_variants(void) {
    static const char *const names[] = {
        "stories260K.q8_0", "stories260K.q4_0", "stories260K.q4_1", "stories260K.q5_0",
        "stories260K.q5_1", "stories260K.iq4_nl", "stories260K-wide256.q8_0",
        "stories260K-wide256.q4_0", "stories260K-wide256.q2_k", "stories260K-wide256.q3_k_m",
        "stories260K-wide256.q4_k_m", "stories260K-wide256.q5_k_m", "stories260K-wide256.q6_k",
    };
    static const char *const presets[] = {"p2", "p3", "p5"};
    static float exact[ROWS * VOCAB], theirs[ROWS * VOCAB];
    const size_t n = (size_t)golden.n * VOCAB;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[256];
        snprintf(path, sizeof path, SHARED "goldens/variants/%s.v3.logits.ref64.f32.bin", names[i]);
        bool there = golden_floats(path, exact, n) == n;
        snprintf(path, sizeof path, SHARED "goldens/variants/%s.v3.logits.f32.bin", names[i]);
        if (!there || golden_floats(path, theirs, n) != n) {
            printf("variants left out: %s is not there\n", path);
            return;
        }
        const double limit = 1.3 * logits_compare(exact, theirs, golden.n, VOCAB).rms;
        snprintf(path, sizeof path, SHARED "models/%s.gguf", names[i]);
        struct model *model = load(path);
        for (int p = 0; p < 3; p++) {
            struct logits_difference d = against(model, options_of(presets[p], p + 1), exact);
            printf("%-28s %s rms %.4f of %.4f, kld %.1e\n", names[i], presets[p], d.rms, limit, d.kld_mean);
            CHECK(d.finite && d.rms <= limit && d.kld_mean <= 2e-3);
        }
        model_free(model);
    }
}

/* ---- the same bits ---- */

static void check_threads(struct model *model, const char *preset) {
    static float wanted[ROWS * VOCAB], rows[ROWS * VOCAB];
    struct context_options o = options_of(preset, 1);
    struct context *one = open_context(model, o);
    prefill(one, wanted);
    context_clear(one);
    prefill(one, rows);
    CHECK(memcmp(wanted, rows, (size_t)golden.n * VOCAB * sizeof *rows) == 0);
    context_free(one);
    for (int n = 2; n <= 4; n++) {
        struct context *c = open_context(model, options_of(preset, n));
        c->fused->tuning.decode_threads = c->fused->tuning.block_threads = n; /* however small */
        prefill(c, rows);
        CHECK(memcmp(wanted, rows, (size_t)golden.n * VOCAB * sizeof *rows) == 0);
        context_free(c);
    }
}

/* `to` becomes the F32 weight `from` rounded to Q8_0; the caller frees its data. */
static void round_to_bytes(struct weight *to, const struct weight *from) {
    const int64_t n_blocks = from->rows * from->cols / 32;
    const float *x = (const float *)(const void *)from->data;
    uint8_t *block = mem_alloc((size_t)n_blocks * 34);
    to->data = block;
    to->type = TENSOR_Q8_0;
    to->row_bytes = tensor_type_row_bytes(TENSOR_Q8_0, (uint64_t)to->cols);
    for (int64_t b = 0; b < n_blocks; b++, x += 32, block += 34) {
        float largest = 0;
        for (int i = 0; i < 32; i++) largest = fmaxf(largest, fabsf(x[i]));
        const uint16_t d = f16_from_f32(largest / 127);
        memcpy(block, &d, sizeof d);
        for (int i = 0; i < 32; i++) block[2 + i] = (uint8_t)(int8_t)lrintf(x[i] * 127 / largest);
    }
}

/* Matrices of one input that take activations of different kinds: v beside q and k, up beside gate. */
static void check_mixed(const struct model *f32) {
    static float exact[ROWS * VOCAB];
    struct model *q4_0 = load(STORIES_Q4_0);
    for (int i = 0; i < f32->params.n_layer; i++) {
        round_to_bytes(&q4_0->layers[i].v, &f32->layers[i].v);
        round_to_bytes(&q4_0->layers[i].up, &f32->layers[i].up);
    }
    struct context *c = open_context(q4_0, options_of("p0", 1));
    prefill(c, exact);
    context_free(c);
    static const char *const presets[] = {"p2", "p3", "p5"};
    for (int i = 0; i < 3; i++) {
        const struct logits_difference d = against(q4_0, options_of(presets[i], i + 1), exact);
        printf("q4_0 with q8_0 among it, %s: rms %.4f, kld %.1e\n", presets[i], d.rms, d.kld_mean);
        CHECK(d.finite && d.rms <= 0.1 && d.kld_mean <= 2e-3);
    }
    check_threads(q4_0, "p3");
    for (int i = 0; i < f32->params.n_layer; i++) {
        mem_free((void *)(uintptr_t)q4_0->layers[i].v.data);
        mem_free((void *)(uintptr_t)q4_0->layers[i].up.data);
    }
    model_free(q4_0);
}

static int64_t generate(struct context *c, int64_t n, int32_t *tokens) {
    int64_t times[400], made = 0;
    enum finish_reason reason = FINISH_LENGTH;
    struct err err = {0};
    struct decode_options o = {.n_tokens = n, .sampling = sampling_default()};
    prefill(c, NULL);
    CHECK(context_decode(c, &o, tokens, times, NULL, &made, &reason, NULL, &err));
    CHECK_STR(err.message, "");
    return made;
}

static void check_lookup(struct model *model) {
    static int32_t wanted[400], tokens[400];
    struct context *plain = open_context(model, options_of("p4", 1));
    CHECK_INT(generate(plain, 400, wanted), 400);
    context_free(plain);
    for (int lookup = 1; lookup <= 7; lookup += 2) {
        for (int n = 1; n <= 2; n++) {
            struct context_options o = options_of("p4", n);
            o.switches.lookup = lookup;
            struct context *c = open_context(model, o);
            c->fused->tuning.decode_threads = c->fused->tuning.block_threads = n;
            for (int w = 0; w <= PACKED_MAX_WIDTH; w++) c->fused->tuning.cost[w] = 1; /* all pay */
            CHECK_INT(generate(c, 400, tokens), 400);
            CHECK(memcmp(wanted, tokens, sizeof tokens) == 0);
            CHECK(context_counters(c).accepted_tokens > 0);
            CHECK(context_counters(c).guessed_tokens >= context_counters(c).accepted_tokens);
            CHECK_INT(context_n_past(c), golden.n + 400);
            context_free(c);
        }
    }
}

/* More sequences than a pass takes, each as if alone. */
static void check_together(struct model *model) {
    enum { N = 24 };
    static int32_t alone[MANY][N], tokens[MANY * N];
    struct context *all[MANY];
    struct decode_options o = {.n_tokens = N, .sampling = sampling_default()};
    int64_t times[N], n = 0;
    enum finish_reason reason = FINISH_LENGTH;
    struct err err = {0};
    for (int i = 0; i < MANY; i++) {
        all[i] = open_context(model, options_of("p4", 2));
        for (int run = 0; run < 2; run++) { /* of different lengths */
            context_clear(all[i]);
            CHECK(context_prefill(all[i], golden.ids, golden.n - i, NULL, NULL, NULL, &err));
            if (run == 0) CHECK(context_decode(all[i], &o, alone[i], times, NULL, &n, &reason, NULL, &err));
        }
    }
    CHECK(context_decode_together(all, MANY, &o, tokens, times, &n, &reason, NULL, &err));
    CHECK_STR(err.message, "");
    CHECK_INT(n, N);
    CHECK(memcmp(alone, tokens, sizeof tokens) == 0);
    struct context *twice[] = {all[0], all[1], all[0]};
    CHECK(!context_decode_together(twice, 3, &o, tokens, times, &n, &reason, NULL, &err));
    CHECK_CONTAINS(err.message, "one context");
    struct context_options other = options_of("p4", 1);
    other.switches.value_type = KV_F32;
    struct context *stranger = open_context(model, other);
    prefill(stranger, NULL);
    struct context *mixed[] = {all[0], stranger};
    CHECK(!context_decode_together(mixed, 2, &o, tokens, times, &n, &reason, NULL, &err));
    CHECK_CONTAINS(err.message, "differs");
    context_free(stranger);
    for (int i = 0; i < MANY; i++) context_free(all[i]);
}

/* ---- what it says of itself ---- */

static void check_accounts(struct model *model) {
    static int32_t tokens[400];
    static const char *const presets[] = {"p2", "p3", "p4", "p5"};
    for (int i = 0; i < 4; i++) {
        struct context *c = open_context(model, options_of(presets[i], 2));
        generate(c, 100, tokens);
        struct profile_entry entries[64];
        for (int k = context_profile(c, entries, 64); k-- > 0;) CHECK_INT(entries[k].ns, 0);
        CHECK(context_set_profile(c, true));
        context_clear(c);
        context_reset_counters(c);
        struct mem_stats before = mem_thread_stats();
        generate(c, 100, tokens);
        CHECK_INT(mem_thread_stats().allocations, before.allocations);
        CHECK_INT(context_counters(c).allocations, 0);
        uint64_t bytes = 0;
        int64_t ns = 0;
        for (int k = context_profile(c, entries, 64); k-- > 0;) {
            bytes += entries[k].bytes;
            ns += entries[k].ns;
        }
        CHECK(ns > 0 && bytes > 0);
        context_free(c);
    }
}

int main(void) {
    if (!golden_prompt("v3", &golden)) check_skip("the goldens are not there");
    struct model *f32 = load(STORIES_F32), *q4_0 = load(STORIES_Q4_0);
    check_float(f32);
    check_cache_types(f32);
    check_threads(f32, "p2");
    static const char *const presets[] = {"p2", "p3"};
    for (int i = 0; i < 2; i++) check_threads(q4_0, presets[i]);
    check_lookup(f32);
    check_lookup(q4_0);
    check_together(q4_0);
    check_accounts(q4_0);
    check_mixed(f32);
    model_free(f32);
    model_free(q4_0);
    check_variants();
    return check_done();
}
