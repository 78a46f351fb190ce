/* attention_simd.h - attention in the registers of the including file, included once per ISA after its
 * vf_*.h. A file with layouts of its own (attention_tiles_*.h) includes them before and defines
 * ATTENTION_TILES; one with ways of its own for a single token's queries (attention_alone.h,
 * attention_group.h) defines ATTENTION_ALONE; one that leaves those over floats to another level names its
 * function in ATTENTION_FLOATS. */
#include "engine/kernels/vf_exp.h"

#include "engine/kernels/attention_rows.h"

enum {
    QUERIES = KV_QUERIES,
    AHEAD = LANES == 16 ? 4 : LANES == 1 ? 1 : 2, /* registers of positions (scores) or of values */
    AHEAD_ALONE = LANES == 8 ? 8 : AHEAD,         /* the same for a query that goes alone */
    /* While keys are multiplied the block's own values are asked for, and meanwhile the next keys: two
     * streams of memory at any time. Else, and where keys are turned, keys ask for the next keys, values for the
     * next values. */
    CROSS_AHEAD = LANES == 8,
    TURNED_STEP = AHEAD * LANES, /* positions of turned keys that are multiplied together */
};

/* What is asked for while a block is at work: rows of `row` bytes, one with each row of the first pass over the
 * block, or `lines` lines with each pass, one a row or dimension. */
enum asking { ASK_NOTHING, ASK_ROWS, ASK_LINES };
struct ahead {
    enum asking how;
    const uint8_t *next;
    size_t row;
    int64_t lines;
};

INLINE void ask_ahead(const enum asking how, const struct ahead a, int64_t pass, int64_t i) {
    if (how == ASK_ROWS) ask(a.next, (size_t)i * a.row, a.row);
    if (how == ASK_LINES && i < a.lines) kv_prefetch(a.next + (pass * a.lines + i) * 64);
}

/* ---- scores: s [KV_POSITIONS] of each query = scale * q . keys; the caller masks what is not seen ---- */

/* Where value d of position j lies in turned keys: [KV_POSITIONS / TURNED_STEP, n, TURNED_STEP], so that a pass
 * reads one run of memory. */
INLINE int64_t turned_at(int64_t n, int64_t d, int64_t j) {
    return (j / TURNED_STEP * n + d) * TURNED_STEP + j % TURNED_STEP;
}

/* to: keys [n_rows, n] turned, and zeros behind them. */
static void turn(float *to, const float *keys, int64_t n_rows, int64_t n) {
    int64_t j = 0;
    for (; j + LANES <= n_rows; j += LANES) {
        int64_t d = 0;
        for (; d + LANES <= n; d += LANES) {
            VF r[LANES];
            for (int i = 0; i < LANES; i++) r[i] = vf_load(keys + (j + i) * n + d);
            vf_transpose(r);
            for (int i = 0; i < LANES; i++) vf_store(to + turned_at(n, d + i, j), r[i]);
        }
        for (; d < n; d++) {
            for (int i = 0; i < LANES; i++) to[turned_at(n, d, j + i)] = keys[(j + i) * n + d];
        }
    }
    for (; j < KV_POSITIONS; j++) {
        for (int64_t d = 0; d < n; d++) to[turned_at(n, d, j)] = j < n_rows ? keys[j * n + d] : 0;
    }
}

/* From turned keys: every lane is a position. */
INLINE void scores_turned(float *s, const float *const *q, const int n_queries, const float *turned,
                          const struct ahead ahead, int64_t n_rows, int64_t n, float scale) {
    for (int64_t j = 0; j < n_rows; j += TURNED_STEP, turned += n * TURNED_STEP) {
        VF sum[QUERIES][AHEAD];
        for (int k = 0; k < n_queries; k++) {
            for (int i = 0; i < AHEAD; i++) sum[k][i] = vf_zero();
        }
        for (int64_t d = 0; d < n; d++) {
            VF row[AHEAD];
            ask_ahead(ASK_LINES, ahead, j / TURNED_STEP, d);
            for (int i = 0; i < AHEAD; i++) row[i] = vf_load(turned + d * TURNED_STEP + i * LANES);
            for (int k = 0; k < n_queries; k++) {
                VF x = vf_set1(q[k][d]);
                for (int i = 0; i < AHEAD; i++) sum[k][i] = vf_fma(x, row[i], sum[k][i]);
            }
        }
        for (int k = 0; k < n_queries; k++) {
            for (int i = 0; i < AHEAD; i++) {
                vf_store(s + k * KV_POSITIONS + j + i * LANES, vf_mul(sum[k][i], vf_set1(scale)));
            }
        }
    }
}

