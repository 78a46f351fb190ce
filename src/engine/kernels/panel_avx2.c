/* panel_avx2.c - panels with vpmaddubsw; see panel.h.
 *
 * How a type is multiplied follows from what its values leave room for in 16 bits, where the products of a
 * block should be added: 4-bit values as unsigned ones (15 * 127 * 16 products), 5- and 6-bit values around
 * their middle (16 * 127 * 16, 32 * 127 * 8). 8-bit values leave none: each product is widened. */
#include "engine/kernels/panel.h"

#include "engine/kernels/packed_vec_avx2.h"

#include "engine/kernels/packed_dot_maddubs.h"
#include "engine/kernels/packed_unpack.h"
#include "engine/kernels/panel_lines_avx2.h"
#include "engine/kernels/rows_unpack.h"

enum kind { KIND_UNSIGNED, KIND_SIGNED, KIND_WIDENED };
enum { LINE = 4 * PANEL_ROWS, RECORD = PANEL_COLUMNS * QACT_COLUMN_BYTES };

INLINE enum kind kind_of(const struct packed_format f) {
    if (is_wide(f)) return KIND_WIDENED;
    return f.base_bits + f.extra_bits > 4 ? KIND_SIGNED : KIND_UNSIGNED;
}

/* What is subtracted from a signed kind's stored values. */
INLINE int middle_of(const struct packed_format f) {
    return kind_of(f) == KIND_SIGNED ? 1 << (f.base_bits + f.extra_bits - 1) : 0;
}

/* Of widened types sizes and signs lie apart. */
INLINE int line_bytes(const struct packed_format f) {
    return kind_of(f) == KIND_WIDENED ? 2 * LINE : LINE;
}

/* Floats of a block: scales, mins, and (as int32) what turned bits are short of. */
INLINE int numbers_of(const struct packed_format f) {
    return f.scales * (1 + (f.mins ? 1 : 0) + (kind_of(f) == KIND_WIDENED ? 1 : 0));
}

INLINE int block_bytes_of(const struct packed_format f) {
    return 8 * line_bytes(f) + numbers_of(f) * PANEL_ROWS * (int)sizeof(float);
}

static bool panel_is_large(enum tensor_type type) {
    return kind_of(formats[type]) == KIND_WIDENED;
}

/* ---- unpacking: 8 rows at a time, half a line ---- */

INLINE void store_half_block(uint8_t *to, const struct packed_format f, const VI *lines,
                             const struct scales *scales, const int half) {
    float *numbers = (float *)(void *)(to + 8 * line_bytes(f)) + half * PANEL_ROWS / 2;
    VI shortage = vi_zero(); /* sum of |w| where w is negative */
    for (int k = 0; k < 8; k++) {
        VI *line = (VI *)(void *)(to + k * line_bytes(f) + half * LINE / 2), w = lines[k];
        if (kind_of(f) == KIND_SIGNED) w = _mm256_sub_epi8(w, vi_set1_8(middle_of(f)));
        if (kind_of(f) == KIND_WIDENED) {
            const VI sign = _mm256_cmpgt_epi8(vi_zero(), w);
            w = vi_abs_8(w);
            shortage = vi_add_32(shortage, vi_widen_pairs(vi_maddubs(vi_and(w, sign), vi_set1_8(1))));
            _mm256_store_si256(line + LINE / (int)sizeof *line, sign);
        }
        _mm256_store_si256(line, w);
    }
    for (int h = 0; h < f.scales; h++) {
        vf_store(numbers + h * PANEL_ROWS, scales->scale[h]);
        if (f.mins) vf_store(numbers + (f.scales + h) * PANEL_ROWS, scales->min[h]);
    }
    if (kind_of(f) == KIND_WIDENED) _mm256_storeu_si256((VI *)(void *)(numbers + PANEL_ROWS), shortage);
}

