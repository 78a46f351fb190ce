/* Sampling against distributions worked out by hand, and the draw against its description. */
#include "engine/sampler.h"
#include "support/check.h"

enum { N = 4, DRAWS = 20000 };

/* Probabilities 1/2, 1/4, 1/8, 1/8, deliberately out of order. */
static const double share[N] = {0.125, 0.5, 0.125, 0.25};

static void make_logits(float out[N]) {
    for (int i = 0; i < N; i++)
        out[i] = (float)(log(share[i]) + 3.0);
}

static int32_t pick(const struct sampling *s, const float *logits, const int32_t *history,
                    int64_t n_history, int64_t position) {
    struct candidate candidates[N];
    float penalized[N];
    return sampler_pick(s, logits, N, history, n_history, position,
                        sampler_needs_candidates(s) ? candidates : NULL,
                        sampler_needs_penalized(s) ? penalized : NULL);
}

/* Frequencies of many draws within five standard deviations of what they should be. */
static void check_shares(const char *what, const struct sampling *s, const int32_t *history,
                         int64_t n_history, const double wanted[N]) {
    float logits[N];
    int counts[N] = {0};
    make_logits(logits);
    for (int i = 0; i < DRAWS; i++)
        counts[pick(s, logits, history, n_history, i)]++;
    for (int i = 0; i < N; i++) {
        double slack = 5.0 * sqrt(wanted[i] * (1.0 - wanted[i]) / DRAWS);
        double found = (double)counts[i] / DRAWS;
        if (fabs(found - wanted[i]) > slack) fprintf(stderr, "%s, token %d:\n", what, i);
        CHECK_NEAR(found, wanted[i], slack);
    }
}

static struct sampling warm(void) {
    struct sampling s = sampling_default();
    s.temperature = 1.0f;
    s.seed = 7;
    return s;
}

static void check_options_one_by_one(void) {
    struct sampling s = warm();
    check_shares("temperature 1", &s, NULL, 0, share);
    s.temperature = 2.0f; /* shares to the power 1/2, over their sum */
    double root[N], sum = 0;
    for (int i = 0; i < N; i++)
        sum += root[i] = sqrt(share[i]);
    for (int i = 0; i < N; i++)
        root[i] /= sum;
    check_shares("temperature 2", &s, NULL, 0, root);
    s.temperature = 0.5f; /* squares: 16, 4, 1, 1 of 22 */
    check_shares("temperature 1/2", &s, NULL, 0, (double[]){1 / 22., 16 / 22., 1 / 22., 4 / 22.});
    s.temperature = 1e-6f;
    check_shares("temperature near 0", &s, NULL, 0, (double[]){0, 1, 0, 0});

    s = warm();
    s.top_k = 2;
    check_shares("top-k 2", &s, NULL, 0, (double[]){0, 2 / 3., 0, 1 / 3.});
    s.top_k = 3; /* of equal ones the first id stays */
    check_shares("top-k 3", &s, NULL, 0, (double[]){1 / 7., 4 / 7., 0, 2 / 7.});
    s.top_k = 1;
    check_shares("top-k 1", &s, NULL, 0, (double[]){0, 1, 0, 0});
    s.top_k = N;
    check_shares("top-k of all", &s, NULL, 0, share);
    s.top_k = 1000;
    check_shares("top-k above the vocabulary", &s, NULL, 0, share);

    s = warm();
    s.top_p = 0.7f; /* 1/2 + 1/4 reach it */
    check_shares("top-p 0.7", &s, NULL, 0, (double[]){0, 2 / 3., 0, 1 / 3.});
    s.top_p = 0.45f;
    check_shares("top-p 0.45", &s, NULL, 0, (double[]){0, 1, 0, 0});
    s.top_p = 0.8f;
    check_shares("top-p 0.8", &s, NULL, 0, (double[]){1 / 7., 4 / 7., 0, 2 / 7.});
    s.top_p = 0.99f;
    check_shares("top-p 0.99", &s, NULL, 0, share);
    s.top_p = 1e-6f;
    check_shares("top-p near 0 keeps one", &s, NULL, 0, (double[]){0, 1, 0, 0});

    s = warm();
    s.min_p = 0.3f; /* of the best one's 1/2: 0.15 */
    check_shares("min-p 0.3", &s, NULL, 0, (double[]){0, 2 / 3., 0, 1 / 3.});
    s.min_p = 0.2f;
    check_shares("min-p 0.2", &s, NULL, 0, share);
    s.min_p = 1.0f;
    check_shares("min-p 1", &s, NULL, 0, (double[]){0, 1, 0, 0});
}

