/* packed_neon.c - packed product with 4 rows a register and 16-bit products. */
#include "engine/kernels/packed_quantize.h"
#include "engine/kernels/packed_vec_neon.h"

#include "engine/kernels/packed_dot_maddubs.h"

enum { MAX_WIDTH = 4 };

#include "engine/kernels/packed_simd.h"

static int8x16_t narrow(const int32x4_t *v) {
    int16x8_t low = vqmovn_high_s32(vqmovn_s32(v[0]), v[1]);
    int16x8_t high = vqmovn_high_s32(vqmovn_s32(v[2]), v[3]);
    return vqmovn_high_s16(vqmovn_s16(low), high);
}

static void quantize_block(uint8_t *record, int width, int column, const float *x) {
    float32x4_t v[8];
    uint32x4_t m = vdupq_n_u32(0);
    for (int i = 0; i < 8; i++) {
        v[i] = vld1q_f32(x + 4 * i);
        m = vmaxq_u32(m, vandq_u32(vreinterpretq_u32_f32(v[i]), vdupq_n_u32(ABS_BITS)));
    }
    struct quantum scale = quantum_of(vmaxvq_u32(m));
    if (scale.inverse == 0) {
        store_empty(record, width, column, scale.d);
        return;
    }
    int32x4_t i32[8];
    for (int i = 0; i < 8; i++) i32[i] = vcvtnq_s32_f32(vmulq_n_f32(v[i], scale.inverse));
    int8x16_t first = narrow(i32), second = narrow(i32 + 4);
    vst1q_s8((int8_t *)record + column * PACKED_BLOCK, first);
    vst1q_s8((int8_t *)record + column * PACKED_BLOCK + 16, second);
    const int32_t half = vaddlvq_s8(first);
    store_tail(record, width, column, scale.d, half, half + vaddlvq_s8(second));
}

void packed_quantize_neon(void *records, int width, int columns, const float *x, int64_t ld,
                          int64_t n) {
    quantize_columns(QACT_BLOCKS, records, width, columns, x, ld, n, quantize_block);
}

const struct packed_kernels packed_kernels_neon = {
    .name = "neon",
    .rows = ROWS,
    .max_width = MAX_WIDTH,
    .biased = false,
    .fused = true,
    .quantize = {packed_quantize_neon},
    .group = PACKED_GROUPS,
};