INLINE void store_no_rows(uint8_t *to, const struct packed_format f, int64_t n_blocks) {
    for (int64_t b = 0; b < n_blocks; b++, to += block_bytes_of(f)) {
        for (int at = LINE / 2; at < block_bytes_of(f); at += LINE) memset(to + at, 0, LINE / 2);
    }
}

INLINE void group_to_panel(uint8_t *to, const enum tensor_type type, const uint8_t *group, int64_t block,
                           int64_t n_blocks, const int half) {
    const struct packed_format f = formats[type];
    const int plane = PACKED_PLANE_BYTES(f) * ROWS, scale_bytes = PACKED_SCALE_BYTES(f) * ROWS;
    const int tile = PACKED_TILE_BYTES(f) * ROWS;
    const uint8_t *w = group + block / f.blocks * tile;
    for (int64_t t = 0; t < n_blocks / f.blocks; t++, w += tile) {
        const uint8_t *of_blocks = w + PACKED_SUPER_BYTES(f) * ROWS, *planes = of_blocks + f.blocks * scale_bytes;
        const VF w_d = f.super ? vf_load_half(w) : vf_zero();
        const VF w_dmin = f.super && f.mins ? vf_load_half(w + 2 * ROWS) : w_d;
        for (int i = 0; i < f.blocks; i++, to += block_bytes_of(f)) {
            VI lines[8];
            unpack_lines(lines, f, planes + i * plane);
            const struct scales scales = load_scales(f, of_blocks + i * scale_bytes, w_d, w_dmin);
            store_half_block(to, f, lines, &scales, half);
        }
    }
}

/* lines[k]: columns 4 k .. 4 k + 3 of 8 rows, from registers of 16 columns of 4 of them a quad. */
INLINE void lines_of_rows(VI *lines, const VI *w) {
    for (int second = 0; second < 2; second++) {
        const VI *v = w + 4 * second;
        VI a = _mm256_unpacklo_epi32(v[0], v[1]), b = _mm256_unpacklo_epi32(v[2], v[3]);
        VI c = _mm256_unpackhi_epi32(v[0], v[1]), d = _mm256_unpackhi_epi32(v[2], v[3]);
        lines[4 * second] = _mm256_unpacklo_epi64(a, b);
        lines[4 * second + 1] = _mm256_unpackhi_epi64(a, b);
        lines[4 * second + 2] = _mm256_unpacklo_epi64(c, d);
        lines[4 * second + 3] = _mm256_unpackhi_epi64(c, d);
    }
}

INLINE void rows_to_panel(uint8_t *to, const enum tensor_type type, const uint8_t *rows, uint64_t row_bytes,
                          int64_t block, int64_t n_blocks, const int half) {
    const struct packed_format f = formats[type];
    const struct pass p = {.base = {rows, rows + 4 * row_bytes}, .step = (int64_t)row_bytes};
    const int bytes = file_block_bytes(type);
    VI w[8], lines[8];
    if (!f.super) {
        for (int64_t b = 0; b < n_blocks; b++, to += block_bytes_of(f)) {
            const int64_t at = (block + b) * bytes;
            load_block(w, type, &p, at, 0, 0);
            lines_of_rows(lines, w);
            const struct scales scales = load_simple_scales(type, &p, at);
            store_half_block(to, f, lines, &scales, half);
        }
        return;
    }
    for (int64_t b = 0; b < n_blocks; b += 8) {
        const int64_t at = (block + b) / 8 * bytes;
        struct sub_scales sub;
        load_sub_scales(&sub, type, &p, at);
        for (int outer = 0; outer < 2; outer++) {
#pragma GCC unroll 4
            for (int inner = 0; inner < 4; inner++, to += block_bytes_of(f)) {
                load_block(w, type, &p, at, outer, inner);
                lines_of_rows(lines, w);
                const struct scales scales = scales_of_block(&sub, type, outer, inner);
                store_half_block(to, f, lines, &scales, half);
            }
        }
    }
}

/* ---- products ---- */

