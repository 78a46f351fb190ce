/* panel.h - prompts: a panel of 16 rows, unpacked once, times many tiles of 4 columns of activations.
 *
 * For instruction sets whose integer products need more than one instruction: there unpacking the weights
 * again for each tile costs as much as multiplying them, and a tile must be as large as the registers allow.
 * A panel is a run of blocks of 32 columns; per block, lane by lane as in packed.h:
 *   values    8 lines of 16 rows x 4 bytes, line k byte j is column 4 k + j
 *   numbers   float scale [16] for each scale of a block, and the same of mins
 * Every result takes the steps of the packed product, in its order: the same bits. */
#ifndef WOOLLY_ENGINE_PANEL_H
#define WOOLLY_ENGINE_PANEL_H

#include "engine/kernels/packed.h"

enum {
    PANEL_ROWS = 16,
    PANEL_COLUMNS = 4, /* the width of the records */
    PANEL_BLOCKS = 32, /* of a panel at most, so that it stays in the first-level cache */
    PANEL_MAX_BYTES = PANEL_BLOCKS * (512 + 4 * 64),
};

/* A product's activations: records of width 4, tile by tile. */
struct panel_input {
    const uint8_t *records;
    size_t tile_bytes; /* from one tile to the next */
    int64_t n_tiles;
};

struct panel_kernels {
    /* Unpacks n_blocks from `block` on, both multiples of the type's tile, n_blocks at most
     * PANEL_BLOCKS. second NULL: rows of zeros. panel: PANEL_MAX_BYTES, 64-byte aligned. */
    void (*from_groups[TENSOR_TYPE_COUNT])(uint8_t *panel, const uint8_t *first, const uint8_t *second,
                                           int64_t block, int64_t n_blocks);
    /* The same from n_rows (8 or 16) rows in file layout. */
    void (*from_rows[TENSOR_TYPE_COUNT])(uint8_t *panel, const uint8_t *w, uint64_t row_bytes, int64_t n_rows,
                                         int64_t block, int64_t n_blocks);
    /* y[c * stride + r] (where block is 0, else added to what is there) of all tiles' columns c and the first
     * n_rows (8 or 16) rows r. Allocates nothing; any thread. */
    void (*multiply[TENSOR_TYPE_COUNT])(float *y, int64_t stride, const uint8_t *panel, int64_t n_rows,
                                        const struct panel_input *in, int64_t block, int64_t n_blocks);
};

/* 16 rows, or 8: groups of the packed layout, or rows of the file. */
struct panel_source {
    const uint8_t *groups[2]; /* [1] NULL: 8 rows; [0] NULL: rows */
    const uint8_t *rows;
    uint64_t row_bytes;
    int64_t n_rows;
    int64_t n_blocks; /* packed_blocks of the type; of rows cols / 32 */
};

/* y[c * stride + r] for all columns c of all tiles and the source's rows r, panel after panel. scratch:
 * PANEL_MAX_BYTES, 64-byte aligned. */
void panel_product(const struct panel_kernels *k, enum tensor_type type, float *y, int64_t stride,
                   const struct panel_source *from, const struct panel_input *in, uint8_t *scratch);

/* NULL for instruction sets that do as well group by group. */
const struct panel_kernels *panel_kernels_get(enum isa isa);

#endif
