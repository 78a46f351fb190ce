/* packed_vec_avx2.h - registers of the integer products with AVX2: 8 rows, two quads of 16 bytes. */
#ifndef WOOLLY_ENGINE_PACKED_VEC_AVX2_H
#define WOOLLY_ENGINE_PACKED_VEC_AVX2_H

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

enum { ROWS = 8, QUADS = 2 };
#define MADDUBS_SIGNED 0

typedef __m256i VI;
typedef __m256 VF;

INLINE VI vi_load(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }
INLINE VI vi_zero(void) { return _mm256_setzero_si256(); }
INLINE VI vi_set1_8(int v) { return _mm256_set1_epi8((char)v); }
INLINE VI vi_set1_32(int v) { return _mm256_set1_epi32(v); }
INLINE VI vi_and(VI a, VI b) { return _mm256_and_si256(a, b); }
INLINE VI vi_or(VI a, VI b) { return _mm256_or_si256(a, b); }
INLINE VI vi_xor(VI a, VI b) { return _mm256_xor_si256(a, b); }
/* Bits of a neighbouring byte may come in: a mask always follows. */
#define vi_shift_right(v, n) _mm256_srli_epi16(v, n)
#define vi_shift_left(v, n) _mm256_slli_epi16(v, n)
INLINE VI vi_shift_right_by(VI v, int n) { return _mm256_srl_epi16(v, _mm_cvtsi32_si128(n)); }
#define vi_double_32(v, n) _mm256_slli_epi32(v, n)
INLINE VI vi_halve_32(VI v) { return _mm256_srai_epi32(v, 1); }
INLINE VI vi_add_32(VI a, VI b) { return _mm256_add_epi32(a, b); }
INLINE VI vi_sub_32(VI a, VI b) { return _mm256_sub_epi32(a, b); }
INLINE VI vi_broadcast_32(const void *p) {
    int32_t v;
    memcpy(&v, p, sizeof v);
    return _mm256_set1_epi32(v);
}
INLINE VF vf_zero(void) { return _mm256_setzero_ps(); }
INLINE VF vf_set1(float v) { return _mm256_set1_ps(v); }
INLINE VF vf_broadcast(const void *p) {
    float v;
    memcpy(&v, p, sizeof v);
    return _mm256_set1_ps(v);
}
INLINE VF vf_mul(VF a, VF b) { return _mm256_mul_ps(a, b); }
INLINE VF vf_fma(VF a, VF b, VF c) { return _mm256_fmadd_ps(a, b, c); }
INLINE VF vf_fnma(VF a, VF b, VF c) { return _mm256_fnmadd_ps(a, b, c); }
INLINE VF vf_from_i32(VI v) { return _mm256_cvtepi32_ps(v); }
INLINE VF vf_load_half(const uint8_t *p) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}
INLINE VF vf_load_i8(const uint8_t *p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}
INLINE VF vf_load_u8(const uint8_t *p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}
INLINE void vf_store(float *p, VF v) { _mm256_storeu_ps(p, v); }
/* A macro: gcc takes a function that only prefetches for one without effect and drops its calls. */
#define prefetch(p) _mm_prefetch((const char *)(p), _MM_HINT_T0)
#define prefetch_to_l2(p) _mm_prefetch((const char *)(p), _MM_HINT_T1)

/* Within each quad: byte i is table[index[i]], 0 where the index is negative. */
INLINE VI vi_shuffle(VI table, VI index) { return _mm256_shuffle_epi8(table, index); }
INLINE VI vi_load_quad(const void *p) {
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)p));
}
INLINE VI vi_load_quads(const uint8_t *const *p, int64_t at) {
    __m128i low = _mm_loadu_si128((const __m128i *)(p[0] + at));
    return _mm256_inserti128_si256(_mm256_castsi128_si256(low),
                                   _mm_loadu_si128((const __m128i *)(p[1] + at)), 1);
}
INLINE VI vi_low_8(VI a, VI b) { return _mm256_unpacklo_epi8(a, b); }
INLINE VI vi_high_8(VI a, VI b) { return _mm256_unpackhi_epi8(a, b); }
INLINE VI vi_low_16(VI a, VI b) { return _mm256_unpacklo_epi16(a, b); }
INLINE VI vi_high_16(VI a, VI b) { return _mm256_unpackhi_epi16(a, b); }
INLINE VI vi_low_32(VI a, VI b) { return _mm256_unpacklo_epi32(a, b); }
INLINE VI vi_high_32(VI a, VI b) { return _mm256_unpackhi_epi32(a, b); }
/* Lane 4 q + e is the sum of quad q of v[e]. */
INLINE VI vi_sums(const VI *v) {
    return _mm256_hadd_epi32(_mm256_hadd_epi32(v[0], v[1]), _mm256_hadd_epi32(v[2], v[3]));
}
/* value in each byte that has a bit in common with bits, else 0 */
INLINE VI vi_test_bits(VI v, VI bits, int value) {
    VI none = _mm256_cmpeq_epi8(_mm256_and_si256(v, bits), _mm256_setzero_si256());
    return _mm256_andnot_si256(none, vi_set1_8(value));
}
/* Row 4 q + e has its half float at p[q] + e * step. */
INLINE VF vf_load_halves(const uint8_t *const *p, int64_t step) {
    uint16_t h[ROWS];
    for (int r = 0; r < ROWS; r++) memcpy(&h[r], p[r / 4] + r % 4 * step, sizeof h[r]);
    return _mm256_cvtph_ps(_mm_setr_epi16((short)h[0], (short)h[1], (short)h[2], (short)h[3],
                                          (short)h[4], (short)h[5], (short)h[6], (short)h[7]));
}

/* For products by vpmaddubsw. */
INLINE VI vi_maddubs(VI u, VI s) { return _mm256_maddubs_epi16(u, s); }
INLINE VI vi_add_16(VI a, VI b) { return _mm256_add_epi16(a, b); }
INLINE VI vi_madd(VI a, VI b) { return _mm256_madd_epi16(a, b); }
INLINE VI vi_widen_pairs(VI v) { return vi_madd(v, _mm256_set1_epi16(1)); }

#endif
