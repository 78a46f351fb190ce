/* packed_streams.h - PACKED_STREAMS groups of the packed layout by turns, block by block, each a stream of
 * memory. Included after packed_simd.h and a packed_together_*.h by levels whose memory gives more to several
 * streams. */

/* One column. */
INLINE void together_body(const enum tensor_type type, float *const *y, const uint8_t *const *groups,
                          const uint8_t *x, int64_t n_blocks) {
    const struct packed_format f = formats[type];
    const int plane = PACKED_PLANE_BYTES(f) * ROWS, scale_bytes = PACKED_SCALE_BYTES(f) * ROWS;
    const int tile = PACKED_TILE_BYTES(f) * ROWS;
    const int scales_at = PACKED_SUPER_BYTES(f) * ROWS, planes_at = scales_at + f.blocks * scale_bytes;
    VF acc[PACKED_STREAMS];
    const uint8_t *w[PACKED_STREAMS];
    for (int s = 0; s < PACKED_STREAMS; s++) {
        w[s] = groups[s];
        acc[s] = vf_zero();
    }
    for (int64_t t = 0; t < n_blocks / f.blocks; t++) {
        struct supers supers[PACKED_STREAMS];
        for (int s = 0; s < PACKED_STREAMS; s++) supers[s] = load_supers(f, w[s]);
#pragma GCC unroll 2
        for (int i = 0; i < f.blocks; i++, x += record_bytes(f, 1)) {
            const struct column column = column_of(f, x, 1, 0);
            const uint8_t *planes[PACKED_STREAMS];
            VI dot[PACKED_STREAMS], start[2];
            for (int s = 0; s < PACKED_STREAMS; s++) planes[s] = w[s] + planes_at + i * plane;
            start_values(start, f, column);
            dot_together(dot, planes, column.q, f, start[0]);
            for (int s = 0; s < PACKED_STREAMS; s++) {
                ask_together(w[s], f, i);
                const struct scales scales = load_scales(f, w[s] + scales_at + i * scale_bytes, supers[s]);
                acc[s] = finish_block(acc[s], f, &dot[s], &scales, column);
            }
        }
        for (int s = 0; s < PACKED_STREAMS; s++) w[s] += tile;
    }
    for (int s = 0; s < PACKED_STREAMS; s++) vf_store(y[s], acc[s]);
}

INLINE void streams_body(const enum tensor_type type, const int W, float *const *y, int64_t stride,
                         const uint8_t *const *groups, const uint8_t *x, int64_t n_blocks) {
    const struct packed_format f = formats[type];
    if (W == 1 && goes_together(f)) {
        together_body(type, y, groups, x, n_blocks);
        return;
    }
    const int plane = PACKED_PLANE_BYTES(f) * ROWS, scale_bytes = PACKED_SCALE_BYTES(f) * ROWS;
    const int tile = PACKED_TILE_BYTES(f) * ROWS, share = tile / f.blocks;
    VF acc[PACKED_STREAMS][4];
    const uint8_t *w[PACKED_STREAMS];
    for (int s = 0; s < PACKED_STREAMS; s++) {
        w[s] = groups[s];
        for (int c = 0; c < W; c++) acc[s][c] = vf_zero();
    }
    for (int64_t t = 0; t < n_blocks / f.blocks; t++) {
        struct supers supers[PACKED_STREAMS];
        for (int s = 0; s < PACKED_STREAMS; s++) supers[s] = load_supers(f, w[s]);
#pragma GCC unroll 2
        for (int i = 0; i < f.blocks; i++, x += record_bytes(f, W)) {
#pragma GCC unroll 4
            for (int s = 0; s < PACKED_STREAMS; s++) {
                const uint8_t *of_blocks = w[s] + PACKED_SUPER_BYTES(f) * ROWS;
                const uint8_t *planes = of_blocks + f.blocks * scale_bytes;
                ask_ahead(w[s] + i * share, f, share);
                VI lines[8];
                unpack_lines(lines, f, planes + i * plane);
                const struct scales scales = load_scales(f, of_blocks + i * scale_bytes, supers[s]);
                add_block(acc[s], lines, &scales, f, x, W);
            }
        }
        for (int s = 0; s < PACKED_STREAMS; s++) w[s] += tile;
    }
    for (int s = 0; s < PACKED_STREAMS; s++) {
        for (int c = 0; c < W; c++) vf_store(y[s] + c * stride, acc[s][c]);
    }
}

/* Widths beyond the level's are not compiled. */
#define AT_MOST(width) (STREAM_WIDTH < (width) ? STREAM_WIDTH : (width))
#define STREAM(type)                                                                               \
    static void streams_##type(float *const *y, int64_t stride, const uint8_t *const *groups,      \
                               const void *records, int width, int64_t n_blocks) {                 \
        if (width == 1) {                                                                          \
            streams_body(TENSOR_##type, 1, y, stride, groups, records, n_blocks);                  \
        } else if (STREAM_WIDTH >= 2 && width == 2) {                                              \
            streams_body(TENSOR_##type, AT_MOST(2), y, stride, groups, records, n_blocks);         \
        } else if (STREAM_WIDTH >= 4) {                                                            \
            streams_body(TENSOR_##type, AT_MOST(4), y, stride, groups, records, n_blocks);         \
        }                                                                                          \
    }
STREAM(Q4_0) STREAM(Q4_1) STREAM(Q5_0) STREAM(Q5_1) STREAM(Q8_0) STREAM(Q2_K) STREAM(Q3_K) STREAM(Q4_K)
STREAM(Q5_K) STREAM(Q6_K) STREAM(IQ4_NL) STREAM(IQ4_XS)

#define STREAM_ENTRY(type) [TENSOR_##type] = streams_##type
#define PACKED_STREAM_GROUPS                                                                       \
    {STREAM_ENTRY(Q4_0), STREAM_ENTRY(Q4_1), STREAM_ENTRY(Q5_0), STREAM_ENTRY(Q5_1),               \
     STREAM_ENTRY(Q8_0), STREAM_ENTRY(Q2_K), STREAM_ENTRY(Q3_K), STREAM_ENTRY(Q4_K),               \
     STREAM_ENTRY(Q5_K), STREAM_ENTRY(Q6_K), STREAM_ENTRY(IQ4_NL), STREAM_ENTRY(IQ4_XS)}
