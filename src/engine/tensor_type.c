/* tensor_type.c - names and block geometry of the GGUF element types. */
#include "engine/tensor_type.h"

#include <stddef.h>
#include <strings.h>

/* Source: GGUF specification, ggml_type and the block sizes of each. */
static const struct tensor_type_info infos[TENSOR_TYPE_COUNT] = {
    [TENSOR_F32] = {"F32", 1, 4},           [TENSOR_F16] = {"F16", 1, 2},
    [TENSOR_BF16] = {"BF16", 1, 2},         [TENSOR_Q4_0] = {"Q4_0", 32, 18},
    [TENSOR_Q4_1] = {"Q4_1", 32, 20},       [TENSOR_Q5_0] = {"Q5_0", 32, 22},
    [TENSOR_Q5_1] = {"Q5_1", 32, 24},       [TENSOR_Q8_0] = {"Q8_0", 32, 34},
    [TENSOR_Q2_K] = {"Q2_K", 256, 84},      [TENSOR_Q3_K] = {"Q3_K", 256, 110},
    [TENSOR_Q4_K] = {"Q4_K", 256, 144},     [TENSOR_Q5_K] = {"Q5_K", 256, 176},
    [TENSOR_Q6_K] = {"Q6_K", 256, 210},     [TENSOR_IQ4_NL] = {"IQ4_NL", 32, 18},
    [TENSOR_IQ4_XS] = {"IQ4_XS", 256, 136},
};

/* Every id that ggml has given out, so that a message can name what it cannot read. */
static const char *const known_names[] = {
    "F32",     "F16",     "Q4_0",    "Q4_1",  "Q4_2",   "Q4_3",    "Q5_0",  "Q5_1",
    "Q8_0",    "Q8_1",    "Q2_K",    "Q3_K",  "Q4_K",   "Q5_K",    "Q6_K",  "Q8_K",
    "IQ2_XXS", "IQ2_XS",  "IQ3_XXS", "IQ1_S", "IQ4_NL", "IQ3_S",   "IQ2_S", "IQ4_XS",
    "I8",      "I16",     "I32",     "I64",   "F64",    "IQ1_M",   "BF16",  "Q4_0_4_4",
    "Q4_0_4_8", "Q4_0_8_8", "TQ1_0", "TQ2_0", "IQ4_NL_4_4", "IQ4_NL_4_8", "IQ4_NL_8_8", "MXFP4",
};

const struct tensor_type_info *tensor_type_info(uint32_t type) {
    return type < TENSOR_TYPE_COUNT && infos[type].name != NULL ? &infos[type] : NULL;
}

const char *tensor_type_known_name(uint32_t type) {
    return type < sizeof known_names / sizeof known_names[0] ? known_names[type] : NULL;
}

bool tensor_type_from_name(const char *name, enum tensor_type *type) {
    for (int i = 0; i < TENSOR_TYPE_COUNT; i++) {
        if (infos[i].name != NULL && strcasecmp(infos[i].name, name) == 0) {
            *type = (enum tensor_type)i;
            return true;
        }
    }
    return false;
}

const char *tensor_type_list(void) {
    return "F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, IQ4_NL, "
           "IQ4_XS";
}

uint64_t tensor_type_row_bytes(enum tensor_type type, uint64_t n_values) {
    return n_values / (uint64_t)infos[type].block_values * (uint64_t)infos[type].block_bytes;
}
