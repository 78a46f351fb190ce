/* kernels.h - arithmetic on rows, one table of functions per instruction set, chosen at run time.
 *
 * Each ISA's functions live in one file with its own compiler flags; scalar.c is compiled without
 * auto-vectorisation and is the reference that all others are tested against. A function missing
 * from a table is taken from the next lower ISA when the tables are joined at start. */
#ifndef WOOLLY_ENGINE_KERNELS_H
#define WOOLLY_ENGINE_KERNELS_H

#include "engine/tensor_type.h"

#include <stdbool.h>
#include <stdint.h>

/* Levels of an architecture, each with all that the ones before it have. Only the int8 products
 * (packed.h, rows.h) have code of their own for ISA_AVXVNNI, ISA_AVX512VNNI, ISA_DOTPROD and
 * ISA_I8MM; whoever lacks a level takes the next lower one. */
enum isa {
    ISA_SCALAR,
    ISA_SSE4, /* SSE4.2 */
    ISA_AVX2, /* with FMA and F16C */
    ISA_AVXVNNI,
    ISA_AVX512, /* F, BW, DQ, VL */
    ISA_AVX512VNNI,
    ISA_NEON,
    ISA_DOTPROD,
    ISA_I8MM,
    ISA_COUNT
};

/* dst [n] f32 = values of n / block blocks at src; n a multiple of the type's block. src has no
 * alignment. Bit-identical on every ISA. Allocates nothing, cannot fail, any thread. */
typedef void dequantize_fn(float *dst, const void *src, int64_t n);

struct kernels {
    enum isa isa;
    int lanes; /* f32 lanes of a register: 1, 4, 8, 16 */
    dequantize_fn *dequantize[TENSOR_TYPE_COUNT]; /* NULL for ids that are no type */
    /* sum of a[i] * b[i]; n >= 0, any alignment. Order of the sum is fixed per ISA and n, so
     * repeats are bit-identical. */
    float (*dot_f32)(const float *a, const float *b, int64_t n);
    /* y[j] = dot(w, x + j * stride) for n_x columns: the row is read once. Each result is
     * bit-identical to dot_f32 of that column. */
    void (*dot_f32_columns)(float *y, const float *w, const float *x, int64_t stride, int n_x,
                            int64_t n);
    /* y[i] += a * x[i] */
    void (*axpy_f32)(float *y, float a, const float *x, int64_t n);
    /* y[i] = x[i] / sqrt(mean(x^2) + eps) * weight[i]; y may be x. */
    void (*rms_norm)(float *y, const float *x, const float *weight, float eps, int64_t n);
    /* in place; x may hold -INFINITY (masked) but not only that. */
    void (*softmax)(float *x, int64_t n);
    /* y[i] = silu(gate[i]) * up[i]; y may be gate. Relative error of exp <= 2e-7. */
    void (*swiglu)(float *y, const float *gate, const float *up, int64_t n);
};

/* Table of an ISA, or NULL when this build or this machine lacks it. First call detects the CPU
 * (also that the OS saves the registers); later calls cost a load. Thread-safe. */
const struct kernels *kernels_get(enum isa isa);
enum isa kernels_best(void);
/* "scalar", "sse4", "avx2", "avxvnni", "avx512", "avx512vnni", "neon", "dotprod", "i8mm" */
const char *isa_name(enum isa isa);
/* "auto" and "best" are the best one here. False for an unknown name. */
bool isa_from_name(const char *name, enum isa *isa);
/* The names of all levels, or (`here`) of those that kernels_get has, as "scalar, avx2". */
const char *isa_names(bool here);

/* IEEE half and bfloat16 to f32, exact, in software: for scalars outside the kernels. */
float f32_from_f16(uint16_t half);
float f32_from_bf16(uint16_t bits);
uint16_t f16_from_f32(float value); /* round to nearest even */

#endif
