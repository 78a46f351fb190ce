/* packed_vec_sse4.h - registers of the integer products with SSE4.2: 4 rows, one quad of 16 bytes. */
#ifndef WOOLLY_ENGINE_PACKED_VEC_SSE4_H
#define WOOLLY_ENGINE_PACKED_VEC_SSE4_H

#include "engine/kernels/half_sse4.h"

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

enum { ROWS = 4, QUADS = 1 };
#define MADDUBS_SIGNED 0

typedef __m128i VI;
typedef __m128 VF;

INLINE VI vi_load(const void *p) { return _mm_loadu_si128((const __m128i *)p); }
INLINE VI vi_zero(void) { return _mm_setzero_si128(); }
INLINE VI vi_set1_8(int v) { return _mm_set1_epi8((char)v); }
INLINE VI vi_set1_32(int v) { return _mm_set1_epi32(v); }
INLINE VI vi_and(VI a, VI b) { return _mm_and_si128(a, b); }
INLINE VI vi_or(VI a, VI b) { return _mm_or_si128(a, b); }
INLINE VI vi_xor(VI a, VI b) { return _mm_xor_si128(a, b); }
/* Bits of a neighbouring byte may come in: a mask always follows. */
#define vi_shift_right(v, n) _mm_srli_epi16(v, n)
#define vi_shift_left(v, n) _mm_slli_epi16(v, n)
INLINE VI vi_shift_right_by(VI v, int n) { return _mm_srl_epi16(v, _mm_cvtsi32_si128(n)); }
#define vi_double_32(v, n) _mm_slli_epi32(v, n)
INLINE VI vi_halve_32(VI v) { return _mm_srai_epi32(v, 1); }
INLINE VI vi_add_32(VI a, VI b) { return _mm_add_epi32(a, b); }
INLINE VI vi_sub_32(VI a, VI b) { return _mm_sub_epi32(a, b); }
INLINE VI vi_broadcast_32(const void *p) {
    int32_t v;
    memcpy(&v, p, sizeof v);
    return _mm_set1_epi32(v);
}
INLINE VF vf_zero(void) { return _mm_setzero_ps(); }
INLINE VF vf_set1(float v) { return _mm_set1_ps(v); }
INLINE VF vf_broadcast(const void *p) {
    float v;
    memcpy(&v, p, sizeof v);
    return _mm_set1_ps(v);
}
INLINE VF vf_mul(VF a, VF b) { return _mm_mul_ps(a, b); }
/* Rounded twice. */
INLINE VF vf_fma(VF a, VF b, VF c) { return _mm_add_ps(c, _mm_mul_ps(a, b)); }
INLINE VF vf_fnma(VF a, VF b, VF c) { return _mm_sub_ps(c, _mm_mul_ps(a, b)); }
INLINE VF vf_from_i32(VI v) { return _mm_cvtepi32_ps(v); }
INLINE VF vf_load_half(const uint8_t *p) {
    return halves_to_floats(_mm_loadl_epi64((const __m128i *)p));
}
INLINE VF vf_load_i8(const uint8_t *p) {
    int32_t bytes;
    memcpy(&bytes, p, sizeof bytes);
    return _mm_cvtepi32_ps(_mm_cvtepi8_epi32(_mm_cvtsi32_si128(bytes)));
}
INLINE VF vf_load_u8(const uint8_t *p) {
    int32_t bytes;
    memcpy(&bytes, p, sizeof bytes);
    return _mm_cvtepi32_ps(_mm_cvtepu8_epi32(_mm_cvtsi32_si128(bytes)));
}
INLINE void vf_store(float *p, VF v) { _mm_storeu_ps(p, v); }
/* Macros: gcc takes a function that only prefetches for one without effect and drops its calls. */
#define prefetch(p) _mm_prefetch((const char *)(p), _MM_HINT_T0)
#define prefetch_to_l2(p) _mm_prefetch((const char *)(p), _MM_HINT_T1)

/* Byte i is table[index[i]], 0 where the index is negative. */
INLINE VI vi_shuffle(VI table, VI index) { return _mm_shuffle_epi8(table, index); }
INLINE VI vi_load_quad(const void *p) { return vi_load(p); }
INLINE VI vi_load_quads(const uint8_t *const *p, int64_t at) { return vi_load(p[0] + at); }
INLINE VI vi_low_8(VI a, VI b) { return _mm_unpacklo_epi8(a, b); }
INLINE VI vi_high_8(VI a, VI b) { return _mm_unpackhi_epi8(a, b); }
INLINE VI vi_low_16(VI a, VI b) { return _mm_unpacklo_epi16(a, b); }
INLINE VI vi_high_16(VI a, VI b) { return _mm_unpackhi_epi16(a, b); }
INLINE VI vi_low_32(VI a, VI b) { return _mm_unpacklo_epi32(a, b); }
INLINE VI vi_high_32(VI a, VI b) { return _mm_unpackhi_epi32(a, b); }
/* Lane e is the sum of v[e]. */
INLINE VI vi_sums(const VI *v) {
    return _mm_hadd_epi32(_mm_hadd_epi32(v[0], v[1]), _mm_hadd_epi32(v[2], v[3]));
}
/* value in each byte that has a bit in common with bits, else 0 */
INLINE VI vi_test_bits(VI v, VI bits, int value) {
    VI none = _mm_cmpeq_epi8(_mm_and_si128(v, bits), _mm_setzero_si128());
    return _mm_andnot_si128(none, vi_set1_8(value));
}
/* Row e has its half float at p[0] + e * step. */
INLINE VF vf_load_halves(const uint8_t *const *p, int64_t step) {
    uint16_t h[ROWS];
    for (int r = 0; r < ROWS; r++) memcpy(&h[r], p[0] + r * step, sizeof h[r]);
    return halves_to_floats(_mm_setr_epi16((short)h[0], (short)h[1], (short)h[2], (short)h[3], 0, 0,
                                           0, 0));
}

/* For products by pmaddubsw. */
INLINE VI vi_maddubs(VI u, VI s) { return _mm_maddubs_epi16(u, s); }
INLINE VI vi_add_16(VI a, VI b) { return _mm_add_epi16(a, b); }
INLINE VI vi_madd(VI a, VI b) { return _mm_madd_epi16(a, b); }
INLINE VI vi_widen_pairs(VI v) { return vi_madd(v, _mm_set1_epi16(1)); }

#endif
