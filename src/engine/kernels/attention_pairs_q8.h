/* attention_pairs_q8.h - keys and values as int8, widened to 16 bits as they are read and multiplied by pairs
 * of queries and of the softmax's weights, which are 16-bit integers too. How they lie: attention_store_q8.h.
 * Included after attention_rows.h, attention_tiles_f16.h and vi_add_dots. */
enum { PAIR = 2, Q8_TOGETHER = PAIR, Q8_KEY_OFFSET = 0, I16_MOST = 32767 /* 64 * 32767 * 127 < 2^31 */ };

#include "engine/kernels/attention_store_q8.h"

/* ---- queries: as integers; what is returned makes scores of their products, with the softmax's scale ---- */

INLINE VF scale_and_inverse(VF largest, VF *inverse) {
    *inverse = vf_over_positive(vf_set1(I16_MOST), largest);
    return vf_mul(largest, vf_set1(1.0f / I16_MOST));
}

static float quantize_query(int16_t *to, const float *x, int64_t n, float scale) {
    bool good = true;
    VF largest = vf_zero(), inverse;
    for (int64_t d = 0; d < n; d += LANES) {
        largest = vf_max(vf_abs(vf_load(x + d)), largest);
        good = good && vf_is_number(vf_load(x + d));
    }
    const float most = good ? vf_largest(largest) : NAN;
    scale_and_inverse(vf_set1(most), &inverse);
    for (int64_t d = 0; d < n; d += LANES) vi_store_i16(to + d, vi_round(vf_mul(vf_load(x + d), inverse)));
    return most / I16_MOST * scale;
}

/* q: int16 [n_queries][n]. next: asked for meanwhile; or NULL. */
INLINE void scores_q8_0(float *s, const int16_t *q, const float *scales, const int n_queries, const uint8_t *rows,
                        const uint8_t *next, int64_t n_rows, int64_t n) {
    const int together = tiles_together(n_queries);
    const size_t tile_bytes = kv_row_bytes(KV_Q8_0, n) * TILE;
    for (int64_t j = 0; j < n_rows; j += TILE * together) {
        const uint8_t *tile[TILES];
        ask(next, (size_t)(j / TILE) * tile_bytes, (size_t)together * tile_bytes);
        /* Beyond the end the first tile again: its scores are masked. */
        for (int i = 0; i < together; i++) {
            tile[i] = rows + (size_t)(j / TILE + (j + i * TILE < n_rows ? i : 0)) * tile_bytes;
        }
        for (int64_t b = 0; b < n / Q8_BLOCK; b++) {
            VI dot[KV_QUERIES][TILES];
            for (int k = 0; k < n_queries; k++) {
                for (int i = 0; i < together; i++) dot[k][i] = vi_zero();
            }
            for (int d = 0; d < Q8_BLOCK; d += PAIR) {
                const int64_t line = (b * Q8_BLOCK + d) * TILE;
                VI row[TILES];
                for (int i = 0; i < together; i++) row[i] = vi_load_i8(tile[i] + line);
                for (int k = 0; k < n_queries; k++) {
                    const VI x = vi_broadcast_32(q + k * n + b * Q8_BLOCK + d);
                    for (int i = 0; i < together; i++) vi_add_dots(&dot[k][i], x, row[i]);
                }
            }
            for (int i = 0; i < together; i++) {
                const VF d = vf_load_half(tile[i] + TILE * n + b * TILE * 2);
                for (int k = 0; k < n_queries; k++) {
                    float *to = s + k * KV_POSITIONS + j + i * TILE;
                    const VF scale = vf_mul(d, vf_set1(scales[k]));
                    vf_store(to, vf_fma(vf_from_i32(dot[k][i]), scale, b == 0 ? vf_zero() : vf_load(to)));
                }
            }
        }
    }
}

/* ---- values ---- */

/* p times d as integers, by pairs of positions; from `seen` on they are 0. What they are multiplied by to be
 * p times d again. */
