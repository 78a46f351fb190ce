/* immintrin.h - stands before the compiler's own: AVX-512 by AVX2, with SIMDe's intrinsics (Debian:
 * libsimde-dev) and, below, those that its version 0.7.4 lacks or has wrong. For tests only. */
#ifndef TEST_EMULATED_IMMINTRIN_H
#define TEST_EMULATED_IMMINTRIN_H

#include_next <immintrin.h>
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>

#define EMULATED static inline __attribute__((unused))

EMULATED __m256i low_of(__m512i v) {
    return simde__m512i_to_private(v).m256i[0];
}

EMULATED __m256i high_of(__m512i v) {
    return simde__m512i_to_private(v).m256i[1];
}

EMULATED __m256 low_of_ps(__m512 v) {
    return simde__m512_to_private(v).m256[0];
}

EMULATED __m256 high_of_ps(__m512 v) {
    return simde__m512_to_private(v).m256[1];
}

EMULATED __m512i joined(__m256i low, __m256i high) {
    simde__m512i_private v;
    v.m256i[0] = low;
    v.m256i[1] = high;
    return simde__m512i_from_private(v);
}

EMULATED __m512 joined_ps(__m256 low, __m256 high) {
    simde__m512_private v;
    v.m256[0] = low;
    v.m256[1] = high;
    return simde__m512_from_private(v);
}

#undef _mm512_madd_epi16
#define _mm512_madd_epi16(a, b)                                                                    \
    joined(_mm256_madd_epi16(low_of(a), low_of(b)), _mm256_madd_epi16(high_of(a), high_of(b)))
#define _mm512_cvtepi32_ps(v) joined_ps(_mm256_cvtepi32_ps(low_of(v)), _mm256_cvtepi32_ps(high_of(v)))
#define _mm512_cvtps_epi32(v) joined(_mm256_cvtps_epi32(low_of_ps(v)), _mm256_cvtps_epi32(high_of_ps(v)))
#define _mm512_cvtepi8_epi32(v)                                                                    \
    joined(_mm256_cvtepi8_epi32(v), _mm256_cvtepi8_epi32(_mm_srli_si128(v, 8)))
#define _mm512_cvtepu8_epi32(v)                                                                    \
    joined(_mm256_cvtepu8_epi32(v), _mm256_cvtepu8_epi32(_mm_srli_si128(v, 8)))
#define _mm512_cvtepu16_epi32(v)                                                                   \
    joined(_mm256_cvtepu16_epi32(_mm256_castsi256_si128(v)), _mm256_cvtepu16_epi32(_mm256_extracti128_si256(v, 1)))
#define _mm512_cvtph_ps(v)                                                                         \
    joined_ps(_mm256_cvtph_ps(_mm256_castsi256_si128(v)), _mm256_cvtph_ps(_mm256_extracti128_si256(v, 1)))
#define _mm512_cvtps_ph(v, mode)                                                                   \
    _mm256_setr_m128i(_mm256_cvtps_ph(low_of_ps(v), mode), _mm256_cvtps_ph(high_of_ps(v), mode))
#define _mm512_srai_epi32(v, n)                                                                    \
    joined(_mm256_srai_epi32(low_of(v), (int)(n)), _mm256_srai_epi32(high_of(v), (int)(n)))

EMULATED __m256i _mm512_cvtepi32_epi16(__m512i v) {
    const simde__m512i_private from = simde__m512i_to_private(v);
    int16_t to[16];
    for (int i = 0; i < 16; i++) to[i] = (int16_t)from.i32[i];
    return _mm256_loadu_si256((const __m256i *)(const void *)to);
}

EMULATED __m128i _mm512_cvtepi32_epi8(__m512i v) {
    const simde__m512i_private from = simde__m512i_to_private(v);
    int8_t to[16];
    for (int i = 0; i < 16; i++) to[i] = (int8_t)from.i32[i];
    return _mm_loadu_si128((const __m128i *)(const void *)to);
}

EMULATED __mmask16 greater_equal_epu16(__m256i a, __m256i b) {
    const __m256i yes = _mm256_cmpeq_epi16(_mm256_max_epu16(a, b), a);
    const __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(yes), _mm256_extracti128_si256(yes, 1));
    return (__mmask16)_mm_movemask_epi8(bytes);
}
#define _mm256_cmpge_epu16_mask(a, b) greater_equal_epu16(a, b)

EMULATED __m512 shuffled_f32x4(__m512 a, __m512 b, int how) {
    const simde__m512_private first = simde__m512_to_private(a), second = simde__m512_to_private(b);
    simde__m512_private to;
    for (int i = 0; i < 4; i++) to.m128[i] = (i < 2 ? first : second).m128[how >> 2 * i & 3];
    return simde__m512_from_private(to);
}
#define _mm512_shuffle_f32x4(a, b, how) shuffled_f32x4(a, b, how)

/* Halves by halves, as the compiler's. */
EMULATED float _mm512_reduce_add_ps(__m512 v) {
    const __m256 quad = _mm256_add_ps(low_of_ps(v), high_of_ps(v));
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(quad), _mm256_extractf128_ps(quad, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return two[0] + two[1];
}

EMULATED float _mm512_reduce_max_ps(__m512 v) {
    const __m256 quad = _mm256_max_ps(low_of_ps(v), high_of_ps(v));
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(quad), _mm256_extractf128_ps(quad, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return two[0] > two[1] ? two[0] : two[1];
}

#endif