/* What is added to the integer sums of a column of part h: of the zero that the type subtracts, less the
 * middle that is subtracted already. The record has -8 times the sum of x. */
INLINE VI start_of(const struct packed_format f, const struct column x, const int h) {
    if (kind_of(f) == KIND_UNSIGNED) {
        VI start[2];
        start_values(start, f, x);
        return start[h];
    }
    return vi_sub_32(vi_zero(), _mm256_slli_epi32(vi_broadcast_32(x.bias), 1));
}

INLINE bool has_start(const struct packed_format f) {
    return kind_of(f) == KIND_UNSIGNED ? f.zero != 0 : kind_of(f) == KIND_SIGNED && f.zero == 0;
}

/* acc [PANEL_COLUMNS][PANEL_ROWS] + the part of a block that has scale h; s: its sums. */
INLINE void finish_part(float (*acc)[PANEL_ROWS], const struct packed_format f, VI *s, const float *scales,
                        const uint8_t *record, const int h) {
    const float *mins = scales + f.scales * PANEL_ROWS, *shortage = scales + PANEL_ROWS; /* one or the other */
#pragma GCC unroll 4
    for (int c = 0; c < PANEL_COLUMNS; c++) {
        const struct column x = column_of(record, PANEL_COLUMNS, c);
        const VF d = vf_broadcast(x.d);
        float min_share = 0;
        if (f.mins && f.scales == 2) {
            int32_t bias, half;
            float x_d;
            memcpy(&bias, x.bias, sizeof bias);
            memcpy(&half, x.half, sizeof half);
            memcpy(&x_d, x.d, sizeof x_d);
            min_share = x_d * ((float)(h == 0 ? half : bias - half) * -0.125f);
        }
        const VF s_x = f.scales == 2 ? vf_set1(min_share) : vf_broadcast(x.s);
        const VI start = start_of(f, x, h);
        for (int half = 0; half < 2; half++) {
            VI dot = s[2 * c + half];
            float *to = acc[c] + half * 8;
            if (kind_of(f) != KIND_WIDENED) dot = vi_widen_pairs(dot);
            if (kind_of(f) == KIND_WIDENED) dot = vi_add_32(dot, vi_load(shortage + half * 8));
            if (has_start(f)) dot = vi_add_32(dot, start);
            VF sum = vf_fma(vf_mul(vf_from_i32(dot), d), _mm256_load_ps(scales + h * PANEL_ROWS + half * 8),
                            _mm256_load_ps(to));
            if (f.mins) {
                const VF min = _mm256_load_ps(mins + h * PANEL_ROWS + half * 8);
                sum = f.super ? vf_fnma(min, s_x, sum) : vf_fma(min, s_x, sum);
            }
            _mm256_store_ps(to, sum);
        }
    }
}

/* next: from a record to that of the next tile, which is asked for meanwhile. */
INLINE void add_blocks(float (*acc)[PANEL_ROWS], const struct packed_format f, const uint8_t *panel,
                       const uint8_t *record, size_t next, int64_t n_blocks) {
    const int lines = 8 / f.scales;
    for (int64_t b = 0; b < n_blocks; b++, panel += block_bytes_of(f), record += RECORD) {
        const float *scales = (const float *)(const void *)(panel + 8 * line_bytes(f));
        for (int at = 0; at < RECORD; at += 64) prefetch(record + next + at);
#pragma GCC unroll 2
        for (int h = 0; h < f.scales; h++) {
            const uint8_t *w = panel + h * 4 * line_bytes(f), *x = record + h * 16;
            VI s[PANEL_SUMS];
            switch (kind_of(f)) {
            case KIND_UNSIGNED: unsigned_lines(s, w, x, lines); break;
            case KIND_SIGNED: signed_lines(s, w, x, lines); break;
            default: widened_lines(s, w, x); break;
            }
            finish_part(acc, f, s, scales, record, h);
        }
    }
}

