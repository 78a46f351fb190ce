/* Contexts: what a failure or a cancellation leaves behind, limits, counters, memory. */
#include "base/alloc.h"
#include "engine/engine.h"
#include "support/check.h"
#include "support/goldens.h"
#include "support/tiny_model.h"

#include <pthread.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

enum { VOCAB = STORIES_VOCAB, PROMPT = 40 };

static int32_t prompt[PROMPT];

static struct model *load(const char *path) {
    struct err err = {0};
    struct model *model = model_load(path, NULL, &err);
    CHECK_STR(err.message, "");
    if (model == NULL) exit(check_done());
    return model;
}

static struct context_options preset_options(const char *preset) {
    struct context_options options = context_options_default();
    options.n_ctx = 64;
    CHECK(engine_preset(preset, &options.switches, NULL));
    return options;
}

static struct context *open_context(struct model *model, const struct context_options *options) {
    struct err err = {0};
    struct context *context = context_new(model, options, &err);
    CHECK_STR(err.message, "");
    if (context == NULL) exit(check_done());
    return context;
}

static bool prefill(struct context *c, int64_t n, float *rows) {
    struct err err = {0};
    bool done = context_prefill(c, prompt, n, rows, NULL, NULL, &err);
    CHECK_STR(err.message, "");
    return done;
}

static int64_t decode(struct context *c, int64_t n, int32_t *tokens, enum finish_reason *reason) {
    struct decode_options options = {.n_tokens = n, .sampling = sampling_default()};
    int64_t times[128], made = 0;
    struct err err = {0};
    CHECK(context_decode(c, &options, tokens, times, NULL, &made, reason, NULL, &err));
    CHECK_STR(err.message, "");
    return made;
}

/* The size of a prompt's blocks, and how a prompt is cut into calls, change no bit; nor do the
 * switches that only say where decoded weights live. */
static void check_same_bits(struct model *model) {
    static float wanted[PROMPT * VOCAB], rows[PROMPT * VOCAB];
    static const int64_t batches[] = {1, 2, 7, 39, 40, 64};
    static const char *const presets[] = {"p0", "p1"};
    for (int p = 0; p < 2; p++) {
        struct context_options options = preset_options(presets[p]);
        struct context *first = open_context(model, &options);
        CHECK(prefill(first, PROMPT, wanted));
        context_free(first);
        for (int s = 0; s < 4; s++) {
            options.switches.pool = s & 1;
            options.switches.weight_cache = s & 2;
            options.switches.weight_cache_bytes = 200000; /* room for some */
            for (size_t b = 0; b < sizeof batches / sizeof *batches; b++) {
                options.n_batch = batches[b];
                struct context *c = open_context(model, &options);
                memset(rows, 0, sizeof rows);
                CHECK(prefill(c, PROMPT, rows));
                CHECK(memcmp(rows, wanted, sizeof rows) == 0);
                CHECK(memcmp(context_logits(c), wanted + (PROMPT - 1) * VOCAB,
                             VOCAB * sizeof(float)) == 0);
                context_free(c);
            }
        }
        struct context *pieces = open_context(model, &options);
        for (int64_t at = 0, n = 1; at < PROMPT; at += n, n = n * 2 < PROMPT - at ? n * 2 : 1) {
            CHECK(context_prefill(pieces, prompt + at, n, NULL, NULL, NULL, NULL));
            CHECK_INT(context_n_past(pieces), at + n);
            CHECK(memcmp(context_logits(pieces), wanted + (at + n - 1) * VOCAB,
                         VOCAB * sizeof(float)) == 0);
        }
        context_free(pieces);
    }
}

