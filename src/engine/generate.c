/* generate.c - decode: samples, notes the time, runs the token; one sequence or several together.
 *
 * With `lookup` a greedy decode guesses: where the last tokens stand in the text already, what followed
 * there is likely to follow here. The token and its guesses go through the network in one pass, and those
 * that turn out to be the greedy choice are kept. A token's logits do not depend on what runs with it, so
 * the text is the same. */
#include "engine/context.h"

#include "base/clock.h"
#include "base/flag.h"
#include "engine/sampler.h"

#include <string.h>

const char *finish_reason_name(enum finish_reason reason) {
    switch (reason) {
    case FINISH_LENGTH:
        return "length";
    case FINISH_END_TOKEN:
        return "eos";
    case FINISH_CONTEXT_FULL:
        return "context";
    case FINISH_CANCELLED:
        return "cancelled";
    }
    return "length";
}

bool context_sample(struct context *c, const struct sampling *s, int32_t *token, struct err *err) {
    struct candidate *candidates = NULL;
    float *penalized = NULL;
    const int64_t n_vocab = c->model->n_vocab;
    if (sampler_needs_candidates(s)) {
        candidates = scratch_take(&c->scratch, SLOT_CANDIDATES, n_vocab, sizeof *candidates, err);
        if (candidates == NULL) return false;
    }
    if (sampler_needs_penalized(s)) {
        penalized = scratch_take(&c->scratch, SLOT_PENALIZED, n_vocab, sizeof *penalized, err);
        if (penalized == NULL) {
            scratch_give(&c->scratch, SLOT_CANDIDATES);
            return false;
        }
    }
    *token = sampler_pick(s, c->logits, n_vocab, c->history, c->n_past, c->n_past, candidates,
                          penalized);
    scratch_give(&c->scratch, SLOT_CANDIDATES);
    scratch_give(&c->scratch, SLOT_PENALIZED);
    return true;
}

/* ---- lookup ---- */

enum { LONGEST_MATCH = 3, SHORTEST_MATCH = 2 };

/* Position behind the latest earlier occurrence of the last `length` of text [n]; 0: there is none. */
static int64_t find_earlier(const int32_t *text, int64_t n, int64_t length) {
    const int32_t *tail = text + n - length;
    for (int64_t at = n - length - 1; at >= 0; at--) {
        if (text[at] == tail[0] && memcmp(text + at, tail, (size_t)length * sizeof *text) == 0) {
            return at + length;
        }
    }
    return 0;
}

/* How many guesses pay: the text grows by 1 + a + a^2 .. tokens for the cost of a wider pass, where a is
 * the share of guesses that were right of late. */
static int64_t worthwhile(const struct context *c, double share, int64_t most) {
    const struct fused_tuning *tuned = &c->fused->tuning;
    if (tuned->decode_threads == 0) return most;
    double grown = 1, power = 1, best_rate = 1;
    int64_t best = 0;
    for (int64_t k = 1; k <= most; k++) {
        power *= share;
        grown += power;
        int width = 1;
        while (width < k + 1) width *= 2;
        double cost = width <= PACKED_MAX_WIDTH ? (double)tuned->cost[width] : 0;
        if (cost > 0 && grown / cost > best_rate) {
            best_rate = grown / cost;
            best = k;
        }
    }
    return best;
}

/* Guesses what follows history[0 .. n_past], the token about to run included; how many. */
static int64_t guess(const struct context *c, int32_t *guesses, int64_t most) {
    const int64_t n = c->n_past + 1;
    int64_t from = 0;
    for (int64_t length = LONGEST_MATCH; from == 0 && length >= SHORTEST_MATCH; length--) {
        if (n > length) from = find_earlier(c->history, n, length);
    }
    if (from == 0) return 0;
    /* Beyond the end a repeating text goes on with its own guesses. */
    for (int64_t i = 0; i < most; i++) {
        guesses[i] = from + i < n ? c->history[from + i] : guesses[from + i - n];
    }
    return most;
}

/* ---- one sequence ---- */

struct generation {
    struct context *c;
    const struct decode_options *o;
    int32_t *tokens;
    int64_t *times_ns;
    float *logits; /* NULL: not kept */
    int64_t *n;
    enum finish_reason *reason;
    double accepted; /* share of guesses that were right of late */
};

/* Keeps a token that `row` made; true when the text ends with it. */
static bool keep(struct generation *g, int32_t token, const float *row) {
    const int64_t n_vocab = g->c->model->n_vocab;
    if (g->logits != NULL) memcpy(g->logits + *g->n * n_vocab, row, (size_t)n_vocab * sizeof *row);
    g->tokens[*g->n] = token;
    g->times_ns[*g->n] = context_now_ns(g->c);
    ++*g->n;
    if (!g->o->stop_at_end || !tokenizer_is_end(g->c->model->tokenizer, token)) return false;
    *g->reason = FINISH_END_TOKEN;
    return true;
}

