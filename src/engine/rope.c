/* rope.c - see rope.h. */
#include "engine/rope.h"

#include "base/alloc.h"

#include <math.h>

/* Pair whose wave makes `turns` full turns over the original context; fractional. */
static double yarn_pair_of_turns(const struct rope_params *p, double turns) {
    const double pi = 3.14159265358979323846;
    return (double)p->n_rot * log(p->n_ctx_orig / (turns * 2.0 * pi)) / (2.0 * log(p->freq_base));
}

/* 1 for pairs that keep their rate, 0 for those that are interpolated. */
static double yarn_kept_share(const struct rope_params *p, int64_t pair) {
    double low = fmax(0.0, floor(yarn_pair_of_turns(p, p->beta_fast)));
    double high = fmin((double)(p->n_rot - 1), ceil(yarn_pair_of_turns(p, p->beta_slow)));
    double ramp = ((double)pair - low) / fmax(0.001, high - low);
    return 1.0 - fmin(1.0, fmax(0.0, ramp));
}

bool rope_init(struct rope *rope, const struct rope_params *p, const float *factors) {
    *rope = (struct rope){.n_pairs = p->n_rot / 2, .halves = p->halves};
    if (rope->n_pairs == 0) return true;
    rope->rates = mem_new_array((size_t)rope->n_pairs, sizeof *rope->rates);
    if (rope->rates == NULL) return false;
    bool scaled = p->scaling == ROPE_LINEAR || p->scaling == ROPE_YARN;
    for (int64_t i = 0; i < rope->n_pairs; i++) {
        double rate = pow(p->freq_base, -2.0 * (double)i / (double)p->n_rot);
        if (factors != NULL) rate /= (double)factors[i];
        double slow = scaled ? rate / p->factor : rate;
        if (p->scaling == ROPE_YARN) {
            double kept = yarn_kept_share(p, i) * p->ext_factor;
            rope->rates[i] = slow * (1.0 - kept) + rate * kept;
        } else {
            rope->rates[i] = slow;
        }
    }
    rope->magnitude = p->attn_factor;
    if (p->scaling == ROPE_YARN && p->ext_factor != 0.0) {
        rope->magnitude *= 1.0 + 0.1 * log(p->factor);
    }
    return true;
}

void rope_free(struct rope *rope) {
    mem_free(rope->rates);
    *rope = (struct rope){0};
}

void rope_angles(const struct rope *rope, int64_t position, float *out) {
    for (int64_t i = 0; i < rope->n_pairs; i++) {
        double angle = (double)position * rope->rates[i];
        out[2 * i] = (float)(cos(angle) * rope->magnitude);
        out[2 * i + 1] = (float)(sin(angle) * rope->magnitude);
    }
}

/* Pairs `step` apart, the second value `partner` behind the first. The step is a constant, so that the loop is one of vectors. */
static inline __attribute__((always_inline)) void turn_pairs(float *x, const float *restrict angles, int64_t n_pairs,
                                                             const int64_t step, int64_t partner) {
    float *first = x, *second = x + partner;
    for (int64_t i = 0; i < n_pairs; i++) {
        const float c = angles[2 * i], s = angles[2 * i + 1];
        const float a = first[i * step], b = second[i * step];
        first[i * step] = a * c - b * s;
        second[i * step] = a * s + b * c;
    }
}

void rope_apply(const struct rope *rope, const float *angles, float *x, int64_t n_heads,
                int64_t head_dim) {
    for (int64_t h = 0; h < n_heads; h++, x += head_dim) {
        if (rope->halves) {
            turn_pairs(x, angles, rope->n_pairs, 1, rope->n_pairs);
        } else {
            turn_pairs(x, angles, rope->n_pairs, 2, 1);
        }
    }
}

const char *rope_scaling_name(enum rope_scaling scaling) {
    switch (scaling) {
    case ROPE_NONE:
        return "none";
    case ROPE_LINEAR:
        return "linear";
    case ROPE_YARN:
        return "yarn";
    case ROPE_LLAMA3:
        return "llama3";
    }
    return "none";
}
