/* rows.h - quantised matrix rows as the file has them, times activations quantised to int8.
 *
 * The product without a repacked copy. Activations are the records of packed.h, made by
 * packed_kernels_get(isa)->quantize with width 1, 2, 4 or 8. Each result takes the same steps in the
 * same order as the packed product, so both give the same bits for every width. */
#ifndef WOOLLY_ENGINE_ROWS_H
#define WOOLLY_ENGINE_ROWS_H

#include "engine/kernels/packed.h"

enum { ROWS_MAX_WIDTH = 8 };

struct row_kernels {
    const char *name;
    int max_width; /* widths 1, 2, 4 .. max_width exist */
    /* y[c * stride + r] for n_rows rows of a matrix in file layout, row_bytes apart, any alignment,
     * and `width` columns of records that cover cols / 32 blocks; cols a multiple of the type's
     * block. Reads no byte outside the rows. Allocates nothing; any thread. NULL for types that are
     * not block-quantised. */
    void (*rows[TENSOR_TYPE_COUNT])(float *y, int64_t stride, const uint8_t *w, uint64_t row_bytes,
                                    int64_t n_rows, int64_t cols, const void *records, int width);
};

/* The one of that ISA; the scalar one where this build or this machine lacks it. */
const struct row_kernels *row_kernels_get(enum isa isa);
/* True for the block-quantised types. */
bool rows_supported(enum tensor_type type);

#endif