/* Runs a kept token and the guesses behind it, keeps the right ones. *ended: the text is over. */
static bool run_guessed(struct generation *g, int32_t token, bool *ended, struct err *err) {
    struct context *c = g->c;
    const int64_t n_vocab = c->model->n_vocab;
    const int64_t room = c->n_ctx - c->n_past - 1, wanted = g->o->n_tokens - *g->n;
    int64_t most = c->switches.lookup < c->fused->kernels.width - 1 ? c->switches.lookup : c->fused->kernels.width - 1;
    if (most > room) most = room;
    if (most > wanted) most = wanted;
    most = worthwhile(c, g->accepted, most);
    int32_t block[PACKED_MAX_WIDTH] = {token};
    c->history[c->n_past] = token;
    const int64_t n = guess(c, block + 1, most);
    if (n == 0) {
        if (most == 0) g->accepted += (0.5 - g->accepted) * 0.01; /* another try, some time */
        return context_forward(c, block, 1, LOGITS_LAST, NULL, err);
    }
    float *rows = c->scratch.blocks[SLOT_DRAFT];
    if (!context_forward(c, block, n + 1, LOGITS_ALL, rows, err)) return false;
    int64_t right = 0;
    const struct sampling *s = &g->o->sampling;
    while (right < n && !*ended) {
        const float *row = rows + right * n_vocab;
        if (sampler_pick(s, row, n_vocab, NULL, 0, 0, NULL, NULL) != block[1 + right]) break;
        *ended = keep(g, block[1 + right], row);
        right++;
    }
    c->counters.guessed_tokens += (uint64_t)n;
    c->counters.accepted_tokens += (uint64_t)right;
    g->accepted += ((double)right / (double)n - g->accepted) * 0.2;
    /* An end token that a guess gave is not run, as one that was sampled is not. */
    int64_t run = 1 + right - (*ended ? 1 : 0);
    context_take_back(c, n + 1 - run, rows + (run - 1) * n_vocab);
    return true;
}

static bool generate(struct generation *g, struct err *err) {
    struct context *c = g->c;
    const struct sampling *s = &g->o->sampling;
    const bool guesses = c->switches.lookup > 0 && !sampler_needs_candidates(s) && !sampler_needs_penalized(s);
    *g->reason = FINISH_LENGTH;
    for (bool ended = false; *g->n < g->o->n_tokens && !ended;) {
        if (flag_is_set(c->cancel)) {
            *g->reason = FINISH_CANCELLED;
            break;
        }
        if (c->n_past == c->n_ctx) {
            *g->reason = FINISH_CONTEXT_FULL;
            break;
        }
        int32_t token = 0;
        if (!context_sample(c, s, &token, err)) return false;
        if (keep(g, token, c->logits)) break;
        if (c->faults != NULL && faults_skip(c->faults)) continue;
        struct err stop = {0};
        if (guesses ? run_guessed(g, token, &ended, &stop)
                    : context_forward(c, &token, 1, LOGITS_LAST, NULL, &stop)) {
            continue;
        }
        if (stop.code == ERR_CANCELLED) {
            *g->reason = FINISH_CANCELLED;
            break;
        }
        if (err != NULL) *err = stop;
        return false;
    }
    return true;
}

static bool check_ready(const struct context *c, struct err *err) {
    if (c->logits != NULL) return true;
    return err_set(err, ERR_INPUT,
                   "decode: there are no logits to sample from. Run a prompt first.");
}

bool context_decode(struct context *c, const struct decode_options *o, int32_t *tokens,
                    int64_t *times_ns, float *logits, int64_t *n, enum finish_reason *reason,
                    int64_t *start_ns, struct err *err) {
    struct generation g = {.c = c, .o = o, .tokens = tokens, .times_ns = times_ns, .logits = logits,
                           .n = n, .reason = reason, .accepted = 0.5};
    *n = 0;
    if (!sampler_check(&o->sampling, err) || !check_ready(c, err)) return false;
    struct work_mark mark = context_work_begin();
    if (start_ns != NULL) *start_ns = context_now_ns(c);
    bool done = generate(&g, err);
    context_work_end(c, mark);
    return done;
}

/* ---- several sequences ---- */