INLINE void multiply_panel(float *y, int64_t stride, const enum tensor_type type, const uint8_t *panel,
                           int64_t n_rows, const struct panel_input *in, int64_t block, int64_t n_blocks) {
    const struct packed_format f = formats[type];
    const uint8_t *records = in->records + block * RECORD;
    for (int64_t t = 0; t < in->n_tiles; t++, y += PANEL_COLUMNS * stride, records += in->tile_bytes) {
        _Alignas(32) float acc[PANEL_COLUMNS][PANEL_ROWS];
        for (int c = 0; c < PANEL_COLUMNS; c++) {
            for (int r = 0; r < PANEL_ROWS; r += 8) {
                const bool begun = block > 0 && r < n_rows;
                _mm256_store_ps(acc[c] + r, begun ? _mm256_loadu_ps(y + c * stride + r) : vf_zero());
            }
        }
        add_blocks(acc, f, panel, records, in->tile_bytes, n_blocks);
        for (int c = 0; c < PANEL_COLUMNS; c++) {
            for (int r = 0; r < n_rows; r += 8) vf_store(y + c * stride + r, _mm256_load_ps(acc[c] + r));
        }
    }
}

/* ---- the table ---- */

#define PANEL(type)                                                                                \
    static void from_groups_##type(uint8_t *panel, const uint8_t *first, const uint8_t *second,    \
                                   int64_t block, int64_t n_blocks) {                              \
        group_to_panel(panel, TENSOR_##type, first, block, n_blocks, 0);                           \
        if (second != NULL) {                                                                      \
            group_to_panel(panel, TENSOR_##type, second, block, n_blocks, 1);                      \
        } else {                                                                                   \
            store_no_rows(panel, formats[TENSOR_##type], n_blocks);                                \
        }                                                                                          \
    }                                                                                              \
    static void from_rows_##type(uint8_t *panel, const uint8_t *w, uint64_t row_bytes,             \
                                 int64_t n_rows, int64_t block, int64_t n_blocks) {                \
        rows_to_panel(panel, TENSOR_##type, w, row_bytes, block, n_blocks, 0);                     \
        if (n_rows == PANEL_ROWS) {                                                                \
            rows_to_panel(panel, TENSOR_##type, w + 8 * row_bytes, row_bytes, block, n_blocks, 1); \
        } else {                                                                                   \
            store_no_rows(panel, formats[TENSOR_##type], n_blocks);                                \
        }                                                                                          \
    }                                                                                              \
    static void multiply_##type(float *y, int64_t stride, const uint8_t *panel, int64_t n_rows,    \
                                const struct panel_input *in, int64_t block, int64_t n_blocks) {   \
        multiply_panel(y, stride, TENSOR_##type, panel, n_rows, in, block, n_blocks);              \
    }
PANEL(Q4_0) PANEL(Q4_1) PANEL(Q5_0) PANEL(Q5_1) PANEL(Q8_0) PANEL(Q2_K) PANEL(Q3_K) PANEL(Q4_K)
PANEL(Q5_K) PANEL(Q6_K) PANEL(IQ4_NL) PANEL(IQ4_XS)

#define EACH(of)                                                                                   \
    {of(Q4_0), of(Q4_1), of(Q5_0), of(Q5_1), of(Q8_0),   of(Q2_K),                                 \
     of(Q3_K), of(Q4_K), of(Q5_K), of(Q6_K), of(IQ4_NL), of(IQ4_XS)}
#define FROM_GROUPS(type) [TENSOR_##type] = from_groups_##type
#define FROM_ROWS(type) [TENSOR_##type] = from_rows_##type
#define MULTIPLY(type) [TENSOR_##type] = multiply_##type

extern const struct panel_kernels panel_kernels_avx2;
const struct panel_kernels panel_kernels_avx2 = {
    .is_large = panel_is_large,
    .from_groups = EACH(FROM_GROUPS),
    .from_rows = EACH(FROM_ROWS),
    .multiply = EACH(MULTIPLY),
};