static void check_options_together(void) {
    struct sampling s = warm();
    s.top_k = 3; /* 4/7, 2/7, 1/7: 0.8 of that needs two, 0.8 of all would need three */
    s.top_p = 0.8f;
    check_shares("top-p after top-k", &s, NULL, 0, (double[]){0, 2 / 3., 0, 1 / 3.});
    s = warm();
    s.min_p = 0.3f; /* judged at temperature 1, whatever the temperature */
    s.temperature = 0.5f;
    check_shares("min-p before temperature", &s, NULL, 0, (double[]){0, 0.8, 0, 0.2});
    s = warm();
    s.top_p = 0.7f;
    s.temperature = 0.5f;
    check_shares("top-p before temperature", &s, NULL, 0, (double[]){0, 0.8, 0, 0.2});
}

static void check_penalty(void) {
    const float logits[N] = {2.0f, 3.0f, -1.0f, 0.5f};
    const int32_t once[] = {1}, often[] = {1, 1, 1}, old[] = {1, 0, 0, 0}, all[] = {0, 1, 2, 3};
    struct sampling s = sampling_default();
    CHECK_INT(pick(&s, logits, once, 1, 0), 1);
    s.repetition_penalty = 1.4f; /* 3 / 1.4 is still above 2 */
    CHECK_INT(pick(&s, logits, once, 1, 0), 1);
    CHECK_INT(pick(&s, logits, often, 3, 0), 1); /* once, however often it stands there */
    s.repetition_penalty = 2.0f;
    CHECK_INT(pick(&s, logits, once, 1, 0), 0);
    s.repetition_window = 3; /* token 1 lies further back */
    CHECK_INT(pick(&s, logits, old, 4, 0), 1);
    s.repetition_window = 4;
    CHECK_INT(pick(&s, logits, old, 4, 0), 1); /* 3 / 2 against 2 / 2 */
    s.repetition_window = 0;
    CHECK_INT(pick(&s, logits, once, 1, 0), 1);
    s = warm();
    s.repetition_penalty = 2.0f; /* 1, 1.5, -2, 0.25: a negative logit moves down, not up */
    s.top_k = 4;
    double wanted[N] = {exp(1.0), exp(1.5), exp(-2.0), exp(0.25)};
    double sum = wanted[0] + wanted[1] + wanted[2] + wanted[3];
    int counts[N] = {0};
    for (int i = 0; i < DRAWS; i++)
        counts[pick(&s, logits, all, 4, i)]++;
    for (int i = 0; i < N; i++) {
        double p = wanted[i] / sum;
        CHECK_NEAR((double)counts[i] / DRAWS, p, 5.0 * sqrt(p * (1 - p) / DRAWS));
    }
}

/* sampler.h: SplitMix64 of seed + (position + 1) * 0x9e37..., upper 53 bits; here a second time. */
static double described_draw(uint64_t seed, uint64_t position) {
    uint64_t z = seed;
    for (uint64_t i = 0; i <= position; i++)
        z += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return ldexp((double)((z ^ z >> 31) >> 11), -53);
}

static void check_seed(void) {
    float logits[N];
    make_logits(logits);
    struct sampling s = warm(), other = warm();
    other.seed = 8;
    int same = 0;
    for (int64_t at = 0; at < 400; at++) {
        double point = described_draw(s.seed, (uint64_t)at);
        int32_t wanted = 0;
        for (double sum = share[0]; wanted < N - 1 && point >= sum; sum += share[++wanted]) {
        }
        CHECK_INT(pick(&s, logits, NULL, 0, at), wanted);
        CHECK_INT(pick(&s, logits, NULL, 0, at), wanted); /* no state between calls */
        same += pick(&other, logits, NULL, 0, at) == wanted;
    }
    CHECK(same > 80 && same < 200); /* about 0.34 of 400 agree by chance */
    CHECK_NEAR(described_draw(0, 0), (double)(0xe220a8397b1dcdafu >> 11) * 0x1p-53, 0.0);
}

