/* test_faults.c - planted faults are exactly those asked for, in every way of running the network.
 */
#include "base/clock.h"
#include "engine/context.h"
#include "support/check.h"
#include "support/goldens.h"

#include <math.h>

enum { N_TOKENS = 16, VOCAB = STORIES_VOCAB };

static struct model *model;

static struct context *open_context(const char *preset, const char *faults) {
    struct context_options o = context_options_default();
    struct err err = {0};
    CHECK(engine_preset(preset, &o.switches, NULL));
    o.n_ctx = 64;
    o.switches.n_threads = 2;
    if (strcmp(preset, "p1") == 0) o.switches.n_threads = 1;
    o.faults = faults;
    struct context *context = context_new(model, &o, &err);
    CHECK_STR(err.message, "");
    if (context == NULL) exit(check_done());
    return context;
}

struct decoded {
    int64_t ns; /* by the reported times, from first to last token */
    int64_t n, true_ns;
    struct context_counters counters;
    float logits[VOCAB];
};

static struct decoded decode(struct context *c) {
    static int32_t tokens[N_TOKENS];
    static int64_t times[N_TOKENS];
    struct decoded d = {0};
    const struct decode_options o = {.n_tokens = N_TOKENS, .sampling = sampling_default()};
    const int32_t first = 1;
    enum finish_reason reason = FINISH_LENGTH;
    int64_t start = 0;
    struct err err = {0};
    context_clear(c);
    CHECK(context_prefill(c, &first, 1, NULL, NULL, NULL, &err));
    memcpy(d.logits, context_logits(c), sizeof d.logits);
    context_reset_counters(c);
    int64_t begin = clock_now_ns();
    CHECK(context_decode(c, &o, tokens, times, NULL, &d.n, &reason, &start, &err));
    d.true_ns = clock_now_ns() - begin;
    CHECK_STR(err.message, "");
    CHECK_INT(d.n, N_TOKENS);
    d.ns = times[N_TOKENS - 1] - times[0];
    d.counters = context_counters(c);
    return d;
}

static struct decoded decode_with(const char *preset, const char *faults) {
    struct context *c = open_context(preset, faults);
    struct decoded d = decode(c);
    context_free(c);
    return d;
}

static void check_sleep(const char *preset) {
    static const char *const operations[] = {"prepare", "qkv",  "attention", "attn_output",
                                             "gate_up", "down", "output"};
    const int64_t n_layer = model_info(model).n_layer;
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        char text[64];
        snprintf(text, sizeof text, "sleep=%s:100", operations[i]);
        struct decoded d = decode_with(preset, text);
        int64_t times = strcmp(operations[i], "output") == 0 ? 1 : n_layer;
        CHECK(d.ns >= (N_TOKENS - 1) * times * 100000);
    }
}

/* The sleep is in the time of its operation and in no other's. */
static void check_blame(void) {
    struct context *c = open_context("p4", "sleep=down:2000");
    CHECK(context_set_profile(c, true));
    decode(c);
    struct profile_entry entries[64];
    int n = context_profile(c, entries, 64);
    int64_t slowest = 0;
    const char *name = "";
    for (int i = 0; i < n; i++) {
        if (entries[i].thread != 0 || entries[i].ns <= slowest) continue;
        slowest = entries[i].ns;
        name = entries[i].operation;
    }
    CHECK_STR(name, "down");
    context_free(c);
}

static void check_counts(const char *preset) {
    CHECK_INT(decode_with(preset, NULL).counters.allocations, 0);
    CHECK_INT(decode_with(preset, "allocate=3").counters.allocations, 3 * N_TOKENS);
    struct decoded leaks = decode_with(preset, "leak=4096");
    CHECK_INT(leaks.counters.allocations, N_TOKENS);
    CHECK_INT(leaks.counters.allocated_bytes, 4096 * N_TOKENS);
    CHECK_INT(decode_with(preset, NULL).counters.tokens, N_TOKENS);
    CHECK_INT(decode_with(preset, "skip=0.25").counters.tokens, N_TOKENS - N_TOKENS / 4);
}

static void check_logits(const char *preset) {
    struct decoded good = decode_with(preset, NULL), bad = decode_with(preset, "corrupt=0.5");
    double added = 0, taken = 0;
    for (int i = 0; i < VOCAB; i++) {
        double difference = (double)bad.logits[i] - (double)good.logits[i];
        CHECK(fabs(fabs(difference) - 0.5) < 1e-4);
        added += difference > 0;
        taken += difference < 0;
    }
    CHECK(added > VOCAB / 4 && taken > VOCAB / 4);
}

static void check_clock(void) {
    struct decoded slow = decode_with("p4", "sleep=output:2000,drift=0.5");
    CHECK(slow.ns < slow.true_ns * 6 / 10);
    struct decoded throttled = decode_with("p4", "sleep=output:2000,throttle=0.5");
    CHECK(throttled.ns >= (N_TOKENS - 1) * 4000000LL);
}

static void check_refusals(void) {
    static const char *const bad[] = {
        "sleep",      "sleep=down",  "sleep=nowhere:1", "sleep=down:x", "sleep=wait:1",
        "allocate=",  "allocate=-1", "leak=1e99",       "skip=1",       "drift=nan",
        "corrupt=1x", "throttle",    "tickle=1",        "drift=inf",    "sleep=down:-1",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err err = {0};
        CHECK(faults_new(bad[i], &err) == NULL);
        CHECK_INT(err.code, ERR_INPUT);
        CHECK(strncmp(err.message, "faults: ", 8) == 0);
    }
}

int main(void) {
    struct err err = {0};
    model = model_load("tests/fixtures/stories260K.q4_0.gguf", NULL, &err);
    CHECK_STR(err.message, "");
    if (model == NULL) return check_done();
    static const char *const presets[] = {"p1", "p2", "p4"};
    for (int i = 0; i < 3; i++) {
        check_sleep(presets[i]);
        check_counts(presets[i]);
        check_logits(presets[i]);
    }
    check_blame();
    check_clock();
    check_refusals();
    model_free(model);
    return check_done();
}
