/* attention_naive.c - see attention_naive.h. */
#include "engine/attention_naive.h"

#include <string.h>

void attention_naive(const struct kernels *k, float *out, const float *q, const float *keys,
                     const float *values, float *scores, int64_t seen, int64_t dim, float scale) {
    k->dot_f32_columns(scores, q, keys, dim, (int)seen, dim);
    for (int64_t j = 0; j < seen; j++) scores[j] *= scale;
    k->softmax(scores, seen);
    memset(out, 0, (size_t)dim * sizeof(float));
    for (int64_t j = 0; j < seen; j++) k->axpy_f32(out, scores[j], values + j * dim, dim);
}
