/* Distances between logits and perplexity, against figures worked out by hand or the long way. */
#include "base/alloc.h"
#include "engine/engine.h"
#include "support/check.h"
#include "support/goldens.h"

static void check_by_hand(void) {
    const float l3 = (float)log(3.0);
    const float reference[] = {0, l3, 2, 2, -1, 4}, same[] = {5, 5, 1, 2, -1, 4};
    /* One row of two tokens: shares 1/4, 3/4 against 1/2, 1/2. */
    const float even[] = {0, 0};
    struct logits_difference d = logits_compare(reference, even, 1, 2);
    CHECK_NEAR(d.kld_mean, 0.25 * log(0.5) + 0.75 * log(1.5), 1e-7);
    CHECK_NEAR(d.kld_p99, d.kld_mean, 0);
    CHECK_NEAR(d.max_abs, log(3.0), 1e-6);
    CHECK_NEAR(d.rms, log(3.0) / sqrt(2.0), 1e-6);
    CHECK_NEAR(d.nmse, 1.0, 1e-7);
    CHECK_NEAR(d.max_relative, 1.0, 1e-7);
    CHECK_NEAR(d.top1, 0.0, 0); /* of equal logits the first counts */
    CHECK(d.finite);
    CHECK_INT(d.n_rows, 1);

    /* Softmax does not see a shift; the logits' own distance does. */
    const float shifted[] = {7, 7 + l3};
    d = logits_compare(reference, shifted, 1, 2);
    CHECK_NEAR(d.kld_mean, 0.0, 1e-6);
    CHECK_NEAR(d.max_abs, 7.0, 1e-6);
    CHECK_NEAR(d.top1, 1.0, 0);

    d = logits_compare(reference, reference, 3, 2);
    CHECK(d.max_abs == 0 && d.rms == 0 && d.nmse == 0 && d.max_relative == 0);
    CHECK(d.kld_mean == 0 && d.kld_p99 == 0 && d.top1 == 1 && d.finite);
    d = logits_compare(reference + 2, same + 2, 2, 2); /* 2 2 / 1 2 and twice -1 4 */
    CHECK_NEAR(d.top1, 0.5, 0);
    CHECK_NEAR(d.max_abs, 1.0, 0);
    CHECK_NEAR(d.rms, 0.5, 1e-12);
    CHECK_NEAR(d.nmse, 1.0 / 25.0, 1e-12);
    CHECK_NEAR(d.max_relative, 0.5, 1e-12);

    const float zeros[] = {0, 0}; /* a reference of nothing: far off, not close */
    d = logits_compare(zeros, shifted, 1, 2);
    CHECK(d.max_relative > 1e300 && d.nmse > 1e300);
    const float huge[] = {3e38f, -3e38f};
    d = logits_compare(huge, zeros, 1, 2);
    CHECK(d.finite && isfinite(d.max_abs) && isfinite(d.nmse) && isfinite(d.kld_mean));
}

static void check_not_finite(void) {
    const float reference[] = {1, 2, 3, 4};
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    for (int i = 0; i < 3; i++) {
        for (int at = 0; at < 4; at++) {
            float tested[] = {1, 2, 3, 4};
            tested[at] = bad[i];
            struct logits_difference d = logits_compare(reference, tested, 2, 2);
            CHECK(!d.finite);
            CHECK(isnan(d.max_abs) && isnan(d.rms) && isnan(d.nmse) && isnan(d.max_relative));
            CHECK(isnan(d.kld_mean) && isnan(d.kld_p99));
        }
    }
    struct logits_difference none = logits_compare(reference, reference, 0, 4);
    CHECK_INT(none.n_rows, 0);
}

/* 200 rows whose divergences are known to grow: the 99th percentile is the 198th by rank. */
static void check_percentile(void) {
    enum { ROWS = 200 };
    static float reference[ROWS * 2], tested[ROWS * 2];
    double divergence[ROWS], sum = 0;
    for (int i = 0; i < ROWS; i++) {
        int place = (i * 77) % ROWS; /* not in order */
        float x = (float)(i + 1) / 50.0f;
        tested[2 * place] = x;
        double p = exp((double)x) / (1.0 + exp((double)x));
        divergence[i] = 0.5 * log(0.5 / p) + 0.5 * log(0.5 / (1.0 - p));
        sum += divergence[i];
    }
    struct logits_difference d = logits_compare(reference, tested, ROWS, 2);
    CHECK_NEAR(d.kld_p99, divergence[197], 1e-9);
    CHECK_NEAR(d.kld_mean, sum / ROWS, 1e-9);
    CHECK_INT(d.n_rows, ROWS);
}

/* ---- perplexity ---- */

struct seen {
    int calls;
    int64_t last, total;
};

static void count(void *user, int64_t done, int64_t total) {
    struct seen *seen = user;
    CHECK_INT(done, ++seen->calls);
    seen->last = done;
    seen->total = total;
}