static void check_refused(struct model *model) {
    struct err err = {0};
    struct context_options good = preset_options("p1"), options;
#define REFUSED(change, text)                                                                      \
    do {                                                                                           \
        options = good;                                                                            \
        change;                                                                                    \
        err = (struct err){0};                                                                     \
        CHECK(context_new(model, &options, &err) == NULL);                                         \
        CHECK_INT(err.code, ERR_INPUT);                                                            \
        CHECK_CONTAINS(err.message, text);                                                         \
    } while (0)
    REFUSED(options.n_ctx = 2049, "allowed 1..2048");
    REFUSED(options.n_ctx = -1, "n_ctx is -1");
    REFUSED(options.n_batch = -1, "n_batch is -1");
    REFUSED(options.n_batch = 5000, "n_batch is 5000");
    REFUSED(options.switches.n_threads = 2, "threads is 2");
    REFUSED(options.switches.n_threads = 0, "threads is 0");
    REFUSED(options.switches.repack = true, "fused_matmul");
    REFUSED(options.switches.key_type = KV_F16, "keys of type f16");
    REFUSED(options.switches.weight_cache_bytes = -5, "weight_cache_bytes is -5");
#undef REFUSED
    for (int isa = ISA_SCALAR; isa < ISA_COUNT; isa++) {
        if (kernels_get((enum isa)isa) != NULL) continue;
        options = good;
        options.switches.isa = (enum isa)isa;
        CHECK(context_new(model, &options, &err) == NULL);
        CHECK_INT(err.code, ERR_UNAVAILABLE);
        CHECK_CONTAINS(err.message, isa_name((enum isa)isa));
    }
    struct engine_switches switches;
    CHECK(!engine_preset("p9", &switches, &err));
    CHECK_CONTAINS(err.message, "p0");

    struct context *c = open_context(model, &good);
    const int32_t wrong[] = {1, 2, VOCAB, 3}, negative[] = {-1};
    int32_t tokens[4];
    int64_t times[4], n = 9;
    enum finish_reason reason;
    struct decode_options run = {.n_tokens = 4, .sampling = sampling_default()};
    CHECK(!context_decode(c, &run, tokens, times, NULL, &n, &reason, NULL, &err));
    CHECK_INT(err.code, ERR_INPUT);
    CHECK_INT(n, 0);
    CHECK(prefill(c, 5, NULL));
    CHECK(!context_prefill(c, wrong, 4, NULL, NULL, NULL, &err));
    CHECK_CONTAINS(err.message, "token 2 is 512, allowed 0..511");
    CHECK(!context_prefill(c, negative, 1, NULL, NULL, NULL, &err));
    CHECK(!context_prefill(c, prompt, 0, NULL, NULL, NULL, &err));
    CHECK(!context_prefill(c, prompt, 60, NULL, NULL, NULL, &err));
    CHECK_CONTAINS(err.message, "60 tokens after 5 do not fit n_ctx 64");
    run.sampling.top_p = 0;
    CHECK(!context_decode(c, &run, tokens, times, NULL, &n, &reason, NULL, &err));
    CHECK_INT(context_n_past(c), 5); /* none of that touched the sequence */
    CHECK(context_logits(c) != NULL);
    context_free(c);
}

static void check_full_and_clear(struct model *model) {
    struct context_options options = preset_options("p1");
    options.n_ctx = 16;
    struct context *c = open_context(model, &options);
    int32_t tokens[20], again[20];
    enum finish_reason reason;
    CHECK(prefill(c, 10, NULL));
    CHECK_INT(decode(c, 20, tokens, &reason), 6);
    CHECK_INT(reason, FINISH_CONTEXT_FULL);
    CHECK_INT(context_n_past(c), 16);
    CHECK_INT(decode(c, 20, again, &reason), 0);
    CHECK_INT(reason, FINISH_CONTEXT_FULL);
    struct err err = {0};
    CHECK(!context_prefill(c, prompt, 1, NULL, NULL, NULL, &err));
    CHECK_INT(err.code, ERR_INPUT);
    CHECK_INT(context_n_past(c), 16);
    CHECK_INT(context_counters(c).tokens, 16);
    CHECK_INT(context_memory(c).kv_used_bytes, context_memory(c).kv_bytes);

    context_clear(c);
    CHECK_INT(context_n_past(c), 0);
    CHECK(context_logits(c) == NULL);
    CHECK_INT(context_memory(c).kv_used_bytes, 0);
    CHECK_INT(context_counters(c).tokens, 16);
    CHECK(prefill(c, 10, NULL));
    CHECK_INT(decode(c, 6, again, &reason), 6);
    CHECK_INT(reason, FINISH_LENGTH);
    CHECK(memcmp(tokens, again, 6 * sizeof *tokens) == 0);
    context_free(c);
}