INLINE float quantize_weights(int16_t *w, const float *p, const VF *d, int n_tiles) {
    VF product[TILES], largest = vf_zero(), inverse;
    bool good = true;
    for (int t = 0; t < n_tiles; t++) {
        product[t] = vf_mul(vf_load(p + t * TILE), d[t]);
        largest = vf_max(largest, product[t]);
        good = good && vf_is_number(product[t]);
    }
    const float most = vf_largest(largest);
    scale_and_inverse(vf_set1(most), &inverse);
    for (int t = 0; t < n_tiles; t++) vi_store_i16(w + t * TILE, vi_round(vf_mul(product[t], inverse)));
    return good ? most / I16_MOST : NAN;
}

/* Values [d, d + registers * LANES) of block b: acc = share * acc + unit * the products of w. */
INLINE void add_block_q8_0(float *const *acc, int16_t (*w)[KV_POSITIONS], const float *unit, const float *share,
                           const int n_queries, const uint8_t *rows, const uint8_t *next, int64_t seen, int64_t n,
                           int64_t d, const int registers) {
    const size_t tile_bytes = kv_row_bytes(KV_Q8_0, n) * TILE;
    VI dot[KV_QUERIES][Q8_BLOCK / LANES];
    for (int k = 0; k < n_queries; k++) {
        for (int i = 0; i < registers; i++) dot[k][i] = vi_zero();
    }
    for (int64_t j = 0; j < seen; j += TILE) {
        const size_t at = (size_t)(j / TILE) * tile_bytes + (size_t)(d / Q8_BLOCK * Q8_BLOCK * TILE + d % Q8_BLOCK * PAIR);
        ask(next, (size_t)(j / TILE) * tile_bytes, tile_bytes);
        for (int pair = 0; pair < TILE / PAIR; pair++) {
            const uint8_t *line = rows + at + pair * Q8_BLOCK * PAIR;
            VI row[Q8_BLOCK / LANES];
            for (int i = 0; i < registers; i++) row[i] = vi_load_i8(line + i * LANES * PAIR);
            for (int k = 0; k < n_queries; k++) {
                const VI weight = vi_broadcast_32(w[k] + j + pair * PAIR);
                for (int i = 0; i < registers; i++) vi_add_dots(&dot[k][i], weight, row[i]);
            }
        }
    }
    for (int k = 0; k < n_queries; k++) {
        for (int i = 0; i < registers; i++) {
            float *to = acc[k] + d + i * LANES;
            const VF before = vf_mul(vf_load(to), vf_set1(share[k]));
            vf_store(to, vf_fma(vf_from_i32(dot[k][i]), vf_set1(unit[k]), before));
        }
    }
}

/* acc [n] of each query = share * acc + sum of p * values. */
INLINE void add_values_tiles(float *const *acc, const float *p, const float *share, const int n_queries,
                             const uint8_t *rows, const uint8_t *next, int64_t seen, int64_t n) {
    const int n_tiles = (int)((seen + TILE - 1) / TILE);
    const size_t tile_bytes = kv_row_bytes(KV_Q8_0, n) * TILE;
    const int registers = n_queries == 1 ? Q8_BLOCK / LANES : Q8_BLOCK / LANES / 2;
    for (int64_t b = 0; b < n / Q8_BLOCK; b++) {
        VF d[TILES];
        for (int t = 0; t < n_tiles; t++) {
            d[t] = vf_keep_first(vf_load_half(rows + t * tile_bytes + TILE * n + b * TILE * 2), seen - t * TILE);
        }
        int16_t w[KV_QUERIES][KV_POSITIONS];
        float unit[KV_QUERIES];
        for (int k = 0; k < n_queries; k++) unit[k] = quantize_weights(w[k], p + k * KV_POSITIONS, d, n_tiles);
        for (int64_t at = b * Q8_BLOCK; at < (b + 1) * Q8_BLOCK; at += registers * LANES) {
            add_block_q8_0(acc, w, unit, share, n_queries, rows, at == 0 ? next : NULL, seen, n, at, registers);
        }
    }
}
