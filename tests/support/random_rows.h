/* random_rows.h - rows of random blocks with small finite scales, for tests of the products. */
#ifndef WOOLLY_SUPPORT_RANDOM_ROWS_H
#define WOOLLY_SUPPORT_RANDOM_ROWS_H

#include "engine/kernels/kernels.h"

#include <stdbool.h>
#include <string.h>

static uint64_t state = 1;

static inline uint32_t next_random(void) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33);
}

static inline float random_float(void) {
    return ((float)(next_random() & 0xffff) / 32768.0f - 1.0f) * 2.0f;
}

/* Gives the blocks of a row small finite half-float scales. */
static inline void small_scales(uint8_t *row, enum tensor_type type, int64_t cols) {
    const struct tensor_type_info *info = tensor_type_info(type);
    int64_t bytes = (int64_t)tensor_type_row_bytes(type, (uint64_t)cols);
    for (int64_t b = 0; b < bytes; b += info->block_bytes) {
        uint16_t d = f16_from_f32(random_float() * 0.01f), m = f16_from_f32(random_float() * 0.01f);
        int d_at = type == TENSOR_Q2_K   ? 80
                   : type == TENSOR_Q3_K ? 108
                   : type == TENSOR_Q6_K ? 208
                                         : 0;
        memcpy(row + b + d_at, &d, 2);
        if (type == TENSOR_Q4_1 || type == TENSOR_Q5_1 || type == TENSOR_Q4_K ||
            type == TENSOR_Q5_K || type == TENSOR_Q2_K) {
            memcpy(row + b + d_at + 2, &m, 2);
        }
    }
}

/* A row of random blocks. */
static inline void random_row(uint8_t *row, enum tensor_type type, int64_t cols) {
    int64_t bytes = (int64_t)tensor_type_row_bytes(type, (uint64_t)cols);
    for (int64_t i = 0; i < bytes; i++) row[i] = (uint8_t)next_random();
    small_scales(row, type, cols);
}

/* A row whose values are all as large as the type has them, or as small: where sums are too narrow, they
 * overflow here. */
static inline void extreme_row(uint8_t *row, enum tensor_type type, int64_t cols, bool largest) {
    const int fill = type == TENSOR_Q8_0 ? (largest ? 0x7f : 0x80) : largest ? 0xff : 0;
    memset(row, fill, (size_t)tensor_type_row_bytes(type, (uint64_t)cols));
    small_scales(row, type, cols);
}

#endif
