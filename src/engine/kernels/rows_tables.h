/* rows_tables.h - the tables that the rows_*.c files fill, private to this folder. */
#ifndef WOOLLY_ENGINE_ROWS_TABLES_H
#define WOOLLY_ENGINE_ROWS_TABLES_H

#include "engine/kernels/rows.h"

extern const struct row_kernels row_kernels_scalar, row_kernels_sse4, row_kernels_avx2,
    row_kernels_avxvnni, row_kernels_avx512, row_kernels_avx512vnni, row_kernels_neon,
    row_kernels_dotprod, row_kernels_i8mm;

#endif
