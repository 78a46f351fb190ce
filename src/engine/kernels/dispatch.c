/* dispatch.c - finds what this CPU runs and joins the tables, lower ISAs filling the gaps. */
#include "engine/kernels/isa_tables.h"

#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

static struct kernels joined[ISA_COUNT];
static bool available[ISA_COUNT];
static enum isa best;
static char all_names[128], names_here[128];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static const char *const names[ISA_COUNT] = {"scalar", "sse4", "avx2",       "avxvnni", "avx512",
                                             "avx512vnni", "neon", "dotprod", "i8mm"};

/* Functions that `table` lacks come from the best level so far. */
static void join(enum isa isa, const struct kernels *table) {
    const struct kernels *lower = &joined[best];
    struct kernels *k = &joined[isa];
    *k = *table;
    k->isa = isa;
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
    available[isa] = true;
    best = isa;
}

static void add_name(char *list, size_t size, enum isa isa) {
    size_t used = strlen(list);
    snprintf(list + used, size - used, "%s%s", used > 0 ? ", " : "", names[isa]);
}

#if defined(__x86_64__)
/* CPUID leaf 7, subleaf 1: not every compiler's __builtin_cpu_supports knows this one. */
static bool has_avxvnni(void) {
    unsigned a, b, c, d;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a >> 4 & 1) != 0;
}
#endif

static void detect(void) {
    join(ISA_SCALAR, &kernels_scalar);
#if defined(__x86_64__)
    __builtin_cpu_init(); /* checks XGETBV too: the OS saves the registers */
    if (__builtin_cpu_supports("sse4.2")) join(ISA_SSE4, &kernels_sse4);
    /* F16C came before AVX2 in every line of processors. */
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        join(ISA_AVX2, &kernels_avx2);
        if (has_avxvnni()) join(ISA_AVXVNNI, &kernels_avx2);
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
            __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
            join(ISA_AVX512, &kernels_avx512);
            if (__builtin_cpu_supports("avx512vnni")) join(ISA_AVX512VNNI, &kernels_avx512);
        }
    }
#elif defined(__aarch64__)
    join(ISA_NEON, &kernels_neon);
    if (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) {
        join(ISA_DOTPROD, &kernels_neon);
        if (getauxval(AT_HWCAP2) & HWCAP2_I8MM) join(ISA_I8MM, &kernels_neon);
    }
#endif
    for (enum isa isa = ISA_SCALAR; isa < ISA_COUNT; isa++) {
        add_name(all_names, sizeof all_names, isa);
        if (available[isa]) add_name(names_here, sizeof names_here, isa);
    }
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

const char *isa_names(bool here) {
    pthread_once(&once, detect);
    return here ? names_here : all_names;
}

bool isa_from_name(const char *name, enum isa *isa) {
    if (strcasecmp(name, "auto") == 0 || strcasecmp(name, "best") == 0) {
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
