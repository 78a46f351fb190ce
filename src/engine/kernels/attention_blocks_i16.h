/* attention_blocks_i16.h - prompts over a half-float KV cache: a block of 64 positions is made into 16-bit
 * integers once, and the many queries that share it are multiplied by products of pairs of these, at twice
 * the rate of FMA. A key has one scale, so has a value's column of the block, a query, and the weights, whose
 * largest in a block is WEIGHT_MOST: what is lost is of the order of the half floats' own rounding.
 * Included after attention_simd.h and the vi_ and vh_ functions of attention_avx2.c or
 * attention_avx512vnni.c. */
enum {
    I16_QUERIES = 64, /* of a task, that pay for making integers of a block */
    WEIGHT_MOST = 8191,
    VALUE_MOST = 4096, /* 64 * 8191 * 4096 < 2^31 */
    I16_TILES = LANES == 16 ? 4 : 2, /* of positions, or registers of values, that 4 queries take at once */
};

/* A block: pairs of neighbours in the sum lie in one lane. */
struct i16_block {
    int32_t *keys;      /* [n / 2][KV_POSITIONS] */
    float *key_scale;   /* [KV_POSITIONS] */
    int32_t *values;    /* [KV_POSITIONS / 2][n] */
    float *value_scale; /* [n], of the weights' unit as well */
    int16_t *queries;   /* [n_queries][n] */
    float *query_scale; /* [n_queries], with the softmax's scale */
    int16_t *weights;   /* [QUERIES][KV_POSITIONS] */
    float *scores;      /* the same */
};

static bool i16_pays(const struct attention_task *t) {
    const int64_t n_queries = t->n_tokens * t->group, n = t->head_dim;
    return t->key_type == KV_F16 && t->value_type == KV_F16 && (n == 64 || n == 128) &&
           n_queries >= I16_QUERIES && n_queries <= n * KV_POSITIONS;
}

/* Of keys and queries: n * most^2 < 2^31. */
INLINE float i16_most(int64_t n) {
    return n == 64 ? 5792 : 4095;
}

/* largest / most, and what makes integers; NaN for what is no number. */
INLINE VF i16_scale(VF largest, float most, VF *inverse) {
    *inverse = vf_over_positive(vf_set1(most), largest);
    return vf_mul(largest, vf_set1(1 / most));
}

/* ---- half floats into integers ---- */

/* Rows beyond the last one of the tile hold what was there: their scores are masked. */
static void i16_keys(const struct i16_block *b, const uint8_t *rows, int64_t n_rows, int64_t n) {
    for (int64_t j = 0; j < n_rows; j += TILE, rows += TILE * 2 * n) {
        VH largest = vh_zero();
        for (int64_t d = 0; d < n; d++) largest = vh_max(largest, vh_abs(vh_load(rows + d * 2 * TILE)));
        VF inverse;
        vf_store(b->key_scale + j, i16_scale(vf_halves_or_nan(largest), i16_most(n), &inverse));
        for (int64_t d = 0; d < n; d += 2) {
            const uint8_t *at = rows + d * 2 * TILE;
            const VF even = vf_mul(vf_load_half(at), inverse);
            const VF odd = vf_mul(vf_load_half(at + 2 * TILE), inverse);
            vi_store(b->keys + d / 2 * KV_POSITIONS + j, vi_pairs(vi_round(even), vi_round(odd)));
        }
    }
}

static void i16_values(const struct i16_block *b, const uint8_t *rows, int64_t n_rows, int64_t n) {
    for (int64_t d = 0; d < n; d += LANES) {
        const uint8_t *at = rows + 2 * d;
        VH largest = vh_zero();
        for (int64_t j = 0; j < n_rows; j++) largest = vh_max(largest, vh_abs(vh_load(at + j * 2 * n)));
        VF inverse;
        const VF scale = i16_scale(vf_halves_or_nan(largest), VALUE_MOST, &inverse);
        vf_store(b->value_scale + d, vf_mul(scale, vf_set1(1.0f / WEIGHT_MOST)));
        for (int64_t j = 0; j < n_rows; j += 2) {
            const VF even = vf_mul(vf_load_half(at + j * 2 * n), inverse);
            const VF odd = j + 1 < n_rows ? vf_mul(vf_load_half(at + (j + 1) * 2 * n), inverse) : vf_zero();
            vi_store(b->values + j / 2 * n + d, vi_pairs(vi_round(even), vi_round(odd)));
        }
    }
}

