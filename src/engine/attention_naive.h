/* attention_naive.h - attention as it is first written: all scores of a query, softmax, weighted sum. */
#ifndef WOOLLY_ENGINE_ATTENTION_NAIVE_H
#define WOOLLY_ENGINE_ATTENTION_NAIVE_H

#include "engine/kernels/kernels.h"

/* out [dim] for one query q [dim] over `seen` positions; keys and values [seen, dim]; scores [seen] is
 * the caller's scratch. */
void attention_naive(const struct kernels *kernels, float *out, const float *q, const float *keys,
                     const float *values, float *scores, int64_t seen, int64_t dim, float scale);

#endif
