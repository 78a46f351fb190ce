/* packed_sse4.c - packed product with 4 rows a register and pmaddubsw. */
#include "engine/kernels/packed_quantize.h"
#include "engine/kernels/packed_vec_sse4.h"

#include "engine/kernels/packed_dot_maddubs.h"

enum { MAX_WIDTH = 4 };

#include "engine/kernels/packed_simd.h"

/* Of bytes times m, one for a pair of them. */
static int32_t sum_of(__m128i bytes, __m128i m) {
    __m128i sums = _mm_madd_epi16(_mm_maddubs_epi16(_mm_set1_epi8(1), bytes), m);
    sums = _mm_add_epi32(sums, _mm_unpackhi_epi64(sums, sums));
    return _mm_cvtsi128_si32(sums) + _mm_extract_epi32(sums, 1);
}

INLINE uint32_t largest_of(__m128i m) {
    m = _mm_max_epi32(m, _mm_unpackhi_epi64(m, m));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 1));
    return (uint32_t)_mm_cvtsi128_si32(m);
}

/* v [16] rounded, as bytes. */
INLINE __m128i bytes_of(const __m128 *v) {
    __m128i i32[4];
    for (int i = 0; i < 4; i++) i32[i] = _mm_cvtps_epi32(v[i]);
    return _mm_packs_epi16(_mm_packs_epi32(i32[0], i32[1]), _mm_packs_epi32(i32[2], i32[3]));
}

static void quantize_block(uint8_t *record, int width, int column, const float *x) {
    __m128 v[8];
    __m128i m = _mm_setzero_si128();
    for (int i = 0; i < 8; i++) {
        v[i] = _mm_loadu_ps(x + 4 * i);
        m = _mm_max_epi32(m, _mm_and_si128(_mm_castps_si128(v[i]), _mm_set1_epi32(ABS_BITS)));
    }
    struct quantum scale = quantum_of(largest_of(m));
    if (scale.inverse == 0) {
        store_empty(record, width, column, scale.d);
        return;
    }
    for (int i = 0; i < 8; i++) v[i] = _mm_mul_ps(v[i], _mm_set1_ps(scale.inverse));
    const __m128i first = bytes_of(v), second = bytes_of(v + 4), ones = _mm_set1_epi16(1);
    _mm_storeu_si128((__m128i *)(record + column * PACKED_BLOCK), first);
    _mm_storeu_si128((__m128i *)(record + column * PACKED_BLOCK + 16), second);
    const int32_t half = sum_of(first, ones);
    store_tail(record, width, column, scale.d, half, half + sum_of(second, ones));
}

/* Bits of a quarter of the sum of v > 0 or of that of v < 0, whichever is larger, of eight values: in lanes 0 and
 * 1 those of the first four, in 2 and 3 those of the others. */
INLINE __m128i sizes_of(__m128 first, __m128 second) {
    const __m128i abs_bits = _mm_set1_epi32(ABS_BITS);
    const __m128 zero = _mm_setzero_ps(), v[2] = {first, second};
    __m128 above[2], below[2];
    for (int i = 0; i < 2; i++) {
        const __m128 quarter = _mm_mul_ps(v[i], _mm_set1_ps(0.25f));
        /* NaN stays: the second operand is the result then. */
        above[i] = _mm_max_ps(zero, quarter);
        below[i] = _mm_min_ps(zero, quarter);
        above[i] = _mm_add_ps(above[i], _mm_shuffle_ps(above[i], above[i], 0xb1));
        below[i] = _mm_add_ps(below[i], _mm_shuffle_ps(below[i], below[i], 0xb1));
    }
    return _mm_max_epi32(_mm_and_si128(_mm_castps_si128(_mm_add_ps(above[0], above[1])), abs_bits),
                         _mm_and_si128(_mm_castps_si128(_mm_add_ps(below[0], below[1])), abs_bits));
}

static void quantize_fours_block(uint8_t *record, int width, int column, const float *x) {
    __m128 v[8];
    __m128i sizes[4], steps[4], largest = _mm_setzero_si128();
    for (int i = 0; i < 8; i++) v[i] = _mm_loadu_ps(x + 4 * i);
    for (int i = 0; i < 4; i++) {
        sizes[i] = sizes_of(v[2 * i], v[2 * i + 1]);
        largest = _mm_max_epi32(largest, sizes[i]);
    }
    const struct quantum scale = fours_of(largest_of(largest));
    if (scale.inverse == 0) {
        store_empty_fours(record, width, column, scale.d);
        return;
    }
    for (int i = 0; i < 4; i++) {
        __m128 some = _mm_ceil_ps(_mm_mul_ps(_mm_castsi128_ps(sizes[i]), _mm_set1_ps(scale.inverse)));
        some = _mm_min_ps(_mm_max_ps(some, _mm_set1_ps(1)), _mm_set1_ps(QACT_MAX_STEPS));
        steps[i] = _mm_shuffle_epi32(_mm_cvtps_epi32(some), 0x08); /* one of each four */
        const __m128 inverse = _mm_div_ps(_mm_set1_ps(1), _mm_mul_ps(some, _mm_set1_ps(scale.d)));
        for (int j = 2 * i; j < 2 * i + 2; j++) v[j] = _mm_mul_ps(v[j], inverse);
    }
    const __m128i m = _mm_packs_epi32(_mm_unpacklo_epi64(steps[0], steps[1]), _mm_unpacklo_epi64(steps[2], steps[3]));
    uint8_t *to = record + column * QACT_FOURS_COLUMN;
    const __m128i first = bytes_of(v), second = bytes_of(v + 4);
    _mm_storeu_si128((__m128i *)to, first);
    _mm_storeu_si128((__m128i *)(to + 16), second);
    _mm_storeu_si128((__m128i *)(to + PACKED_BLOCK), m);
    store_fours_tail(record, width, column, scale.d,
                     sum_of(first, _mm_unpacklo_epi32(m, m)) + sum_of(second, _mm_unpackhi_epi32(m, m)));
}

static void quantize_fours(void *records, int width, int columns, const float *x, int64_t ld, int64_t n) {
    quantize_columns(QACT_FOURS, records, width, columns, x, ld, n, quantize_fours_block);
}

static void quantize(void *records, int width, int columns, const float *x, int64_t ld, int64_t n) {
    quantize_columns(QACT_BLOCKS, records, width, columns, x, ld, n, quantize_block);
}

const struct packed_kernels packed_kernels_sse4 = {
    .name = "sse4",
    .rows = ROWS,
    .max_width = MAX_WIDTH,
    .biased = true,
    .fused = false,
    .quantize = {quantize, quantize_fours},
    .group = PACKED_GROUPS,
};