static void check_greedy(void) {
    struct sampling s = sampling_default();
    const float equal[N] = {1.0f, 5.0f, 5.0f, 5.0f};
    const float low[N] = {-5.0f, -9.0f, -4.0f, -4.0f};
    CHECK(!sampler_needs_candidates(&s) && !sampler_needs_penalized(&s));
    CHECK_INT(pick(&s, equal, NULL, 0, 0), 1);
    CHECK_INT(pick(&s, low, NULL, 0, 0), 2);
    s.temperature = 1.0f;
    const float far[N] = {-1e30f, 1e30f, 0.0f, -1e30f}; /* nothing overflows */
    for (int i = 0; i < 100; i++)
        CHECK_INT(pick(&s, far, NULL, 0, i), 1);
}

/* Many tokens, all filters: whatever is drawn must be among those the filters keep. */
static void check_large(void) {
    enum { LARGE = 1000 };
    static float logits[LARGE];
    static struct candidate candidates[LARGE];
    uint64_t state = 1;
    for (int i = 0; i < LARGE; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        logits[i] = (float)(state >> 40) / 4e6f; /* ties happen */
    }
    struct sampling s = warm();
    s.top_k = 40;
    for (int64_t at = 0; at < 2000; at++) {
        int32_t token = sampler_pick(&s, logits, LARGE, NULL, 0, at, candidates, NULL);
        int better = 0;
        for (int i = 0; i < LARGE; i++)
            better += logits[i] > logits[token];
        CHECK(better < 40);
    }
    for (int64_t at = 0; at < 2000; at++) { /* with and without sorting first: the same tokens */
        struct sampling a = warm(), b = warm();
        a.top_p = b.top_p = 0.3f;
        b.top_k = LARGE - 1;
        int32_t x = sampler_pick(&a, logits, LARGE, NULL, 0, at, candidates, NULL);
        int32_t y = sampler_pick(&b, logits, LARGE, NULL, 0, at, candidates, NULL);
        CHECK(logits[x] == logits[y]);
    }
}

static void check_refused(void) {
    const struct {
        const char *name;
        struct sampling s;
    } bad[] = {
        {"temperature", {.temperature = -1, .top_p = 1, .repetition_penalty = 1}},
        {"temperature", {.temperature = NAN, .top_p = 1, .repetition_penalty = 1}},
        {"temperature", {.temperature = INFINITY, .top_p = 1, .repetition_penalty = 1}},
        {"top_k", {.top_k = -1, .top_p = 1, .repetition_penalty = 1}},
        {"top_p", {.top_p = 0, .repetition_penalty = 1}},
        {"top_p", {.top_p = 1.5f, .repetition_penalty = 1}},
        {"top_p", {.top_p = NAN, .repetition_penalty = 1}},
        {"min_p", {.top_p = 1, .min_p = -0.1f, .repetition_penalty = 1}},
        {"min_p", {.top_p = 1, .min_p = NAN, .repetition_penalty = 1}},
        {"min_p", {.top_p = 1, .min_p = 1.1f, .repetition_penalty = 1}},
        {"repetition_penalty", {.top_p = 1, .repetition_penalty = 0}},
        {"repetition_penalty", {.top_p = 1, .repetition_penalty = NAN}},
        {"repetition_window", {.top_p = 1, .repetition_penalty = 1, .repetition_window = -1}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct err err = {0};
        CHECK(!sampler_check(&bad[i].s, &err));
        CHECK_INT(err.code, ERR_INPUT);
        CHECK_CONTAINS(err.message, bad[i].name);
        CHECK_CONTAINS(err.message, "allowed");
    }
    struct sampling fine = sampling_default();
    CHECK(sampler_check(&fine, NULL));
}

int main(void) {
    check_options_one_by_one();
    check_options_together();
    check_penalty();
    check_seed();
    check_greedy();
    check_large();
    check_refused();
    return check_done();
}
