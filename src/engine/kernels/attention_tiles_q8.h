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
    enum { REGISTERS = Q8_BLOCK / LANES };
    for (int64_t b = 0; b < n / Q8_BLOCK; b++, x += Q8_BLOCK) {
        VF v[REGISTERS], most = vf_zero(), sum = vf_zero();
        bool good = true;
        for (int i = 0; i < REGISTERS; i++) {
            v[i] = vf_load(x + i * LANES);
            most = vf_max(vf_abs(v[i]), most);
            good = good && vf_is_number(v[i]);
        }
        const float largest = vf_largest(most);
        good = good && largest < INFINITY;
        /* Below it 127 / largest would be infinite. */
        const VF inverse = vf_set1(largest >= 0x1p-119f ? 127 / largest : 0);
        for (int i = 0; i < REGISTERS; i++) {
            const VI q = good ? vi_round(vf_mul(v[i], inverse)) : vi_zero();
            vi_store_bytes(to + b * Q8_BLOCK + i * LANES, q);
            sum = vf_add(sum, vf_from_i32(q));
        }
        const struct query_block block = {.d = good ? largest / 127 * scale : NAN, .start = -128 * (int32_t)vf_sum(sum)};
        memcpy(to + n + (size_t)b * sizeof block, &block, sizeof block);
    }
}

/* Of two tiles at a time: eight chains of products hide each other's latency, and a query is broadcast for both.
 * next: asked for meanwhile, a line for each that is read; or NULL. */
INLINE void scores_q8_0(float *s, const uint8_t *queries, const int n_queries, const uint8_t *rows,
                        const uint8_t *next, int64_t n_rows, int64_t n) {
    const size_t bytes = query_bytes(n), tile_bytes = kv_row_bytes(KV_Q8_0, n) * TILE;
    for (int64_t j = 0; j < n_rows; j += 2 * TILE, rows += 2 * tile_bytes) {
        /* Beyond the end the first tile again: its scores are masked. */
        const uint8_t *tile[2] = {rows, j + TILE < n_rows ? rows + tile_bytes : rows};
        VF sum[KV_QUERIES][2];
        for (int k = 0; k < n_queries; k++) sum[k][0] = sum[k][1] = vf_zero();
        for (int64_t b = 0; b < n / Q8_BLOCK; b++) {
            struct query_block block[KV_QUERIES];
            VI dot[KV_QUERIES][2];
            VF d[2];
            for (int i = 0; i < 2; i++) d[i] = vf_load_half(tile[i] + TILE * n + b * TILE * 2);
            for (int k = 0; k < n_queries; k++) {
                memcpy(&block[k], queries + (size_t)k * bytes + n + (size_t)b * sizeof block[k], sizeof block[k]);
                dot[k][0] = dot[k][1] = vi_set1_32(block[k].start);
            }
            for (int l = 0; l < Q8_BLOCK / QUAD; l++) {
                const int64_t at = (b * Q8_BLOCK + l * QUAD) * TILE;
                VI line[2];
                for (int i = 0; i < 2; i++) {
                    line[i] = vi_load(tile[i] + at);
                    if (next != NULL) kv_prefetch(next + (j + i * TILE) * n + at);
                }
                for (int k = 0; k < n_queries; k++) {
                    const VI x = vi_broadcast_32(queries + (size_t)k * bytes + b * Q8_BLOCK + l * QUAD);
                    for (int i = 0; i < 2; i++) dot[k][i] = vi_dpbusd(dot[k][i], line[i], x);
                }
            }
            for (int k = 0; k < n_queries; k++) {
                const VF query_d = vf_set1(block[k].d);
                for (int i = 0; i < 2; i++) {
                    sum[k][i] = vf_fma(vf_from_i32(dot[k][i]), vf_mul(d[i], query_d), sum[k][i]);
                }
            }
        }
        for (int k = 0; k < n_queries; k++) {
            for (int i = 0; i < 2; i++) vf_store(s + k * KV_POSITIONS + j + i * TILE, sum[k][i]);
        }
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
