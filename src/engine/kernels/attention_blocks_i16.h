/* attention_blocks_i16.h - prompts over a half-float KV cache: a block of 64 positions is made into 16-bit
 * integers once, and the many queries that share it are multiplied by vpdpwssd, at twice the rate of
 * FMA. A key has one scale, so has a value's column of the block, a query, and the weights, whose
 * largest in a block is WEIGHT_MOST: what is lost is of the order of the half floats' own rounding.
 * Included after attention_simd.h and vi_dpwssd. */
enum {
    I16_QUERIES = 64, /* of a task, that pay for making integers of a block */
    WEIGHT_MOST = 8191,
    VALUE_MOST = 4096, /* 64 * 8191 * 4096 < 2^31 */
    HALF_ABS = 0x7fff,
    HALF_INFINITY = 0x7c00,
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
    const __mmask16 some = _mm512_cmp_ps_mask(largest, vf_zero(), _CMP_GT_OQ);
    *inverse = _mm512_maskz_div_ps(some, vf_set1(most), largest);
    return vf_mul(largest, vf_set1(1 / most));
}

/* Of 16 half floats' absolute bits. */
INLINE VF largest_halves(__m256i bits) {
    const __mmask16 no_number = _mm256_cmpge_epu16_mask(bits, _mm256_set1_epi16(HALF_INFINITY));
    return _mm512_mask_mov_ps(_mm512_cvtph_ps(bits), no_number, vf_set1(NAN));
}

INLINE VI i16_pairs(VF even, VF odd) {
    const VI high = vi_double_32(vi_round(odd), 16);
    return _mm512_mask_blend_epi16(0xaaaaaaaa, vi_round(even), high);
}

/* Rows beyond the last one of the tile hold what was there: their scores are masked. */
static void i16_keys(const struct i16_block *b, const uint8_t *rows, int64_t n_rows, int64_t n) {
    for (int64_t j = 0; j < n_rows; j += TILE, rows += TILE * 2 * n) {
        VI largest = vi_zero();
        for (int64_t d = 0; d < n; d += 2) {
            const VI bits = _mm512_and_si512(vi_load(rows + d * 2 * TILE), _mm512_set1_epi16(HALF_ABS));
            largest = _mm512_max_epu16(largest, bits);
        }
        VF inverse;
        const __m256i low = _mm512_castsi512_si256(largest), high = _mm512_extracti64x4_epi64(largest, 1);
        vf_store(b->key_scale + j,
                 i16_scale(largest_halves(_mm256_max_epu16(low, high)), i16_most(n), &inverse));
        for (int64_t d = 0; d < n; d += 2) {
            const uint8_t *at = rows + d * 2 * TILE;
            const VF even = vf_mul(vf_load_half(at), inverse);
            const VF odd = vf_mul(vf_load_half(at + 2 * TILE), inverse);
            _mm512_store_si512(b->keys + d / 2 * KV_POSITIONS + j, i16_pairs(even, odd));
        }
    }
}

