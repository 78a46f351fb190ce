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

static void quantize_block(uint8_t *record, int width, int column, const float *x) {
    __m128 v[8];
    __m128i m = _mm_setzero_si128();
    for (int i = 0; i < 8; i++) {
        v[i] = _mm_loadu_ps(x + 4 * i);
        m = _mm_max_epi32(m, _mm_and_si128(_mm_castps_si128(v[i]), _mm_set1_epi32(ABS_BITS)));
    }
    m = _mm_max_epi32(m, _mm_unpackhi_epi64(m, m));
    m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 1));
    struct quantum scale = quantum_of((uint32_t)_mm_cvtsi128_si32(m));
    if (scale.inverse == 0) {
        store_empty(record, width, column, scale.d);
        return;
    }
    __m128i i32[8];
    for (int i = 0; i < 8; i++) {
        i32[i] = _mm_cvtps_epi32(_mm_mul_ps(v[i], _mm_set1_ps(scale.inverse)));
    }
    __m128i first = _mm_packs_epi16(_mm_packs_epi32(i32[0], i32[1]),
                                    _mm_packs_epi32(i32[2], i32[3]));
    __m128i second = _mm_packs_epi16(_mm_packs_epi32(i32[4], i32[5]),
                                     _mm_packs_epi32(i32[6], i32[7]));
    _mm_storeu_si128((__m128i *)(record + column * PACKED_BLOCK), first);
    _mm_storeu_si128((__m128i *)(record + column * PACKED_BLOCK + 16), second);
    const int32_t half = sum_of(first);
    store_tail(record, width, column, scale.d, half, half + sum_of(second));
}

static void quantize(void *records, int width, int columns, const float *x, int64_t ld, int64_t n) {
    quantize_columns(records, width, columns, x, ld, n, quantize_block);
}

const struct packed_kernels packed_kernels_sse4 = {
    .name = "sse4",
    .rows = ROWS,
    .max_width = MAX_WIDTH,
    .biased = false,
    .fused = false,
    .quantize = quantize,
    .group = PACKED_GROUPS,
};
