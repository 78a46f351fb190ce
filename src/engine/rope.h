/* rope.h - rotary position embedding: angles once per position, applied to every head.
 *
 * All the scaling kinds end as one rate per pair of dimensions (angle = position * rate) and one
 * factor on the rotated vector, both found at load in double precision.
 *   linear   rate / factor
 *   yarn     rates of fast pairs kept, of slow ones divided by factor, a ramp between; the vector
 *            is scaled by attn_factor * (1 + 0.1 ln factor).  Source: arXiv 2309.00071.
 *   llama3   rate / rope_freqs.weight[i], a tensor of the file
 * Pairs: neighbours (2i, 2i + 1), or with `halves` (i, i + n_rot / 2).
 * Dimensions from n_rot on stay as they are. */
#ifndef WOOLLY_ENGINE_ROPE_H
#define WOOLLY_ENGINE_ROPE_H

#include <stdbool.h>
#include <stdint.h>

enum rope_scaling { ROPE_NONE, ROPE_LINEAR, ROPE_YARN, ROPE_LLAMA3 };

struct rope_params {
    enum rope_scaling scaling;
    bool halves;
    int64_t n_rot; /* even; 0: positions are not encoded */
    double freq_base;
    double factor;      /* of linear and yarn, >= 1 in practice */
    double n_ctx_orig;  /* yarn: the context before scaling */
    double attn_factor; /* scales the rotated vector, default 1 */
    double ext_factor;  /* yarn, default 1: share of the ramp's effect */
    double beta_fast, beta_slow;
};

struct rope {
    int64_t n_pairs;
    bool halves;
    double magnitude;
    double *rates; /* [n_pairs] */
};

/* factors: rope_freqs.weight [n_rot / 2] or NULL. False when memory is short. */
bool rope_init(struct rope *rope, const struct rope_params *params, const float *factors);
void rope_free(struct rope *rope);

/* Angles of one position: out [n_pairs][2] = cos, sin, magnitude included. */
void rope_angles(const struct rope *rope, int64_t position, float *out);
/* Rotates x [n_heads, head_dim] in place. */
void rope_apply(const struct rope *rope, const float *angles, float *x, int64_t n_heads,
                int64_t head_dim);

const char *rope_scaling_name(enum rope_scaling scaling); /* "none", "linear", ... */

#endif
