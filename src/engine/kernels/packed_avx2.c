/* packed_avx2.c - packed product with 8 rows a register: vpmaddubsw, int16 sums where they fit. */
#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

enum { ROWS = 8, MAX_WIDTH = 4, SIGNED_BYTES = 1, PREFETCH_BYTES = 256 };

typedef __m256i VI;
typedef __m256 VF;

static inline VI vi_load(const void *p) { return _mm256_loadu_si256((const __m256i *)p); }
static inline VI vi_zero(void) { return _mm256_setzero_si256(); }
static inline VI vi_set1_8(int v) { return _mm256_set1_epi8((char)v); }
static inline VI vi_and(VI a, VI b) { return _mm256_and_si256(a, b); }
static inline VI vi_or(VI a, VI b) { return _mm256_or_si256(a, b); }
#define vi_shift_right(v, n) _mm256_srli_epi16(v, n)
#define vi_shift_left(v, n) _mm256_slli_epi16(v, n)
#define vi_double_32(v, n) _mm256_slli_epi32(v, n)
static inline VI vi_halve_32(VI v) { return _mm256_srai_epi32(v, 1); }
static inline VI vi_sub_32(VI a, VI b) { return _mm256_sub_epi32(a, b); }
static inline VI vi_broadcast_32(const void *p) {
    int32_t v;
    __builtin_memcpy(&v, p, sizeof v);
    return _mm256_set1_epi32(v);
}
static inline VF vf_zero(void) { return _mm256_setzero_ps(); }
static inline VF vf_set1(float v) { return _mm256_set1_ps(v); }
static inline VF vf_broadcast(const void *p) {
    float v;
    __builtin_memcpy(&v, p, sizeof v);
    return _mm256_set1_ps(v);
}
static inline VF vf_mul(VF a, VF b) { return _mm256_mul_ps(a, b); }
static inline VF vf_fma(VF a, VF b, VF c) { return _mm256_fmadd_ps(a, b, c); }
static inline VF vf_fnma(VF a, VF b, VF c) { return _mm256_fnmadd_ps(a, b, c); }
static inline VF vf_from_i32(VI v) { return _mm256_cvtepi32_ps(v); }
static inline VF vf_load_half(const uint8_t *p) {
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}
static inline VF vf_load_i8(const uint8_t *p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}
static inline VF vf_load_u8(const uint8_t *p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}
static inline void vf_store(float *p, VF v) { _mm256_storeu_ps(p, v); }
/* A macro: gcc takes a function that only prefetches for one without effect and drops its calls. */
#define prefetch(p) _mm_prefetch((const char *)(p), _MM_HINT_T0)

#include "engine/kernels/packed_format.h"

static inline VI vi_lookup_iq4(VI index) {
    static const int8_t table[16] = PACKED_IQ4_VALUES;
    VI t = _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)table));
    return _mm256_shuffle_epi8(t, index);
}

/* start + sum over n lines. An int16 lane gets 2 products a line, each at most max * 127: so many
 * lines may be added before widening. Signed 8-bit weights give their sign to x, one line a time. */
static inline __attribute__((always_inline)) VI dot_lines(const VI *w, const uint8_t *x,
                                                          const int n, const struct packed_format f,
                                                          VI start, const int width) {
    (void)width;
    const VI ones = _mm256_set1_epi16(1);
    if (f.base_bits == 8 || f.lookup) {
        for (int k = 0; k < n; k++) {
            VI signed_x = _mm256_sign_epi8(vi_broadcast_32(x + 4 * k), w[k]);
            VI products = _mm256_maddubs_epi16(_mm256_abs_epi8(w[k]), signed_x);
            start = _mm256_add_epi32(start, _mm256_madd_epi16(products, ones));
        }
        return start;
    }
    const int bits = f.base_bits + f.extra_bits;
    const int lines = bits <= 4 ? 8 : bits == 5 ? 4 : 2;
    for (int k = 0; k < n; k += lines) {
        VI sum = _mm256_maddubs_epi16(w[k], vi_broadcast_32(x + 4 * k));
        for (int i = 1; i < lines && k + i < n; i++) {
            VI products = _mm256_maddubs_epi16(w[k + i], vi_broadcast_32(x + 4 * (k + i)));
            sum = _mm256_add_epi16(sum, products);
        }
        start = _mm256_add_epi32(start, _mm256_madd_epi16(sum, ones));
    }
    return start;
}

#include "engine/kernels/packed_x86.h"

const struct packed_kernels packed_kernels_avx2 = {
    .name = "avx2",
    .rows = ROWS,
    .max_width = MAX_WIDTH,
    .biased = false,
    .quantize = quantize,
    .group = PACKED_GROUPS,
};
