/* rows.c - chooses the row product of an ISA. */
#include "engine/kernels/rows.h"

#include "engine/kernels/rows_tables.h"

const struct row_kernels *row_kernels_get(enum isa isa) {
    static const struct row_kernels *const tables[ISA_COUNT] = {
#if defined(__x86_64__)
        [ISA_SSE4] = &row_kernels_sse4,     [ISA_AVX2] = &row_kernels_avx2,
        [ISA_AVXVNNI] = &row_kernels_avxvnni, [ISA_AVX512] = &row_kernels_avx512,
        [ISA_AVX512VNNI] = &row_kernels_avx512vnni,
#elif defined(__aarch64__)
        [ISA_NEON] = &row_kernels_neon,
        [ISA_DOTPROD] = &row_kernels_dotprod,
        [ISA_I8MM] = &row_kernels_i8mm,
#endif
    };
    /* kernels_get knows what this machine has. */
    if (tables[isa] == NULL || kernels_get(isa) == NULL) return &row_kernels_scalar;
    return tables[isa];
}

bool rows_supported(enum tensor_type type) {
    return row_kernels_scalar.rows[type] != NULL;
}
