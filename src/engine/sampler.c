/* sampler.c - see sampler.h. */
#include "engine/sampler.h"

#include <math.h>
#include <string.h>

struct sampling sampling_default(void) {
    return (struct sampling){.top_p = 1.0f, .repetition_penalty = 1.0f, .repetition_window = 64};
}

bool sampler_needs_candidates(const struct sampling *s) {
    return s->temperature > 0.0f;
}

bool sampler_needs_penalized(const struct sampling *s) {
    return s->repetition_penalty != 1.0f && s->repetition_window > 0;
}

/* NaN fails every comparison, so each test is written to be true for good values. */
bool sampler_check(const struct sampling *s, struct err *err) {
    const char *what = NULL, *allowed = NULL;
    double found = 0;
    if (!(s->temperature >= 0.0f && s->temperature <= 100.0f)) {
        what = "temperature", allowed = "0..100", found = (double)s->temperature;
    } else if (s->top_k < 0) {
        what = "top_k", allowed = "0 (off) or more", found = s->top_k;
    } else if (!(s->top_p > 0.0f && s->top_p <= 1.0f)) {
        what = "top_p", allowed = "above 0 up to 1 (off)", found = (double)s->top_p;
    } else if (!(s->min_p >= 0.0f && s->min_p <= 1.0f)) {
        what = "min_p", allowed = "0 (off) to 1", found = (double)s->min_p;
    } else if (!(s->repetition_penalty > 0.0f && s->repetition_penalty <= 100.0f)) {
        what = "repetition_penalty", allowed = "above 0 up to 100",
        found = (double)s->repetition_penalty;
    } else if (s->repetition_window < 0) {
        what = "repetition_window", allowed = "0 or more", found = s->repetition_window;
    }
    if (what == NULL) return true;
    return err_set(err, ERR_INPUT, "sampling: %s is %g, allowed %s.", what, found, allowed);
}

enum { LANES = 16 };

static float maximum(const float *logits, int64_t n) {
    float lanes[LANES], top = logits[0];
    int64_t i = 0;
    for (int l = 0; l < LANES; l++) lanes[l] = top;
    for (; i + LANES <= n; i += LANES) {
        for (int l = 0; l < LANES; l++) lanes[l] = logits[i + l] > lanes[l] ? logits[i + l] : lanes[l];
    }
    for (; i < n; i++) top = logits[i] > top ? logits[i] : top;
    for (int l = 0; l < LANES; l++) top = lanes[l] > top ? lanes[l] : top;
    return top;
}

/* Two passes that the compiler turns into vectors: the greatest value, then where it stands first. Two to
 * four times as fast as one that remembers the place; of a small model's token one percent. */
static int32_t first_maximum(const float *logits, int64_t n) {
    const float top = maximum(logits, n);
    int64_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        int found = 0;
        for (int l = 0; l < LANES; l++) found |= logits[i + l] == top;
        if (found) break;
    }
    while (i < n - 1 && logits[i] != top) i++;
    return (int32_t)i;
}

/* Each token of the window is penalised once, however often it occurs: from the given logit. */
static void penalize(float *out, const struct sampling *s, const float *logits, int64_t n_vocab,
                     const int32_t *history, int64_t n_history) {
    memcpy(out, logits, (size_t)n_vocab * sizeof *out);
    int64_t first = n_history > s->repetition_window ? n_history - s->repetition_window : 0;
    for (int64_t i = first; i < n_history; i++) {
        float logit = logits[history[i]];
        out[history[i]] =
            logit > 0.0f ? logit / s->repetition_penalty : logit * s->repetition_penalty;
    }
}

/* ---- candidates: a heap at the end of the array, those taken from it in order at the front ----
 */

static bool before(struct candidate a, struct candidate b) {
    return a.logit > b.logit || (a.logit == b.logit && a.token < b.token);
}