int context_most_together(const struct context *c) {
    if (c->fused == NULL) return 1;
    /* A panel is unpacked once for all columns: the more the better. Else a tile is what the kernels do best. */
    return c->fused->kernels.panel != NULL ? FUSED_TOGETHER : FUSED_WIDTH;
}

static bool check_together(struct context *const *contexts, int64_t n, struct err *err) {
    const struct context *first = contexts[0];
    if (first->fused == NULL) {
        return err_set(err, ERR_INPUT,
                       "decode_together: it needs the switch fused_matmul, which presets from p2 have.");
    }
    for (int64_t i = 0; i < n; i++) {
        const struct context *c = contexts[i];
        if (!check_ready(c, err)) return false;
        if (c->model != first->model || c->n_ctx != first->n_ctx || c->fused == NULL ||
            c->fused->kernels.packed != first->fused->kernels.packed || c->fused->model != first->fused->model ||
            c->switches.key_type != first->switches.key_type ||
            c->switches.value_type != first->switches.value_type) {
            return err_set(err, ERR_INPUT,
                           "decode_together: sequence %lld differs from the first one in model, n_ctx or "
                           "switches. Make all contexts alike.",
                           (long long)i);
        }
        for (int64_t j = 0; j < i; j++) {
            if (contexts[j] != c) continue;
            return err_set(err, ERR_INPUT, "decode_together: sequences %lld and %lld are one context",
                           (long long)j, (long long)i);
        }
    }
    return true;
}

/* Why no further round can run, as far as the sequences say. */
static bool is_over(struct context *const *contexts, int64_t n, enum finish_reason *reason) {
    for (int64_t i = 0; i < n; i++) {
        const struct context *c = contexts[i];
        if (flag_is_set(c->cancel)) {
            *reason = FINISH_CANCELLED;
            return true;
        }
        if (c->n_past == c->n_ctx) {
            *reason = FINISH_CONTEXT_FULL;
            return true;
        }
    }
    return false;
}

/* One token of every sequence, to next [n], run in passes of `width`. */
static bool run_round(struct context *const *contexts, int64_t n, const struct sampling *sampling,
                      int32_t *tokens, int64_t stride, struct err *err) {
    const int64_t width = context_most_together(contexts[0]);
    for (int64_t at = 0; at < n; at += width) {
        const int64_t some = n - at < width ? n - at : width;
        int32_t next[FUSED_TOGETHER];
        for (int64_t i = 0; i < some; i++) {
            if (!context_sample(contexts[at + i], sampling, &next[i], err)) return false;
            tokens[(at + i) * stride] = next[i];
        }
        if (!context_forward_together(contexts + at, some, next, err)) return false;
    }
    return true;
}

bool context_step(struct context *const *contexts, int64_t n, const int32_t *tokens, int64_t *n_moved,
                  struct err *err) {
    const int64_t width = context_most_together(contexts[0]);
    for (*n_moved = 0; *n_moved < n;) {
        const int64_t left = n - *n_moved, some = left < width ? left : width;
        if (!context_forward_together(contexts + *n_moved, some, tokens + *n_moved, err)) return false;
        *n_moved += some;
    }
    return true;
}

bool context_decode_together(struct context *const *contexts, int64_t n, const struct decode_options *o,
                             int32_t *tokens, int64_t *times_ns, int64_t *n_rounds,
                             enum finish_reason *reason, int64_t *start_ns, struct err *err) {
    *n_rounds = 0;
    *reason = FINISH_LENGTH;
    if (n < 1) return err_set(err, ERR_INPUT, "decode_together: at least one sequence is required");
    if (!sampler_check(&o->sampling, err) || !check_together(contexts, n, err)) return false;
    struct work_mark mark = context_work_begin();
    if (start_ns != NULL) *start_ns = context_now_ns(contexts[0]);
    bool done = true;
    while (*n_rounds < o->n_tokens && !is_over(contexts, n, reason)) {
        struct err stop = {0};
        if (!run_round(contexts, n, &o->sampling, tokens + *n_rounds, o->n_tokens, &stop)) {
            done = stop.code == ERR_CANCELLED;
            *reason = FINISH_CANCELLED;
            if (!done && err != NULL) *err = stop;
            break;
        }
        times_ns[(*n_rounds)++] = context_now_ns(contexts[0]);
    }
    context_work_end(contexts[0], mark);
    return done;
}

void engine_null_decode(int64_t n_tokens, int32_t *tokens, int64_t *times_ns, int64_t *start_ns) {
    if (start_ns != NULL) *start_ns = clock_now_ns();
    for (int64_t i = 0; i < n_tokens; i++) {
        tokens[i] = 0;
        times_ns[i] = clock_now_ns();
    }
}
