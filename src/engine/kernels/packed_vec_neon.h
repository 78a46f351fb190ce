/* packed_vec_neon.h - registers of the integer products with NEON: 4 rows, one quad of 16 bytes. */
#ifndef WOOLLY_ENGINE_PACKED_VEC_NEON_H
#define WOOLLY_ENGINE_PACKED_VEC_NEON_H

#include <arm_neon.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

enum { ROWS = 4, QUADS = 1 };
#define MADDUBS_SIGNED 1

typedef uint8x16_t VI;
typedef float32x4_t VF;

#define AS_S8(v) vreinterpretq_s8_u8(v)
#define AS_S16(v) vreinterpretq_s16_u8(v)
#define AS_U16(v) vreinterpretq_u16_u8(v)
#define AS_S32(v) vreinterpretq_s32_u8(v)
#define FROM_S16(v) vreinterpretq_u8_s16(v)
#define FROM_U16(v) vreinterpretq_u8_u16(v)
#define FROM_S32(v) vreinterpretq_u8_s32(v)

INLINE VI vi_load(const void *p) { return vld1q_u8(p); }
INLINE VI vi_zero(void) { return vdupq_n_u8(0); }
INLINE VI vi_set1_8(int v) { return vdupq_n_u8((uint8_t)v); }
INLINE VI vi_set1_32(int v) { return FROM_S32(vdupq_n_s32(v)); }
INLINE VI vi_and(VI a, VI b) { return vandq_u8(a, b); }
INLINE VI vi_or(VI a, VI b) { return vorrq_u8(a, b); }
INLINE VI vi_xor(VI a, VI b) { return veorq_u8(a, b); }
/* Shifts by operators: the intrinsics take nothing but literals. */
INLINE VI vi_shift_right(VI v, int n) { return v >> (uint8_t)n; }
INLINE VI vi_shift_left(VI v, int n) { return v << (uint8_t)n; }
INLINE VI vi_shift_right_by(VI v, int n) { return vshlq_u8(v, vdupq_n_s8((int8_t)-n)); }
INLINE VI vi_double_32(VI v, int n) { return FROM_S32(AS_S32(v) << n); }
INLINE VI vi_halve_32(VI v) { return FROM_S32(vshrq_n_s32(AS_S32(v), 1)); }
INLINE VI vi_add_32(VI a, VI b) { return FROM_S32(vaddq_s32(AS_S32(a), AS_S32(b))); }
INLINE VI vi_sub_32(VI a, VI b) { return FROM_S32(vsubq_s32(AS_S32(a), AS_S32(b))); }
INLINE VI vi_broadcast_32(const void *p) {
    int32_t v;
    memcpy(&v, p, sizeof v);
    return vi_set1_32(v);
}
INLINE VF vf_zero(void) { return vdupq_n_f32(0); }
INLINE VF vf_set1(float v) { return vdupq_n_f32(v); }
INLINE VF vf_broadcast(const void *p) {
    float v;
    memcpy(&v, p, sizeof v);
    return vdupq_n_f32(v);
}
INLINE VF vf_mul(VF a, VF b) { return vmulq_f32(a, b); }
INLINE VF vf_fma(VF a, VF b, VF c) { return vfmaq_f32(c, a, b); }
INLINE VF vf_fnma(VF a, VF b, VF c) { return vfmsq_f32(c, a, b); }
INLINE VF vf_from_i32(VI v) { return vcvtq_f32_s32(AS_S32(v)); }
INLINE VF vf_load_half(const uint8_t *p) {
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p)));
}
INLINE VF vf_load_i8(const uint8_t *p) {
    uint32_t bytes;
    memcpy(&bytes, p, sizeof bytes);
    int16x8_t wide = vmovl_s8(vreinterpret_s8_u32(vdup_n_u32(bytes)));
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(wide)));
}
INLINE VF vf_load_u8(const uint8_t *p) {
    uint32_t bytes;
    memcpy(&bytes, p, sizeof bytes);
    uint16x8_t wide = vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(bytes)));
    return vcvtq_f32_u32(vmovl_u16(vget_low_u16(wide)));
}
INLINE void vf_store(float *p, VF v) { vst1q_f32(p, v); }
#define prefetch(p) __builtin_prefetch(p, 0, 3)
#define prefetch_to_l2(p) __builtin_prefetch(p, 0, 2)

/* Byte i is table[index[i]], 0 where the index is negative. */
INLINE VI vi_shuffle(VI table, VI index) { return vqtbl1q_u8(table, index); }
INLINE VI vi_load_quad(const void *p) { return vld1q_u8(p); }
INLINE VI vi_load_quads(const uint8_t *const *p, int64_t at) { return vld1q_u8(p[0] + at); }
INLINE VI vi_low_8(VI a, VI b) { return vzip1q_u8(a, b); }
INLINE VI vi_high_8(VI a, VI b) { return vzip2q_u8(a, b); }
INLINE VI vi_low_16(VI a, VI b) { return FROM_U16(vzip1q_u16(AS_U16(a), AS_U16(b))); }
INLINE VI vi_high_16(VI a, VI b) { return FROM_U16(vzip2q_u16(AS_U16(a), AS_U16(b))); }
/* Lane e is the sum of v[e]. */
INLINE VI vi_sums(const VI *v) {
    int32x4_t low = vpaddq_s32(AS_S32(v[0]), AS_S32(v[1]));
    return FROM_S32(vpaddq_s32(low, vpaddq_s32(AS_S32(v[2]), AS_S32(v[3]))));
}
/* value in each byte that has a bit in common with bits, else 0 */
INLINE VI vi_test_bits(VI v, VI bits, int value) {
    return vandq_u8(vtstq_u8(v, bits), vi_set1_8(value));
}
/* Row e has its half float at p[0] + e * step. */
INLINE VF vf_load_halves(const uint8_t *const *p, int64_t step) {
    uint16_t h[ROWS];
    for (int r = 0; r < ROWS; r++) memcpy(&h[r], p[0] + r * step, sizeof h[r]);
    return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(h)));
}

/* For products in pairs (packed_dot_maddubs.h): both factors are signed here. */
INLINE VI vi_maddubs(VI a, VI b) {
    int16x8_t low = vmull_s8(vget_low_s8(AS_S8(a)), vget_low_s8(AS_S8(b)));
    return FROM_S16(vpaddq_s16(low, vmull_high_s8(AS_S8(a), AS_S8(b))));
}
INLINE VI vi_add_16(VI a, VI b) { return FROM_S16(vaddq_s16(AS_S16(a), AS_S16(b))); }
INLINE VI vi_widen_pairs(VI v) { return FROM_S32(vpaddlq_s16(AS_S16(v))); }

#endif