static void sift_down(struct candidate *heap, int64_t n, int64_t at) {
    struct candidate item = heap[at];
    for (;;) {
        int64_t child = 2 * at + 1;
        if (child >= n) break;
        if (child + 1 < n && before(heap[child + 1], heap[child])) child++;
        if (!before(heap[child], item)) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = item;
}

static void make_heap(struct candidate *heap, int64_t n) {
    for (int64_t i = n / 2 - 1; i >= 0; i--)
        sift_down(heap, n, i);
}

/* The best of heap [n] moves to its last place; what is left is a heap of n - 1. */
static struct candidate take_best(struct candidate *heap, int64_t n) {
    struct candidate best = heap[0];
    heap[0] = heap[n - 1];
    heap[n - 1] = best;
    sift_down(heap, n - 1, 0);
    return best;
}

static void reverse(struct candidate *c, int64_t n) {
    for (int64_t i = 0, j = n - 1; i < j; i++, j--) {
        struct candidate swap = c[i];
        c[i] = c[j];
        c[j] = swap;
    }
}

/* Keeps the k best of n in order, best first, at the end of the array; returns their start. */
static struct candidate *keep_best(struct candidate *c, int64_t n, int64_t k) {
    make_heap(c, n);
    for (int64_t i = 0; i < k; i++)
        take_best(c, n - i);
    reverse(c + n - k, k);
    return c + n - k;
}

static double mass(const struct candidate *c, int64_t n, float top, double temperature) {
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += exp(((double)c[i].logit - (double)top) / temperature);
    return sum;
}

/* Keeps the fewest best candidates whose probability reaches top_p. */
static struct candidate *keep_mass(struct candidate *c, int64_t *n, float top, float top_p,
                                   bool sorted) {
    const double wanted = (double)top_p * mass(c, *n, top, 1.0);
    double reached = 0;
    int64_t kept = 0;
    if (!sorted) make_heap(c, *n);
    while (kept < *n && (kept == 0 || reached < wanted)) {
        struct candidate next = sorted ? c[kept] : take_best(c, *n - kept);
        reached += exp((double)next.logit - (double)top);
        kept++;
    }
    struct candidate *start = c;
    if (!sorted) {
        start = c + *n - kept;
        reverse(start, kept);
    }
    *n = kept;
    return start;
}

static int64_t keep_likely(struct candidate *c, int64_t n, float top, float min_p) {
    const double lowest = (double)top + log((double)min_p);
    int64_t kept = 0;
    for (int64_t i = 0; i < n; i++) {
        if ((double)c[i].logit >= lowest) c[kept++] = c[i];
    }
    return kept;
}

static double draw(uint64_t seed, int64_t position) {
    uint64_t z = seed + ((uint64_t)position + 1) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return (double)(z >> 11) * 0x1p-53;
}

int32_t sampler_pick(const struct sampling *s, const float *logits, int64_t n_vocab,
                     const int32_t *history, int64_t n_history, int64_t position,
                     struct candidate *candidates, float *penalized) {
    if (sampler_needs_penalized(s)) {
        penalize(penalized, s, logits, n_vocab, history, n_history);
        logits = penalized;
    }
    const int32_t best = first_maximum(logits, n_vocab);
    if (!sampler_needs_candidates(s)) return best;

    const float top = logits[best];
    for (int64_t i = 0; i < n_vocab; i++) {
        candidates[i] = (struct candidate){.logit = logits[i], .token = (int32_t)i};
    }
    struct candidate *kept = candidates;
    int64_t n = n_vocab;
    bool sorted = s->top_k > 0 && s->top_k < n;
    if (sorted) {
        kept = keep_best(candidates, n, s->top_k);
        n = s->top_k;
    }
    if (s->top_p < 1.0f) kept = keep_mass(kept, &n, top, s->top_p, sorted);
    if (s->min_p > 0.0f) n = keep_likely(kept, n, top, s->min_p);

    const double temperature = (double)s->temperature;
    double point = draw(s->seed, position) * mass(kept, n, top, temperature);
    for (int64_t i = 0; i < n; i++) {
        point -= exp(((double)kept[i].logit - (double)top) / temperature);
        if (point < 0.0) return kept[i].token;
    }
    return best; /* rounding left a crumb of the mass */
}
