/* tensor_type.h - the GGUF element types this engine reads, and their block geometry. */
#ifndef WOOLLY_ENGINE_TENSOR_TYPE_H
#define WOOLLY_ENGINE_TENSOR_TYPE_H

#include <stdbool.h>
#include <stdint.h>

/* Values are the ids in the file. Source: GGUF specification, ggml_type. */
enum tensor_type {
    TENSOR_F32 = 0,
    TENSOR_F16 = 1,
    TENSOR_Q4_0 = 2,
    TENSOR_Q4_1 = 3,
    TENSOR_Q5_0 = 6,
    TENSOR_Q5_1 = 7,
    TENSOR_Q8_0 = 8,
    TENSOR_Q2_K = 10,
    TENSOR_Q3_K = 11,
    TENSOR_Q4_K = 12,
    TENSOR_Q5_K = 13,
    TENSOR_Q6_K = 14,
    TENSOR_IQ4_NL = 20,
    TENSOR_IQ4_XS = 23,
    TENSOR_BF16 = 30,
    TENSOR_TYPE_COUNT = 31,
};

struct tensor_type_info {
    const char *name;     /* as GGUF spells it: "Q4_0"; NULL for an id this engine does not read */
    int32_t block_values; /* values in a block: 1, 32 or 256 */
    int32_t block_bytes;
};

/* NULL when the engine does not read this id. */
const struct tensor_type_info *tensor_type_info(uint32_t type);
/* Name of any id that ggml defines ("IQ2_XXS"), for messages; NULL when unknown. */
const char *tensor_type_known_name(uint32_t type);
/* By name, case-insensitive. False when unknown. */
bool tensor_type_from_name(const char *name, enum tensor_type *type);
/* "F32, F16, BF16, ...": for messages. */
const char *tensor_type_list(void);
/* Bytes of a row of n_values; n_values must be a multiple of the block. */
uint64_t tensor_type_row_bytes(enum tensor_type type, uint64_t n_values);

#endif
