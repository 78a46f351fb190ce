/* packed_avx2.c - packed product with 8 rows a register and vpmaddubsw. */
#include "engine/kernels/packed_quantize.h"
#include "engine/kernels/packed_vec_avx2.h"

#include "engine/kernels/packed_dot_maddubs.h"

enum { MAX_WIDTH = 4 };

#include "engine/kernels/packed_simd.h"

#include "engine/kernels/packed_together_avx2.h"

#include "engine/kernels/packed_streams.h"

static void quantize_block(uint8_t *record, int width, int column, const float *x) {
    const __m256i ones8 = _mm256_set1_epi8(1), ones16 = _mm256_set1_epi16(1);
    const __m256i abs_bits = _mm256_set1_epi32(ABS_BITS);
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    __m256 v[4];
    __m256i bits[4];
    for (int i = 0; i < 4; i++) {
        v[i] = _mm256_loadu_ps(x + 8 * i);
        bits[i] = _mm256_and_si256(_mm256_castps_si256(v[i]), abs_bits);
    }
    __m256i m = _mm256_max_epi32(_mm256_max_epi32(bits[0], bits[1]),
                                 _mm256_max_epi32(bits[2], bits[3]));
    __m128i h = _mm_max_epi32(_mm256_castsi256_si128(m), _mm256_extracti128_si256(m, 1));
    h = _mm_max_epi32(h, _mm_unpackhi_epi64(h, h));
    h = _mm_max_epi32(h, _mm_shuffle_epi32(h, 1));
    struct quantum scale = quantum_of((uint32_t)_mm_cvtsi128_si32(h));
    if (scale.inverse == 0) {
        store_empty(record, width, column, scale.d);
        return;
    }
    __m256i i32[4];
    for (int i = 0; i < 4; i++) {
        i32[i] = _mm256_cvtps_epi32(_mm256_mul_ps(v[i], _mm256_set1_ps(scale.inverse)));
    }
    __m256i packed = _mm256_packs_epi16(_mm256_packs_epi32(i32[0], i32[1]),
                                        _mm256_packs_epi32(i32[2], i32[3]));
    packed = _mm256_permutevar8x32_epi32(packed, order);
    _mm256_storeu_si256((__m256i *)(record + column * PACKED_BLOCK), packed);
    /* Lanes 0-3: sums of the first 16 values, 4-7: of the second 16. */
    __m256i sums = _mm256_madd_epi16(_mm256_maddubs_epi16(ones8, packed), ones16);
    __m128i low = _mm256_castsi256_si128(sums), high = _mm256_extracti128_si256(sums, 1);
    __m128i both = _mm_hadd_epi32(low, high);
    both = _mm_hadd_epi32(both, both);
    int32_t half = _mm_cvtsi128_si32(both);
    store_tail(record, width, column, scale.d, half, half + _mm_extract_epi32(both, 1));
}

void packed_quantize_avx2(void *records, int width, int columns, const float *x, int64_t ld,
                          int64_t n) {
    quantize_columns(records, width, columns, x, ld, n, quantize_block);
}

const struct packed_kernels packed_kernels_avx2 = {
    .name = "avx2",
    .rows = ROWS,
    .max_width = MAX_WIDTH,
    .biased = false,
    .fused = true,
    .quantize = packed_quantize_avx2,
    .group = PACKED_GROUPS,
    .streams = PACKED_STREAM_GROUPS,
};
