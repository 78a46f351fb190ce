/* vf_scalar.h - "registers" of one float, for attention_simd.h in plain C. */
#ifndef WOOLLY_ENGINE_VF_SCALAR_H
#define WOOLLY_ENGINE_VF_SCALAR_H

#include <math.h>
#include <stdint.h>
#include <string.h>

enum { LANES = 1 };

typedef float VF;

static inline VF vf_load(const float *p) {
    return *p;
}
static inline void vf_store(float *p, VF v) {
    *p = v;
}
static inline VF vf_zero(void) {
    return 0;
}
static inline VF vf_set1(float v) {
    return v;
}
static inline VF vf_add(VF a, VF b) {
    return a + b;
}
static inline VF vf_sub(VF a, VF b) {
    return a - b;
}
static inline VF vf_mul(VF a, VF b) {
    return a * b;
}
static inline VF vf_fma(VF a, VF b, VF c) {
    return a * b + c; /* not fused: what plain code does */
}
static inline VF vf_max(VF a, VF b) {
    return a > b ? a : b;
}
static inline VF vf_round(VF v) {
    return rintf(v);
}
static inline VF vf_scale2(VF v, VF k) {
    return ldexpf(v, (int)k);
}
static inline VF vf_zero_below(VF x, float limit, VF v) {
    return x < limit ? 0 : v;
}
static inline float vf_sum(VF v) {
    return v;
}
static inline float vf_largest(VF v) {
    return v;
}

static inline void vf_transpose(VF *r) {
    (void)r; /* one lane */
}

#endif
