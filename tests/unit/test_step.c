/* test_step.c - sequences that borrow buffers and threads, join and leave between steps: each has
 * the same bits as alone, also beside a long one; refusals; nothing is lost when one fails. */
#include "base/alloc.h"
#include "engine/engine.h"
#include "support/check.h"
#include "support/goldens.h"

enum { VOCAB = STORIES_VOCAB, SEQUENCES = 21, LONG = 1100, N_TOKENS = 12 };

static struct golden_prompt golden;

struct sequence {
    struct context *context;
    int32_t prompt[LONG];
    int64_t n_prompt;
    int joins; /* at this step */
    int32_t tokens[N_TOKENS];
    float logits[N_TOKENS][VOCAB];
    int n;
};
static struct sequence alone[SEQUENCES], together[SEQUENCES];

static void describe(struct sequence *s, int i) {
    s->n_prompt = i == 5 ? LONG : 3 + i;
    s->joins = i % 7;
    for (int64_t j = 0; j < s->n_prompt; j++)
        s->prompt[j] = golden.ids[(i + j) % golden.n];
}

static void begin(struct sequence *s) {
    struct err err = {0};
    CHECK(context_prefill(s->context, s->prompt, s->n_prompt, NULL, NULL, NULL, &err));
    CHECK_STR(err.message, "");
}

/* The next token, noted with the row it comes from. */
static int32_t pick(struct sequence *s) {
    const struct sampling greedy = sampling_default();
    struct err err = {0};
    memcpy(s->logits[s->n], context_logits(s->context), sizeof s->logits[0]);
    CHECK(context_sample(s->context, &greedy, &s->tokens[s->n], &err));
    return s->tokens[s->n++];
}

static void run_alone(struct model *model, struct sequence *s, struct context_options o) {
    struct err err = {0};
    o.n_ctx = 2048;
    s->context = context_new(model, &o, &err);
    CHECK_STR(err.message, "");
    begin(s);
    while (s->n < N_TOKENS) {
        int32_t token = pick(s);
        int64_t moved = 0;
        CHECK(context_step(&s->context, 1, &token, &moved, &err));
        CHECK_INT(moved, 1);
    }
    context_free(s->context);
}

static struct context *borrow(struct model *model, struct context *lender, int64_t n_ctx) {
    struct context_options o = context_options_default();
    struct err err = {0};
    o.lender = lender;
    o.n_ctx = n_ctx;
    struct context *c = context_new(model, &o, &err);
    CHECK_STR(err.message, "");
    return c;
}

/* Joins when its step has come; leaves with its last token. */
static void run_together(struct model *model, struct context *lender) {
    struct context *contexts[SEQUENCES];
    struct err err = {0};
    int left = SEQUENCES;
    for (int step = 0; left > 0; step++) {
        int32_t tokens[SEQUENCES];
        int64_t n = 0, moved = 0;
        for (int i = 0; i < SEQUENCES; i++) {
            struct sequence *s = &together[i];
            if (s->joins == step) {
                s->context = borrow(model, lender, s->n_prompt + N_TOKENS);
                begin(s);
            }
            if (s->context == NULL) continue;
            tokens[n] = pick(s);
            if (s->n < N_TOKENS) {
                contexts[n++] = s->context;
                continue;
            }
            context_free(s->context);
            s->context = NULL;
            left--;
        }
        if (n == 0) continue;
        CHECK(context_step(contexts, n, tokens, &moved, &err));
        CHECK_INT(moved, n);
    }
}

static struct context *open_lender(struct model *model, struct context_options o) {
    struct err err = {0};
    o.n_ctx = 64;
    o.lends_n_ctx = 2048;
    struct context *lender = context_new(model, &o, &err);
    CHECK_STR(err.message, "");
    return lender;
}

static void check_bits(struct model *model, const char *preset, int n_threads) {
    struct context_options o = context_options_default();
    CHECK(engine_preset(preset, &o.switches, NULL));
    o.switches.n_threads = n_threads;
    o.switches.tune = false;
    o.switches.lookup = 0;
    o.n_batch = 128;
    memset(alone, 0, sizeof alone);
    memset(together, 0, sizeof together);
    for (int i = 0; i < SEQUENCES; i++) {
        describe(&alone[i], i);
        describe(&together[i], i);
        run_alone(model, &alone[i], o);
    }
    struct context *lender = open_lender(model, o);
    const int64_t live = mem_live_bytes();
    run_together(model, lender);
    CHECK_INT(mem_live_bytes(), live); /* who left took all of it along */
    for (int i = 0; i < SEQUENCES; i++) {
        CHECK(memcmp(alone[i].tokens, together[i].tokens, sizeof alone[i].tokens) == 0);
        CHECK(memcmp(alone[i].logits, together[i].logits, sizeof alone[i].logits) == 0);
    }
    context_free(lender);
}

static void check_edges(struct model *model) {
    struct context_options o = context_options_default();
    struct err err = {0};
    CHECK(engine_preset("p4", &o.switches, NULL));
    struct context *lender = open_lender(model, o);
    CHECK(context_kv_bytes(lender, 64) > 0);
    CHECK_INT(context_kv_bytes(lender, 128), 2 * context_kv_bytes(lender, 64));
    struct context_options more = context_options_default();
    more.lender = lender;
    more.n_ctx = 2049;
    CHECK(context_new(model, &more, &err) == NULL);
    CHECK_CONTAINS(err.message, "room for 2048");
    struct context_options plain = context_options_default(); /* p1 has nothing to lend */
    struct context *poor = context_new(model, &plain, &err);
    more.lender = poor;
    CHECK(context_new(model, &more, &err) == NULL);
    CHECK_CONTAINS(err.message, "fused_matmul");
    context_free(poor);
    o.lends_n_ctx = 1 << 20;
    CHECK(context_new(model, &o, &err) == NULL);

    /* Taking back to a prefix and going on gives what a fresh start gives. */
    struct context *c = borrow(model, lender, 64), *fresh = borrow(model, lender, 64);
    CHECK(context_prefill(c, golden.ids, 20, NULL, NULL, NULL, &err));
    context_rewind(c, 7);
    CHECK(context_logits(c) == NULL);
    CHECK_INT(context_n_past(c), 7);
    CHECK(memcmp(context_history(c), golden.ids, 7 * sizeof *golden.ids) == 0);
    CHECK(context_prefill(c, golden.ids + 7, 5, NULL, NULL, NULL, &err));
    CHECK(context_prefill(fresh, golden.ids, 7, NULL, NULL, NULL, &err));
    CHECK(context_prefill(fresh, golden.ids + 7, 5, NULL, NULL, NULL, &err));
    CHECK(memcmp(context_logits(c), context_logits(fresh), VOCAB * sizeof(float)) == 0);
    context_free(c);
    context_free(fresh);
    context_free(lender);
}

int main(void) {
    if (!golden_prompt("v3", &golden)) check_skip("the goldens are not there");
    struct err err = {0};
    struct model *model = model_load(STORIES_Q4_0, NULL, &err);
    CHECK(model != NULL);
    if (model == NULL) return check_done();
    check_bits(model, "p2", 1);
    check_bits(model, "p4", 2);
    check_edges(model);
    model_free(model);
    return check_done();
}