INLINE float score_of(const float *q, const float *key, int64_t n, float scale) {
    VF sum = vf_zero(), other = vf_zero();
    int64_t d = 0;
    for (; d + 2 * LANES <= n; d += 2 * LANES) {
        sum = vf_fma(vf_load(q + d), vf_load(key + d), sum);
        other = vf_fma(vf_load(q + d + LANES), vf_load(key + d + LANES), other);
    }
    for (; d + LANES <= n; d += LANES) sum = vf_fma(vf_load(q + d), vf_load(key + d), sum);
    float total = vf_sum(vf_add(sum, other));
    for (; d < n; d++) total += q[d] * key[d];
    return total * scale;
}

/* next: rows of next_row bytes that are asked for meanwhile; or NULL. */
INLINE void scores_direct(float *s, const float *q, const float *keys, const uint8_t *next, size_t next_row,
                          int64_t n_rows, int64_t n, float scale) {
    for (int64_t j = 0; j < n_rows; j++, keys += n) {
        if (CROSS_AHEAD) ask(next, (size_t)j * next_row, next_row);
        s[j] = score_of(q, keys, n, scale);
    }
}

/* ---- softmax and values ---- */

/* Scores of each query's first seen[k] positions become weights exp(s - max), the others 0; max and sum
 * are brought up to date. share[k] is what earlier sums are multiplied by. */
INLINE void weigh(float *s, const int64_t *seen, const int n_queries, float *max, float *sum, float *share) {
    enum { ROOM = (int)QUERIES < (int)LANES ? (int)LANES : (int)QUERIES };
    float change[ROOM] = {0};
    for (int k = 0; k < n_queries; k++) {
        float *of = s + k * KV_POSITIONS;
        for (int64_t j = seen[k]; j < KV_POSITIONS; j++) of[j] = -INFINITY;
        VF most = vf_set1(max[k]);
        for (int j = 0; j < KV_POSITIONS; j += LANES) most = vf_max(vf_load(of + j), most);
        const float largest = vf_largest(most);
        change[k] = max[k] == -INFINITY ? -INFINITY : max[k] - largest;
        max[k] = largest;
    }
    for (int k = 0; k < n_queries; k += LANES) vf_store(change + k, vf_exp(vf_load(change + k)));
    for (int k = 0; k < n_queries; k++) {
        float *of = s + k * KV_POSITIONS;
        VF total = vf_zero(), shift = vf_set1(max[k]);
        for (int j = 0; j < KV_POSITIONS; j += LANES) {
            VF e = vf_exp(vf_sub(vf_load(of + j), shift));
            vf_store(of + j, e);
            total = vf_add(total, e);
        }
        share[k] = change[k];
        sum[k] = sum[k] * share[k] + vf_sum(total);
    }
}

#ifdef VF_NO_BYTES
enum { READS_HALVES = 0 };
#else
enum { READS_HALVES = 1 };
#endif

INLINE VF load_value(const void *values, const bool half, int64_t at) {
#ifdef VF_NO_BYTES
    (void)half;
#else
    if (half) return vf_load_half((const uint8_t *)values + 2 * at);
#endif
    return vf_load((const float *)values + at);
}

INLINE float value_at(const void *values, const bool half, int64_t at) {
    return half ? scale_at(values, at) : ((const float *)values)[at];
}

