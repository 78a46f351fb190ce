/* packed_simd.h - body of the packed product, included once per ISA after packed_vec_*.h (registers),
 * packed_dot_*.h (products) and MAX_WIDTH. Every function here is inlined with a constant type and
 * width, so the format's switches cost nothing. */
#include "engine/kernels/packed_unpack.h"

/* Wide tiles of columns spend long on a line, and asking ahead is worth 1 % there. One or two columns read
 * as fast as memory gives, in one stream that the hardware's own prefetcher follows best undisturbed: with
 * asking, Q8_0 is 14 % slower and Q4_0 7 %. */
enum { PREFETCH_BYTES = 256, LEAST_WIDTH_TO_PREFETCH = 4 };

/* acc[c] + a block in lines times column c of the record x. */
INLINE void add_block(VF *acc, const VI *lines, const struct scales *scales, const struct packed_format f,
                      const uint8_t *x, const int W) {
    const int lines_of_part = 8 / f.scales, step = line_step(W);
#pragma GCC unroll 16
    for (int c = 0; c < W; c += step) {
        VI dot[2][LINE_STEP], start[LINE_STEP][2], first[LINE_STEP];
        for (int j = 0; j < step; j++) start_values(start[j], f, column_of(f, x, W, c + j));
        for (int h = 0; h < f.scales; h++) {
            for (int j = 0; j < step; j++) first[j] = start[j][h];
            dot_lines(dot[h], lines + 4 * h, column_of(f, x, W, c).q + 16 * h, lines_of_part, f, first, W);
        }
        for (int j = 0; j < step; j++) {
            VI both[2] = {dot[0][j], dot[f.scales - 1][j]};
            acc[c + j] = finish_block(acc[c + j], f, both, scales, column_of(f, x, W, c + j));
        }
    }
}

INLINE void group_body(const enum tensor_type type, const int W, float *y, int64_t stride,
                       const uint8_t *w, const uint8_t *x, int64_t n_blocks) {
    const struct packed_format f = formats[type];
    const int plane = PACKED_PLANE_BYTES(f) * ROWS, scale_bytes = PACKED_SCALE_BYTES(f) * ROWS;
    const int tile = PACKED_TILE_BYTES(f) * ROWS, share = tile / f.blocks;
    VF acc[MAX_WIDTH];
    for (int c = 0; c < W; c++) acc[c] = vf_zero();
    for (int64_t t = 0; t < n_blocks / f.blocks; t++, w += tile) {
        const uint8_t *of_blocks = w + PACKED_SUPER_BYTES(f) * ROWS, *planes = of_blocks + f.blocks * scale_bytes;
        const struct supers supers = load_supers(f, w);
#pragma GCC unroll 2
        for (int i = 0; i < f.blocks; i++, x += record_bytes(f, W)) {
            for (int at = 0; W >= LEAST_WIDTH_TO_PREFETCH && at < share; at += 64) {
                prefetch(w + PREFETCH_BYTES + i * share + at);
            }
            VI lines[8];
            unpack_lines(lines, f, planes + i * plane);
            prepare_lines(lines, W);
            const struct scales scales = load_scales(f, of_blocks + i * scale_bytes, supers);
            add_block(acc, lines, &scales, f, x, W);
        }
    }
    for (int c = 0; c < W; c++) vf_store(y + c * stride, acc[c]);
}

enum { AT_MOST_8 = MAX_WIDTH < 8 ? MAX_WIDTH : 8 };

/* Widths beyond the level's are not compiled. */
#define GROUP(type)                                                                                \
    static void group_##type(float *y, int64_t stride, const uint8_t *w, const void *records,      \
                             int width, int64_t n_blocks) {                                        \
        if (width == 1) {                                                                          \
            group_body(TENSOR_##type, 1, y, stride, w, records, n_blocks);                         \
        } else if (width == 2) {                                                                   \
            group_body(TENSOR_##type, 2, y, stride, w, records, n_blocks);                         \
        } else if (width == 4 || MAX_WIDTH == 4) {                                                 \
            group_body(TENSOR_##type, 4, y, stride, w, records, n_blocks);                         \
        } else if (width == 8 || MAX_WIDTH == 8) {                                                 \
            group_body(TENSOR_##type, AT_MOST_8, y, stride, w, records, n_blocks);                 \
        } else {                                                                                   \
            group_body(TENSOR_##type, MAX_WIDTH, y, stride, w, records, n_blocks);                 \
        }                                                                                          \
    }
GROUP(Q4_0) GROUP(Q4_1) GROUP(Q5_0) GROUP(Q5_1) GROUP(Q8_0) GROUP(Q2_K) GROUP(Q3_K) GROUP(Q4_K)
GROUP(Q5_K) GROUP(Q6_K) GROUP(IQ4_NL) GROUP(IQ4_XS)

#define ENTRY(type) [TENSOR_##type] = group_##type
#define PACKED_GROUPS                                                                              \
    {ENTRY(Q4_0), ENTRY(Q4_1), ENTRY(Q5_0), ENTRY(Q5_1), ENTRY(Q8_0),   ENTRY(Q2_K),               \
     ENTRY(Q3_K), ENTRY(Q4_K), ENTRY(Q5_K), ENTRY(Q6_K), ENTRY(IQ4_NL), ENTRY(IQ4_XS)}
