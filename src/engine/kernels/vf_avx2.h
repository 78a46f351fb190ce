/* vf_avx2.h - registers of 8 floats (AVX2, FMA, F16C) for simd.h and attention_simd.h. */
#ifndef WOOLLY_ENGINE_VF_AVX2_H
#define WOOLLY_ENGINE_VF_AVX2_H

#include <immintrin.h>
#include <stdint.h>

enum { LANES = 8, COLUMNS = 2 };

typedef __m256 VF;

static inline VF vf_load(const float *p) {
    return _mm256_loadu_ps(p);
}
static inline void vf_store(float *p, VF v) {
    _mm256_storeu_ps(p, v);
}
static inline VF vf_zero(void) {
    return _mm256_setzero_ps();
}
static inline VF vf_set1(float v) {
    return _mm256_set1_ps(v);
}
static inline VF vf_add(VF a, VF b) {
    return _mm256_add_ps(a, b);
}
static inline VF vf_sub(VF a, VF b) {
    return _mm256_sub_ps(a, b);
}
static inline VF vf_mul(VF a, VF b) {
    return _mm256_mul_ps(a, b);
}
static inline VF vf_div(VF a, VF b) {
    return _mm256_div_ps(a, b);
}
static inline VF vf_fma(VF a, VF b, VF c) {
    return _mm256_fmadd_ps(a, b, c);
}
static inline VF vf_max(VF a, VF b) {
    return _mm256_max_ps(a, b);
}
static inline VF vf_abs(VF v) {
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), v);
}
static inline VF vf_round(VF v) {
    return _mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/* v * 2^k for whole k in -126..127 */
static inline VF vf_scale2(VF v, VF k) {
    __m256i power = _mm256_slli_epi32(_mm256_cvtps_epi32(k), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(v), power));
}
static inline VF vf_zero_below(VF x, float limit, VF v) {
    return _mm256_andnot_ps(_mm256_cmp_ps(x, _mm256_set1_ps(limit), _CMP_LT_OQ), v);
}
/* negative where sign is set, else positive */
static inline VF vf_select_negative(VF sign, VF negative, VF positive) {
    return _mm256_blendv_ps(positive, negative, sign);
}
static inline float vf_sum(VF v) {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
static inline float vf_largest(VF v) {
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}
/* floats of bytes 8 i .. 8 i + 7 */
static inline VF vf_from_i8(__m128i q, int i) {
    __m128i part = i == 0 ? q : _mm_unpackhi_epi64(q, q);
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(part));
}
#define VF_STORES_HALF
static inline void vf_store_half(uint16_t *p, VF v) {
    _mm_storeu_si128((__m128i *)(void *)p, _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT));
}
static inline VF vf_load_half(const uint8_t *p) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}
static inline VF vf_load_bf16(const uint8_t *p) {
    __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
}

/* v, held in a register from here on: what several products take is loaded once. */
static inline VF vf_held(VF v) {
    __asm__("" : "+x"(v));
    return v;
}
static inline void vf_store_halves(float *low, float *high, VF v) {
    _mm_storeu_ps(low, _mm256_castps256_ps128(v));
    _mm_storeu_ps(high, _mm256_extractf128_ps(v, 1));
}
/* Lane i is the sum of r[i]. */
static inline VF vf_sums(const VF *r) {
    VF two[4], four[2];
    for (int i = 0; i < 4; i++) {
        const VF a = r[2 * i], b = r[2 * i + 1];
        two[i] = _mm256_add_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
    }
    for (int i = 0; i < 2; i++) {
        const VF a = two[2 * i], b = two[2 * i + 1];
        four[i] = _mm256_add_ps(_mm256_shuffle_ps(a, b, 0x44), _mm256_shuffle_ps(a, b, 0xee));
    }
    const VF low = _mm256_permute2f128_ps(four[0], four[1], 0x20);
    return _mm256_add_ps(low, _mm256_permute2f128_ps(four[0], four[1], 0x31));
}

/* r[i] lane j becomes r[j] lane i. */
static inline void vf_transpose(VF *r) {
    VF a[8], b[8];
    for (int i = 0; i < 8; i += 2) {
        a[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        a[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int q = 0; q < 8; q += 4) {
        for (int h = 0; h < 2; h++) {
            b[q + 2 * h] = _mm256_shuffle_ps(a[q + h], a[q + 2 + h], 0x44);
            b[q + 2 * h + 1] = _mm256_shuffle_ps(a[q + h], a[q + 2 + h], 0xee);
        }
    }
    for (int i = 0; i < 4; i++) {
        r[i] = _mm256_permute2f128_ps(b[i], b[4 + i], 0x20);
        r[4 + i] = _mm256_permute2f128_ps(b[i], b[4 + i], 0x31);
    }
}

#include "engine/kernels/simd_x86.h"

#endif
