/* packed_quantize_avx2.c - activations to records, for all levels of x86 from AVX2 on. */
#include "engine/kernels/packed_quantize.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

/* v [32] rounded, as bytes. */
INLINE __m256i bytes_of(const __m256 *v) {
    __m256i i32[4];
    for (int i = 0; i < 4; i++) i32[i] = _mm256_cvtps_epi32(v[i]);
    const __m256i packed = _mm256_packs_epi16(_mm256_packs_epi32(i32[0], i32[1]), _mm256_packs_epi32(i32[2], i32[3]));
    return _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

/* Sums of the first 16 of 32 bytes times m, one for a pair of them, and of the others. */
INLINE void sums_of(int32_t *sum, __m256i bytes, __m256i m) {
    const __m256i sums = _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes), m);
    __m128i both = _mm_hadd_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    both = _mm_hadd_epi32(both, both);
    sum[0] = _mm_cvtsi128_si32(both);
    sum[1] = _mm_extract_epi32(both, 1);
}

INLINE uint32_t largest_of(__m256i v) {
    __m128i h = _mm_max_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    h = _mm_max_epi32(h, _mm_unpackhi_epi64(h, h));
    h = _mm_max_epi32(h, _mm_shuffle_epi32(h, 1));
    return (uint32_t)_mm_cvtsi128_si32(h);
}

static void quantize_block(uint8_t *record, int width, int column, const float *x) {
    const __m256i abs_bits = _mm256_set1_epi32(ABS_BITS);
    __m256 v[4];
    __m256i bits[4];
    for (int i = 0; i < 4; i++) {
        v[i] = _mm256_loadu_ps(x + 8 * i);
        bits[i] = _mm256_and_si256(_mm256_castps_si256(v[i]), abs_bits);
    }
    __m256i m = _mm256_max_epi32(_mm256_max_epi32(bits[0], bits[1]),
                                 _mm256_max_epi32(bits[2], bits[3]));
    struct quantum scale = quantum_of(largest_of(m));
    if (scale.inverse == 0) {
        store_empty(record, width, column, scale.d);
        return;
    }
    for (int i = 0; i < 4; i++) v[i] = _mm256_mul_ps(v[i], _mm256_set1_ps(scale.inverse));
    const __m256i bytes = bytes_of(v);
    _mm256_storeu_si256((__m256i *)(record + column * PACKED_BLOCK), bytes);
    int32_t sum[2];
    sums_of(sum, bytes, _mm256_set1_epi16(1));
    store_tail(record, width, column, scale.d, sum[0], sum[0] + sum[1]);
}

/* Quarters of the sums of v > 0 of both fours of 8 values, then of those of v < 0. */
INLINE __m128 quarters_of(__m256 v) {
    const __m256 quarter = _mm256_mul_ps(v, _mm256_set1_ps(0.25f)), zero = _mm256_setzero_ps();
    /* NaN stays: the second operand is the result then. */
    const __m256 pairs = _mm256_hadd_ps(_mm256_max_ps(zero, quarter), _mm256_min_ps(zero, quarter));
    return _mm_add_ps(_mm256_castps256_ps128(pairs), _mm256_extractf128_ps(pairs, 1));
}

/* Bits of the larger one of both, of the fours of 16 values. */
INLINE __m128i sizes_of(__m256 first, __m256 second) {
    const __m128i abs_bits = _mm_set1_epi32(ABS_BITS);
    const __m128 a = quarters_of(first), b = quarters_of(second);
    return _mm_max_epi32(_mm_and_si128(_mm_castps_si128(_mm_movelh_ps(a, b)), abs_bits),
                         _mm_and_si128(_mm_castps_si128(_mm_movehl_ps(b, a)), abs_bits));
}

static void quantize_fours_block(uint8_t *record, int width, int column, const float *x) {
    __m256 v[4];
    for (int i = 0; i < 4; i++) v[i] = _mm256_loadu_ps(x + 8 * i);
    const __m256i sizes = _mm256_setr_m128i(sizes_of(v[0], v[1]), sizes_of(v[2], v[3]));
    const struct quantum scale = fours_of(largest_of(sizes));
    if (scale.inverse == 0) {
        store_empty_fours(record, width, column, scale.d);
        return;
    }
    __m256 steps = _mm256_ceil_ps(_mm256_mul_ps(_mm256_castsi256_ps(sizes), _mm256_set1_ps(scale.inverse)));
    steps = _mm256_min_ps(_mm256_max_ps(steps, _mm256_set1_ps(1)), _mm256_set1_ps(QACT_MAX_STEPS));
    const __m256 inverse = _mm256_div_ps(_mm256_set1_ps(1), _mm256_mul_ps(steps, _mm256_set1_ps(scale.d)));
    __m256i lanes = _mm256_setr_epi32(0, 0, 1, 1, 0, 0, 1, 1); /* of the fours of 8 values */
    for (int i = 0; i < 4; i++) {
        v[i] = _mm256_mul_ps(v[i], _mm256_permutevar8x32_ps(inverse, lanes));
        lanes = _mm256_add_epi32(lanes, _mm256_set1_epi32(2));
    }
    const __m256i bytes = bytes_of(v), whole = _mm256_cvtps_epi32(steps);
    const __m128i m = _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
    uint8_t *to = record + column * QACT_FOURS_COLUMN;
    _mm256_storeu_si256((__m256i *)to, bytes);
    _mm_storeu_si128((__m128i *)(to + PACKED_BLOCK), m);
    int32_t sum[2];
    sums_of(sum, bytes, _mm256_setr_m128i(_mm_unpacklo_epi32(m, m), _mm_unpackhi_epi32(m, m)));
    store_fours_tail(record, width, column, scale.d, sum[0] + sum[1]);
}

void packed_quantize_avx2(void *records, int width, int columns, const float *x, int64_t ld,
                          int64_t n) {
    quantize_columns(QACT_BLOCKS, records, width, columns, x, ld, n, quantize_block);
}

void packed_quantize_fours_avx2(void *records, int width, int columns, const float *x, int64_t ld, int64_t n) {
    quantize_columns(QACT_FOURS, records, width, columns, x, ld, n, quantize_fours_block);
}
