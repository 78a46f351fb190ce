/* dispatch.c - finds what this CPU runs and joins the tables, lower ISAs filling the gaps. */
#include "engine/kernels/isa_tables.h"

#include <pthread.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

static struct kernels joined[ISA_COUNT];
static bool available[ISA_COUNT];
static enum isa best;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static const char *const names[ISA_COUNT] = {"scalar", "sse4", "avx2", "avx512", "neon"};

/* Functions that `table` lacks come from `lower`. */
static void join(const struct kernels *table, const struct kernels *lower) {
    struct kernels *k = &joined[table->isa];
    *k = *table;
    for (int i = 0; i < TENSOR_TYPE_COUNT; i++) {
        if (k->dequantize[i] == NULL) k->dequantize[i] = lower->dequantize[i];
    }
    if (k->dot_f32 == NULL) {
        k->dot_f32 = lower->dot_f32;
        k->dot_f32_columns = lower->dot_f32_columns;
    }
    if (k->axpy_f32 == NULL) k->axpy_f32 = lower->axpy_f32;
    if (k->rms_norm == NULL) k->rms_norm = lower->rms_norm;
    if (k->softmax == NULL) k->softmax = lower->softmax;
    if (k->swiglu == NULL) k->swiglu = lower->swiglu;
    available[table->isa] = true;
    best = table->isa;
}

static void detect(void) {
    join(&kernels_scalar, &kernels_scalar);
#if defined(__x86_64__)
    __builtin_cpu_init(); /* checks XGETBV too: the OS saves the registers */
    /* F16C came before AVX2 in every line of processors. */
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        join(&kernels_avx2, &joined[ISA_SCALAR]);
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
            join(&kernels_avx512, &joined[ISA_AVX2]);
        }
    }
#elif defined(__aarch64__)
    join(&kernels_neon, &joined[ISA_SCALAR]);
#endif
}

const struct kernels *kernels_get(enum isa isa) {
    pthread_once(&once, detect);
    return available[isa] ? &joined[isa] : NULL;
}

enum isa kernels_best(void) {
    pthread_once(&once, detect);
    return best;
}

const char *isa_name(enum isa isa) {
    return names[isa];
}

bool isa_from_name(const char *name, enum isa *isa) {
    if (strcasecmp(name, "best") == 0) {
        *isa = kernels_best();
        return true;
    }
    for (int i = 0; i < ISA_COUNT; i++) {
        if (strcasecmp(names[i], name) == 0) {
            *isa = (enum isa)i;
            return true;
        }
    }
    return false;
}
