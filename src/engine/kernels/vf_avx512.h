/* vf_avx512.h - registers of 16 floats (AVX-512) for simd.h and attention_simd.h. */
#ifndef WOOLLY_ENGINE_VF_AVX512_H
#define WOOLLY_ENGINE_VF_AVX512_H

#include <immintrin.h>
#include <stdint.h>

enum { LANES = 16, COLUMNS = 4 };

typedef __m512 VF;

static inline VF vf_load(const float *p) {
    return _mm512_loadu_ps(p);
}
static inline void vf_store(float *p, VF v) {
    _mm512_storeu_ps(p, v);
}
static inline VF vf_zero(void) {
    return _mm512_setzero_ps();
}
static inline VF vf_set1(float v) {
    return _mm512_set1_ps(v);
}
static inline VF vf_add(VF a, VF b) {
    return _mm512_add_ps(a, b);
}
static inline VF vf_sub(VF a, VF b) {
    return _mm512_sub_ps(a, b);
}
static inline VF vf_mul(VF a, VF b) {
    return _mm512_mul_ps(a, b);
}
static inline VF vf_div(VF a, VF b) {
    return _mm512_div_ps(a, b);
}
static inline VF vf_fma(VF a, VF b, VF c) {
    return _mm512_fmadd_ps(a, b, c);
}
static inline VF vf_max(VF a, VF b) {
    return _mm512_max_ps(a, b);
}
static inline VF vf_abs(VF v) {
    return _mm512_abs_ps(v);
}
static inline VF vf_round(VF v) {
    return _mm512_roundscale_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/* v * 2^k for whole k */
static inline VF vf_scale2(VF v, VF k) {
    return _mm512_scalef_ps(v, k);
}
static inline VF vf_zero_below(VF x, float limit, VF v) {
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, _mm512_set1_ps(limit), _CMP_NLT_UQ), v);
}
/* negative where sign is set, else positive */
static inline VF vf_select_negative(VF sign, VF negative, VF positive) {
    return _mm512_mask_mov_ps(positive, _mm512_movepi32_mask(_mm512_castps_si512(sign)), negative);
}
static inline float vf_sum(VF v) {
    return _mm512_reduce_add_ps(v);
}
static inline float vf_largest(VF v) {
    return _mm512_reduce_max_ps(v);
}
/* floats of all 16 bytes; i is 0 */
static inline VF vf_from_i8(__m128i q, int i) {
    (void)i;
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(q));
}
static inline VF vf_load_half(const uint8_t *p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}
static inline VF vf_load_bf16(const uint8_t *p) {
    __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

#include "engine/kernels/simd_x86.h"

#endif
