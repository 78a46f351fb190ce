/* packed_sse4.c - packed product with 4 rows a register and pmaddubsw. */
#include "engine/kernels/packed_quantize.h"
#include "engine/kernels/packed_vec_sse4.h"

#include "engine/kernels/packed_dot_maddubs.h"

enum { MAX_WIDTH = 4 };

#include "engine/kernels/packed_simd.h"

static int32_t sum_of(__m128i bytes) {
    __m128i sums = _mm_maddubs_epi16(_mm_set1_epi8(1), bytes);
    sums = _mm_madd_epi16(sums, _mm_set1_epi16(1));
    sums = _mm_add_epi32(sums, _mm_unpackhi_epi64(sums, sums));
    return _mm_cvtsi128_si32(sums) + _mm_extract_epi32(sums, 1);
}

INLINE uint32_t largest_of(__m128i m) {
    m = _mm_max_epi32(m, _mm_unpackhi_epi64(m, m));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 1));
    return (uint32_t)_mm_cvtsi128_si32(m);
}

/* v [16] times inverse, as bytes. */
INLINE __m128i bytes_of(const __m128 *v, float inverse) {
    __m128i i32[4];
    for (int i = 0; i < 4; i++) i32[i] = _mm_cvtps_epi32(_mm_mul_ps(v[i], _mm_set1_ps(inverse)));
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
    const __m128i first = bytes_of(v, scale.inverse), second = bytes_of(v + 4, scale.inverse);
    _mm_storeu_si128((__m128i *)(record + column * PACKED_BLOCK), first);
    _mm_storeu_si128((__m128i *)(record + column * PACKED_BLOCK + 16), second);
    const int32_t half = sum_of(first);
    store_tail(record, width, column, scale.d, half, half + sum_of(second));
}

static void quantize_halves_block(uint8_t *record, int width, int column, const float *x) {
    const __m128i abs_bits = _mm_set1_epi32(ABS_BITS);
    float d[2];
    int32_t sum[2];
    for (int h = 0; h < 2; h++) {
        __m128 v[4];
        __m128i m = _mm_setzero_si128();
        for (int i = 0; i < 4; i++) {
            v[i] = _mm_loadu_ps(x + 16 * h + 4 * i);
            const __m128 half = _mm_mul_ps(v[i], _mm_set1_ps(0.5f));
            const __m128 both = _mm_add_ps(half, _mm_shuffle_ps(half, half, 0xb1));
            m = _mm_max_epi32(m, _mm_max_epi32(_mm_and_si128(_mm_castps_si128(half), abs_bits),
                                               _mm_and_si128(_mm_castps_si128(both), abs_bits)));
        }
        const struct quantum scale = quantum_of_half(largest_of(m));
        /* The bytes of a half of no numbers do not matter: its d makes all of it NaN. */
        const __m128i bytes = bytes_of(v, scale.inverse);
        _mm_storeu_si128((__m128i *)(record + column * PACKED_BLOCK + 16 * h), bytes);
        d[h] = scale.d;
        sum[h] = sum_of(bytes);
    }
    store_halves_tail(record, width, column, d[0], d[1], sum[0], sum[1]);
}

static void quantize_halves(void *records, int width, int columns, const float *x, int64_t ld, int64_t n) {
    quantize_columns(records, width, columns, x, ld, n, quantize_halves_block);
}

static void quantize(void *records, int width, int columns, const float *x, int64_t ld, int64_t n) {
    quantize_columns(records, width, columns, x, ld, n, quantize_block);
}

const struct packed_kernels packed_kernels_sse4 = {
    .name = "sse4",
    .rows = ROWS,
    .max_width = MAX_WIDTH,
    .biased = true,
    .fused = false,
    .quantize = {quantize, quantize_halves},
    .group = PACKED_GROUPS,
};
