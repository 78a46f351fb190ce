/* rows_simd.h - body of the row product, included once per ISA after packed_vec_*.h (registers),
 * packed_dot_*.h (products) and MAX_WIDTH, 4 or 8.
 *
 * Horizontal sums of the four registers of rows_unpack.h end as one register with a row a lane, in row
 * order, so from there on the steps are those of the packed product. */
#include "engine/kernels/rows_tables.h"
#include "engine/kernels/rows_unpack.h"

/* acc[c] + one block of 32 columns for W columns of the record at x. */
INLINE void add_block(VF *acc, const struct packed_format f, VI *w, const struct scales *scales,
                      const uint8_t *x, const int W) {
    const int step = W < COLUMN_STEP ? W : COLUMN_STEP;
    prepare_quads(w, W);
#pragma GCC unroll 8
    for (int c = 0; c < W; c += step) {
        const uint8_t *q = column_of(f, x, W, c).q;
        VI dot[2][COLUMN_STEP];
        dot_quads(dot[0], w, q, f.scales == 1 ? w + 4 : NULL, f, W);
        if (f.scales == 2) dot_quads(dot[1], w + 4, q + 16, NULL, f, W);
        for (int j = 0; j < step; j++) {
            const struct column column = column_of(f, x, W, c + j);
            VI start[2], both[2] = {dot[0][j], dot[f.scales - 1][j]};
            start_values(start, f, column);
            if (zero_of(f) != 0) {
                for (int h = 0; h < f.scales; h++) both[h] = vi_add_32(both[h], start[h]);
            }
            acc[c + j] = finish_block(acc[c + j], f, both, scales, column);
        }
    }
}

/* Asks for the share of the next pass that matches what this one reads now. The rows of a pass are
 * as many streams as no hardware prefetcher follows; the next pass, taken in the order of its
 * addresses, is one. It may be larger than the first-level cache. */
INLINE void prefetch_next(const struct pass *p, int64_t at, const int bytes) {
    const uint8_t *next = p->base[0] + ROWS * (p->step + at);
    for (int i = 0; i < ROWS * bytes; i += 64) prefetch_to_l2(next + i);
}

/* One pass of ROWS rows. */
INLINE void pass_body(VF *acc, const enum tensor_type type, const int W, const struct pass *p,
                      int64_t n_blocks, const uint8_t *x) {
    const struct packed_format f = formats[type];
    const int record = record_bytes(f, W);
    for (int c = 0; c < W; c++) acc[c] = vf_zero();
    int64_t at = 0;
    const int bytes = file_block_bytes(type);
    if (!f.super) {
        for (int64_t b = 0; b < n_blocks; b++, at += bytes, x += record) {
            prefetch_next(p, at, bytes);
            VI w[8];
            load_block(w, type, p, at, 0, 0);
            const struct scales scales = load_simple_scales(type, p, at);
            add_block(acc, f, w, &scales, x, W);
        }
        return;
    }
    for (int64_t b = 0; b < n_blocks; b += 8, at += bytes) {
        struct sub_scales sub;
        load_sub_scales(&sub, type, p, at);
        for (int outer = 0; outer < 2; outer++) {
#pragma GCC unroll 4
            for (int inner = 0; inner < 4; inner++, x += record) {
                prefetch_next(p, at + (4 * outer + inner) * bytes / 8, bytes / 8);
                VI w[8];
                load_block(w, type, p, at, outer, inner);
                const struct scales scales = scales_of_block(&sub, type, outer, inner);
                add_block(acc, f, w, &scales, x, W);
            }
        }
    }
}

/* The last rows of a matrix, fewer than ROWS: passes whose quads overlap (4 rows or more) or have
 * one row each, the results of which are stored as often as they come. */
INLINE int64_t set_quads(struct pass *p, int64_t *row, const uint8_t *w, uint64_t row_bytes,
                         int64_t n_rows) {
    const int quad = n_rows < 4 ? 1 : 4;
    p->step = quad == 4 ? (int64_t)row_bytes : 0;
    for (int q = 0; q < QUADS; q++) {
        row[q] = q * quad + quad <= n_rows ? q * quad : n_rows - quad;
        p->base[q] = w + (uint64_t)row[q] * row_bytes;
    }
    return n_rows < QUADS * quad ? n_rows : QUADS * quad;
}

INLINE void rows_body(const enum tensor_type type, const int W, float *y, int64_t stride,
                      const uint8_t *w, uint64_t row_bytes, int64_t n_rows, int64_t cols,
                      const uint8_t *records) {
    VF acc[MAX_WIDTH];
    while (n_rows > 0) {
        struct pass p;
        int64_t row[QUADS], done = set_quads(&p, row, w, row_bytes, n_rows);
        pass_body(acc, type, W, &p, cols / PACKED_BLOCK, records);
        for (int c = 0; c < W; c++) {
            if (n_rows >= ROWS) {
                vf_store(y + c * stride, acc[c]);
                continue;
            }
            float lanes[ROWS];
            vf_store(lanes, acc[c]);
            for (int q = 0; q < QUADS; q++) {
                memcpy(y + c * stride + row[q], lanes + 4 * q, p.step != 0 ? 16 : 4);
            }
        }
        y += done;
        w += (uint64_t)done * row_bytes;
        n_rows -= done;
    }
}

/* Widths beyond the level's are not compiled. */
#define ROWS_OF(type)                                                                              \
    static void rows_##type(float *y, int64_t stride, const uint8_t *w, uint64_t row_bytes,        \
                            int64_t n_rows, int64_t cols, const void *records, int width) {        \
        if (width == 1) {                                                                          \
            rows_body(TENSOR_##type, 1, y, stride, w, row_bytes, n_rows, cols, records);           \
        } else if (width == 2) {                                                                   \
            rows_body(TENSOR_##type, 2, y, stride, w, row_bytes, n_rows, cols, records);           \
        } else if (width == 4 || MAX_WIDTH == 4) {                                                 \
            rows_body(TENSOR_##type, 4, y, stride, w, row_bytes, n_rows, cols, records);           \
        } else {                                                                                   \
            rows_body(TENSOR_##type, MAX_WIDTH, y, stride, w, row_bytes, n_rows, cols, records);   \
        }                                                                                          \
    }
ROWS_OF(Q4_0) ROWS_OF(Q4_1) ROWS_OF(Q5_0) ROWS_OF(Q5_1) ROWS_OF(Q8_0) ROWS_OF(Q2_K) ROWS_OF(Q3_K)
ROWS_OF(Q4_K) ROWS_OF(Q5_K) ROWS_OF(Q6_K) ROWS_OF(IQ4_NL) ROWS_OF(IQ4_XS)

#define ROWS_ENTRY(type) [TENSOR_##type] = rows_##type
#define ROW_KERNELS(isa)                                                                           \
    {                                                                                              \
        .name = isa, .max_width = MAX_WIDTH,                                                       \
        .rows = {ROWS_ENTRY(Q4_0), ROWS_ENTRY(Q4_1), ROWS_ENTRY(Q5_0), ROWS_ENTRY(Q5_1),           \
                 ROWS_ENTRY(Q8_0), ROWS_ENTRY(Q2_K), ROWS_ENTRY(Q3_K), ROWS_ENTRY(Q4_K),           \
                 ROWS_ENTRY(Q5_K), ROWS_ENTRY(Q6_K), ROWS_ENTRY(IQ4_NL), ROWS_ENTRY(IQ4_XS)},      \
    }
