/* packed_vec_avx512.h - registers of the integer products with AVX-512: 16 rows, four quads. */
#ifndef WOOLLY_ENGINE_PACKED_VEC_AVX512_H
#define WOOLLY_ENGINE_PACKED_VEC_AVX512_H

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

enum { ROWS = 16, QUADS = 4 };
#define MADDUBS_SIGNED 0

typedef __m512i VI;
typedef __m512 VF;

INLINE VI vi_load(const void *p) { return _mm512_loadu_si512(p); }
INLINE VI vi_zero(void) { return _mm512_setzero_si512(); }
INLINE VI vi_set1_8(int v) { return _mm512_set1_epi8((char)v); }
INLINE VI vi_set1_32(int v) { return _mm512_set1_epi32(v); }
INLINE VI vi_and(VI a, VI b) { return _mm512_and_si512(a, b); }
INLINE VI vi_or(VI a, VI b) { return _mm512_or_si512(a, b); }
INLINE VI vi_xor(VI a, VI b) { return _mm512_xor_si512(a, b); }
/* Bits of a neighbouring byte may come in: a mask always follows. */
#define vi_shift_right(v, n) _mm512_srli_epi16(v, (unsigned)(n))
#define vi_shift_left(v, n) _mm512_slli_epi16(v, (unsigned)(n))
INLINE VI vi_shift_right_by(VI v, int n) { return _mm512_srl_epi16(v, _mm_cvtsi32_si128(n)); }
#define vi_double_32(v, n) _mm512_slli_epi32(v, (unsigned)(n))
INLINE VI vi_halve_32(VI v) { return _mm512_srai_epi32(v, 1); }
INLINE VI vi_sixteenth_32(VI v) { return _mm512_srai_epi32(v, 4); }
INLINE VI vi_add_32(VI a, VI b) { return _mm512_add_epi32(a, b); }
INLINE VI vi_sub_32(VI a, VI b) { return _mm512_sub_epi32(a, b); }
INLINE VI vi_broadcast_32(const void *p) {
    int32_t v;
    memcpy(&v, p, sizeof v);
    return _mm512_set1_epi32(v);
}
INLINE VF vf_zero(void) { return _mm512_setzero_ps(); }
INLINE VF vf_set1(float v) { return _mm512_set1_ps(v); }
INLINE VF vf_broadcast(const void *p) {
    float v;
    memcpy(&v, p, sizeof v);
    return _mm512_set1_ps(v);
}
INLINE VF vf_mul(VF a, VF b) { return _mm512_mul_ps(a, b); }
INLINE VF vf_fma(VF a, VF b, VF c) { return _mm512_fmadd_ps(a, b, c); }
INLINE VF vf_fnma(VF a, VF b, VF c) { return _mm512_fnmadd_ps(a, b, c); }
INLINE VF vf_from_i32(VI v) { return _mm512_cvtepi32_ps(v); }
INLINE VF vf_load_half(const uint8_t *p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}
INLINE VF vf_load_i8(const uint8_t *p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)));
}
INLINE VF vf_load_u8(const uint8_t *p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p)));
}
INLINE void vf_store(float *p, VF v) { _mm512_storeu_ps(p, v); }
/* A macro: gcc takes a function that only prefetches for one without effect and drops its calls. */
#define prefetch(p) _mm_prefetch((const char *)(p), _MM_HINT_T0)
#define prefetch_to_l2(p) _mm_prefetch((const char *)(p), _MM_HINT_T1)

/* Within each quad: byte i is table[index[i]], 0 where the index is negative. */
INLINE VI vi_shuffle(VI table, VI index) { return _mm512_shuffle_epi8(table, index); }
INLINE VI vi_load_quad(const void *p) {
    return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)p));
}
INLINE VI vi_load_quads(const uint8_t *const *p, int64_t at) {
    __m128i q[4];
    for (int i = 0; i < 4; i++) q[i] = _mm_loadu_si128((const __m128i *)(p[i] + at));
    __m256i low = _mm256_inserti128_si256(_mm256_castsi128_si256(q[0]), q[1], 1);
    __m256i high = _mm256_inserti128_si256(_mm256_castsi128_si256(q[2]), q[3], 1);
    return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}
INLINE VI vi_low_8(VI a, VI b) { return _mm512_unpacklo_epi8(a, b); }
INLINE VI vi_high_8(VI a, VI b) { return _mm512_unpackhi_epi8(a, b); }
INLINE VI vi_low_16(VI a, VI b) { return _mm512_unpacklo_epi16(a, b); }
INLINE VI vi_high_16(VI a, VI b) { return _mm512_unpackhi_epi16(a, b); }
INLINE VI vi_low_32(VI a, VI b) { return _mm512_unpacklo_epi32(a, b); }
INLINE VI vi_high_32(VI a, VI b) { return _mm512_unpackhi_epi32(a, b); }
/* Lane 4 q + e is the sum of quad q of v[e]. */
INLINE VI vi_sums(const VI *v) {
    VI a = vi_add_32(_mm512_unpacklo_epi32(v[0], v[1]), _mm512_unpackhi_epi32(v[0], v[1]));
    VI b = vi_add_32(_mm512_unpacklo_epi32(v[2], v[3]), _mm512_unpackhi_epi32(v[2], v[3]));
    return vi_add_32(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
}
/* value in each byte that has a bit in common with bits, else 0 */
INLINE VI vi_test_bits(VI v, VI bits, int value) {
    return _mm512_maskz_mov_epi8(_mm512_test_epi8_mask(v, bits), vi_set1_8(value));
}
/* Row 4 q + e has its half float at p[q] + e * step. */
INLINE VF vf_load_halves(const uint8_t *const *p, int64_t step) {
    uint16_t h[ROWS];
    for (int r = 0; r < ROWS; r++) memcpy(&h[r], p[r / 4] + r % 4 * step, sizeof h[r]);
    return _mm512_cvtph_ps(_mm256_setr_epi16(
        (short)h[0], (short)h[1], (short)h[2], (short)h[3], (short)h[4], (short)h[5], (short)h[6],
        (short)h[7], (short)h[8], (short)h[9], (short)h[10], (short)h[11], (short)h[12],
        (short)h[13], (short)h[14], (short)h[15]));
}

/* For products by vpmaddubsw. */
INLINE VI vi_maddubs(VI u, VI s) { return _mm512_maddubs_epi16(u, s); }
INLINE VI vi_add_16(VI a, VI b) { return _mm512_add_epi16(a, b); }
INLINE VI vi_madd(VI a, VI b) { return _mm512_madd_epi16(a, b); }
INLINE VI vi_widen_pairs(VI v) { return vi_madd(v, _mm512_set1_epi16(1)); }

#endif