/* Dims [d, d + registers * LANES) of add_values. */
INLINE void add_values_at(float *const *acc, const float *p, const float *share, const int n_queries,
                          const void *values, const struct ahead ahead, const enum asking how, const bool half,
                          int64_t seen, int64_t n, int64_t d, const int registers) {
    VF sum[QUERIES][AHEAD_ALONE];
    for (int k = 0; k < n_queries; k++) {
        for (int i = 0; i < registers; i++) {
            sum[k][i] = vf_mul(vf_load(acc[k] + d + i * LANES), vf_set1(share[k]));
        }
    }
    for (int64_t j = 0; j < seen; j++) {
        VF row[AHEAD_ALONE];
        ask_ahead(how, ahead, d / (registers * LANES), j);
        for (int i = 0; i < registers; i++) row[i] = load_value(values, half, j * n + d + i * LANES);
        for (int k = 0; k < n_queries; k++) {
            VF weight = vf_set1(p[k * KV_POSITIONS + j]);
            for (int i = 0; i < registers; i++) sum[k][i] = vf_fma(weight, row[i], sum[k][i]);
        }
    }
    for (int k = 0; k < n_queries; k++) {
        for (int i = 0; i < registers; i++) vf_store(acc[k] + d + i * LANES, sum[k][i]);
    }
}

/* Per query: acc [n] = share * acc + sum over j of p[j] * values[j], floats or half floats. */
INLINE void add_values(float *const *acc, const float *p, const float *share, const int n_queries,
                       const void *values, const struct ahead ahead, const bool half, int64_t seen, int64_t n) {
    int64_t d = 0;
#define ADD_VALUES(registers)                                                                      \
    for (; d + (registers) * LANES <= n; d += (registers) * LANES) {                               \
        if (ahead.how == ASK_LINES) {                                                              \
            add_values_at(acc, p, share, n_queries, values, ahead, ASK_LINES, half, seen, n, d, registers); \
        } else if (ahead.how == ASK_ROWS && d == 0) {                                              \
            add_values_at(acc, p, share, n_queries, values, ahead, ASK_ROWS, half, seen, n, d, registers); \
        } else {                                                                                   \
            add_values_at(acc, p, share, n_queries, values, ahead, ASK_NOTHING, half, seen, n, d, registers); \
        }                                                                                          \
    }
    if (n_queries == 1 && (int)AHEAD_ALONE > (int)AHEAD) ADD_VALUES(AHEAD_ALONE)
    ADD_VALUES(AHEAD)
    ADD_VALUES(1)
#undef ADD_VALUES
    for (; d < n; d++) {
        for (int k = 0; k < n_queries; k++) {
            float sum = acc[k][d] * share[k];
            for (int64_t j = 0; j < seen; j++) sum += p[k * KV_POSITIONS + j] * value_at(values, half, j * n + d);
            acc[k][d] = sum;
        }
    }
}

#ifdef ATTENTION_ALONE
#include "engine/kernels/attention_alone.h"

#include "engine/kernels/attention_group.h"
#else
INLINE bool attend_alone(const struct attention_task *t, struct attention_part part, float *scores) {
#ifdef ATTENTION_FLOATS
    return ATTENTION_FLOATS(t, part, scores);
#else
    (void)t, (void)part, (void)scores;
    return false;
#endif
}
INLINE bool attend_group(const struct attention_task *t, struct attention_part part, float *room) {
    (void)t, (void)part, (void)room;
    return false;
}
#endif

/* ---- all of it ---- */

enum {
    LEAST_TO_TURN = 3,           /* queries that pay for turning a block of keys */
    LEAST_TO_WIDEN = QUERIES + 1, /* ... and for half-float values made floats before they are used */
};

struct room {
    float *keys, *values, *turned, *scores;
    void *queries; /* of the tiles' own making */
};

/* A block of positions as the queries need it. */
struct kv_view {
    const uint8_t *key_rows, *value_rows;   /* of the block's first position */
    const uint8_t *next_keys, *next_values; /* likely read after this; or NULL */
    const float *keys, *turned, *values;  /* NULL where not needed; values: where they lie as half floats */
    int64_t at, rows;
};