/* Greedy or drawn, a generation cut into calls gives the same tokens as one in a piece. */
static void check_decode_in_pieces(struct model *model) {
    struct context_options options = preset_options("p1");
    for (int drawn = 0; drawn < 2; drawn++) {
        static float rows[30 * VOCAB];
        int32_t whole[30], pieces[30];
        int64_t times[30], n = 0, start = 0;
        enum finish_reason reason;
        struct err err = {0};
        struct decode_options run = {.n_tokens = 30, .sampling = sampling_default()};
        if (drawn) {
            run.sampling.temperature = 1.2f;
            run.sampling.top_k = 50;
            run.sampling.top_p = 0.95f;
            run.sampling.repetition_penalty = 1.1f;
            run.sampling.seed = 99;
        }
        struct context *c = open_context(model, &options);
        CHECK(prefill(c, 5, NULL));
        CHECK(context_decode(c, &run, whole, times, rows, &n, &reason, &start, &err));
        CHECK_INT(n, 30);
        CHECK(start <= times[0]);
        for (int i = 0; !drawn && i < 30; i++) {
            int best = 0;
            for (int j = 1; j < VOCAB; j++) {
                if (rows[i * VOCAB + j] > rows[i * VOCAB + best]) best = j;
            }
            CHECK_INT(whole[i], best);
        }
        context_clear(c);
        CHECK(prefill(c, 5, NULL));
        for (int64_t at = 0; at < 30; at += n) {
            run.n_tokens = at < 7 ? 7 : at < 8 ? 1 : 11;
            CHECK(context_decode(c, &run, pieces + at, times, NULL, &n, &reason, NULL, &err));
            CHECK(n == run.n_tokens);
            if (at + n + run.n_tokens > 30) break;
        }
        CHECK(memcmp(whole, pieces, 18 * sizeof *whole) == 0);
        context_free(c);
    }
}

/* ---- cancelling ---- */

static volatile int cancel;

static void raise_flag(int signal_number) {
    (void)signal_number;
    cancel = 1;
}

static void alarm_after(long microseconds) {
    struct itimerval timer = {.it_value.tv_usec = microseconds};
    signal(SIGALRM, raise_flag);
    CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
}

static void check_cancel(struct model *model) {
    struct context_options options = preset_options("p0");
    options.cancel = &cancel;
    struct context *c = open_context(model, &options);
    struct err err = {0};
    static float wanted[VOCAB];
    CHECK(prefill(c, PROMPT, NULL));
    memcpy(wanted, context_logits(c), sizeof wanted);
    context_clear(c);

    cancel = 1;
    CHECK(!context_prefill(c, prompt, PROMPT, NULL, NULL, NULL, &err));
    CHECK_INT(err.code, ERR_CANCELLED);
    CHECK_INT(context_n_past(c), 0);
    int64_t live = mem_live_bytes();
    for (int i = 0; i < 30; i++) { /* as Ctrl-C does, anywhere in the run */
        context_clear(c);
        cancel = 0;
        alarm_after(50 + i * 60);
        bool done = context_prefill(c, prompt, PROMPT, NULL, NULL, NULL, &err);
        alarm_after(0);
        int64_t past = context_n_past(c);
        CHECK(done ? past == PROMPT : past < PROMPT && err.code == ERR_CANCELLED);
        cancel = 0;
        if (!done) { /* goes on where it stopped, to the same bits */
            CHECK(context_prefill(c, prompt + past, PROMPT - past, NULL, NULL, NULL, &err));
        }
        CHECK(memcmp(context_logits(c), wanted, sizeof wanted) == 0);
    }
    CHECK(mem_live_bytes() - live <= (int64_t)(VOCAB * sizeof(float)) + 4096);

    int32_t tokens[8];
    enum finish_reason reason;
    cancel = 1;
    CHECK_INT(decode(c, 8, tokens, &reason), 0);
    CHECK_INT(reason, FINISH_CANCELLED);
    CHECK_INT(context_n_past(c), PROMPT);
    cancel = 0;
    CHECK_INT(decode(c, 8, tokens, &reason), 8); /* the logits are still there */
    context_free(c);
}

