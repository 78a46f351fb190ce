/* roofline_neon.c - AArch64: 128-bit loads and FMA, 8-bit products plain, by dot product (dotprod)
 * and by matrix (i8mm). */
#include "counters/roofline_kernels.h"

#include <arm_neon.h>

/* A load whose value is wanted, and no instruction more. */
ROOFLINE_INLINE void load(const char *p) {
    for (int i = 0; i < ROOFLINE_READ_STEP; i += 16) {
        uint8x16_t value = vld1q_u8((const uint8_t *)p + i);
        __asm__ volatile("" : : "w"(value));
    }
}
ROOFLINE_READS(neon, load)

#define USE(i) __asm__ volatile("" : : "w"(sum[i]));

static int64_t neon_f32(int64_t rounds) {
    float32x4_t a = vdupq_n_f32(1e-3f), b = vdupq_n_f32(1e-3f), sum[12];
#define ZERO(i) sum[i] = vdupq_n_f32(0);
#define FMA(i) __asm__ volatile("fmla %0.4s, %1.4s, %2.4s" : "+w"(sum[i]) : "w"(a), "w"(b));
    ROOFLINE_TWELVE(ZERO)
    for (int64_t r = 0; r < rounds; r++) {
        ROOFLINE_TWELVE(FMA)
    }
    ROOFLINE_TWELVE(USE)
    return rounds * 12 * 4;
#undef ZERO
}

#define ZERO(i) sum[i] = vdupq_n_s32(0);

#define TWO_MORE "smlal %1.8h, %2.8b, %3.8b\n\tsmlal2 %1.8h, %2.16b, %3.16b\n\t"
#define CHAIN(i, more)                                                                             \
    {                                                                                              \
        int16x8_t product;                                                                         \
        __asm__ volatile("smull %1.8h, %2.8b, %3.8b\n\tsmlal2 %1.8h, %2.16b, %3.16b\n\t" more      \
                         "sadalp %0.4s, %1.8h"                                                     \
                         : "+w"(sum[i]), "=&w"(product)                                            \
                         : "w"(a), "w"(b));                                                        \
    }
#define WHOLE(i) CHAIN(i, "")
#define FEW(i) CHAIN(i, TWO_MORE TWO_MORE TWO_MORE)

/* Whole bytes: 16 products in 16 bits, added in pairs to 32. */
static int64_t neon_int8(int64_t rounds) {
    int8x16_t a = vdupq_n_s8(7), b = vdupq_n_s8(3);
    int32x4_t sum[12];
    ROOFLINE_TWELVE(ZERO)
    for (int64_t r = 0; r < rounds; r++) {
        ROOFLINE_TWELVE(WHOLE)
    }
    ROOFLINE_TWELVE(USE)
    return rounds * 12 * 16;
}

/* Weights of few bits: eight products are added in 16 bits. */
static int64_t neon_int4(int64_t rounds) {
    int8x16_t a = vdupq_n_s8(7), b = vdupq_n_s8(3);
    int32x4_t sum[12];
    ROOFLINE_TWELVE(ZERO)
    for (int64_t r = 0; r < rounds; r++) {
        ROOFLINE_TWELVE(FEW)
    }
    ROOFLINE_TWELVE(USE)
    return rounds * 12 * 64;
}

__attribute__((target("arch=armv8.2-a+dotprod"))) static int64_t dotprod_int8(int64_t rounds) {
    int8x16_t a = vdupq_n_s8(7), b = vdupq_n_s8(3);
    int32x4_t sum[12];
#define DOT(i) __asm__ volatile("sdot %0.4s, %1.16b, %2.16b" : "+w"(sum[i]) : "w"(a), "w"(b));
    ROOFLINE_TWELVE(ZERO)
    for (int64_t r = 0; r < rounds; r++) {
        ROOFLINE_TWELVE(DOT)
    }
    ROOFLINE_TWELVE(USE)
    return rounds * 12 * 16;
}

/* 2 x 8 times 8 x 2: 32 products an instruction. */
__attribute__((target("arch=armv8.2-a+i8mm"))) static int64_t i8mm_int8(int64_t rounds) {
    int8x16_t a = vdupq_n_s8(7), b = vdupq_n_s8(3);
    int32x4_t sum[12];
#define MATRIX(i) __asm__ volatile("smmla %0.4s, %1.16b, %2.16b" : "+w"(sum[i]) : "w"(a), "w"(b));
    ROOFLINE_TWELVE(ZERO)
    for (int64_t r = 0; r < rounds; r++) {
        ROOFLINE_TWELVE(MATRIX)
    }
    ROOFLINE_TWELVE(USE)
    return rounds * 12 * 32;
}

const struct roofline_kernels roofline_neon = {
    .name = "neon",
    .read = {neon_read_plain, neon_read_ahead},
    .f32 = neon_f32,
    .int8 = neon_int8,
    .int4 = neon_int4,
};
const struct roofline_kernels roofline_dotprod = {.name = "dotprod", .int8 = dotprod_int8};
const struct roofline_kernels roofline_i8mm = {.name = "i8mm", .int8 = i8mm_int8};
