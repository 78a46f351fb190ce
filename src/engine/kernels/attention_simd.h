/* attention_simd.h - attention in the registers of the including file, included once per ISA. */
#include "engine/kernels/attention_tables.h"
#include "engine/kernels/vf_exp.h"

#include <math.h>
#include <string.h>

/* ---- rows ---- */

static void store_f32(void *row, const float *x, int64_t n) {
    memcpy(row, x, (size_t)n * sizeof *x);
}

static void store_f16(void *row, const float *x, int64_t n) {
    uint8_t *to = row;
    for (int64_t i = 0; i < n; i++) {
        uint16_t bits = f16_from_f32(x[i]);
        memcpy(to + 2 * i, &bits, sizeof bits);
    }
}

/* Largest |x| of a block; NaN when there is one. */
static float largest_of(const float *x) {
    float largest = 0;
    for (int i = 0; i < KV_BLOCK; i++) {
        float size = fabsf(x[i]);
        largest = size > largest || size != size ? size : largest;
        if (largest != largest) return largest;
    }
    return largest;
}

static void store_q8_0(void *row, const float *x, int64_t n) {
    int8_t *q = row;
    uint8_t *scales = (uint8_t *)row + n;
    for (int64_t b = 0; b < n / KV_BLOCK; b++) {
        const float largest = largest_of(x + b * KV_BLOCK), inverse = largest > 0 ? 127 / largest : 0;
        const uint16_t bits = f16_from_f32(largest / 127);
        memcpy(scales + 2 * b, &bits, sizeof bits);
        for (int i = 0; i < KV_BLOCK; i++) {
            q[b * KV_BLOCK + i] = (int8_t)lrintf(x[b * KV_BLOCK + i] * inverse);
        }
    }
}

static void store_q4_0(void *row, const float *x, int64_t n) {
    uint8_t *q = row, *scales = (uint8_t *)row + n / 2;
    for (int64_t b = 0; b < n / KV_BLOCK; b++, x += KV_BLOCK, q += KV_BLOCK / 2) {
        const float largest = largest_of(x);
        float signed_largest = largest;
        for (int i = 0; i < KV_BLOCK; i++) {
            if (fabsf(x[i]) == largest) signed_largest = x[i];
        }
        const float d = signed_largest / -8, inverse = largest > 0 ? 1 / d : 0;
        const uint16_t bits = f16_from_f32(d);
        memcpy(scales + 2 * b, &bits, sizeof bits);
        for (int i = 0; i < KV_BLOCK / 2; i++) {
            int low = (int)(x[i] * inverse + 8.5f), high = (int)(x[i + 16] * inverse + 8.5f);
            q[i] = (uint8_t)((low > 15 ? 15 : low) | (high > 15 ? 15 : high) << 4);
        }
    }
}

INLINE float scale_at(const uint8_t *scales, int64_t b) {
    uint16_t bits;
    memcpy(&bits, scales + 2 * b, sizeof bits);
    return f32_from_f16(bits);
}

static void load_f16(float *to, const uint8_t *row, int64_t n) {
    int64_t i = 0;
#ifndef VF_NO_BYTES
    for (; i + LANES <= n; i += LANES) vf_store(to + i, vf_load_half(row + 2 * i));
#endif
    for (; i < n; i++) to[i] = scale_at(row, i);
}

static void load_q8_0(float *to, const uint8_t *row, int64_t n) {
    const uint8_t *scales = row + n;
    for (int64_t b = 0; b < n / KV_BLOCK; b++, to += KV_BLOCK, row += KV_BLOCK) {
        const float d = scale_at(scales, b);
#ifndef VF_NO_BYTES
        for (int part = 0; part < KV_BLOCK; part += 16) {
            for (int i = 0; i < 16 / LANES; i++) {
                vf_store(to + part + i * LANES,
                         vf_mul(vf_from_i8(vb_load(row + part), i), vf_set1(d)));
            }
        }
#else
        for (int i = 0; i < KV_BLOCK; i++) to[i] = (float)(int8_t)row[i] * d;
#endif
    }
}

static void load_q4_0(float *to, const uint8_t *row, int64_t n) {
    const uint8_t *scales = row + n / 2;
    for (int64_t b = 0; b < n / KV_BLOCK; b++, to += KV_BLOCK, row += KV_BLOCK / 2) {
        const float d = scale_at(scales, b);
#ifndef VF_NO_BYTES
        VB v = vb_load(row);
        VB low = vb_sub(vb_and(v, vb_set1(15)), vb_set1(8));
        VB high = vb_sub(vb_and(vb_right(v, 4), vb_set1(15)), vb_set1(8));
        for (int i = 0; i < 16 / LANES; i++) {
            vf_store(to + i * LANES, vf_mul(vf_from_i8(low, i), vf_set1(d)));
            vf_store(to + 16 + i * LANES, vf_mul(vf_from_i8(high, i), vf_set1(d)));
        }
#else
        for (int i = 0; i < KV_BLOCK / 2; i++) {
            to[i] = (float)((row[i] & 15) - 8) * d;
            to[i + 16] = (float)((row[i] >> 4) - 8) * d;
        }
#endif
    }
}

