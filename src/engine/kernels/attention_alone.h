/* attention_alone.h - one query of a head of its own on floats or half floats, in decode: nearly
 * nothing but reading. A block's values are added while the next block's keys are multiplied, a
 * line or some of each by turns: two streams of memory that the hardware follows by itself, which
 * gives a quarter more than one after the other, asked for or not. Included by attention_simd.h
 * where keys lie in tiles of 8. */

enum {
    ALONE = 8 * LANES, /* values of a row whose sums are kept in registers */
    STEP = 8,          /* values of the keys of a tile that go with a row of values */
};

INLINE void add_row(VF *sum, float weight, const void *values, const bool half, int64_t at) {
    const VF w = vf_set1(weight);
    for (int i = 0; i < ALONE / LANES; i++)
        sum[i] = vf_fma(w, load_value(values, half, at + i * LANES), sum[i]);
}

/* acc [n] = share * acc + sum over j of p[j] * values[j], and meanwhile s = scale * q . keys. */
INLINE void floats_by_turns(float *acc, float share, const float *p, const float *values,
                            int64_t n_values, float *s, const float *q, const float *keys,
                            int64_t n_keys, int64_t n, float scale) {
    int64_t key = 0;
    for (int64_t d = 0; d < n; d += ALONE) {
        VF sum[ALONE / LANES];
        for (int i = 0; i < ALONE / LANES; i++)
            sum[i] = vf_mul(vf_load(acc + d + i * LANES), vf_set1(share));
        const int64_t last_key = n_keys * (d + ALONE) / n;
        for (int64_t j = 0; j < n_values; j++) {
            add_row(sum, p[j], values, false, j * n + d);
            if (j % (n / ALONE) == 0 && key < last_key) {
                s[key] = score_of(q, keys + key * n, n, scale);
                key++;
            }
        }
        for (int i = 0; i < ALONE / LANES; i++)
            vf_store(acc + d + i * LANES, sum[i]);
    }
    for (; key < n_keys; key++)
        s[key] = score_of(q, keys + key * n, n, scale);
}

/* The same for half floats, keys in tiles. Only whole blocks of values have keys behind them. */
INLINE void halves_by_turns(float *acc, float share, const float *p, const uint8_t *values,
                            int64_t n_values, float *s, const float *q, const uint8_t *keys,
                            int64_t n_keys, int64_t n, float scale) {
    const int64_t passes = n / ALONE, tiles = (n_keys + TILE - 1) / TILE;
    for (int64_t pass = 0; pass < passes; pass++) {
        VF sum[ALONE / LANES];
        const int64_t d = pass * ALONE, last_tile = (pass + 1) * TILES / passes;
        for (int i = 0; i < ALONE / LANES; i++)
            sum[i] = vf_mul(vf_load(acc + d + i * LANES), vf_set1(share));
        int64_t j = 0;
        for (int64_t tile = pass * TILES / passes; tile < last_tile && tile < tiles; tile++) {
            const uint8_t *key = keys + 2 * tile * TILE * n;
            VF dot[4] = {vf_zero(), vf_zero(), vf_zero(), vf_zero()};
            for (int64_t k = 0; k < n; k += STEP) {
                for (int i = 0; i < STEP; i++) {
                    dot[i % 4] = vf_fma(vf_set1(q[k + i]), vf_load_half(key + 2 * TILE * (k + i)),
                                        dot[i % 4]);
                }
                if (j < n_values) {
                    add_row(sum, p[j], values, true, j * n + d);
                    j++;
                }
            }
            const VF total = vf_add(vf_add(dot[0], dot[1]), vf_add(dot[2], dot[3]));
            vf_store(s + tile * TILE, vf_mul(total, vf_set1(scale)));
        }
        for (; j < n_values; j++)
            add_row(sum, p[j], values, true, j * n + d);
        for (int i = 0; i < ALONE / LANES; i++)
            vf_store(acc + d + i * LANES, sum[i]);
    }
}

INLINE int64_t rows_from(const struct attention_task *t, int64_t at) {
    const int64_t last = t->last < t->n_past + 1 ? t->last : t->n_past + 1, rows = last - at;
    return rows < 0 ? 0 : rows < KV_POSITIONS ? rows : KV_POSITIONS;
}

INLINE void blocks_by_turns(const struct attention_task *t, struct attention_part part,
                            float *scores, const bool half, const int64_t n) {
    float *now = scores, *next = scores + KV_POSITIONS, share = 1;
    int64_t rows = 0, next_rows = rows_from(t, t->first);
    for (int64_t at = t->first - KV_POSITIONS; rows + next_rows > 0; at += KV_POSITIONS) {
        const size_t row_bytes = t->key_row;
        if (rows > 0) weigh(now, &rows, 1, part.max, part.sum, &share);
        const uint8_t *values =
            (const uint8_t *)t->values + (rows > 0 ? (size_t)at * row_bytes : 0);
        const uint8_t *keys = (const uint8_t *)t->keys +
                              (next_rows > 0 ? (size_t)(at + KV_POSITIONS) * row_bytes : 0);
        if (half) {
            halves_by_turns(part.acc, share, now, values, rows, next, t->q, keys, next_rows, n,
                            t->scale);
        } else {
            floats_by_turns(part.acc, share, now, (const float *)(const void *)values, rows, next,
                            t->q, (const float *)(const void *)keys, next_rows, n, t->scale);
        }
        float *kept = now;
        now = next;
        next = kept;
        rows = next_rows;
        next_rows = rows_from(t, at + 2 * KV_POSITIONS);
    }
}

/* False when the task is none of these. scores [2 * KV_POSITIONS]. */
INLINE bool attend_alone(const struct attention_task *t, struct attention_part part,
                         float *scores) {
    const int64_t n = t->head_dim;
    const bool half = t->key_type == KV_F16;
    if (t->n_tokens != 1 || t->group != 1 || t->key_type != t->value_type ||
        (!half && t->key_type != KV_F32)) {
        return false;
    }
    if (n == 64 && half) blocks_by_turns(t, part, scores, true, 64);
    if (n == 64 && !half) blocks_by_turns(t, part, scores, false, 64);
    if (n == 128 && half) blocks_by_turns(t, part, scores, true, 128);
    if (n == 128 && !half) blocks_by_turns(t, part, scores, false, 128);
    return n == 64 || n == 128;
}