/* ---- counters ---- */

static void check_counters(struct model *model) {
    int32_t tokens[20];
    enum finish_reason reason;
    struct context_options options = preset_options("p1");
    struct context *c = open_context(model, &options);
    CHECK(prefill(c, 8, NULL));
    context_reset_counters(c);
    struct context_counters k = context_counters(c);
    CHECK(k.tokens == 0 && k.allocations == 0 && k.cache_hits == 0 && k.kernel_calls == 0);
    CHECK(k.cache_bytes > 0); /* what is held is no event */
    CHECK_INT(decode(c, 20, tokens, &reason), 20);
    k = context_counters(c);
    CHECK_INT(k.tokens, 20);
    CHECK_INT(k.allocations, 0);
    CHECK_INT(k.allocated_bytes, 0);
    CHECK_INT(k.cache_misses, 0);
    CHECK_INT(k.cache_evictions, 0);
    CHECK_INT(k.cache_hits, 20 * 36); /* 5 layers of 7 matrices, the output */
    CHECK_INT(k.cache_hit_bytes, k.cache_lookup_bytes);
    CHECK_INT(k.dequantized_values, 20 * 64); /* the embedding rows alone */
    CHECK_INT(k.scalar_fallbacks, 0);
    CHECK(k.kernel_calls > 0);
    context_reset_counters(c);
    struct decode_options drawn = {.n_tokens = 10, .sampling = sampling_default()};
    drawn.sampling.temperature = 1;
    drawn.sampling.repetition_penalty = 1.1f;
    int64_t times[10], n;
    CHECK(context_decode(c, &drawn, tokens, times, NULL, &n, &reason, NULL, NULL));
    CHECK_INT(context_counters(c).allocations, 0);
    context_free(c);

    options.switches.weight_cache_bytes = 100000; /* decoding in chunks allocates nothing either */
    c = open_context(model, &options);
    CHECK(prefill(c, 8, NULL));
    context_reset_counters(c);
    CHECK_INT(decode(c, 20, tokens, &reason), 20);
    k = context_counters(c);
    CHECK_INT(k.allocations, 0);
    CHECK(k.cache_hits > 0 && k.cache_misses > 0 && k.cache_hit_bytes < k.cache_lookup_bytes);
    CHECK(k.cache_bytes <= 100000 && k.cache_bytes == context_memory(c).cache_bytes);
    context_free(c);

    options = preset_options("p0");
    c = open_context(model, &options);
    CHECK(prefill(c, 8, NULL));
    context_reset_counters(c);
    CHECK_INT(decode(c, 1, tokens, &reason), 1);
    k = context_counters(c);
    CHECK(k.allocations > 36); /* at least one for each matrix */
    CHECK_INT(k.weight_bytes_read, model_bytes_per_token(model));
    CHECK_INT(k.kv_bytes_read, 9 * 5 * 2 * 32 * sizeof(float)); /* 9 positions, 5 layers, 4 heads */
    CHECK_INT(k.dequantized_values, 64 + 512 * 64 + 5 * (2 * 64 * 64 + 2 * 32 * 64 + 3 * 64 * 172));
    CHECK(k.cache_hits == 0 && k.cache_misses == 0 && k.cache_bytes == 0);
    context_free(c);
}

