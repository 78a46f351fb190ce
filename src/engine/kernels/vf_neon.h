/* vf_neon.h - registers of 4 floats (AArch64) for simd.h and attention_simd.h. */
#ifndef WOOLLY_ENGINE_VF_NEON_H
#define WOOLLY_ENGINE_VF_NEON_H

#include <arm_neon.h>
#include <stdint.h>
#include <string.h>

enum { LANES = 4, COLUMNS = 4 };

typedef float32x4_t VF;
typedef uint8x16_t VB;

static inline VF vf_load(const float *p) {
    return vld1q_f32(p);
}
static inline void vf_store(float *p, VF v) {
    vst1q_f32(p, v);
}
static inline VF vf_zero(void) {
    return vdupq_n_f32(0);
}
static inline VF vf_set1(float v) {
    return vdupq_n_f32(v);
}
static inline VF vf_add(VF a, VF b) {
    return vaddq_f32(a, b);
}
static inline VF vf_sub(VF a, VF b) {
    return vsubq_f32(a, b);
}
static inline VF vf_mul(VF a, VF b) {
    return vmulq_f32(a, b);
}
static inline VF vf_div(VF a, VF b) {
    return vdivq_f32(a, b);
}
static inline VF vf_fma(VF a, VF b, VF c) {
    return vfmaq_f32(c, a, b);
}
/* The second operand where either is NaN, as on x86. */
static inline VF vf_max(VF a, VF b) {
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}
static inline VF vf_abs(VF v) {
    return vabsq_f32(v);
}
static inline VF vf_round(VF v) {
    return vrndnq_f32(v);
}
/* v * 2^k for whole k in -126..127 */
static inline VF vf_scale2(VF v, VF k) {
    int32x4_t power = vshlq_n_s32(vcvtnq_s32_f32(k), 23);
    return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(v), power));
}
static inline VF vf_zero_below(VF x, float limit, VF v) {
    uint32x4_t below = vcltq_f32(x, vdupq_n_f32(limit));
    return vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(v), below));
}
/* negative where sign is set, else positive */
static inline VF vf_select_negative(VF sign, VF negative, VF positive) {
    return vbslq_f32(vcltzq_s32(vreinterpretq_s32_f32(sign)), negative, positive);
}
static inline float vf_sum(VF v) {
    return vaddvq_f32(v);
}
static inline float vf_largest(VF v) {
    return vmaxvq_f32(v);
}
/* floats of bytes 4 i .. 4 i + 3 */
static inline VF vf_from_i8(VB q, int i) {
    int8x16_t bytes = vreinterpretq_s8_u8(q);
    int16x8_t wide = i < 2 ? vmovl_s8(vget_low_s8(bytes)) : vmovl_high_s8(bytes);
    return vcvtq_f32_s32(i % 2 == 0 ? vmovl_s16(vget_low_s16(wide)) : vmovl_high_s16(wide));
}
static inline VF vf_load_half(const uint8_t *p) {
    return vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(p)));
}
static inline VF vf_load_bf16(const uint8_t *p) {
    return vreinterpretq_f32_u32(vshll_n_u16(vreinterpret_u16_u8(vld1_u8(p)), 16));
}

static inline float half(uint16_t bits) {
    __fp16 value;
    memcpy(&value, &bits, sizeof value);
    return (float)value;
}
static inline VB vb_load(const void *p) {
    return vld1q_u8(p);
}
static inline VB vb_set1(int v) {
    return vdupq_n_u8((uint8_t)v);
}
static inline VB vb_and(VB a, VB b) {
    return vandq_u8(a, b);
}
static inline VB vb_or(VB a, VB b) {
    return vorrq_u8(a, b);
}
static inline VB vb_sub(VB a, VB b) {
    return vsubq_u8(a, b);
}
static inline VB vb_right(VB v, int n) {
    return vshlq_u8(v, vdupq_n_s8((int8_t)-n));
}
static inline VB vb_left(VB v, int n) {
    return vshlq_u8(v, vdupq_n_s8((int8_t)n));
}
/* Byte i is table[index[i]], indexes 0..15. */
static inline VB vb_table(VB table, VB index) {
    return vqtbl1q_u8(table, index);
}
/* 16 for each set bit of the 16 bits at qh, else 0. */
static inline VB fifth_bits(const uint8_t *qh) {
    static const uint8_t bit[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    VB bits = vcombine_u8(vdup_n_u8(qh[0]), vdup_n_u8(qh[1]));
    return vandq_u8(vtstq_u8(bits, vld1q_u8(bit)), vdupq_n_u8(16));
}

/* r[i] lane j becomes r[j] lane i. */
static inline void vf_transpose(VF *r) {
    float32x4x2_t low = vtrnq_f32(r[0], r[1]), high = vtrnq_f32(r[2], r[3]);
    r[0] = vcombine_f32(vget_low_f32(low.val[0]), vget_low_f32(high.val[0]));
    r[1] = vcombine_f32(vget_low_f32(low.val[1]), vget_low_f32(high.val[1]));
    r[2] = vcombine_f32(vget_high_f32(low.val[0]), vget_high_f32(high.val[0]));
    r[3] = vcombine_f32(vget_high_f32(low.val[1]), vget_high_f32(high.val[1]));
}

#endif
