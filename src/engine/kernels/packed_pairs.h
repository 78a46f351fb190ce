/* packed_pairs.h - two groups of the packed layout times a whole tile of columns, for prompts: each value of the
 * activations is broadcast once for 32 rows, since loads are what limits products of one group. Included after
 * packed_simd.h by levels whose registers hold the lines of two groups. */

enum {
    PAIR_COLUMNS = 4,
    PAIR_AHEAD = 4, /* records asked for: the activations of a prompt are more than the second cache holds */
};

/* Columns at once, so that products wait less for one before them; as many as registers allow. */
INLINE int pair_columns(const struct packed_format f) {
    return f.scales == 1 ? PAIR_COLUMNS : PAIR_COLUMNS / 2;
}

/* dot[j][g][h]: products of part h of a block of column c + j with the lines of group g, start values included. */
INLINE void dot_pair(VI (*dot)[2][2], VI (*lines)[8], const struct packed_format f, const uint8_t *x, const int c) {
    const int lines_of_part = 8 / f.scales, columns = pair_columns(f);
    VI start[PAIR_COLUMNS][2];
    for (int j = 0; j < columns; j++) {
        start_values(start[j], f, column_of(f, x, MAX_WIDTH, c + j));
        for (int h = 0; h < f.scales; h++) dot[j][0][h] = dot[j][1][h] = start[j][h];
    }
#pragma GCC unroll 8
    for (int k = 0; k < 8; k++) {
        const int h = k / lines_of_part;
        for (int j = 0; j < columns; j++) {
            const VI v = vi_broadcast_32(column_of(f, x, MAX_WIDTH, c + j).q + 4 * k);
            for (int g = 0; g < 2; g++) dot[j][g][h] = vi_dpbusd(dot[j][g][h], lines[g][k], v);
        }
    }
}

INLINE void pair_body(const enum tensor_type type, float *y, int64_t stride, const uint8_t *const *groups,
                      const uint8_t *x, int64_t n_blocks) {
    const struct packed_format f = formats[type];
    const int plane = PACKED_PLANE_BYTES(f) * ROWS, scale_bytes = PACKED_SCALE_BYTES(f) * ROWS;
    const int tile = PACKED_TILE_BYTES(f) * ROWS, columns = pair_columns(f), bytes = record_bytes(f, MAX_WIDTH);
    const uint8_t *w[2] = {groups[0], groups[1]};
    VF acc[MAX_WIDTH][2];
    for (int c = 0; c < MAX_WIDTH; c++) acc[c][0] = acc[c][1] = vf_zero();
    for (int64_t t = 0; t < n_blocks / f.blocks; t++) {
        const struct supers supers[2] = {load_supers(f, w[0]), load_supers(f, w[1])};
        for (int i = 0; i < f.blocks; i++, x += bytes) {
            for (int at = 0; at < bytes; at += 64) prefetch(x + PAIR_AHEAD * bytes + at);
            VI lines[2][8];
            struct scales scales[2];
            for (int g = 0; g < 2; g++) {
                const uint8_t *of_blocks = w[g] + PACKED_SUPER_BYTES(f) * ROWS;
                unpack_lines(lines[g], f, of_blocks + f.blocks * scale_bytes + i * plane);
                scales[g] = load_scales(f, of_blocks + i * scale_bytes, supers[g]);
            }
#pragma GCC unroll 1
            for (int c = 0; c < MAX_WIDTH; c += columns) {
                VI dot[PAIR_COLUMNS][2][2];
                dot_pair(dot, lines, f, x, c);
                for (int j = 0; j < columns; j++) {
                    const struct column column = column_of(f, x, MAX_WIDTH, c + j);
                    for (int g = 0; g < 2; g++) {
                        acc[c + j][g] = finish_block(acc[c + j][g], f, dot[j][g], &scales[g], column);
                    }
                }
            }
        }
        for (int g = 0; g < 2; g++) w[g] += tile;
    }
    for (int c = 0; c < MAX_WIDTH; c++) {
        for (int g = 0; g < 2; g++) vf_store(y + c * stride + g * ROWS, acc[c][g]);
    }
}

#define PAIR(type)                                                                                 \
    static void pair_##type(float *y, int64_t stride, const uint8_t *const *groups, const void *records, \
                            int64_t n_blocks) {                                                    \
        pair_body(TENSOR_##type, y, stride, groups, records, n_blocks);                            \
    }
PAIR(Q4_0) PAIR(Q4_1) PAIR(Q5_0) PAIR(Q5_1) PAIR(Q8_0) PAIR(Q2_K) PAIR(Q3_K) PAIR(Q4_K) PAIR(Q5_K) PAIR(Q6_K)
PAIR(IQ4_NL) PAIR(IQ4_XS)

#define PAIR_ENTRY(type) [TENSOR_##type] = pair_##type
#define PACKED_PAIRS                                                                               \
    {PAIR_ENTRY(Q4_0), PAIR_ENTRY(Q4_1), PAIR_ENTRY(Q5_0), PAIR_ENTRY(Q5_1), PAIR_ENTRY(Q8_0), PAIR_ENTRY(Q2_K), \
     PAIR_ENTRY(Q3_K), PAIR_ENTRY(Q4_K), PAIR_ENTRY(Q5_K), PAIR_ENTRY(Q6_K), PAIR_ENTRY(IQ4_NL), PAIR_ENTRY(IQ4_XS)}