/* n_rows rows as F32, where they lie when they are F32 already. */
static const float *load_rows(float *to, const uint8_t *rows, size_t row_bytes, enum kv_type type,
                              int64_t n_rows, int64_t n) {
    if (type == KV_F32) return (const float *)(const void *)rows;
    for (int64_t i = 0; i < n_rows; i++, rows += row_bytes) {
        if (type == KV_F16) load_f16(to + i * n, rows, n);
        if (type == KV_Q8_0) load_q8_0(to + i * n, rows, n);
        if (type == KV_Q4_0) load_q4_0(to + i * n, rows, n);
    }
    return to;
}

/* ---- scores ---- */

/* to [n, KV_POSITIONS]: column j is row j of keys [n_rows, n]. */
static void turn(float *to, const float *keys, int64_t n_rows, int64_t n) {
    for (int64_t j = 0; j < n_rows; j++) {
        for (int64_t d = 0; d < n; d++) to[d * KV_POSITIONS + j] = keys[j * n + d];
    }
    for (int64_t j = n_rows; j < KV_POSITIONS; j++) {
        for (int64_t d = 0; d < n; d++) to[d * KV_POSITIONS + j] = 0;
    }
}

enum { AHEAD = LANES == 1 ? 1 : 4 }; /* registers of scores in flight: hides the latency of the sum */

/* s [KV_POSITIONS] = scale * q . keys, from turned keys: every lane is a position. Columns from n_rows on
 * are whatever; the caller masks. */
INLINE void scores_turned(float *s, const float *q, const float *turned, int64_t n_rows, int64_t n,
                          float scale) {
    for (int64_t j = 0; j < n_rows; j += AHEAD * LANES) {
        VF sum[AHEAD];
        for (int i = 0; i < AHEAD; i++) sum[i] = vf_zero();
        for (int64_t d = 0; d < n; d++) {
            VF x = vf_set1(q[d]);
            const float *row = turned + d * KV_POSITIONS + j;
            for (int i = 0; i < AHEAD; i++) sum[i] = vf_fma(x, vf_load(row + i * LANES), sum[i]);
        }
        for (int i = 0; i < AHEAD; i++) vf_store(s + j + i * LANES, vf_mul(sum[i], vf_set1(scale)));
    }
}

INLINE void scores_direct(float *s, const float *q, const float *keys, int64_t n_rows, int64_t n,
                          float scale) {
    for (int64_t j = 0; j < n_rows; j++, keys += n) {
        VF sum = vf_zero(), other = vf_zero();
        int64_t d = 0;
        for (; d + 2 * LANES <= n; d += 2 * LANES) {
            sum = vf_fma(vf_load(q + d), vf_load(keys + d), sum);
            other = vf_fma(vf_load(q + d + LANES), vf_load(keys + d + LANES), other);
        }
        for (; d + LANES <= n; d += LANES) sum = vf_fma(vf_load(q + d), vf_load(keys + d), sum);
        float total = vf_sum(vf_add(sum, other));
        for (; d < n; d++) total += q[d] * keys[d];
        s[j] = total * scale;
    }
}

/* ---- softmax and values ---- */

/* Scores of the first `seen` positions become weights exp(s - max), the others 0. Returns the new
 * maximum; *share is what earlier sums are multiplied by. */
INLINE float weigh(float *s, int64_t seen, float max, float *sum, float *share) {
    for (int64_t j = seen; j < KV_POSITIONS; j++) s[j] = -INFINITY;
    VF most = vf_set1(max);
    for (int j = 0; j < KV_POSITIONS; j += LANES) most = vf_max(vf_load(s + j), most);
    float largest = vf_largest(most);
    VF total = vf_zero(), shift = vf_set1(largest);
    for (int j = 0; j < KV_POSITIONS; j += LANES) {
        VF e = vf_exp(vf_sub(vf_load(s + j), shift));
        vf_store(s + j, e);
        total = vf_add(total, e);
    }
    *share = max == -INFINITY ? 0 : expf(max - largest);
    *sum = *sum * *share + vf_sum(total);
    return largest;
}

enum { HELD = LANES == 1 ? 4 : 8 }; /* registers of the result held while positions pass */

