/* attention_rows.h - rows of keys and values: written, and read as F32. Included after a vf_*.h. */
#ifndef WOOLLY_ENGINE_ATTENTION_ROWS_H
#define WOOLLY_ENGINE_ATTENTION_ROWS_H

#include "engine/kernels/attention_tables.h"

#include <math.h>
#include <string.h>

/* Into the second-level cache, which can have more requests on the way than the first. A macro: gcc takes
 * a function that only prefetches for one without effect and drops its calls. */
#define kv_prefetch(p) __builtin_prefetch(p, 0, 2)

/* Asks for bytes [at, at + n) of what is read next; next: or NULL. */
INLINE void ask(const uint8_t *next, size_t at, size_t n) {
    for (size_t i = 0; next != NULL && i < n; i += 64) kv_prefetch(next + at + i);
}

/* Where the row of a position lies when rows lie one behind the other. */
INLINE uint8_t *row_at(void *base, enum kv_type type, int64_t position, int64_t n) {
    return (uint8_t *)base + (size_t)position * kv_row_bytes(type, n);
}

static void store_f32(void *base, int64_t position, const float *x, int64_t n) {
    memcpy(row_at(base, KV_F32, position, n), x, (size_t)n * sizeof *x);
}

/* to [n]: the bits of half floats */
INLINE void halves_of(uint16_t *to, const float *x, int64_t n) {
    int64_t i = 0;
#ifdef VF_STORES_HALF
    for (; i + LANES <= n; i += LANES) vf_store_half(to + i, vf_load(x + i));
#endif
    for (; i < n; i++) to[i] = f16_from_f32(x[i]);
}

static void store_f16(void *base, int64_t position, const float *x, int64_t n) {
    halves_of((uint16_t *)(void *)row_at(base, KV_F16, position, n), x, n);
}

/* Largest |x| of n; NaN when there is one. */
static float largest_of(const float *x, int64_t n) {
    float largest = 0;
    for (int64_t i = 0; i < n; i++) {
        float size = fabsf(x[i]);
        largest = size > largest || size != size ? size : largest;
        if (largest != largest) return largest;
    }
    return largest;
}

/* A block of n values as bytes and a half-float scale, whose bits are returned. */
static uint16_t quantize_q8_0(int8_t *q, const float *x, int64_t n) {
    const float largest = largest_of(x, n), inverse = largest > 0 ? 127 / largest : 0;
    for (int64_t i = 0; i < n; i++) q[i] = (int8_t)lrintf(x[i] * inverse);
    return f16_from_f32(largest / 127);
}

static inline void store_q8_0(void *base, int64_t position, const float *x, int64_t n) {
    uint8_t *row = row_at(base, KV_Q8_0, position, n), *scales = row + n;
    for (int64_t i = 0; i < n; i += KV_BLOCK, scales += 2) {
        const uint16_t bits = quantize_q8_0((int8_t *)row + i, x + i, n - i < KV_BLOCK ? n - i : KV_BLOCK);
        memcpy(scales, &bits, sizeof bits);
    }
}

/* 0 for NaN: the scale is NaN then. */
static unsigned nibble_of(float x) {
    return x >= 15 ? 15 : x >= 0 ? (unsigned)x : 0;
}

static void store_q4_0(void *base, int64_t position, const float *x, int64_t n) {
    uint8_t *q = row_at(base, KV_Q4_0, position, n), *scales = q + n / 2;
    for (int64_t b = 0; b < n / KV_BLOCK; b++, x += KV_BLOCK, q += KV_BLOCK / 2) {
        const float largest = largest_of(x, KV_BLOCK);
        float signed_largest = largest;
        for (int i = 0; i < KV_BLOCK; i++) {
            if (fabsf(x[i]) == largest) signed_largest = x[i];
        }
        const float d = signed_largest / -8, inverse = largest > 0 ? 1 / d : 0;
        const uint16_t bits = f16_from_f32(d);
        memcpy(scales + 2 * b, &bits, sizeof bits);
        for (int i = 0; i < KV_BLOCK / 2; i++) {
            q[i] = (uint8_t)(nibble_of(x[i] * inverse + 8.5f) | nibble_of(x[i + 16] * inverse + 8.5f) << 4);
        }
    }
}

INLINE float scale_at(const uint8_t *scales, int64_t b) {
    uint16_t bits;
    memcpy(&bits, scales + 2 * b, sizeof bits);
#ifdef VF_NO_BYTES
    return f32_from_f16(bits);
#else
    return half(bits);
#endif
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
    int64_t i = 0;
#ifndef VF_NO_BYTES
    for (; i + KV_BLOCK <= n; i += KV_BLOCK) {
        const VF d = vf_set1(scale_at(scales, i / KV_BLOCK));
        for (int part = 0; part < KV_BLOCK; part += 16) {
            const VB bytes = vb_load(row + i + part);
            for (int k = 0; k < 16 / LANES; k++) {
                vf_store(to + i + part + k * LANES, vf_mul(vf_from_i8(bytes, k), d));
            }
        }
    }
#endif
    for (; i < n; i++) to[i] = (float)(int8_t)row[i] * scale_at(scales, i / KV_BLOCK);
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

#endif
