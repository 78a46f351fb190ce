/* rows.c - chooses the row product of an ISA. */
#include "engine/kernels/rows.h"

#include "engine/kernels/rows_tables.h"

const struct row_kernels *row_kernels_get(enum isa isa) {
    (void)isa;
    return &row_kernels_scalar;
}

bool rows_supported(enum tensor_type type) {
    return row_kernels_scalar.rows[type] != NULL;
}
