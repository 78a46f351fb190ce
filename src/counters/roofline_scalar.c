/* roofline_scalar.c - one value at a time: the fallback for machines without a table of their own,
 * and how far plain loops can come. */
#include "counters/roofline_kernels.h"

ROOFLINE_INLINE void load(const char *p) {
    const uint64_t *words = (const uint64_t *)(const void *)p;
    for (int i = 0; i < ROOFLINE_READ_STEP / 8; i++) {
        uint64_t value = words[i];
        __asm__ volatile("" : : "r"(value));
    }
}
ROOFLINE_READS(scalar, load)

#define EIGHT(op) op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7)

static int64_t scalar_f32(int64_t rounds) {
    float a = 1e-3f, b = 1e-3f, sum[8] = {0};
#if defined(__x86_64__)
#define OPAQUE(value) __asm__ volatile("" : "+x"(value))
#elif defined(__aarch64__)
#define OPAQUE(value) __asm__ volatile("" : "+w"(value))
#else
#define OPAQUE(value) __asm__ volatile("" : "+m"(value))
#endif
#define MUL_ADD(i)                                                                                 \
    sum[i] += a * b;                                                                               \
    OPAQUE(a);
#define USE(i) OPAQUE(sum[i]);
    for (int64_t r = 0; r < rounds; r++) {
        EIGHT(MUL_ADD)
    }
    EIGHT(USE)
    return rounds * 8;
#undef MUL_ADD
#undef USE
}

static int64_t scalar_int8(int64_t rounds) {
    int8_t a = 7, b = 3;
    int32_t sum[8] = {0};
#define MUL_ADD(i)                                                                                 \
    __asm__ volatile("" : "+r"(a));                                                                \
    sum[i] = (int32_t)((uint32_t)sum[i] + (uint32_t)((int32_t)a * b));
#define USE(i) __asm__ volatile("" : : "r"(sum[i]));
    for (int64_t r = 0; r < rounds; r++) {
        EIGHT(MUL_ADD)
    }
    EIGHT(USE)
    return rounds * 8;
}

const struct roofline_kernels roofline_scalar = {
    .name = "scalar",
    .read = {scalar_read_plain, scalar_read_ahead},
    .f32 = scalar_f32,
    .int8 = scalar_int8,
};
