/* bench.h - micro-benchmarks of single kernels on random data, part of engine.h. Each checks its
 * result before it times. ERR_UNAVAILABLE when the ISA or the form is absent here. */
#ifndef WOOLLY_ENGINE_BENCH_H
#define WOOLLY_ENGINE_BENCH_H

#include "base/err.h"
#include "engine/kernels/attention.h"
#include "engine/kernels/kernels.h"
#include "engine/tensor_type.h"

#include <stdbool.h>
#include <stdint.h>

struct bench_window {
    int n_threads;
    int n_samples;
    int64_t min_ns; /* a sample repeats calls for about this long */
    const volatile int *cancel; /* polled between samples; may be NULL */
};

/* ---- dequantisation ---- */

struct dequantize_bench {
    int64_t n_values;   /* per call: a working set that stays in L2 by default */
    int64_t min_ns;     /* a sample repeats calls for at least this long */
    int n_samples;
};
/* samples_ns_per_value [n_samples]. ERR_UNAVAILABLE when the ISA is absent here. */
bool bench_dequantize(enum tensor_type type, enum isa isa, const struct dequantize_bench *options,
                      double *samples_ns_per_value, struct err *err);

/* ---- matrix products ---- */

enum matmul_form {
    MATMUL_FLOAT,  /* rows decoded to F32, F32 dot products: what is multiplied without fusing */
    MATMUL_ROWS,   /* rows as the file has them, int8 activations */
    MATMUL_PACKED, /* interleaved rows, int8 activations */
    MATMUL_FORM_COUNT,
};
const char *matmul_form_name(enum matmul_form form); /* "float", "rows", "packed" */
bool matmul_form_from_name(const char *name, enum matmul_form *form);
/* Whether a type can be multiplied in a form. */
bool matmul_form_supported(enum matmul_form form, enum tensor_type type);

struct matmul_bench {
    enum tensor_type type;
    enum isa isa;
    enum matmul_form form;
    int64_t rows, cols, n_tokens; /* cols a multiple of the type's block and, unless float, of 32 */
    uint64_t footprint; /* as many copies of the weights take turns as have this many bytes */
    struct bench_window window;
};
struct matmul_bench_result {
    uint64_t weight_bytes; /* of one copy, in its form */
    uint64_t footprint;    /* of all copies */
    double nmse;           /* of one product, against F64 on decoded weights, some rows */
};
/* y [n_tokens, rows] = x [n_tokens, cols] times the transposed weights: F32 in, F32 out, quantising
 * the activations included. samples_ns [n_samples] per product. */
bool bench_matmul(const struct matmul_bench *bench, double *samples_ns,
                  struct matmul_bench_result *result, struct err *err);

/* ---- attention ---- */

struct attention_bench {
    enum isa isa;
    enum kv_type key_type, value_type; /* of the fused way; the naive one has F32 */
    int64_t n_head, n_head_kv, head_dim;
    int64_t n_past, n_tokens; /* the queries' tokens stand behind n_past others */
    uint64_t footprint;       /* as many caches take turns as have this many bytes of F32 */
    struct bench_window window;
};
struct attention_bench_result {
    uint64_t naive_bytes, fused_bytes; /* of keys and values that one call reads once */
    double nmse;                       /* fused against naive */
};
/* One layer's attention, naive and fused, same queries, ISA, threads; samples alternate.
 * naive_ns and fused_ns [n_samples] per call. */
bool bench_attention(const struct attention_bench *bench, double *naive_ns, double *fused_ns,
                     struct attention_bench_result *result, struct err *err);

#endif
