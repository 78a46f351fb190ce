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
#define VF_STORES_HALF
static inline void vf_store_half(uint16_t *p, VF v) {
    _mm256_storeu_si256((__m256i *)(void *)p, _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}
static inline VF vf_load_half(const uint8_t *p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}
static inline VF vf_load_bf16(const uint8_t *p) {
    __m512i wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i *)p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

/* r[i] lane j becomes r[j] lane i. */
static inline void vf_transpose(VF *r) {
    VF a[16], b[16];
    for (int i = 0; i < 16; i += 2) {
        a[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        a[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    /* b[i]: lanes 4 k + i of rows 4 q .. 4 q + 3, quads k beside each other */
    for (int q = 0; q < 16; q += 4) {
        for (int h = 0; h < 2; h++) {
            __m512d low = _mm512_castps_pd(a[q + h]), high = _mm512_castps_pd(a[q + 2 + h]);
            b[q + 2 * h] = _mm512_castpd_ps(_mm512_unpacklo_pd(low, high));
            b[q + 2 * h + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(low, high));
        }
    }
    for (int i = 0; i < 4; i++) {
        VF even_low = _mm512_shuffle_f32x4(b[i], b[4 + i], 0x88), odd_low = _mm512_shuffle_f32x4(b[i], b[4 + i], 0xdd);
        VF even_high = _mm512_shuffle_f32x4(b[8 + i], b[12 + i], 0x88);
        VF odd_high = _mm512_shuffle_f32x4(b[8 + i], b[12 + i], 0xdd);
        r[i] = _mm512_shuffle_f32x4(even_low, even_high, 0x88);
        r[8 + i] = _mm512_shuffle_f32x4(even_low, even_high, 0xdd);
        r[4 + i] = _mm512_shuffle_f32x4(odd_low, odd_high, 0x88);
        r[12 + i] = _mm512_shuffle_f32x4(odd_low, odd_high, 0xdd);
    }
}

#include "engine/kernels/simd_x86.h"

#endif
