/* quality.c - how far logits are from a reference, and perplexity. */
#include "base/alloc.h"
#include "engine/context.h"

#include <math.h>
#include <stdlib.h>

/* log of the sum of exp(row), and the index of the first maximum. */
static double log_sum_exp(const float *row, int64_t n, int64_t *best) {
    int64_t at = 0;
    for (int64_t i = 1; i < n; i++) {
        if (row[i] > row[at]) at = i;
    }
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += exp((double)row[i] - (double)row[at]);
    *best = at;
    return (double)row[at] + log(sum);
}

/* Sum over tokens of p_reference * ln(p_reference / p_tested). Never below 0 but for rounding. */
static double divergence(const float *reference, double reference_log, const float *tested,
                         double tested_log, int64_t n) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        double log_p = (double)reference[i] - reference_log;
        sum += exp(log_p) * (log_p - ((double)tested[i] - tested_log));
    }
    return sum > 0.0 ? sum : 0.0;
}

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Nearest rank, as all percentiles here. */
static double percentile(double *values, int64_t n, double share) {
    qsort(values, (size_t)n, sizeof *values, ascending);
    int64_t rank = (int64_t)ceil(share * (double)n);
    return values[rank < 1 ? 0 : rank - 1];
}

static bool all_finite(const float *row, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        if (!isfinite(row[i])) return false;
    }
    return true;
}

struct logits_difference logits_compare(const float *reference, const float *tested, int64_t n_rows,
                                        int64_t n_vocab) {
    struct logits_difference out = {.n_rows = n_rows, .finite = true};
    if (n_rows < 1 || n_vocab < 1) return out;
    double squares = 0, reference_squares = 0;
    int64_t agreed = 0;
    double *divergences = mem_alloc((size_t)n_rows * sizeof *divergences);
    for (int64_t r = 0; r < n_rows; r++, reference += n_vocab, tested += n_vocab) {
        if (!all_finite(tested, n_vocab)) out.finite = false;
        double row_max = 0, row_reference = 0;
        for (int64_t i = 0; i < n_vocab; i++) {
            double x = (double)reference[i], d = (double)tested[i] - x;
            squares += d * d;
            reference_squares += x * x;
            row_max = fabs(d) > row_max ? fabs(d) : row_max;
            row_reference = fabs(x) > row_reference ? fabs(x) : row_reference;
        }
        int64_t best_reference = 0, best_tested = 0;
        double reference_log = log_sum_exp(reference, n_vocab, &best_reference);
        double tested_log = log_sum_exp(tested, n_vocab, &best_tested);
        double d = divergence(reference, reference_log, tested, tested_log, n_vocab);
        agreed += best_reference == best_tested;
        out.kld_mean += d / (double)n_rows;
        if (divergences != NULL) divergences[r] = d;
        if (row_max > out.max_abs) out.max_abs = row_max;
        double relative = row_max > 0.0 ? row_max / row_reference : 0.0;
        if (relative > out.max_relative) out.max_relative = relative;
    }
    out.rms = sqrt(squares / ((double)n_rows * (double)n_vocab));
    out.nmse = squares > 0.0 ? squares / reference_squares : 0.0;
    out.top1 = (double)agreed / (double)n_rows;
    out.kld_p99 = divergences != NULL ? percentile(divergences, n_rows, 0.99) : (double)NAN;
    mem_free(divergences);
    if (!out.finite) { /* figures over what is no number say nothing */
        out.max_abs = out.rms = out.nmse = out.max_relative = (double)NAN;
        out.kld_mean = out.kld_p99 = (double)NAN;
    }
    return out;
}

/* ---- perplexity ---- */

static double row_nll(const float *row, int64_t n_vocab, int32_t next) {
    int64_t best = 0;
    return log_sum_exp(row, n_vocab, &best) - (double)row[next];
}

/* One chunk: the first half is context alone, then positions half .. n_ctx - 2 are scored. */
static bool score_chunk(struct context *c, const int32_t *tokens, int64_t n_ctx, float *rows,
                        struct perplexity *out, struct err *err) {
    const struct tokenizer *tokenizer = c->model->tokenizer;
    const int64_t half = n_ctx / 2, n_vocab = c->model->n_vocab;
    int32_t first = tokens[0];
    if (tokenizer_adds_bos(tokenizer) && tokenizer_bos(tokenizer) != TOKEN_NONE) {
        first = tokenizer_bos(tokenizer);
    }
    context_clear(c);
    if (half > 0 && !context_forward(c, &first, 1, LOGITS_NONE, NULL, err)) return false;
    for (int64_t at = 1; at < n_ctx - 1;) {
        int64_t stop = at < half ? half : n_ctx - 1;
        int64_t some = stop - at < c->n_batch ? stop - at : c->n_batch;
        bool scored = at >= half;
        if (!context_forward(c, tokens + at, some, scored ? LOGITS_ALL : LOGITS_NONE, rows, err)) {
            return false;
        }
        for (int64_t i = 0; scored && i < some; i++) {
            out->nll_mean += row_nll(rows + i * n_vocab, n_vocab, tokens[at + i + 1]);
            out->n_scored++;
        }
        at += some;
    }
    return true;
}

bool context_perplexity(struct context *c, const int32_t *tokens, int64_t n, int64_t n_ctx,
                        void (*progress)(void *user, int64_t done, int64_t total), void *user,
                        struct perplexity *out, struct err *err) {
    *out = (struct perplexity){0};
    if (n_ctx < 4 || n_ctx > c->n_ctx) {
        return err_set(err, ERR_INPUT, "perplexity: n_ctx is %lld, allowed 4..%lld.",
                       (long long)n_ctx, (long long)c->n_ctx);
    }
    if (n < n_ctx) {
        return err_set(err, ERR_INPUT,
                       "perplexity: the text has %lld tokens, at least n_ctx %lld are needed.",
                       (long long)n, (long long)n_ctx);
    }
    for (int64_t i = 0; i < n; i++) {
        if (tokens[i] < 0 || tokens[i] >= c->model->n_vocab) {
            return err_set(err, ERR_INPUT, "perplexity: token %lld is %d, allowed 0..%lld.",
                           (long long)i, tokens[i], (long long)c->model->n_vocab - 1);
        }
    }
    float *rows = mem_new_array((size_t)c->n_batch, (size_t)c->model->n_vocab * sizeof *rows);
    if (rows == NULL) {
        return err_set(err, ERR_ENVIRONMENT,
                       "perplexity: not enough memory for %lld rows of %lld logits",
                       (long long)c->n_batch, (long long)c->model->n_vocab);
    }
    struct perplexity sum = {.n_chunks = n / n_ctx};
    struct work_mark mark = context_work_begin();
    bool done = true;
    for (int64_t i = 0; i < sum.n_chunks && done; i++) {
        done = score_chunk(c, tokens + i * n_ctx, n_ctx, rows, &sum, err);
        if (done && progress != NULL) progress(user, i + 1, sum.n_chunks);
    }
    context_work_end(c, mark);
    mem_free(rows);
    context_clear(c);
    if (!done) return false;
    sum.nll_mean /= (double)sum.n_scored;
    sum.perplexity = exp(sum.nll_mean);
    *out = sum;
    return true;
}
