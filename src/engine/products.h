/* products.h - quantised weights times quantised activations, some units of rows at a time: which kernels do
 * it, for one column or for hundreds. What a unit computes depends neither on who computes it nor on the
 * columns that go with it. */
#ifndef WOOLLY_ENGINE_PRODUCTS_H
#define WOOLLY_ENGINE_PRODUCTS_H

#include "engine/kernels/packed.h"
#include "engine/kernels/panel.h"
#include "engine/kernels/rows.h"
#include "engine/packed_model.h"

struct product_kernels {
    const struct packed_kernels *packed;
    const struct row_kernels *rows;
    const struct panel_kernels *panel; /* NULL: none for this instruction set */
    int unit;                          /* rows that are computed together */
    int width;                         /* columns of a tile of activations: what the kernels do best */
    int units_together, tiles_together; /* of a block product, for which its result should have room */
};

/* repack: matrices are packed where their type has a packed form. */
struct product_kernels product_kernels_of(enum isa isa, bool repack);

/* A matrix in file layout or (packed) interleaved; its type is block-quantised. */
struct product_matrix {
    enum tensor_type type;
    int64_t rows, cols;
    const uint8_t *file;
    uint64_t row_bytes;
    const struct packed_matrix *packed; /* NULL: as the file has it */
};

/* Activations as records, tile by tile of `width` columns, the last one of as many as are left; of each kind
 * that one of the matrices takes. */
struct product_input {
    int64_t n, cols;
    const uint8_t *records[QACT_KINDS];
    int64_t tile_blocks; /* of 32 values, that the records of a tile have room for */
};

/* Units of the pieces in which threads take a product's units (threads_next_half). */
struct product_pieces {
    int64_t least, most;
};
/* one_tile: long runs of weights, as many streams at least as `streams`; else what stays in L2 while all tiles
 * pass. */
struct product_pieces product_pieces(const struct product_kernels *k, int64_t n_units, size_t unit_bytes, bool one_tile,
                                     int64_t n_threads, int64_t streams);

/* y[c * stride + r] of units [unit, unit + n_units) and the columns of tiles [tile, tile + n_tiles), c and r
 * counted from the first of them. Units of a packed matrix are always whole, and so is the width of a tile
 * (1, 2, 4 ..): y has room for that. scratch: PRODUCT_SCRATCH bytes, 64-byte aligned. Any thread; allocates
 * nothing. */
enum { PRODUCT_SCRATCH = PANEL_MAX_BYTES };
void product_block(const struct product_kernels *k, const struct product_matrix *m, const struct product_input *in,
                   int64_t unit, int64_t n_units, int64_t tile, int64_t n_tiles, float *y, int64_t stride,
                   void *scratch);

/* Whether n columns are best multiplied by PACKED_STREAMS units at once, each read as a stream. */
static inline bool product_has_streams(const struct product_kernels *k, const struct product_matrix *m, int64_t n) {
    return m->packed != NULL && n <= k->packed->stream_width && k->packed->streams[m->type] != NULL;
}
/* y[s][c * stride + r] of unit units[s] of matrix m[s], all of one type and width; the only tile. */
void product_streams(const struct product_kernels *k, const struct product_matrix *const *m, const int64_t *units,
                     const struct product_input *in, float *const *y, int64_t stride);

#endif
