/* rows.c - chooses the row product of an ISA. */
#include "engine/kernels/rows.h"

#include "engine/kernels/rows_tables.h"

const struct row_kernels *row_kernels_get(enum isa isa) {
    (void)isa; /* where only the scalar code is built */
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (isa == ISA_AVX512 && kernels_get(ISA_AVX512) != NULL &&
        __builtin_cpu_supports("avx512vnni")) {
        return &row_kernels_avx512vnni;
    }
    if (isa >= ISA_AVX2 && isa <= ISA_AVX512 && kernels_get(ISA_AVX2) != NULL) {
        return &row_kernels_avx2;
    }
#endif
    return &row_kernels_scalar;
}

bool rows_supported(enum tensor_type type) {
    return row_kernels_scalar.rows[type] != NULL;
}
