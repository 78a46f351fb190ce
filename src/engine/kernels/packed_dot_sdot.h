/* packed_dot_sdot.h - dots by sdot: signed weights times signed activations, four products added in
 * int32. Included after packed_vec_neon.h. With USE_MMLA two columns of activations go together by
 * smmla: 2 rows times 2 columns, eight products added in int32. */
#include "engine/kernels/packed_format.h"

#define FOURS 0
#ifdef USE_MMLA
enum { SIGNED_BYTES = 1, COLUMN_STEP = 2, LINE_STEP = 2 };
#else
enum { SIGNED_BYTES = 1, COLUMN_STEP = 1, LINE_STEP = 1 };
#endif

INLINE int line_step(const int width) {
    return width < LINE_STEP ? width : LINE_STEP;
}

/* 4 columns of each row times 4 activations of x, lane k of it. */
INLINE int32x4_t sdot_lane(int32x4_t sum, VI w, int8x16_t x, const int k) {
    switch (k) {
    case 0:
        return vdotq_laneq_s32(sum, AS_S8(w), x, 0);
    case 1:
        return vdotq_laneq_s32(sum, AS_S8(w), x, 1);
    case 2:
        return vdotq_laneq_s32(sum, AS_S8(w), x, 2);
    default:
        return vdotq_laneq_s32(sum, AS_S8(w), x, 3);
    }
}

INLINE int32x4_t sdot_lines(int32x4_t sum, const VI *w, const uint8_t *x, const int n) {
    for (int k = 0; k < n; k += 4) {
        int8x16_t values = AS_S8(vi_load(x + 4 * k));
        for (int i = 0; i < 4; i++) sum = sdot_lane(sum, w[k + i], values, i);
    }
    return sum;
}

INLINE int32x4_t sdot_rows(const VI *first, const uint8_t *x, const VI *second) {
    VI sums[4], x0 = vi_load(x), x1 = second != NULL ? vi_load(x + 16) : x0;
    for (int e = 0; e < 4; e++) {
        int32x4_t sum = vdotq_s32(vdupq_n_s32(0), AS_S8(first[e]), AS_S8(x0));
        if (second != NULL) sum = vdotq_s32(sum, AS_S8(second[e]), AS_S8(x1));
        sums[e] = FROM_S32(sum);
    }
    return AS_S32(vi_sums(sums));
}

#ifdef USE_MMLA

/* Lines k and k + 1 become 8 columns of rows 0 and 1, and of rows 2 and 3. */
INLINE void prepare_lines(VI *lines, const int width) {
    if (width == 1) return;
    for (int k = 0; k < 8; k += 2) {
        int32x4_t a = AS_S32(lines[k]), b = AS_S32(lines[k + 1]);
        lines[k] = FROM_S32(vzip1q_s32(a, b));
        lines[k + 1] = FROM_S32(vzip2q_s32(a, b));
    }
}

/* The same from 16 columns of each of 4 rows. */
INLINE void prepare_quads(VI *quads, const int width) {
    if (width == 1) return;
    for (int k = 0; k < 8; k += 4) {
        int64x2_t r[4];
        for (int e = 0; e < 4; e++) r[e] = vreinterpretq_s64_u8(quads[k + e]);
        quads[k] = vreinterpretq_u8_s64(vzip1q_s64(r[0], r[1]));
        quads[k + 1] = vreinterpretq_u8_s64(vzip1q_s64(r[2], r[3]));
        quads[k + 2] = vreinterpretq_u8_s64(vzip2q_s64(r[0], r[1]));
        quads[k + 3] = vreinterpretq_u8_s64(vzip2q_s64(r[2], r[3]));
    }
}

/* sum[0] (rows 0 and 1), sum[1] (rows 2 and 3) + n prepared registers times the two columns. */
INLINE void mmla(int32x4_t *sum, const VI *w, const uint8_t *x, const int n) {
    for (int k = 0; k < n; k += 2) {
        int8x16_t both = vcombine_s8(vld1_s8((const int8_t *)x + 4 * k),
                                     vld1_s8((const int8_t *)x + 4 * k + PACKED_BLOCK));
        sum[0] = vmmlaq_s32(sum[0], AS_S8(w[k]), both);
        sum[1] = vmmlaq_s32(sum[1], AS_S8(w[k + 1]), both);
    }
}

/* dot[j] = start[j] + sum over n lines, 4 columns a line, for the columns j of activations. */
INLINE void dot_lines(VI *dot, const VI *w, const uint8_t *x, const int n,
                      const struct packed_format f, const VI *start, const int width) {
    (void)f;
    if (width == 1) {
        dot[0] = FROM_S32(sdot_lines(AS_S32(start[0]), w, x, n));
        return;
    }
    int32x4_t sum[2] = {vdupq_n_s32(0), vdupq_n_s32(0)};
    mmla(sum, w, x, n);
    dot[0] = vi_add_32(start[0], FROM_S32(vuzp1q_s32(sum[0], sum[1])));
    dot[1] = vi_add_32(start[1], FROM_S32(vuzp2q_s32(sum[0], sum[1])));
}

INLINE void dot_quads(VI *dot, const VI *first, const uint8_t *x, const VI *second,
                      const struct packed_format f, const int width) {
    (void)f;
    if (width == 1) {
        dot[0] = FROM_S32(sdot_rows(first, x, second));
        return;
    }
    int32x4_t sum[2] = {vdupq_n_s32(0), vdupq_n_s32(0)};
    mmla(sum, first, x, 4);
    if (second != NULL) mmla(sum, second, x + 16, 4);
    dot[0] = FROM_S32(vuzp1q_s32(sum[0], sum[1]));
    dot[1] = FROM_S32(vuzp2q_s32(sum[0], sum[1]));
}

#else

INLINE void prepare_lines(VI *lines, const int width) {
    (void)lines;
    (void)width;
}

INLINE void prepare_quads(VI *quads, const int width) {
    (void)quads;
    (void)width;
}

/* dot[0] = start + sum over n lines, 4 columns a line. */
INLINE void dot_lines(VI *dot, const VI *w, const uint8_t *x, const int n,
                      const struct packed_format f, const VI *start, const int width) {
    (void)f;
    (void)width;
    dot[0] = FROM_S32(sdot_lines(AS_S32(start[0]), w, x, n));
}

/* dot[0]: sums of 16 or (where `second` is not NULL) 32 products a row; first[e] is row e. */
INLINE void dot_quads(VI *dot, const VI *first, const uint8_t *x, const VI *second,
                      const struct packed_format f, const int width) {
    (void)f;
    (void)width;
    dot[0] = FROM_S32(sdot_rows(first, x, second));
}

#endif
