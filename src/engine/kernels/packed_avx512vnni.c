/* packed_avx512vnni.c - packed product with 16 rows a register and vpdpbusd. */
#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

enum { ROWS = 16, MAX_WIDTH = 8, SIGNED_BYTES = 0, PREFETCH_BYTES = 256 };

typedef __m512i VI;
typedef __m512 VF;

static inline VI vi_load(const void *p) { return _mm512_loadu_si512(p); }
static inline VI vi_zero(void) { return _mm512_setzero_si512(); }
static inline VI vi_set1_8(int v) { return _mm512_set1_epi8((char)v); }
static inline VI vi_and(VI a, VI b) { return _mm512_and_si512(a, b); }
static inline VI vi_or(VI a, VI b) { return _mm512_or_si512(a, b); }
#define vi_shift_right(v, n) _mm512_srli_epi16(v, (unsigned)(n))
#define vi_shift_left(v, n) _mm512_slli_epi16(v, (unsigned)(n))
#define vi_double_32(v, n) _mm512_slli_epi32(v, (unsigned)(n))
static inline VI vi_halve_32(VI v) { return _mm512_srai_epi32(v, 1); }
static inline VI vi_sub_32(VI a, VI b) { return _mm512_sub_epi32(a, b); }
static inline VI vi_broadcast_32(const void *p) {
    int32_t v;
    __builtin_memcpy(&v, p, sizeof v);
    return _mm512_set1_epi32(v);
}
static inline VF vf_zero(void) { return _mm512_setzero_ps(); }
static inline VF vf_set1(float v) { return _mm512_set1_ps(v); }
static inline VF vf_broadcast(const void *p) {
    float v;
    __builtin_memcpy(&v, p, sizeof v);
    return _mm512_set1_ps(v);
}
static inline VF vf_mul(VF a, VF b) { return _mm512_mul_ps(a, b); }
static inline VF vf_fma(VF a, VF b, VF c) { return _mm512_fmadd_ps(a, b, c); }
static inline VF vf_fnma(VF a, VF b, VF c) { return _mm512_fnmadd_ps(a, b, c); }
static inline VF vf_from_i32(VI v) { return _mm512_cvtepi32_ps(v); }
static inline VF vf_load_half(const uint8_t *p) {
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}
static inline VF vf_load_i8(const uint8_t *p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)));
}
static inline VF vf_load_u8(const uint8_t *p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p)));
}
static inline void vf_store(float *p, VF v) { _mm512_storeu_ps(p, v); }
/* A macro: gcc takes a function that only prefetches for one without effect and drops its calls. */
#define prefetch(p) _mm_prefetch((const char *)(p), _MM_HINT_T0)

#include "engine/kernels/packed_format.h"

static inline VI vi_lookup_iq4(VI index) {
    /* The table's values + 128. */
    static const uint8_t table[16] = {1,   24,  45,  63,  79,  93,  106, 118,
                                      129, 141, 153, 166, 181, 197, 217, 241};
    VI t = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)table));
    return _mm512_shuffle_epi8(t, index);
}

/* start + sum over n lines of unsigned w times signed x, 4 columns a line. Two chains where there
 * are too few columns to hide the latency. */
static inline __attribute__((always_inline)) VI dot_lines(const VI *w, const uint8_t *x,
                                                          const int n, const struct packed_format f,
                                                          VI start, const int width) {
    (void)f;
    if (width > 2) {
        for (int k = 0; k < n; k++) {
            start = _mm512_dpbusd_epi32(start, w[k], vi_broadcast_32(x + 4 * k));
        }
        return start;
    }
    VI second = vi_zero();
    for (int k = 0; k < n; k += 2) {
        start = _mm512_dpbusd_epi32(start, w[k], vi_broadcast_32(x + 4 * k));
        second = _mm512_dpbusd_epi32(second, w[k + 1], vi_broadcast_32(x + 4 * k + 4));
    }
    return _mm512_add_epi32(start, second);
}

#include "engine/kernels/packed_x86.h"

const struct packed_kernels packed_kernels_avx512vnni = {
    .name = "avx512vnni",
    .rows = ROWS,
    .max_width = MAX_WIDTH,
    .biased = true,
    .quantize = quantize,
    .group = PACKED_GROUPS,
};
