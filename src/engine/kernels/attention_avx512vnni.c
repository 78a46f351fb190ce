/* attention_avx512vnni.c - attention with the registers of vf_avx512.h; half-float keys in tiles, int8 keys
 * and values multiplied by vpdpbusd, of prompts half floats as 16-bit integers by vpdpwssd. */
#include "engine/kernels/vf_avx512.h"

#define ATTENTION_TILES
#define ATTENTION_FLOATS attention_floats_avx2
#include "engine/kernels/vf_exp.h"

#include "engine/kernels/attention_rows.h"
#include "engine/kernels/attention_tiles_f16.h"

typedef __m512i VI;

#define vi_dpbusd(sum, u, s) _mm512_dpbusd_epi32(sum, u, s)
#define vi_shift_right_32(v, n) _mm512_srli_epi32(v, n)
#define vi_double_32(v, n) _mm512_slli_epi32(v, n)
/* *sum += products of 16-bit integers, the two of a lane added. By the intrinsic gcc copies each of 16 sums from register
 * to register, and some through memory, a product. */
INLINE void vi_add_dots(VI *sum, VI a, VI b) {
#if defined(__AVX512VNNI__)
    __asm__("vpdpwssd %2, %1, %0" : "+v"(*sum) : "v"(a), "v"(b));
#else
    *sum = _mm512_dpwssd_epi32(*sum, a, b);
#endif
}
INLINE VI vi_zero(void) { return _mm512_setzero_si512(); }
INLINE VI vi_load(const void *p) { return _mm512_loadu_si512(p); }
INLINE VI vi_set1_32(int v) { return _mm512_set1_epi32(v); }
INLINE VI vi_add_32(VI a, VI b) { return _mm512_add_epi32(a, b); }
INLINE VI vi_broadcast_32(const void *p) {
    int32_t v;
    memcpy(&v, p, sizeof v);
    return _mm512_set1_epi32(v);
}
INLINE VF vf_from_i32(VI v) { return _mm512_cvtepi32_ps(v); }
INLINE VI vi_round(VF v) { return _mm512_cvtps_epi32(v); }
INLINE void vi_store(void *p, VI v) { _mm512_store_si512(p, v); }
/* The low half of each lane; the values are 16-bit ones. */
INLINE void vi_store_i16(int16_t *p, VI v) {
    _mm256_storeu_si256((__m256i *)(void *)p, _mm512_cvtepi32_epi16(v));
}
/* Each lane the low halves of both. */
INLINE VI vi_pairs(VI low, VI high) {
    return _mm512_mask_blend_epi16(0xaaaaaaaa, low, vi_double_32(high, 16));
}
/* a / b where b is positive, else 0 */
INLINE VF vf_over_positive(VF a, VF b) {
    return _mm512_maskz_div_ps(_mm512_cmp_ps_mask(b, vf_zero(), _CMP_GT_OQ), a, b);
}
/* Half floats by their bits: as many as there are lanes. */
typedef __m256i VH;
INLINE VH vh_zero(void) { return _mm256_setzero_si256(); }
INLINE VH vh_load(const uint8_t *p) { return _mm256_loadu_si256((const __m256i *)(const void *)p); }
INLINE VH vh_abs(VH v) { return _mm256_and_si256(v, _mm256_set1_epi16(0x7fff)); }
INLINE VH vh_max(VH a, VH b) { return _mm256_max_epu16(a, b); }
/* Floats of absolute values; NaN for infinities. */
INLINE VF vf_halves_or_nan(VH bits) {
    const __mmask16 no_number = _mm256_cmpge_epu16_mask(bits, _mm256_set1_epi16(0x7c00));
    return _mm512_mask_mov_ps(_mm512_cvtph_ps(bits), no_number, vf_set1(NAN));
}
/* The low byte of each lane. */
INLINE void vi_store_bytes(uint8_t *p, VI v) {
    _mm_storeu_si128((__m128i *)(void *)p, _mm512_cvtepi32_epi8(v));
}
INLINE bool vf_is_number(VF v) { return _mm512_cmp_ps_mask(v, v, _CMP_UNORD_Q) == 0; }
/* 0 from lane n on */
INLINE VF vf_keep_first(VF v, int64_t n) {
    return n >= LANES ? v : _mm512_maskz_mov_ps((__mmask16)((1u << n) - 1), v);
}

#include "engine/kernels/attention_tiles_q8.h"

static void tile_queries(void *to, const struct attention_task *t) {
    uint8_t *at = to;
    for (int64_t i = 0; t->key_type == KV_Q8_0 && i < t->n_tokens * t->group; i++) {
        const float *q = t->q + i / t->group * t->q_stride + i % t->group * t->head_dim;
        quantize_query(at, q, t->head_dim, t->scale);
        at += query_bytes(t->head_dim);
    }
}

INLINE void scores_tiles(float *s, const struct attention_task *t, const void *queries, int64_t first,
                         const int n_queries, const float *const *q, const uint8_t *rows,
                         const uint8_t *next, int64_t n_rows) {
    const int64_t n = t->head_dim;
    if (t->key_type == KV_F16) {
        scores_f16(s, n_queries, q, rows, next, n_rows, n, t->scale);
    } else {
        scores_q8_0(s, (const uint8_t *)queries + (size_t)first * query_bytes(n), n_queries, rows, next, n_rows, n);
    }
}

#include "engine/kernels/attention_simd.h"

#include "engine/kernels/attention_blocks_i16.h"

const struct attention_kernels attention_kernels_avx512vnni = ATTENTION_I16_KERNELS;
