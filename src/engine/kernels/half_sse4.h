/* half_sse4.h - half floats without F16C. */
#ifndef WOOLLY_ENGINE_HALF_SSE4_H
#define WOOLLY_ENGINE_HALF_SSE4_H

#include <immintrin.h>

/* The lower four halves of h, exact: the exponent counts from -15 instead of -127, which a product by
 * 2^112 makes good, for the numbers below 2^-14 too; infinities and NaN get theirs apart. */
static inline __m128 halves_to_floats(__m128i h) {
    __m128i wide = _mm_cvtepu16_epi32(h), size = _mm_and_si128(wide, _mm_set1_epi32(0x7fff));
    __m128i sign = _mm_slli_epi32(_mm_xor_si128(wide, size), 16);
    __m128 value = _mm_mul_ps(_mm_castsi128_ps(_mm_slli_epi32(size, 13)),
                              _mm_castsi128_ps(_mm_set1_epi32((127 + 112) << 23)));
    __m128i endless = _mm_and_si128(_mm_cmpgt_epi32(size, _mm_set1_epi32(0x7bff)),
                                    _mm_set1_epi32(0x7f800000));
    return _mm_or_ps(value, _mm_castsi128_ps(_mm_or_si128(sign, endless)));
}

#endif
