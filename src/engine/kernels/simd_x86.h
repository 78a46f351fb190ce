/* simd_x86.h - 16 bytes at a time on x86, for simd.h. */
#include <immintrin.h>
#include <stdint.h>
#include <string.h>

typedef __m128i VB;

static inline float half(uint16_t bits) {
#ifdef __F16C__
    return _cvtsh_ss(bits);
#else
    return f32_from_f16(bits);
#endif
}
static inline VB vb_load(const void *p) {
    return _mm_loadu_si128((const __m128i *)p);
}
static inline VB vb_set1(char v) {
    return _mm_set1_epi8(v);
}
static inline VB vb_and(VB a, VB b) {
    return _mm_and_si128(a, b);
}
static inline VB vb_or(VB a, VB b) {
    return _mm_or_si128(a, b);
}
static inline VB vb_sub(VB a, VB b) {
    return _mm_sub_epi8(a, b);
}
/* By immediates where n is known, as it is in every unrolled loop. */
static inline VB vb_right(VB v, int n) {
    return __builtin_constant_p(n) ? _mm_srli_epi16(v, n) : _mm_srl_epi16(v, _mm_cvtsi32_si128(n));
}
static inline VB vb_left(VB v, int n) {
    return __builtin_constant_p(n) ? _mm_slli_epi16(v, n) : _mm_sll_epi16(v, _mm_cvtsi32_si128(n));
}
/* Byte i is table[index[i]], indexes 0..15. */
static inline VB vb_table(VB table, VB index) {
    return _mm_shuffle_epi8(table, index);
}
/* 16 for each set bit of the 16 bits at qh, else 0. */
static inline VB fifth_bits(const uint8_t *qh) {
    const VB spread = _mm_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
    const VB bit = _mm_set1_epi64x((long long)0x8040201008040201ull);
    uint16_t bits;
    memcpy(&bits, qh, sizeof bits);
    VB v = _mm_and_si128(_mm_shuffle_epi8(_mm_set1_epi16((short)bits), spread), bit);
    return _mm_and_si128(_mm_cmpeq_epi8(v, bit), _mm_set1_epi8(16));
}