/* acc [n] = share * acc + sum over j of p[j] * values[j]. */
INLINE void add_values(float *acc, const float *p, const float *values, int64_t seen, int64_t n,
                       float share) {
    int64_t d = 0;
    for (; d + HELD * LANES <= n; d += HELD * LANES) {
        VF sum[HELD];
        for (int i = 0; i < HELD; i++) sum[i] = vf_mul(vf_load(acc + d + i * LANES), vf_set1(share));
        for (int64_t j = 0; j < seen; j++) {
            VF weight = vf_set1(p[j]);
            const float *row = values + j * n + d;
            for (int i = 0; i < HELD; i++) sum[i] = vf_fma(weight, vf_load(row + i * LANES), sum[i]);
        }
        for (int i = 0; i < HELD; i++) vf_store(acc + d + i * LANES, sum[i]);
    }
    /* Few registers: positions in two chains. */
    for (; d + 2 * LANES <= n; d += 2 * LANES) {
        VF a = vf_mul(vf_load(acc + d), vf_set1(share)), b = vf_mul(vf_load(acc + d + LANES), vf_set1(share));
        VF c = vf_zero(), e = vf_zero();
        int64_t j = 0;
        for (; j + 2 <= seen; j += 2) {
            const float *row = values + j * n + d;
            VF w0 = vf_set1(p[j]), w1 = vf_set1(p[j + 1]);
            a = vf_fma(w0, vf_load(row), a);
            b = vf_fma(w0, vf_load(row + LANES), b);
            c = vf_fma(w1, vf_load(row + n), c);
            e = vf_fma(w1, vf_load(row + n + LANES), e);
        }
        for (; j < seen; j++) {
            a = vf_fma(vf_set1(p[j]), vf_load(values + j * n + d), a);
            b = vf_fma(vf_set1(p[j]), vf_load(values + j * n + d + LANES), b);
        }
        vf_store(acc + d, vf_add(a, c));
        vf_store(acc + d + LANES, vf_add(b, e));
    }
    for (; d < n; d++) {
        float sum = acc[d] * share;
        for (int64_t j = 0; j < seen; j++) sum += p[j] * values[j * n + d];
        acc[d] = sum;
    }
}

enum { LEAST_TO_TURN = 12 }; /* queries that pay for turning a block of keys */

static void attend(const struct attention_task *t, struct attention_part part, void *scratch) {
    const int64_t n = t->head_dim, n_queries = t->n_tokens * t->group;
    float *key_room = scratch, *value_room = key_room + n * KV_POSITIONS;
    float *turned = value_room + n * KV_POSITIONS, *scores = turned + n * KV_POSITIONS;
    for (int64_t i = 0; i < n_queries; i++) {
        part.max[i] = -INFINITY;
        part.sum[i] = 0;
    }
    memset(part.acc, 0, (size_t)(n_queries * n) * sizeof(float));
    for (int64_t at = t->first; at < t->last; at += KV_POSITIONS) {
        const int64_t rows = t->last - at < KV_POSITIONS ? t->last - at : KV_POSITIONS;
        /* The first token that sees anything here. */
        int64_t token = at - t->n_past;
        if (token < 0) token = 0;
        if (token >= t->n_tokens) break;
        const uint8_t *keys_at = (const uint8_t *)t->keys + (size_t)at * t->key_row;
        const uint8_t *values_at = (const uint8_t *)t->values + (size_t)at * t->value_row;
        const float *keys = load_rows(key_room, keys_at, t->key_row, t->key_type, rows, n);
        const float *values = load_rows(value_room, values_at, t->value_row, t->value_type, rows, n);
        const bool turn_keys = LANES > 1 && (t->n_tokens - token) * t->group >= LEAST_TO_TURN;
        if (turn_keys) turn(turned, keys, rows, n);
        for (int64_t i = token * t->group; i < n_queries; i++) {
            const int64_t seen_all = t->n_past + i / t->group + 1 - at;
            const int64_t seen = seen_all < rows ? seen_all : rows;
            const float *q = t->q + i / t->group * t->q_stride + i % t->group * n;
            if (turn_keys) {
                scores_turned(scores, q, turned, seen, n, t->scale);
            } else {
                scores_direct(scores, q, keys, seen, n, t->scale);
            }
            float share = 0;
            part.max[i] = weigh(scores, seen, part.max[i], &part.sum[i], &share);
            add_values(part.acc + i * n, scores, values, seen, n, share);
        }
    }
}

#define ATTENTION_KERNELS                                                                          \
    {.store = {store_f32, store_f16, store_q8_0, store_q4_0}, .attend = attend}