static void i16_queries(const struct i16_block *b, const struct attention_task *t) {
    const int64_t n = t->head_dim;
    for (int64_t i = 0; i < t->n_tokens * t->group; i++) {
        const float *q = t->q + i / t->group * t->q_stride + i % t->group * n;
        bool good = true;
        VF largest = vf_zero(), inverse;
        for (int64_t d = 0; d < n; d += LANES) {
            largest = vf_max(vf_abs(vf_load(q + d)), largest);
            good = good && vf_is_number(vf_load(q + d));
        }
        float scale[LANES];
        vf_store(scale, i16_scale(vf_set1(good ? vf_largest(largest) : NAN), i16_most(n), &inverse));
        b->query_scale[i] = scale[0] * t->scale;
        for (int64_t d = 0; d < n; d += LANES) {
            vi_store_i16(b->queries + i * n + d, vi_round(vf_mul(vf_load(q + d), inverse)));
        }
    }
}

/* ---- products ---- */

/* Scores of queries from `first` on with tiles [tile, tile + tiles). */
INLINE void i16_scores(const struct i16_block *b, int64_t first, const int n_queries, int tile, const int tiles,
                             int64_t n) {
    const int16_t *q = b->queries + first * n;
    VI dot[QUERIES][I16_TILES];
    for (int k = 0; k < n_queries; k++) {
        for (int i = 0; i < tiles; i++) dot[k][i] = vi_zero();
    }
    for (int64_t d = 0; d < n; d += 2) {
        VI row[I16_TILES];
        for (int i = 0; i < tiles; i++) row[i] = vi_load(b->keys + d / 2 * KV_POSITIONS + (tile + i) * TILE);
        for (int k = 0; k < n_queries; k++) {
            const VI x = vi_broadcast_32(q + k * n + d);
            for (int i = 0; i < tiles; i++) vi_add_dots(&dot[k][i], x, row[i]);
        }
    }
    for (int k = 0; k < n_queries; k++) {
        const VF scale = vf_set1(b->query_scale[first + k]);
        for (int i = 0; i < tiles; i++) {
            const int j = (tile + i) * TILE;
            const VF s = vf_mul(vf_from_i32(dot[k][i]), vf_mul(vf_load(b->key_scale + j), scale));
            vf_store(b->scores + k * KV_POSITIONS + j, s);
        }
    }
}

/* Scores become weights exp(s - the block's largest) as integers. old and new: what earlier sums and
 * those of this block are multiplied by. */
INLINE void i16_weigh(const struct i16_block *b, const int64_t *seen, const int n_queries, float *max,
                      float *sum, float *old, float *new) {
    float change[LANES] = {0}, largest[QUERIES];
    for (int k = 0; k < n_queries; k++) {
        float *s = b->scores + k * KV_POSITIONS;
        for (int64_t j = seen[k]; j < KV_POSITIONS; j++) s[j] = -INFINITY;
        VF most = vf_load(s);
        for (int j = LANES; j < KV_POSITIONS; j += LANES) most = vf_max(vf_load(s + j), most);
        largest[k] = vf_largest(most);
        const float above = largest[k] > max[k] ? largest[k] : max[k];
        change[k] = max[k] == -INFINITY ? -INFINITY : max[k] - above;
        change[QUERIES + k] = largest[k] - above;
        max[k] = above;
    }
    vf_store(change, vf_exp(vf_load(change)));
    for (int k = 0; k < n_queries; k++) {
        const float *s = b->scores + k * KV_POSITIONS;
        VF total = vf_zero(), shift = vf_set1(largest[k]);
        for (int j = 0; j < KV_POSITIONS; j += LANES) {
            const VF e = vf_exp(vf_sub(vf_load(s + j), shift));
            total = vf_add(total, e);
            vi_store_i16(b->weights + k * KV_POSITIONS + j, vi_round(vf_mul(e, vf_set1(WEIGHT_MOST))));
        }
        old[k] = change[k];
        new[k] = change[QUERIES + k];
        sum[k] = sum[k] * old[k] + vf_sum(total) * new[k];
    }
}

