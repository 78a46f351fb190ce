/* code_class.h - decodes machine code as far as its class and its branches. */
#ifndef WOOLLY_COUNTERS_CODE_CLASS_H
#define WOOLLY_COUNTERS_CODE_CLASS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Scalar: integers, addresses, branches, one floating-point value at a time, a vector register set
 * to zero. All others are packed: by the instruction set that has them, multiply-adds (FMA) and
 * integer dot products (VNNI) apart, of any width. Mask registers count as AVX-512. */
enum code_class {
    CODE_SCALAR,
    CODE_SSE,
    CODE_AVX,
    CODE_AVX2,
    CODE_AVX512,
    CODE_FMA,
    CODE_VNNI,
    CODE_CLASSES,
};
const char *code_class_name(enum code_class code_class); /* "scalar", "sse", .. */

struct code_instruction {
    enum code_class code_class;
    int length;
    bool ends_block;   /* a branch or return; calls come back */
    bool has_target;   /* a branch to `target`, an offset from the instruction's begin */
    int64_t target;
};

/* Decodes the instruction at code. False when there is none within n bytes. Any thread. */
bool code_decode(const uint8_t *code, size_t n, struct code_instruction *out);

/* "Zydis 4.0.0", or NULL and why this build decodes nothing. */
const char *code_decoder(struct err *reason);

#endif
