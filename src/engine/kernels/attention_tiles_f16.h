/* attention_tiles_f16.h - keys as half floats in tiles, a register of positions for every value of the head:
 * [position / TILE][value][position % TILE]. Read as they lie, without turning. Included after
 * attention_rows.h. */
#include "engine/kernels/attention_tables.h"

#include <string.h>

enum { TILE = LANES, TILES = KV_POSITIONS / TILE }; /* positions of a tile, tiles of a block */

static uint8_t *tile_at(void *base, enum kv_type type, int64_t position, int64_t n) {
    return (uint8_t *)base + (size_t)(position / TILE * TILE) * kv_row_bytes(type, n);
}

static void store_key_f16(void *base, int64_t position, const float *x, int64_t n) {
    uint8_t *to = tile_at(base, KV_F16, position, n) + position % TILE * 2;
    for (int64_t d = 0; d < n; d += TILE) {
        const int64_t some = n - d < TILE ? n - d : TILE;
        uint16_t bits[TILE];
        halves_of(bits, x + d, some);
        for (int64_t i = 0; i < some; i++, to += 2 * TILE) memcpy(to, &bits[i], sizeof bits[i]);
    }
}

/* Registers of sums: 4 queries have as many tiles each as these are enough for, one query all of a block,
 * since a sum must not wait for itself. */
enum { SUMS = LANES == 16 ? 16 : 8 };

INLINE int tiles_together(const int n_queries) {
    return SUMS / n_queries < TILES ? SUMS / n_queries : TILES;
}

/* s [KV_POSITIONS] of each query for whole tiles up to n_rows. next: asked for meanwhile; or NULL. */
INLINE void scores_f16(float *s, const int n_queries, const float *const *q, const uint8_t *rows,
                       const uint8_t *next, int64_t n_rows, int64_t n, float scale) {
    const int together = tiles_together(n_queries);
    for (int64_t j = 0; j < n_rows; j += TILE * together) {
        VF sum[KV_QUERIES][TILES];
        const uint8_t *tile[TILES];
        /* At once where there are too few registers for another pointer in the loop. */
        if (LANES < 16) ask(next, (size_t)(j * n) * 2, 2 * (size_t)(TILE * together * n));
        for (int i = 0; i < together; i++) {
            /* Beyond the end the first tile again: its scores are masked. */
            tile[i] = rows + (j + i * TILE < n_rows ? (size_t)(j + i * TILE) : (size_t)j) * 2 * (size_t)n;
            for (int k = 0; k < n_queries; k++) sum[k][i] = vf_zero();
        }
        for (int64_t d = 0; d < n; d++) {
            VF row[TILES];
            if (LANES == 16) ask(next, (size_t)(j * n + d * TILE * together) * 2, 2 * (size_t)(TILE * together));
            for (int i = 0; i < together; i++) row[i] = vf_load_half(tile[i] + d * 2 * TILE);
            for (int k = 0; k < n_queries; k++) {
                VF x = vf_set1(q[k][d]);
                for (int i = 0; i < together; i++) sum[k][i] = vf_fma(x, row[i], sum[k][i]);
            }
        }
        for (int k = 0; k < n_queries; k++) {
            for (int i = 0; i < together; i++) {
                vf_store(s + k * KV_POSITIONS + j + i * TILE, vf_mul(sum[k][i], vf_set1(scale)));
            }
        }
    }
}