/* ---- several contexts on one model ---- */

struct runner {
    struct model *model;
    const char *preset;
    int32_t tokens[20];
};

static void *run_alone(void *user) {
    struct runner *r = user;
    struct context_options options = context_options_default();
    struct decode_options run = {.n_tokens = 20, .sampling = sampling_default()};
    int64_t times[20], n = 0;
    enum finish_reason reason;
    options.n_ctx = 64;
    engine_preset(r->preset, &options.switches, NULL);
    struct context *c = context_new(r->model, &options, NULL);
    if (c != NULL && context_prefill(c, prompt, 8, NULL, NULL, NULL, NULL)) {
        context_decode(c, &run, r->tokens, times, NULL, &n, &reason, NULL, NULL);
    }
    context_free(c);
    return NULL;
}

static void check_threads(struct model *model) {
    struct runner runners[4] = {
        {.preset = "p0"}, {.preset = "p1"}, {.preset = "p0"}, {.preset = "p1"}};
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) {
        runners[i].model = model;
        CHECK(pthread_create(&threads[i], NULL, run_alone, &runners[i]) == 0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    CHECK(runners[0].tokens[19] != 0);
    for (int i = 1; i < 4; i++) {
        CHECK(memcmp(runners[i].tokens, runners[0].tokens, sizeof runners[0].tokens) == 0);
    }
}

/* ---- short memory ---- */

/* Every request of making a context, a prompt and a few tokens fails once: an error or the right
 * result, never a leak, and the context works afterwards. */
static void check_short_memory(struct model *model, const char *preset) {
    struct context_options options = preset_options(preset);
    options.n_ctx = 16;
    options.n_batch = 4;
    struct context *c = open_context(model, &options);
    int32_t wanted[4], tokens[4];
    enum finish_reason reason;
    CHECK(prefill(c, 6, NULL));
    decode(c, 4, wanted, &reason);
    context_free(c);
    const int64_t live = mem_live_bytes();
    struct decode_options run = {.n_tokens = 4, .sampling = sampling_default()};
    int failed = 0;
    bool reached = true;
    for (uint64_t nth = 1; reached; nth += nth < 200 ? 1 : 17) {
        struct err err = {0};
        int64_t times[4], n = 0;
        uint64_t before = mem_request_count();
        mem_fail_at(nth, 0);
        c = context_new(model, &options, &err);
        bool done = c != NULL && context_prefill(c, prompt, 6, NULL, NULL, NULL, &err);
        done = done && context_decode(c, &run, tokens, times, NULL, &n, &reason, NULL, &err);
        mem_fail_at(0, 0);
        reached = mem_request_count() - before >= nth;
        if (!done) {
            failed++;
            CHECK_INT(err.code, ERR_ENVIRONMENT);
            CHECK_CONTAINS(err.message, "memory");
        } else {
            CHECK_INT(n, 4);
            CHECK(memcmp(tokens, wanted, sizeof tokens) == 0);
        }
        if (c != NULL) { /* it works as if nothing had happened */
            context_clear(c);
            CHECK(prefill(c, 6, NULL));
            CHECK_INT(decode(c, 4, tokens, &reason), 4);
            CHECK(memcmp(tokens, wanted, sizeof tokens) == 0);
        }
        context_free(c);
        CHECK_INT(mem_live_bytes(), live);
    }
    CHECK(failed > 3);
}

/* ---- a model that says the end, and one with a hole in its weights ---- */

static void set_row(struct tiny_model *m, const char *name, int row, float value) {
    struct tiny_tensor *t = tiny_tensor(m, name);
    for (int64_t i = 0; i < t->dims[0]; i++)
        t->data[row * t->dims[0] + i] = value;
}

static void check_end_token(void) {
    static struct tiny_model tiny;
    struct tiny_config config = tiny_config("llama");
    config.n_layer = 1;
    for (int sign = 0; sign < 2; sign++) {
        tiny_make(&tiny, config);
        for (int i = 0; i < config.n_vocab; i++) {
            set_row(&tiny, "output.weight", i, 0.0f);
            set_row(&tiny, "token_embd.weight", i, 1.0f);
        }
        set_row(&tiny, "output.weight", 2, sign ? -1.0f : 1.0f); /* one of both is the maximum */
        set_row(&tiny, "output.weight", 9, sign ? 1.0f : -1.0f);
        const char *path = tiny_path("end");
        CHECK(tiny_write(&tiny, path));
        struct model *model = load(path);
        unlink(path);
        struct context_options options = preset_options("p1");
        struct context *c = open_context(model, &options);
        CHECK(prefill(c, 1, NULL));
        int32_t tokens[5];
        int64_t times[5], n = 0;
        enum finish_reason reason;
        struct decode_options run = {
            .n_tokens = 5, .stop_at_end = true, .sampling = sampling_default()};
        CHECK(context_decode(c, &run, tokens, times, NULL, &n, &reason, NULL, NULL));
        CHECK_INT(tokens[0] == 2 ? n : 1, 1);
        CHECK_INT(reason, tokens[0] == 2 ? FINISH_END_TOKEN : FINISH_LENGTH);
        if (tokens[0] == 2) {
            CHECK_INT(context_n_past(c), 1);
            CHECK_INT(decode(c, 5, tokens, &reason), 5); /* benchmarks go on */
        }
        context_free(c);
        model_free(model);
        tiny_free(&tiny);
    }
}

static void check_damaged_weights(void) {
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    static const int32_t tokens[] = {1, 300, 7, 8, 9};
    for (int i = 0; i < 3; i++) {
        static struct tiny_model tiny;
        tiny_make(&tiny, tiny_config("llama"));
        tiny_tensor(&tiny, "blk.1.ffn_up.weight")->data[77] = bad[i];
        const char *path = tiny_path("hole");
        CHECK(tiny_write(&tiny, path));
        tiny_free(&tiny);
        struct model *model = load(path); /* loading does not read the weights */
        unlink(path);
        struct err err = {0};
        CHECK(!model_check(model, NULL, &err));
        CHECK_INT(err.code, ERR_INPUT);
        CHECK_CONTAINS(err.message, "blk.1.ffn_up.weight");
        CHECK_CONTAINS(err.message, "value 77");
        int raised = 1;
        CHECK(!model_check(model, &raised, &err));
        CHECK_INT(err.code, ERR_CANCELLED);
        static const char *const presets[] = {"p0", "p1"};
        for (int p = 0; p < 2; p++) {
            struct context_options options = preset_options(presets[p]);
            struct context *c = open_context(model, &options);
            CHECK(!context_prefill(c, tokens, 5, NULL, NULL, NULL, &err));
            CHECK_INT(err.code, ERR_INPUT);
            CHECK_CONTAINS(err.message, "position 4");
            CHECK_INT(context_n_past(c), p == 0 ? 4 : 0); /* before the block that failed */
            CHECK(context_logits(c) == NULL);             /* no token from a NaN */
            context_free(c);
        }
        model_free(model);
    }
}

int main(void) {
    for (int i = 0; i < PROMPT; i++)
        prompt[i] = i == 0 ? 1 : (i * 53 + 400) % VOCAB;
    int64_t live = mem_live_bytes();
    struct model *model = load(STORIES_Q4_0);
    check_same_bits(model);
    check_refused(model);
    check_full_and_clear(model);
    check_decode_in_pieces(model);
    check_cancel(model);
    check_counters(model);
    check_threads(model);
    check_short_memory(model, "p0");
    check_short_memory(model, "p1");
    model_free(model);
    check_end_token();
    check_damaged_weights();
    context_free(NULL);
    model_free(NULL);
    CHECK_INT(mem_live_bytes(), live);
    return check_done();
}
