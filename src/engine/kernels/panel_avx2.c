/* panel_avx2.c - panels with vpmaddubsw; see panel.h.
 *
 * How a type is multiplied follows from what its values leave room for in 16 bits: all products of a
 * block of 4-bit ones (15 * 127 * 16), two lines of 5- and 6-bit ones (63 * 127 * 4), and of 8-bit ones if the
 * activations are records of fours. */
#include "engine/kernels/panel.h"

#include "engine/kernels/packed_vec_avx2.h"

#include "engine/kernels/packed_dot_maddubs.h"
#include "engine/kernels/packed_unpack.h"
#include "engine/kernels/panel_lines_avx2.h"
#include "engine/kernels/rows_unpack.h"

/* Lines whose products are added before they are widened. */
enum kind { KIND_SUMMED, KIND_PAIRED, KIND_SCALED };
enum { LINE = 4 * PANEL_ROWS };

INLINE enum kind kind_of(const struct packed_format f) {
    if (takes_fours(f)) return KIND_SCALED;
    return f.base_bits + f.extra_bits > 4 ? KIND_PAIRED : KIND_SUMMED;
}

/* Floats of a block and row: scales and mins. */
INLINE int numbers_of(const struct packed_format f) {
    return f.scales * (f.mins ? 2 : 1);
}

INLINE int block_bytes_of(const struct packed_format f) {
    return 8 * LINE + numbers_of(f) * PANEL_ROWS * (int)sizeof(float);
}

/* ---- unpacking: 8 rows at a time, half a line ---- */

INLINE void store_half_block(uint8_t *to, const struct packed_format f, const VI *lines,
                             const struct scales *scales, const int half) {
    float *numbers = (float *)(void *)(to + 8 * LINE) + half * PANEL_ROWS / 2;
    for (int k = 0; k < 8; k++) _mm256_store_si256((VI *)(void *)(to + k * LINE + half * LINE / 2), lines[k]);
    for (int h = 0; h < f.scales; h++) {
        vf_store(numbers + h * PANEL_ROWS, scales->scale[h]);
        if (f.mins) vf_store(numbers + (f.scales + h) * PANEL_ROWS, scales->min[h]);
    }
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
        const struct supers supers = load_supers(f, w);
        for (int i = 0; i < f.blocks; i++, to += block_bytes_of(f)) {
            VI lines[8];
            unpack_lines(lines, f, planes + i * plane);
            const struct scales scales = load_scales(f, of_blocks + i * scale_bytes, supers);
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

/* acc [PANEL_COLUMNS][PANEL_ROWS] + the part of a block that has scale h; s: its sums. */
INLINE void finish_part(float (*acc)[PANEL_ROWS], const struct packed_format f, VI *s, const float *scales,
                        const uint8_t *record, const int h) {
    const float *mins = scales + f.scales * PANEL_ROWS;
#pragma GCC unroll 4
    for (int c = 0; c < PANEL_COLUMNS; c++) {
        const struct column x = column_of(f, record, PANEL_COLUMNS, c);
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
        VI start[2];
        start_values(start, f, x);
        for (int half = 0; half < 2; half++) {
            VI dot = s[2 * c + half];
            float *to = acc[c] + half * 8;
            if (kind_of(f) == KIND_SUMMED) dot = vi_widen_pairs(dot);
            if (f.zero != 0) dot = vi_add_32(dot, start[h]);
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

/* The same of a block of a record of fours. */
INLINE void finish_fours(float (*acc)[PANEL_ROWS], const struct packed_format f, const VI *s, const float *scales,
                         const uint8_t *record) {
    const VF scale[2] = {_mm256_load_ps(scales), _mm256_load_ps(scales + 8)};
#pragma GCC unroll 4
    for (int c = 0; c < PANEL_COLUMNS; c++) {
        const struct column x = column_of(f, record, PANEL_COLUMNS, c);
        const VF d = vf_broadcast(x.d), offset = vf_broadcast(x.offset);
        for (int half = 0; half < 2; half++) {
            float *to = acc[c] + half * 8;
            const VF sum = vf_fma(vf_from_i32(s[2 * c + half]), d, offset);
            _mm256_store_ps(to, vf_fma(sum, scale[half], _mm256_load_ps(to)));
        }
    }
}

/* Nothing is asked for ahead: records are one stream, and an instruction is what counts here. */
INLINE void add_blocks(float (*acc)[PANEL_ROWS], const struct packed_format f, const uint8_t *panel,
                       const uint8_t *record, int64_t n_blocks) {
    const int lines = 8 / f.scales, bytes = record_bytes(f, PANEL_COLUMNS);
    for (int64_t b = 0; b < n_blocks; b++, panel += block_bytes_of(f), record += bytes) {
        const float *scales = (const float *)(const void *)(panel + 8 * LINE);
        VI s[PANEL_SUMS];
        if (kind_of(f) == KIND_SCALED) {
            scaled_lines(s, panel, record);
            finish_fours(acc, f, s, scales, record);
            continue;
        }
#pragma GCC unroll 2
        for (int h = 0; h < f.scales; h++) {
            const uint8_t *w = panel + h * 4 * LINE, *x = record + h * 16;
            if (kind_of(f) == KIND_SUMMED) {
                summed_lines(s, w, x, lines);
            } else {
                paired_lines(s, w, x, lines);
            }
            finish_part(acc, f, s, scales, record, h);
        }
    }
}

INLINE void multiply_panel(float *y, int64_t stride, const enum tensor_type type, const uint8_t *panel,
                           int64_t n_rows, const struct panel_input *in, int64_t block, int64_t n_blocks) {
    const struct packed_format f = formats[type];
    const uint8_t *records = in->records + block * record_bytes(f, PANEL_COLUMNS);
    for (int64_t t = 0; t < in->n_tiles; t++, y += PANEL_COLUMNS * stride, records += in->tile_bytes) {
        _Alignas(32) float acc[PANEL_COLUMNS][PANEL_ROWS];
        for (int c = 0; c < PANEL_COLUMNS; c++) {
            for (int r = 0; r < PANEL_ROWS; r += 8) {
                const bool begun = block > 0 && r < n_rows;
                _mm256_store_ps(acc[c] + r, begun ? _mm256_loadu_ps(y + c * stride + r) : vf_zero());
            }
            /* Stores wait for a line that is far, and all later ones behind them. */
            if (block == 0) __builtin_prefetch(y + c * stride, 1, 3);
        }
        add_blocks(acc, f, panel, records, n_blocks);
        /* No loop over rows: it would become calls of memcpy. */
        for (int c = 0; c < PANEL_COLUMNS; c++) {
            vf_store(y + c * stride, _mm256_load_ps(acc[c]));
            if (n_rows > 8) vf_store(y + c * stride + 8, _mm256_load_ps(acc[c] + 8));
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
    .from_groups = EACH(FROM_GROUPS),
    .from_rows = EACH(FROM_ROWS),
    .multiply = EACH(MULTIPLY),
};
