/* synth_fill.c - random weights, written straight in their quantised form.
 *
 * Quantised integers are uniform, so a block's values have zero mean only if its scale takes either
 * sign (Q4_0, Q5_0, Q8_0, whose integers lie unevenly around zero) or a minimum balances it (Q4_K).
 * Without that every row would share one large component and all logits would follow it. */
#include "engine/kernels/blocks.h"
#include "engine/synth.h"

#include <math.h>
#include <string.h>

struct random {
    uint64_t state;
};

/* SplitMix64: a counter and three multiplications, 8 bytes at a time. */
static inline uint64_t next(struct random *r) {
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void fill_bytes(struct random *r, void *out, size_t size) { /* a multiple of 8 */
    for (size_t i = 0; i < size; i += 8) {
        uint64_t word = next(r);
        memcpy((uint8_t *)out + i, &word, 8);
    }
}

/* Standard deviation of k consecutive integers, each as likely. */
static double uniform_spread(int k) {
    return sqrt(((double)k * k - 1.0) / 12.0);
}

/* Half floats of either sign around `size`: no two blocks of a row need be alike. */
#define SCALES 64
static void make_scales(uint16_t scales[SCALES], double size) {
    for (int i = 0; i < SCALES; i++) {
        double factor = 0.75 + (double)(i / 2) / 62.0; /* 0.75 .. 1.25 */
        scales[i] = f16_from_f32((float)(i % 2 == 0 ? size * factor : -size * factor));
    }
}

/* d, then integers: Q4_0 and Q8_0. */
static void fill_simple(struct synth_out *out, uint64_t n_blocks, size_t block_bytes, double size,
                        struct random *r) {
    uint16_t scales[SCALES];
    make_scales(scales, size);
    for (uint64_t left = n_blocks; left > 0;) {
        uint64_t most = SYNTH_BUFFER_BYTES / block_bytes, some = left < most ? left : most;
        uint8_t *block = synth_room(out, (size_t)some * block_bytes);
        if (block == NULL) return;
        for (uint64_t i = 0; i < some; i++, block += block_bytes) {
            memcpy(block, &scales[next(r) >> 58], 2);
            fill_bytes(r, block + 2, block_bytes - 2);
        }
        left -= some;
    }
}

static void fill_q5_0(struct synth_out *out, uint64_t n_blocks, double size, struct random *r) {
    uint16_t scales[SCALES];
    make_scales(scales, size);
    for (uint64_t i = 0; i < n_blocks; i++) {
        struct block_q5_0 block;
        uint64_t word = next(r);
        block.d = scales[word >> 58];
        memcpy(block.qh, &word, sizeof block.qh);
        fill_bytes(r, block.qs, sizeof block.qs);
        synth_put(out, &block, sizeof block);
    }
}

/* Sub-block scales 8..15; each minimum equals its scale, and dmin = 7.5 d centres the integers. */
static void fill_q4_k(struct synth_out *out, uint64_t n_blocks, double spread, struct random *r) {
    const double scale_size = sqrt(11.5 * 11.5 + uniform_spread(8) * uniform_spread(8));
    const double d = spread / (scale_size * uniform_spread(16));
    const uint16_t half_d = f16_from_f32((float)d);
    const uint16_t half_min = f16_from_f32((float)(7.5 * (double)f32_from_f16(half_d)));
    for (uint64_t i = 0; i < n_blocks; i++) {
        struct block_q4_k *block = (void *)synth_room(out, sizeof *block);
        if (block == NULL) return;
        uint64_t word = next(r);
        block->d = half_d;
        block->dmin = half_min;
        for (int j = 0; j < 4; j++, word >>= 6) {
            uint8_t low = 8 | (word & 7), high = 8 | (word >> 3 & 7);
            block->scales[j] = block->scales[j + 4] = low;      /* scale and minimum j */
            block->scales[j + 8] = (uint8_t)(high | high << 4); /* those of j + 4: below 16 */
        }
        fill_bytes(r, block->qs, sizeof block->qs);
    }
}

static void fill_f16(struct synth_out *out, uint64_t n, double spread, struct random *r) {
    enum { TABLE = 4096, STEP = 4 };
    uint16_t table[TABLE];
    for (int i = 0; i < TABLE; i++) { /* uniform, as wide as gives the spread */
        table[i] = f16_from_f32((float)(spread * sqrt(3.0) * ((2.0 * i + 1.0) / TABLE - 1.0)));
    }
    for (uint64_t left = n; left > 0;) {
        uint64_t most = SYNTH_BUFFER_BYTES / sizeof *table, some = left < most ? left : most;
        uint8_t *values = synth_room(out, (size_t)some * sizeof *table);
        if (values == NULL) return;
        uint64_t word = 0;
        for (uint64_t i = 0; i < some; i++, word >>= 16) {
            if (i % STEP == 0) word = next(r);
            memcpy(values + i * sizeof *table, &table[word % TABLE], sizeof *table);
        }
        left -= some;
    }
}

static void fill_f32(struct synth_out *out, uint64_t n, double centre, double spread,
                     struct random *r) {
    for (uint64_t i = 0; i < n; i++) {
        double uniform = (double)(next(r) >> 11) * 0x1p-52 - 1.0;
        float value = (float)(centre + spread * sqrt(3.0) * uniform);
        synth_put(out, &value, sizeof value);
    }
}

void synth_fill(struct synth_out *out, enum tensor_type type, uint64_t n, double centre,
                double spread, uint64_t seed) {
    struct random r = {.state = seed};
    switch (type) {
    case TENSOR_F32:
        fill_f32(out, n, centre, spread, &r);
        break;
    case TENSOR_F16:
        fill_f16(out, n, spread, &r);
        break;
    case TENSOR_Q4_0:
        fill_simple(out, n / 32, sizeof(struct block_q4_0), spread / uniform_spread(16), &r);
        break;
    case TENSOR_Q8_0:
        fill_simple(out, n / 32, sizeof(struct block_q8_0), spread / uniform_spread(256), &r);
        break;
    case TENSOR_Q5_0:
        fill_q5_0(out, n / 32, spread / uniform_spread(32), &r);
        break;
    default:
        fill_q4_k(out, n / 256, spread, &r);
        break;
    }
}
