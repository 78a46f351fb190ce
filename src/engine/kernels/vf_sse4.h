/* vf_sse4.h - registers of 4 floats (SSE4.2: no fused multiply-add, no half floats) for simd.h and
 * attention_simd.h. */
#ifndef WOOLLY_ENGINE_VF_SSE4_H
#define WOOLLY_ENGINE_VF_SSE4_H

#include "engine/kernels/half_sse4.h"
#include "engine/kernels/kernels.h"

#include <immintrin.h>
#include <stdint.h>

enum { LANES = 4, COLUMNS = 2 };

typedef __m128 VF;

static inline VF vf_load(const float *p) {
    return _mm_loadu_ps(p);
}
static inline void vf_store(float *p, VF v) {
    _mm_storeu_ps(p, v);
}
static inline VF vf_zero(void) {
    return _mm_setzero_ps();
}
static inline VF vf_set1(float v) {
    return _mm_set1_ps(v);
}
static inline VF vf_add(VF a, VF b) {
    return _mm_add_ps(a, b);
}
static inline VF vf_sub(VF a, VF b) {
    return _mm_sub_ps(a, b);
}
static inline VF vf_mul(VF a, VF b) {
    return _mm_mul_ps(a, b);
}
static inline VF vf_div(VF a, VF b) {
    return _mm_div_ps(a, b);
}
/* Rounded twice. */
static inline VF vf_fma(VF a, VF b, VF c) {
    return _mm_add_ps(_mm_mul_ps(a, b), c);
}
static inline VF vf_max(VF a, VF b) {
    return _mm_max_ps(a, b);
}
static inline VF vf_abs(VF v) {
    return _mm_andnot_ps(_mm_set1_ps(-0.0f), v);
}
static inline VF vf_round(VF v) {
    return _mm_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/* v * 2^k for whole k in -126..127 */
static inline VF vf_scale2(VF v, VF k) {
    __m128i power = _mm_slli_epi32(_mm_cvtps_epi32(k), 23);
    return _mm_castsi128_ps(_mm_add_epi32(_mm_castps_si128(v), power));
}
static inline VF vf_zero_below(VF x, float limit, VF v) {
    return _mm_andnot_ps(_mm_cmplt_ps(x, _mm_set1_ps(limit)), v);
}
/* negative where sign is set, else positive */
static inline VF vf_select_negative(VF sign, VF negative, VF positive) {
    return _mm_blendv_ps(positive, negative, sign);
}
static inline float vf_sum(VF v) {
    v = _mm_add_ps(v, _mm_movehl_ps(v, v));
    return _mm_cvtss_f32(_mm_add_ss(v, _mm_movehdup_ps(v)));
}
static inline float vf_largest(VF v) {
    v = _mm_max_ps(v, _mm_movehl_ps(v, v));
    return _mm_cvtss_f32(_mm_max_ss(v, _mm_movehdup_ps(v)));
}
/* floats of bytes 4 i .. 4 i + 3 */
static inline VF vf_from_i8(__m128i q, int i) {
    int32_t part = i == 0   ? _mm_cvtsi128_si32(q)
                   : i == 1 ? _mm_extract_epi32(q, 1)
                   : i == 2 ? _mm_extract_epi32(q, 2)
                            : _mm_extract_epi32(q, 3);
    return _mm_cvtepi32_ps(_mm_cvtepi8_epi32(_mm_cvtsi32_si128(part)));
}
static inline VF vf_load_half(const uint8_t *p) {
    return halves_to_floats(_mm_loadl_epi64((const __m128i *)p));
}
static inline VF vf_load_bf16(const uint8_t *p) {
    __m128i wide = _mm_cvtepu16_epi32(_mm_loadl_epi64((const __m128i *)p));
    return _mm_castsi128_ps(_mm_slli_epi32(wide, 16));
}

/* r[i] lane j becomes r[j] lane i. */
static inline void vf_transpose(VF *r) {
    _MM_TRANSPOSE4_PS(r[0], r[1], r[2], r[3]);
}

#include "engine/kernels/simd_x86.h"

#endif