static void i16_values(const struct i16_block *b, const uint8_t *rows, int64_t n_rows, int64_t n) {
    for (int64_t d = 0; d < n; d += LANES) {
        const uint8_t *at = rows + 2 * d;
        __m256i largest = _mm256_setzero_si256();
        for (int64_t j = 0; j < n_rows; j++) {
            const __m256i bits = _mm256_loadu_si256((const __m256i *)(const void *)(at + j * 2 * n));
            largest = _mm256_max_epu16(largest, _mm256_and_si256(bits, _mm256_set1_epi16(HALF_ABS)));
        }
        VF inverse;
        const VF scale = i16_scale(largest_halves(largest), VALUE_MOST, &inverse);
        vf_store(b->value_scale + d, vf_mul(scale, vf_set1(1.0f / WEIGHT_MOST)));
        for (int64_t j = 0; j < n_rows; j += 2) {
            const VF even = vf_mul(vf_load_half(at + j * 2 * n), inverse);
            const VF odd = j + 1 < n_rows ? vf_mul(vf_load_half(at + (j + 1) * 2 * n), inverse) : vf_zero();
            _mm512_store_si512(b->values + j / 2 * n + d, i16_pairs(even, odd));
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
        const VF scale = i16_scale(vf_set1(good ? vf_largest(largest) : NAN), i16_most(n), &inverse);
        b->query_scale[i] = _mm512_cvtss_f32(scale) * t->scale;
        for (int64_t d = 0; d < n; d += LANES) {
            const VI rounded = vi_round(vf_mul(vf_load(q + d), inverse));
            _mm256_storeu_si256((__m256i *)(void *)(b->queries + i * n + d), _mm512_cvtepi32_epi16(rounded));
        }
    }
}

/* Scores of queries from `first` on with the first n_tiles tiles. */
INLINE void i16_scores(const struct i16_block *b, int64_t first, const int n_queries, const int n_tiles,
                       int64_t n) {
    const int16_t *q = b->queries + first * n;
    VI dot[QUERIES][KV_POSITIONS / TILE];
    for (int k = 0; k < n_queries; k++) {
        for (int i = 0; i < n_tiles; i++) dot[k][i] = vi_zero();
    }
    for (int64_t d = 0; d < n; d += 2) {
        VI row[KV_POSITIONS / TILE];
        for (int i = 0; i < n_tiles; i++) row[i] = vi_load(b->keys + d / 2 * KV_POSITIONS + i * TILE);
        for (int k = 0; k < n_queries; k++) {
            const VI x = vi_broadcast_32(q + k * n + d);
            for (int i = 0; i < n_tiles; i++) dot[k][i] = vi_dpwssd(dot[k][i], x, row[i]);
        }
    }
    for (int k = 0; k < n_queries; k++) {
        const VF scale = vf_set1(b->query_scale[first + k]);
        for (int i = 0; i < n_tiles; i++) {
            const VF s = vf_mul(vf_from_i32(dot[k][i]), vf_mul(vf_load(b->key_scale + i * TILE), scale));
            vf_store(b->scores + k * KV_POSITIONS + i * TILE, s);
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
            const VI rounded = vi_round(vf_mul(e, vf_set1(WEIGHT_MOST)));
            _mm256_store_si256((__m256i *)(void *)(b->weights + k * KV_POSITIONS + j),
                               _mm512_cvtepi32_epi16(rounded));
        }
        old[k] = change[k];
        new[k] = change[QUERIES + k];
        sum[k] = sum[k] * old[k] + vf_sum(total) * new[k];
    }
}

/* acc [n] of each query = old * acc + new * sum of weights and values. */
INLINE void i16_add_values(const struct i16_block *b, float *acc, const int n_queries, const float *old,
                           const float *new, int64_t seen, int64_t n) {
    enum { REGISTERS = 4 };
    for (int64_t d = 0; d < n; d += REGISTERS * LANES) {
        VI dot[QUERIES][REGISTERS];
        for (int k = 0; k < n_queries; k++) {
            for (int i = 0; i < REGISTERS; i++) dot[k][i] = vi_zero();
        }
        for (int64_t j = 0; j < seen; j += 2) {
            VI row[REGISTERS];
            for (int i = 0; i < REGISTERS; i++) row[i] = vi_load(b->values + j / 2 * n + d + i * LANES);
            for (int k = 0; k < n_queries; k++) {
                const VI weight = vi_broadcast_32(b->weights + k * KV_POSITIONS + j);
                for (int i = 0; i < REGISTERS; i++) dot[k][i] = vi_dpwssd(dot[k][i], weight, row[i]);
            }
        }
        for (int k = 0; k < n_queries; k++) {
            for (int i = 0; i < REGISTERS; i++) {
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
    if (most > KV_POSITIONS / 2) {
        i16_scores(b, first, n_queries, KV_POSITIONS / TILE, n);
    } else {
        i16_scores(b, first, n_queries, KV_POSITIONS / TILE / 2, n);
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
