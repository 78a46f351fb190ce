/* attention_avx2.c - attention with the registers of vf_avx2.h; half-float keys in tiles, int8 keys and values
 * and, of prompts, half floats as 16-bit integers by vpmaddwd. */
#include "engine/kernels/vf_avx2.h"

#define ATTENTION_TILES
#define ATTENTION_ALONE
#include "engine/kernels/vf_exp.h"

#include "engine/kernels/attention_rows.h"
#include "engine/kernels/attention_tiles_f16.h"

typedef __m256i VI;

INLINE VI vi_zero(void) { return _mm256_setzero_si256(); }
INLINE VI vi_load(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }
INLINE void vi_store(void *p, VI v) { _mm256_store_si256((__m256i *)p, v); }
/* 16 bytes as 16-bit integers */
INLINE VI vi_load_i8(const uint8_t *p) {
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(const void *)p));
}
INLINE VI vi_broadcast_32(const void *p) {
    int32_t v;
    memcpy(&v, p, sizeof v);
    return _mm256_set1_epi32(v);
}
/* *sum += products of 16-bit integers, the two of a lane added. As one instruction to the compiler, which else
 * forms all products of a step before it adds any, and has no registers for so many. */
INLINE void vi_add_dots(VI *sum, VI a, VI b) {
    VI product;
    __asm__("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0" : "+x"(*sum), "=&x"(product) : "x"(a), "x"(b));
}
INLINE VF vf_from_i32(VI v) { return _mm256_cvtepi32_ps(v); }
INLINE VI vi_round(VF v) { return _mm256_cvtps_epi32(v); }
/* The low half of each lane; the values are 16-bit ones. */
INLINE void vi_store_i16(int16_t *p, VI v) {
    const __m128i low = _mm256_castsi256_si128(v), high = _mm256_extracti128_si256(v, 1);
    _mm_storeu_si128((__m128i *)(void *)p, _mm_packs_epi32(low, high));
}
/* Each lane the low halves of both. */
INLINE VI vi_pairs(VI low, VI high) { return _mm256_blend_epi16(low, _mm256_slli_epi32(high, 16), 0xaa); }
/* a / b where b is positive, else 0 */
INLINE VF vf_over_positive(VF a, VF b) {
    return _mm256_and_ps(_mm256_div_ps(a, b), _mm256_cmp_ps(b, vf_zero(), _CMP_GT_OQ));
}
INLINE bool vf_is_number(VF v) { return _mm256_movemask_ps(_mm256_cmp_ps(v, v, _CMP_UNORD_Q)) == 0; }
/* 0 from lane n on */
INLINE VF vf_keep_first(VF v, int64_t n) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i kept = _mm256_cmpgt_epi32(_mm256_set1_epi32(n < LANES ? (int)n : LANES), lane);
    return _mm256_and_ps(v, _mm256_castsi256_ps(kept));
}
/* Half floats by their bits: as many as there are lanes. */
typedef __m128i VH;
INLINE VH vh_zero(void) { return _mm_setzero_si128(); }
INLINE VH vh_load(const uint8_t *p) { return _mm_loadu_si128((const __m128i *)(const void *)p); }
INLINE VH vh_abs(VH v) { return _mm_and_si128(v, _mm_set1_epi16(0x7fff)); }
INLINE VH vh_max(VH a, VH b) { return _mm_max_epu16(a, b); }
/* Floats of absolute values; NaN for infinities. */
INLINE VF vf_halves_or_nan(VH bits) {
    const __m256i no_number = _mm256_cvtepi16_epi32(_mm_cmpgt_epi16(bits, _mm_set1_epi16(0x7bff)));
    return _mm256_blendv_ps(_mm256_cvtph_ps(bits), vf_set1(NAN), _mm256_castsi256_ps(no_number));
}

#include "engine/kernels/attention_pairs_q8.h"

/* Queries as integers, then their scales. */
static void tile_queries(void *to, const struct attention_task *t) {
    const int64_t n_queries = t->n_tokens * t->group, n = t->head_dim;
    if (t->key_type != KV_Q8_0) return;
    int16_t *q = to;
    float *scales = (float *)(void *)(q + n_queries * n);
    for (int64_t i = 0; i < n_queries; i++) {
        const float *from = t->q + i / t->group * t->q_stride + i % t->group * n;
        scales[i] = quantize_query(q + i * n, from, n, t->scale);
    }
}

INLINE void scores_tiles(float *s, const struct attention_task *t, const void *queries, int64_t first,
                         const int n_queries, const float *const *q, const uint8_t *rows,
                         const uint8_t *next, int64_t n_rows) {
    const int64_t n = t->head_dim;
    if (t->key_type == KV_F16) {
        scores_f16(s, n_queries, q, rows, next, n_rows, n, t->scale);
        return;
    }
    const int16_t *integers = queries;
    const float *scales = (const float *)(const void *)(integers + t->n_tokens * t->group * n);
    scores_q8_0(s, integers + first * n, scales + first, n_queries, rows, next, n_rows, n);
}

#include "engine/kernels/attention_simd.h"

#include "engine/kernels/attention_blocks_i16.h"

bool attention_floats_avx2(const struct attention_task *t, struct attention_part part, void *scratch) {
    return t->key_type == KV_F32 && (attend_alone(t, part, scratch) || attend_group(t, part, scratch));
}

const struct attention_kernels attention_kernels_avx2 = ATTENTION_I16_KERNELS;
