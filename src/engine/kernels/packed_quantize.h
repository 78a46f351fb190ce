/* packed_quantize.h - what the quantisers of activations share: the scale of a block and the numbers
 * behind its bytes; see packed.h. */
#ifndef WOOLLY_ENGINE_PACKED_QUANTIZE_H
#define WOOLLY_ENGINE_PACKED_QUANTIZE_H

#include "engine/kernels/packed_format.h"

#include <math.h>
#include <string.h>

/* Bits of |x|, as integers in the order of the numbers, with infinity and NaN above them all: so the
 * largest of a block tells of these too. */
enum { ABS_BITS = 0x7fffffff, INFINITY_BITS = 0x7f800000 };
/* 2^-119: below it 127 / largest would be infinite. Such blocks count as zero. */
enum { LEAST_BITS = (127 - 119) << 23 };

struct quantum {
    float d, inverse;
};

/* d = largest / parts and inverse = steps / largest. d is NaN for a block that holds infinity or NaN: its
 * products, whatever the weights, are NaN. */
static inline struct quantum quantum_from(uint32_t largest_bits, uint32_t least_bits, float parts, float steps) {
    if (largest_bits >= INFINITY_BITS) return (struct quantum){NAN, 0};
    if (largest_bits < least_bits) return (struct quantum){0, 0};
    float largest;
    memcpy(&largest, &largest_bits, sizeof largest);
    return (struct quantum){largest / parts, steps / largest};
}

static inline struct quantum quantum_of(uint32_t largest_bits) {
    return quantum_from(largest_bits, LEAST_BITS, 127, 127);
}

/* What follows the bytes of a block: `half` is the sum of the first 16 of them, `sum` that of all. */
static inline void store_tail(uint8_t *record, int width, int column, float d, int32_t half,
                              int32_t sum) {
    const float s = d * (float)sum;
    uint8_t *tail = record + width * PACKED_BLOCK + 4 * column;
    sum *= -8;
    half *= -8;
    memcpy(tail, &d, 4);
    memcpy(tail + 4 * width, &sum, 4);
    memcpy(tail + 8 * width, &half, 4);
    memcpy(tail + 12 * width, &s, 4);
}

/* ---- records of fours ---- */

/* Steps of the x > 0 or the x < 0 of four values. Rounding adds a half for each, so 126 would do; with 124 four that
 * are alike, two, or one are whole numbers of steps. */
enum { FOURS_LARGEST = 124 };
/* 2^-107, of a quarter: below it a step would not be a normal number. */
enum { FOURS_LEAST_BITS = (127 - 107) << 23 };

/* d of a block and, as inverse, what a quarter of the sum of four is multiplied by to give its steps m; from the
 * bits of the largest such quarter (a sum of numbers may be infinite where they are not). */
static inline struct quantum fours_of(uint32_t largest_bits) {
    return quantum_from(largest_bits, FOURS_LEAST_BITS, FOURS_LARGEST / 4 * QACT_MAX_STEPS, QACT_MAX_STEPS);
}

/* sum: of m q over the block. */
static inline void store_fours_tail(uint8_t *record, int width, int column, float d, int32_t sum) {
    const float offset = -128.0f * (d * (float)sum);
    uint8_t *tail = record + width * QACT_FOURS_COLUMN + 4 * column;
    memcpy(tail, &d, 4);
    memcpy(tail + 4 * width, &offset, 4);
}

/* A block of d NaN or 0. */
static inline void store_empty_fours(uint8_t *record, int width, int column, float d) {
    memset(record + column * QACT_FOURS_COLUMN, 0, QACT_FOURS_COLUMN);
    store_fours_tail(record, width, column, d, 0);
}

/* The body of packed_kernels.quantize, from the function of a level for one block of one column. Block
 * by block, so that a record's lines are written together and once. */
static inline __attribute__((always_inline)) void
quantize_columns(enum qact_kind kind, void *records, int width, int columns, const float *x, int64_t ld, int64_t n,
                 void (*quantize_block)(uint8_t *record, int width, int column, const float *x)) {
    uint8_t *record = records;
    for (int64_t i = 0; i < n; i += PACKED_BLOCK, record += width * qact_column_bytes(kind)) {
        for (int c = 0; c < columns; c++) quantize_block(record, width, c, x + c * ld + i);
    }
}

/* A block of d NaN or 0. */
static inline void store_empty(uint8_t *record, int width, int column, float d) {
    memset(record + column * PACKED_BLOCK, 0, PACKED_BLOCK);
    store_tail(record, width, column, d, 0, 0);
}

#endif