#ifndef ATTENTION_TILES
static bool keys_in_tiles(enum kv_type type, int64_t n) {
    (void)type, (void)n;
    return false;
}
static bool values_in_tiles(enum kv_type type, int64_t n) {
    (void)type, (void)n;
    return false;
}
static void tile_queries(void *to, const struct attention_task *t) {
    (void)to;
    (void)t;
}
INLINE void scores_tiles(float *s, const struct attention_task *t, const void *queries, int64_t first,
                         const int n_queries, const float *const *q, const uint8_t *rows,
                         const uint8_t *next, int64_t n_rows) {
    (void)s, (void)t, (void)queries, (void)first, (void)n_queries, (void)q, (void)rows, (void)next, (void)n_rows;
}
INLINE void add_values_tiles(float *const *acc, const float *p, const float *share, const int n_queries,
                             const uint8_t *rows, const uint8_t *next, int64_t seen, int64_t n) {
    (void)acc, (void)p, (void)share, (void)n_queries, (void)rows, (void)next, (void)seen, (void)n;
}
#endif

/* The share of the next block that the queries from `first` on ask for in decode, as many lines in each of
 * n_passes: by turns with the products of all queries, so that memory rests as little as they do. */
INLINE struct ahead block_ahead(const struct attention_task *t, const uint8_t *next, size_t row, int64_t first,
                                int64_t n_passes) {
    if (!CROSS_AHEAD || t->n_tokens > 1 || n_passes == 0) return (struct ahead){.how = ASK_NOTHING};
    const int64_t turns = (t->group + QUERIES - 1) / QUERIES, bytes = KV_POSITIONS * (int64_t)row / turns;
    return (struct ahead){.how = ASK_LINES, .next = next + first / QUERIES * bytes,
                          .lines = (bytes + 64 * n_passes - 1) / (64 * n_passes)};
}

/* Queries first .. first + n_queries on one block. */
INLINE void attend_queries(const struct attention_task *t, const struct attention_part part,
                           const struct room *room, const struct kv_view *view, int64_t first,
                           const int n_queries) {
    const int64_t n = t->head_dim;
    /* In decode, while the first queries are at work. */
    const bool ahead = t->n_tokens == 1 && first == 0;
    const uint8_t *with_keys = !ahead ? NULL : CROSS_AHEAD ? view->value_rows : view->next_keys;
    const uint8_t *with_values = !ahead ? NULL : CROSS_AHEAD ? view->next_keys : view->next_values;
    const size_t with_keys_row = CROSS_AHEAD ? t->value_row : t->key_row;
    const struct ahead rows_ahead = {.how = with_values != NULL ? ASK_ROWS : ASK_NOTHING, .next = with_values,
                                     .row = CROSS_AHEAD ? t->key_row : t->value_row};
    const float *q[QUERIES];
    float *acc[QUERIES], share[QUERIES];
    int64_t most = 0, seen[QUERIES];
    for (int k = 0; k < n_queries; k++) {
        const int64_t i = first + k, all = t->n_past + i / t->group + 1 - view->at;
        seen[k] = all < view->rows ? all : view->rows;
        most = seen[k] > most ? seen[k] : most;
        q[k] = t->q + i / t->group * t->q_stride + i % t->group * n;
        acc[k] = part.acc + i * n;
    }
    if (keys_in_tiles(t->key_type, n)) {
        scores_tiles(room->scores, t, room->queries, first, n_queries, q, view->key_rows, with_keys, most);
    } else if (view->turned != NULL) {
        const struct ahead keys = block_ahead(t, view->next_keys, t->key_row, first, KV_POSITIONS / TURNED_STEP);
        scores_turned(room->scores, q, n_queries, view->turned, keys, most, n, t->scale);
    } else {
        for (int k = 0; k < n_queries; k++) {
            scores_direct(room->scores + k * KV_POSITIONS, q[k], view->keys,
                          CROSS_AHEAD && k == 0 ? with_keys : NULL, with_keys_row, seen[k], n, t->scale);
        }
    }
    weigh(room->scores, seen, n_queries, part.max + first, part.sum + first, share);
    if (values_in_tiles(t->value_type, n)) {
        add_values_tiles(acc, room->scores, share, n_queries, view->value_rows, with_values, most, n);
    } else {
        const bool half = view->values == NULL;
        const void *values = half ? (const void *)view->value_rows : view->values;
        struct ahead asked = rows_ahead;
        if (!half && !CROSS_AHEAD) asked.how = ASK_NOTHING;
        if (CROSS_AHEAD && view->turned != NULL) {
            asked = block_ahead(t, view->next_values, t->value_row, first, n / (AHEAD * LANES));
        }
        if (half) {
            add_values(acc, room->scores, share, n_queries, values, asked, true, most, n);
        } else {
            add_values(acc, room->scores, share, n_queries, values, asked, false, most, n);
        }
    }
}

