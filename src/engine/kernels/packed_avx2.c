/* packed_avx2.c - packed product with 8 rows a register and vpmaddubsw. */
#include "engine/kernels/packed_quantize.h"
#include "engine/kernels/packed_vec_avx2.h"

#include "engine/kernels/packed_dot_maddubs.h"

enum { MAX_WIDTH = 4 };

#include "engine/kernels/packed_simd.h"

#include "engine/kernels/packed_together_avx2.h"

#include "engine/kernels/packed_streams.h"

/* v [32] times its inverse, as bytes. */
INLINE __m256i bytes_of(const __m256 *v, const __m256 *inverse) {
    __m256i i32[4];
    for (int i = 0; i < 4; i++) i32[i] = _mm256_cvtps_epi32(_mm256_mul_ps(v[i], inverse[i / 2]));
    const __m256i packed = _mm256_packs_epi16(_mm256_packs_epi32(i32[0], i32[1]), _mm256_packs_epi32(i32[2], i32[3]));
    return _mm256_permutevar8x32_epi32(packed, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

/* The sums of the first 16 bytes and of the others. */
INLINE void sums_of(int32_t *sum, __m256i bytes) {
    /* Lanes 0-3: of the first 16 values, 4-7: of the second 16. */
    const __m256i sums = vi_widen_pairs(_mm256_maddubs_epi16(_mm256_set1_epi8(1), bytes));
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
    const __m256 inverse[2] = {_mm256_set1_ps(scale.inverse), _mm256_set1_ps(scale.inverse)};
    const __m256i bytes = bytes_of(v, inverse);
    _mm256_storeu_si256((__m256i *)(record + column * PACKED_BLOCK), bytes);
    int32_t sum[2];
    sums_of(sum, bytes);
    store_tail(record, width, column, scale.d, sum[0], sum[0] + sum[1]);
}

static void quantize_halves_block(uint8_t *record, int width, int column, const float *x) {
    const __m256i abs_bits = _mm256_set1_epi32(ABS_BITS);
    __m256 v[4], inverse[2];
    struct quantum scale[2];
    for (int h = 0; h < 2; h++) {
        __m256i m = _mm256_setzero_si256();
        for (int i = 2 * h; i < 2 * h + 2; i++) {
            v[i] = _mm256_loadu_ps(x + 8 * i);
            const __m256 half = _mm256_mul_ps(v[i], _mm256_set1_ps(0.5f));
            const __m256 both = _mm256_add_ps(half, _mm256_permute_ps(half, 0xb1));
            m = _mm256_max_epi32(m, _mm256_max_epi32(_mm256_and_si256(_mm256_castps_si256(half), abs_bits),
                                                     _mm256_and_si256(_mm256_castps_si256(both), abs_bits)));
        }
        scale[h] = quantum_of_half(largest_of(m));
        inverse[h] = _mm256_set1_ps(scale[h].inverse);
    }
    /* The bytes of a half of no numbers do not matter: its d makes all of it NaN. */
    const __m256i bytes = bytes_of(v, inverse);
    _mm256_storeu_si256((__m256i *)(record + column * PACKED_BLOCK), bytes);
    int32_t sum[2];
    sums_of(sum, bytes);
    store_halves_tail(record, width, column, scale[0].d, scale[1].d, sum[0], sum[1]);
}

void packed_quantize_avx2(void *records, int width, int columns, const float *x, int64_t ld,
                          int64_t n) {
    quantize_columns(records, width, columns, x, ld, n, quantize_block);
}

void packed_quantize_halves_avx2(void *records, int width, int columns, const float *x, int64_t ld, int64_t n) {
    quantize_columns(records, width, columns, x, ld, n, quantize_halves_block);
}

const struct packed_kernels packed_kernels_avx2 = {
    .name = "avx2",
    .rows = ROWS,
    .max_width = MAX_WIDTH,
    .biased = true,
    .fused = true,
    .quantize = {packed_quantize_avx2, packed_quantize_halves_avx2},
    .group = PACKED_GROUPS,
    .streams = PACKED_STREAM_GROUPS,
};
