/* attention_store_q8.h - int8 keys and values in tiles of TILE positions, for levels that multiply them as
 * integers; heads of whole blocks only, others have rows:
 *   keys    [n / Q8_TOGETHER][TILE positions][Q8_TOGETHER values] (q + Q8_KEY_OFFSET), then half d [n / 32][TILE]
 *   values  [n / 32][TILE / Q8_TOGETHER positions][32 values][Q8_TOGETHER positions], then half d as of keys
 * Included after attention_rows.h and attention_tiles_f16.h by a file that defines those two: how many products
 * an instruction adds, and what makes keys unsigned where it wants them so. */
enum { Q8_BLOCK = KV_BLOCK };

INLINE bool has_q8_tiles(enum kv_type type, int64_t n) {
    return type == KV_Q8_0 && n % Q8_BLOCK == 0;
}

static bool keys_in_tiles(enum kv_type type, int64_t n) {
    return type == KV_F16 || has_q8_tiles(type, n);
}

static bool values_in_tiles(enum kv_type type, int64_t n) {
    return has_q8_tiles(type, n);
}

INLINE void store_tiled_q8_0(void *base, int64_t position, const float *x, int64_t n, const bool is_key) {
    if (!has_q8_tiles(KV_Q8_0, n)) {
        store_q8_0(base, position, x, n);
        return;
    }
    uint8_t *tile = tile_at(base, KV_Q8_0, position, n);
    const int64_t p = position % TILE;
    for (int64_t b = 0; b < n / Q8_BLOCK; b++) {
        int8_t q[Q8_BLOCK];
        const uint16_t d = quantize_q8_0(q, x + b * Q8_BLOCK, Q8_BLOCK);
        uint8_t *to = tile + b * Q8_BLOCK * TILE;
        for (int i = 0; i < Q8_BLOCK; i++) {
            if (is_key) {
                const int64_t line = i / Q8_TOGETHER * TILE + p;
                to[line * Q8_TOGETHER + i % Q8_TOGETHER] = (uint8_t)(q[i] + Q8_KEY_OFFSET);
            } else {
                const int64_t line = p / Q8_TOGETHER * Q8_BLOCK + i;
                to[line * Q8_TOGETHER + p % Q8_TOGETHER] = (uint8_t)q[i];
            }
        }
        memcpy(tile + TILE * n + (b * TILE + p) * 2, &d, sizeof d);
    }
}

static void store_key_q8_0(void *base, int64_t position, const float *x, int64_t n) {
    store_tiled_q8_0(base, position, x, n, true);
}

static void store_value_q8_0(void *base, int64_t position, const float *x, int64_t n) {
    store_tiled_q8_0(base, position, x, n, false);
}