static void attend(const struct attention_task *t, struct attention_part part, void *scratch) {
    const int64_t n = t->head_dim, n_queries = t->n_tokens * t->group;
    struct room room = {.keys = scratch};
    room.values = room.keys + n * KV_POSITIONS;
    room.turned = room.values + n * KV_POSITIONS;
    room.scores = room.turned + n * KV_POSITIONS;
    room.queries = room.scores + QUERIES * KV_POSITIONS;
    for (int64_t i = 0; i < n_queries; i++) {
        part.max[i] = -INFINITY;
        part.sum[i] = 0;
    }
    memset(part.acc, 0, (size_t)(n_queries * n) * sizeof(float));
    if (attend_alone(t, part, room.keys) || attend_group(t, part, room.keys)) return;
    if (keys_in_tiles(t->key_type, n)) tile_queries(room.queries, t);
    for (int64_t at = t->first; at < t->last; at += KV_POSITIONS) {
        /* The first token that sees anything here. */
        int64_t token = at - t->n_past;
        if (token < 0) token = 0;
        if (token >= t->n_tokens) break;
        struct kv_view view = {
            .key_rows = (const uint8_t *)t->keys + (size_t)at * t->key_row,
            .value_rows = (const uint8_t *)t->values + (size_t)at * t->value_row,
            .at = at,
            .rows = t->last - at < KV_POSITIONS ? t->last - at : KV_POSITIONS,
        };
        const bool more = at + KV_POSITIONS < t->last;
        view.next_keys = more ? view.key_rows + KV_POSITIONS * t->key_row
                         : t->next_keys != NULL ? t->next_keys : t->keys;
        view.next_values = more ? view.value_rows + KV_POSITIONS * t->value_row
                           : t->next_values != NULL ? t->next_values : t->values;
        if (!keys_in_tiles(t->key_type, n)) {
            view.keys = load_rows(room.keys, view.key_rows, t->key_row, t->key_type, view.rows, n);
            if (LANES > 1 && (t->n_tokens - token) * t->group >= LEAST_TO_TURN) {
                turn(room.turned, view.keys, view.rows, n);
                view.turned = room.turned;
            }
        }
        const bool as_they_lie = READS_HALVES && t->value_type == KV_F16 && n_queries < LEAST_TO_WIDEN;
        if (!values_in_tiles(t->value_type, n) && !as_they_lie) {
            view.values = load_rows(room.values, view.value_rows, t->value_row, t->value_type, view.rows, n);
        }
        int64_t i = token * t->group;
        for (; i + QUERIES <= n_queries; i += QUERIES) attend_queries(t, part, &room, &view, i, QUERIES);
        for (; i < n_queries; i++) attend_queries(t, part, &room, &view, i, 1);
    }
}

#ifndef ATTENTION_TILES
#define ATTENTION_KERNELS                                                                          \
    {.store_key = {store_f32, store_f16, store_q8_0, store_q4_0},                                  \
     .store_value = {store_f32, store_f16, store_q8_0, store_q4_0}, .attend = attend}
#endif
