/* attention_group.h - the queries that share a head of floats, in decode: a block's values are added while the
 * next block's keys are multiplied, a few rows of either by turns for all queries, so that rows are read once and
 * in their order. What comes a block later is asked for a line or some at a time between the products, which
 * keeps memory busy while they are at it. Included by attention_simd.h where a register has 8 floats. */

enum {
    GROUP_MOST = 32, /* queries */
    ROWS = 4,        /* of keys or values that two queries take at once */
};

/* Queries k and k + 1. The last of an odd number goes with itself, into sums that nobody reads. */
struct query_pair {
    const float *q[2];
    float *acc[2];
};

struct group {
    struct query_pair pair[GROUP_MOST / 2];
    int n_pairs;
    float *now, *next; /* [2 * n_pairs][KV_POSITIONS]: weights of the block of values, scores of that of keys */
};

/* s, and s + KV_POSITIONS [ROWS]: the pair's scores. */
INLINE void score_rows(float *s, const struct query_pair *pair, const float *keys, const int64_t n, float scale) {
    VF sum[2 * ROWS];
    for (int i = 0; i < 2 * ROWS; i++) sum[i] = vf_zero();
#pragma GCC unroll 16
    for (int64_t d = 0; d < n; d += LANES) {
        VF key[ROWS];
        for (int i = 0; i < ROWS; i++) key[i] = vf_held(vf_load(keys + i * n + d));
        for (int k = 0; k < 2; k++) {
            const VF x = vf_held(vf_load(pair->q[k] + d));
            for (int i = 0; i < ROWS; i++) sum[k * ROWS + i] = vf_fma(x, key[i], sum[k * ROWS + i]);
        }
    }
    vf_store_halves(s, s + KV_POSITIONS, vf_mul(vf_sums(sum), vf_set1(scale)));
}

/* acc [n] of the pair += p[j] * values[j] over n_rows, at most ROWS. */
INLINE void add_rows(const struct query_pair *pair, const float *p, const float *values, const int n_rows,
                     const int64_t n) {
    VF weight[2][ROWS];
    for (int i = 0; i < n_rows; i++) {
        weight[0][i] = vf_set1(p[i]);
        weight[1][i] = vf_set1(p[KV_POSITIONS + i]);
    }
    for (int64_t d = 0; d < n; d += LANES) {
        VF first = vf_load(pair->acc[0] + d), second = vf_load(pair->acc[1] + d);
        for (int i = 0; i < n_rows; i++) {
            const VF row = vf_held(vf_load(values + i * n + d));
            first = vf_fma(weight[0][i], row, first);
            second = vf_fma(weight[1][i], row, second);
        }
        vf_store(pair->acc[0] + d, first);
        vf_store(pair->acc[1] + d, second);
    }
}

/* A block of values and the next block of keys; ahead: rows that are asked for with theirs, or NULL. */
struct rows_by_turns {
    const float *values, *keys, *values_ahead, *keys_ahead;
    int64_t n_values, n_keys;
};

/* Asks for the share of ROWS rows from row j on that goes with one of so many pairs; rows: or NULL. */
INLINE void ask_share(const float *rows, int64_t j, int pair, int n_pairs, const int64_t n) {
    const int lines = ROWS * (int)n / 16, some = (lines + n_pairs - 1) / n_pairs;
    for (int i = pair * some; rows != NULL && i < (pair + 1) * some && i < lines; i++) kv_prefetch(rows + j * n + i * 16);
}

INLINE void group_by_turns(const struct group *g, const struct rows_by_turns *r, const int64_t n, float scale) {
    for (int64_t j = 0; j < r->n_keys || j < r->n_values; j += ROWS) {
        for (int k = 0; k < g->n_pairs; k++) {
            float *s = g->next + 2 * k * KV_POSITIONS + j;
            const float *p = g->now + 2 * k * KV_POSITIONS + j;
            ask_share(r->keys_ahead, j, k, g->n_pairs, n);
            if (j < r->n_keys) score_rows(s, &g->pair[k], r->keys + j * n, n, scale);
            ask_share(r->values_ahead, j, k, g->n_pairs, n);
            if (j + ROWS <= r->n_values) {
                add_rows(&g->pair[k], p, r->values + j * n, ROWS, n);
            } else {
                for (int64_t i = j; i < r->n_values; i++) add_rows(&g->pair[k], p + i - j, r->values + i * n, 1, n);
            }
        }
    }
}

