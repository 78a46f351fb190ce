/* attention_tiles_q8.h - keys and values as int8, multiplied as they are: queries and the weights of the
 * softmax become integers too. How they lie: attention_store_q8.h, keys as q + 128.
 * A weight times its position's d becomes 16 bits, relative to the largest of the block, as two bytes: the
 * integer product takes each. Included after attention_rows.h, attention_tiles_f16.h and vi_dpbusd. */
enum { QUAD = 4, Q8_TOGETHER = QUAD, Q8_KEY_OFFSET = 128 };

#include "engine/kernels/attention_store_q8.h"

/* ---- queries: int8 q[n], then per block { float d (the softmax scale in it), int32 -128 * sum of q } ---- */

struct query_block {
    float d;
    int32_t start;
};

INLINE size_t query_bytes(int64_t n) {
    return (size_t)n + (size_t)(n / Q8_BLOCK) * sizeof(struct query_block);
}

static void quantize_query(uint8_t *to, const float *x, int64_t n, float scale) {
    for (int64_t b = 0; b < n / Q8_BLOCK; b++) {
        int8_t *q = (int8_t *)to + b * Q8_BLOCK;
        struct query_block block = {.d = f32_from_f16(quantize_q8_0(q, x + b * Q8_BLOCK, Q8_BLOCK)) * scale};
        for (int i = 0; i < Q8_BLOCK; i++) block.start -= 128 * q[i];
        memcpy(to + n + (size_t)b * sizeof block, &block, sizeof block);
    }
}

/* next: asked for meanwhile, a line for each that is read; or NULL. */
INLINE void scores_q8_0(float *s, const uint8_t *queries, const int n_queries, const uint8_t *rows,
                        const uint8_t *next, int64_t n_rows, int64_t n) {
    const size_t bytes = query_bytes(n);
    for (int64_t j = 0; j < n_rows; j += TILE, rows += kv_row_bytes(KV_Q8_0, n) * TILE) {
        VF sum[KV_QUERIES];
        for (int k = 0; k < n_queries; k++) sum[k] = vf_zero();
        for (int64_t b = 0; b < n / Q8_BLOCK; b++) {
            const uint8_t *lines = rows + b * Q8_BLOCK * TILE;
            const VF d = vf_load_half(rows + TILE * n + b * TILE * 2);
            struct query_block block[KV_QUERIES];
            VI dot[KV_QUERIES];
            for (int k = 0; k < n_queries; k++) {
                memcpy(&block[k], queries + (size_t)k * bytes + n + (size_t)b * sizeof block[k], sizeof block[k]);
                dot[k] = vi_set1_32(block[k].start);
            }
            for (int l = 0; l < Q8_BLOCK / QUAD; l++) {
                const VI line = vi_load(lines + l * TILE * QUAD);
                if (next != NULL) kv_prefetch(next + j * n + (b * Q8_BLOCK + l * QUAD) * TILE);
                for (int k = 0; k < n_queries; k++) {
                    const uint8_t *q = queries + (size_t)k * bytes + b * Q8_BLOCK + l * QUAD;
                    dot[k] = vi_dpbusd(dot[k], line, vi_broadcast_32(q));
                }
            }
            for (int k = 0; k < n_queries; k++) {
                sum[k] = vf_fma(vf_from_i32(dot[k]), vf_mul(d, vf_set1(block[k].d)), sum[k]);
            }
        }
        for (int k = 0; k < n_queries; k++) vf_store(s + k * KV_POSITIONS + j, sum[k]);
    }
}

/* ---- values ---- */

/* Weights of one query and one block of values as two bytes a position. */
struct weights {
    uint8_t high[KV_POSITIONS], low[KV_POSITIONS];
    float unit;
};

/* p times d as integers; positions from `seen` on are 0. */
INLINE void quantize_weights(struct weights *w, const float *p, const VF *d, int n_tiles) {
    VF product[KV_POSITIONS / TILE], largest = vf_zero();
    bool good = true;
    for (int t = 0; t < n_tiles; t++) {
        product[t] = vf_mul(vf_load(p + t * TILE), d[t]);
        largest = vf_max(largest, product[t]);
        good = good && vf_is_number(product[t]);
    }
    const float most = vf_largest(largest);
    const VF inverse = vf_set1(most > 0 ? 65535 / most : 0);
    w->unit = good ? most / 65535 : NAN;
    for (int t = 0; t < n_tiles; t++) {
        const VI u = vi_round(vf_mul(product[t], inverse));
        vi_store_bytes(w->high + t * TILE, vi_shift_right_32(u, 8));
        vi_store_bytes(w->low + t * TILE, u);
    }
}

/* acc [n] of each query = share * acc + sum of p * values. */
INLINE void add_values_tiles(float *const *acc, const float *p, const float *share, const int n_queries,
                             const uint8_t *rows, const uint8_t *next, int64_t seen, int64_t n) {
    const int n_tiles = (int)((seen + TILE - 1) / TILE);
    const size_t tile_bytes = kv_row_bytes(KV_Q8_0, n) * TILE;
    for (int64_t b = 0; b < n / Q8_BLOCK; b++) {
        VF d[KV_POSITIONS / TILE];
        for (int t = 0; t < n_tiles; t++) {
            d[t] = vf_keep_first(vf_load_half(rows + t * tile_bytes + TILE * n + b * TILE * 2),
                                 seen - t * TILE);
        }
        struct weights w[KV_QUERIES];
        VI high[KV_QUERIES][2], low[KV_QUERIES][2];
        for (int k = 0; k < n_queries; k++) {
            quantize_weights(&w[k], p + k * KV_POSITIONS, d, n_tiles);
            high[k][0] = high[k][1] = low[k][0] = low[k][1] = vi_zero();
        }
        for (int t = 0; t < n_tiles; t++) {
            const uint8_t *lines = rows + t * tile_bytes + b * Q8_BLOCK * TILE;
            for (int quad = 0; quad < TILE / QUAD; quad++, lines += Q8_BLOCK * QUAD) {
                const VI first = vi_load(lines), second = vi_load(lines + 64);
                if (next != NULL) {
                    const uint8_t *at = next + t * TILE * n + b * Q8_BLOCK * TILE + quad * Q8_BLOCK * QUAD;
                    kv_prefetch(at);
                    kv_prefetch(at + 64);
                }
                for (int k = 0; k < n_queries; k++) {
                    const VI h = vi_broadcast_32(w[k].high + t * TILE + quad * QUAD);
                    const VI l = vi_broadcast_32(w[k].low + t * TILE + quad * QUAD);
                    high[k][0] = vi_dpbusd(high[k][0], h, first);
                    high[k][1] = vi_dpbusd(high[k][1], h, second);
                    low[k][0] = vi_dpbusd(low[k][0], l, first);
                    low[k][1] = vi_dpbusd(low[k][1], l, second);
                }
            }
        }
        for (int k = 0; k < n_queries; k++) {
            for (int i = 0; i < 2; i++) {
                float *to = acc[k] + b * Q8_BLOCK + i * TILE;
                const VF sum = vf_from_i32(vi_add_32(vi_double_32(high[k][i], 8), low[k][i]));
                vf_store(to, vf_fma(sum, vf_set1(w[k].unit), vf_mul(vf_load(to), vf_set1(share[k]))));
            }
        }
    }
}