/* acc [n] of each query = old * acc + new * sum of weights and values. */
INLINE void i16_add_values(const struct i16_block *b, float *acc, const int n_queries, const float *old,
                           const float *new, int64_t seen, int64_t n) {
    for (int64_t d = 0; d < n; d += I16_TILES * LANES) {
        VI dot[QUERIES][I16_TILES];
        for (int k = 0; k < n_queries; k++) {
            for (int i = 0; i < I16_TILES; i++) dot[k][i] = vi_zero();
        }
        for (int64_t j = 0; j < seen; j += 2) {
            VI row[I16_TILES];
            for (int i = 0; i < I16_TILES; i++) row[i] = vi_load(b->values + j / 2 * n + d + i * LANES);
            for (int k = 0; k < n_queries; k++) {
                const VI weight = vi_broadcast_32(b->weights + k * KV_POSITIONS + j);
                for (int i = 0; i < I16_TILES; i++) vi_add_dots(&dot[k][i], weight, row[i]);
            }
        }
        for (int k = 0; k < n_queries; k++) {
            for (int i = 0; i < I16_TILES; i++) {
                float *to = acc + k * n + d + i * LANES;
                const VF scale = vf_mul(vf_load(b->value_scale + d + i * LANES), vf_set1(new[k]));
                vf_store(to, vf_fma(vf_from_i32(dot[k][i]), scale, vf_mul(vf_load(to), vf_set1(old[k]))));
            }
        }
    }
}

INLINE void i16_attend(const struct i16_block *b, const struct attention_task *t, struct attention_part part,
                       int64_t first, const int n_queries, int64_t at, int64_t rows) {
    const int64_t n = t->head_dim;
    int64_t most = 0, seen[QUERIES];
    float old[QUERIES], new[QUERIES];
    for (int k = 0; k < n_queries; k++) {
        const int64_t all = t->n_past + (first + k) / t->group + 1 - at;
        seen[k] = all < rows ? all : rows;
        most = seen[k] > most ? seen[k] : most;
    }
    if ((int)I16_TILES == (int)TILES && most <= KV_POSITIONS / 2) {
        i16_scores(b, first, n_queries, 0, TILES / 2, n);
    } else {
        for (int tile = 0; tile * TILE < most; tile += I16_TILES) i16_scores(b, first, n_queries, tile, I16_TILES, n);
    }
    i16_weigh(b, seen, n_queries, part.max + first, part.sum + first, old, new);
    i16_add_values(b, part.acc + first * n, n_queries, old, new, most, n);
}

/* As attend; i16_pays says whether. */
static void attend_i16(const struct attention_task *t, struct attention_part part, void *scratch) {
    const int64_t n = t->head_dim, n_queries = t->n_tokens * t->group;
    /* Half of what attention_scratch_bytes has for keys, and for values, as floats; the queries' bytes. */
    float *keys = scratch, *values = keys + n * KV_POSITIONS, *turned = values + n * KV_POSITIONS;
    struct i16_block b = {.keys = (int32_t *)(void *)keys, .values = (int32_t *)(void *)values,
                          .key_scale = keys + n / 2 * KV_POSITIONS, .value_scale = values + n / 2 * KV_POSITIONS,
                          .query_scale = turned, .scores = turned + n * KV_POSITIONS};
    b.weights = (int16_t *)(void *)(b.value_scale + n);
    b.queries = (int16_t *)(void *)(b.scores + QUERIES * KV_POSITIONS);
    for (int64_t i = 0; i < n_queries; i++) {
        part.max[i] = -INFINITY;
        part.sum[i] = 0;
    }
    memset(part.acc, 0, (size_t)(n_queries * n) * sizeof(float));
    i16_queries(&b, t);
    for (int64_t at = t->first; at < t->last; at += KV_POSITIONS) {
        const int64_t token = at > t->n_past ? at - t->n_past : 0; /* the first that sees anything here */
        if (token >= t->n_tokens) break;
        const int64_t rows = t->last - at < KV_POSITIONS ? t->last - at : KV_POSITIONS;
        i16_keys(&b, (const uint8_t *)t->keys + (size_t)at * t->key_row, rows, n);
        i16_values(&b, (const uint8_t *)t->values + (size_t)at * t->value_row, rows, n);
        int64_t i = token * t->group;
        for (; i + QUERIES <= n_queries; i += QUERIES) i16_attend(&b, t, part, i, QUERIES, at, rows);
        for (; i < n_queries; i++) i16_attend(&b, t, part, i, 1, at, rows);
    }
}

/* ---- the table of a level that has these and int8 caches in tiles ---- */

static void attend_either(const struct attention_task *t, struct attention_part part, void *scratch) {
    if (i16_pays(t)) {
        attend_i16(t, part, scratch);
    } else {
        attend(t, part, scratch);
    }
}

#define ATTENTION_I16_KERNELS                                                                      \
    {.store_key = {store_f32, store_key_f16, store_key_q8_0, store_q4_0},                          \
     .store_value = {store_f32, store_f16, store_value_q8_0, store_q4_0}, .attend = attend_either}