/* Scores of rows positions become weights, and the sums so far are brought to the new maxima. */
INLINE void weigh_group(const struct group *g, const struct attention_task *t, struct attention_part part,
                        int64_t rows) {
    const int64_t seen[QUERIES] = {rows, rows, rows, rows}, n = t->head_dim;
    float share[GROUP_MOST];
    int64_t k = 0;
    for (; k + QUERIES <= t->group; k += QUERIES) {
        weigh(g->now + k * KV_POSITIONS, seen, QUERIES, part.max + k, part.sum + k, share + k);
    }
    for (; k < t->group; k++) weigh(g->now + k * KV_POSITIONS, seen, 1, part.max + k, part.sum + k, share + k);
    for (k = 0; k < t->group; k++) {
        float *acc = part.acc + k * n;
        for (int64_t d = 0; d < n; d += LANES) vf_store(acc + d, vf_mul(vf_load(acc + d), vf_set1(share[k])));
    }
}

/* The block at `at`; behind the last one that of `next`, some rows in, or NULL. */
INLINE const float *block_at(const struct attention_task *t, const void *rows, int64_t at, const void *next,
                             int64_t some, const int64_t n) {
    if (rows_from(t, at) > 0) return (const float *)rows + at * n;
    return next == NULL ? NULL : (const float *)next + some * n;
}

INLINE void blocks_of_group(const struct attention_task *t, struct attention_part part, float *room, const int64_t n) {
    struct group g = {.n_pairs = (int)(t->group + 1) / 2};
    float *spare = room + 4 * g.n_pairs * KV_POSITIONS;
    g.now = room;
    g.next = room + 2 * g.n_pairs * KV_POSITIONS;
    memset(spare, 0, (size_t)n * sizeof *spare);
    for (int64_t k = 0; k < 2 * g.n_pairs; k++) {
        g.pair[k / 2].q[k % 2] = t->q + (k < t->group ? k : k - 1) * n;
        g.pair[k / 2].acc[k % 2] = k < t->group ? part.acc + k * n : spare;
    }
    int64_t rows = 0, next_rows = rows_from(t, t->first);
    for (int64_t at = t->first - KV_POSITIONS; rows + next_rows > 0; at += KV_POSITIONS) {
        const int64_t next = at + KV_POSITIONS;
        const struct rows_by_turns by_turns = {
            .n_values = rows, .n_keys = next_rows,
            .values = rows > 0 ? (const float *)t->values + at * n : NULL,
            .keys = next_rows > 0 ? (const float *)t->keys + next * n : NULL,
            .values_ahead = block_at(t, t->values, next, t->next_values, 0, n),
            .keys_ahead = block_at(t, t->keys, next + KV_POSITIONS, t->next_keys, next_rows > 0 ? 0 : KV_POSITIONS, n)};
        if (rows > 0) weigh_group(&g, t, part, rows);
        group_by_turns(&g, &by_turns, n, t->scale);
        float *kept = g.now;
        g.now = g.next;
        g.next = kept;
        rows = next_rows;
        next_rows = rows_from(t, next + KV_POSITIONS);
    }
}

/* False when the task is none of these. room: two blocks of keys as floats, and a row. */
INLINE bool attend_group(const struct attention_task *t, struct attention_part part, float *room) {
    const int64_t n = t->head_dim;
    if (t->n_tokens != 1 || t->group < 2 || t->group > GROUP_MOST || t->key_type != KV_F32 ||
        t->value_type != KV_F32 || n % LANES != 0 || t->group >= n) {
        return false;
    }
    if (n == 64) {
        blocks_of_group(t, part, room, 64);
    } else if (n == 128) {
        blocks_of_group(t, part, room, 128);
    } else {
        blocks_of_group(t, part, room, n);
    }
    return true;
}