/* Each chunk by itself, all its logits at once, scored in doubles. */
static double long_way(struct context *c, const int32_t *tokens, int64_t n, int64_t n_ctx) {
    static float rows[64 * STORIES_VOCAB];
    double nll = 0;
    int64_t scored = 0;
    for (int64_t chunk = 0; chunk + n_ctx <= n; chunk += n_ctx) {
        int32_t ids[64];
        memcpy(ids, tokens + chunk, (size_t)n_ctx * sizeof *ids);
        ids[0] = 1; /* BOS */
        context_clear(c);
        CHECK(context_prefill(c, ids, n_ctx, rows, NULL, NULL, NULL));
        for (int64_t at = n_ctx / 2; at < n_ctx - 1; at++, scored++) {
            const float *row = rows + at * STORIES_VOCAB;
            double sum = 0;
            for (int i = 0; i < STORIES_VOCAB; i++)
                sum += exp((double)row[i] - 20.0);
            nll += log(sum) + 20.0 - (double)row[ids[at + 1]];
        }
    }
    return exp(nll / (double)scored);
}

static void check_perplexity(struct model *model) {
    static int32_t text[GOLDEN_MAX];
    size_t size = 0;
    char *index = golden_file(GOLDENS "index.json", &size);
    int64_t n = golden_ids(index, "\"published_greedy\"", "token_ids", text);
    free(index);
    CHECK_INT(n, 256);
    static const int64_t lengths[] = {4, 5, 16, 33, 64};
    static const int64_t batches[] = {1, 3, 64};
    for (int l = 0; l < 5; l++) {
        for (int b = 0; b < 3; b++) {
            struct context_options options = context_options_default();
            struct err err = {0};
            options.n_ctx = 64;
            options.n_batch = batches[b];
            struct context *c = context_new(model, &options, &err);
            struct perplexity p = {0};
            struct seen seen = {0};
            int64_t n_ctx = lengths[l];
            CHECK(context_perplexity(c, text, n, n_ctx, count, &seen, &p, &err));
            CHECK_STR(err.message, "");
            CHECK_INT(p.n_chunks, n / n_ctx);
            CHECK_INT(p.n_scored, n / n_ctx * (n_ctx - 1 - n_ctx / 2));
            CHECK_INT(seen.calls, p.n_chunks);
            CHECK_INT(seen.total, p.n_chunks);
            CHECK_NEAR(log(p.perplexity), p.nll_mean, 1e-12);
            double wanted = long_way(c, text, n, n_ctx);
            CHECK_NEAR(p.perplexity / wanted, 1.0, 1e-6);
            CHECK(p.perplexity > 1.0 && p.perplexity < 60.0); /* its own text: likely */
            context_free(c);
        }
    }
}

static volatile int cancel;

static void raise_flag(void *user, int64_t done, int64_t total) {
    (void)user;
    (void)total;
    if (done == 2) cancel = 1;
}

static void check_refused(struct model *model) {
    struct context_options options = context_options_default();
    struct err err = {0};
    options.n_ctx = 32;
    options.cancel = &cancel;
    struct context *c = context_new(model, &options, &err);
    struct perplexity p = {0};
    int32_t tokens[64];
    for (int i = 0; i < 64; i++)
        tokens[i] = 5 + i;
    CHECK(!context_perplexity(c, tokens, 64, 33, NULL, NULL, &p, &err));
    CHECK_CONTAINS(err.message, "n_ctx is 33, allowed 4..32");
    CHECK(!context_perplexity(c, tokens, 64, 3, NULL, NULL, &p, &err));
    CHECK(!context_perplexity(c, tokens, 31, 32, NULL, NULL, &p, &err));
    CHECK_CONTAINS(err.message, "31 tokens");
    tokens[60] = STORIES_VOCAB;
    CHECK(!context_perplexity(c, tokens, 64, 32, NULL, NULL, &p, &err));
    CHECK_CONTAINS(err.message, "token 60");
    tokens[60] = 0;
    CHECK(!context_perplexity(c, tokens, 64, 8, raise_flag, NULL, &p, &err));
    CHECK_INT(err.code, ERR_CANCELLED);
    CHECK(p.n_scored == 0 && context_n_past(c) == 0);
    cancel = 0;
    CHECK(context_perplexity(c, tokens, 64, 8, NULL, NULL, &p, &err));
    context_free(c);
}

int main(void) {
    int64_t live = mem_live_bytes();
    check_by_hand();
    check_not_finite();
    check_percentile();
    struct err err = {0};
    struct model *model = model_load(STORIES_F32, NULL, &err);
    CHECK_STR(err.message, "");
    if (model == NULL) return check_done();
    check_perplexity(model);
    check_refused(model);
    model_free(model);
    CHECK_INT(mem_live_bytes(), live);
    return check_done();
}
