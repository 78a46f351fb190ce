/* sampler.h - picks the next token from logits.
 *
 * Order: repetition penalty, then with temperature 0 the first of equal maxima; otherwise top-k,
 * top-p, min-p on the softmax at temperature 1, then the temperature, then one draw.
 * The draw is a hash of (seed, position): the same seed gives the same text however a generation
 * is cut into calls. Hash: the output function of SplitMix64 over seed + (position + 1) *
 * 0x9e3779b97f4a7c15; its upper 53 bits are the number in [0, 1). */
#ifndef WOOLLY_ENGINE_SAMPLER_H
#define WOOLLY_ENGINE_SAMPLER_H

#include "engine/engine.h"

struct candidate {
    float logit;
    int32_t token;
};

/* What a sampling needs besides the logits: so that no scratch is taken for plain greedy. */
bool sampler_needs_candidates(const struct sampling *sampling);
bool sampler_needs_penalized(const struct sampling *sampling);
/* False and the field that is out of range (ERR_INPUT). */
bool sampler_check(const struct sampling *sampling, struct err *err);

/* logits [n_vocab], all finite. history [n_history]: the tokens so far, for the penalty.
 * candidates and penalized [n_vocab] where needed, else NULL. position feeds the draw.
 * Allocates nothing, cannot fail. */
int32_t sampler_pick(const struct sampling *sampling, const float *logits, int64_t n_vocab,
                     const int32_t *history, int64_t n_history, int64_t position,
                     struct candidate *candidates, float *penalized);

#endif
