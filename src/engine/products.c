/* products.c - see products.h. */
#include "engine/products.h"

/* Columns that take turns with a panel. */
#define PANEL_COLUMNS_TOGETHER 256
/* Weight bytes of a piece that many tiles of activations pass: stays in L2. */
#define PIECE_BYTES (128 * 1024)

/* A level has them for all packed types or for none. */
static bool has_pairs(const struct packed_kernels *packed) {
    return packed->pair[TENSOR_Q4_0] != NULL;
}

struct product_kernels product_kernels_of(enum isa isa, bool repack) {
    struct product_kernels k = {.packed = packed_kernels_get(isa), .rows = row_kernels_get(isa),
                                .panel = panel_kernels_get(isa), .units_together = 1, .tiles_together = 1};
    k.unit = k.packed->rows;
    k.width = repack ? k.packed->max_width : k.rows->max_width;
    if (repack && has_pairs(k.packed)) k.units_together = 2;
    if (k.panel != NULL) {
        k.width = PANEL_COLUMNS;
        k.units_together = PANEL_ROWS / k.unit;
        k.tiles_together = PANEL_COLUMNS_TOGETHER / PANEL_COLUMNS;
    }
    return k;
}

struct product_pieces product_pieces(const struct product_kernels *k, int64_t n_units, size_t unit_bytes, bool one_tile,
                                     int64_t n_threads, int64_t streams) {
    if (one_tile) return (struct product_pieces){.least = n_threads == 1 ? n_units : streams, .most = n_units};
    const int64_t fits = unit_bytes > 0 ? (int64_t)(PIECE_BYTES / unit_bytes) : 1, least = k->units_together;
    return (struct product_pieces){.least = least, .most = fits < least ? least : fits - fits % least};
}

static int64_t tile_columns(const struct product_kernels *k, const struct product_input *in, int64_t tile) {
    int64_t left = in->n - tile * k->width;
    return left < k->width ? left : k->width;
}

static size_t tile_bytes(const struct product_kernels *k, const struct product_matrix *m,
                         const struct product_input *in) {
    return qact_bytes(packed_activations(k->packed, m->type), k->width, in->tile_blocks);
}

static const uint8_t *records_of(const struct product_kernels *k, const struct product_matrix *m,
                                 const struct product_input *in, int64_t tile) {
    return in->records[packed_activations(k->packed, m->type)] + (size_t)tile * tile_bytes(k, m, in);
}

static void multiply_unit(const struct product_kernels *k, const struct product_matrix *m,
                          const struct product_input *in, int64_t unit, int64_t tile, float *y, int64_t stride) {
    const int width = qact_width(tile_columns(k, in, tile));
    const uint8_t *records = records_of(k, m, in, tile);
    if (m->packed != NULL) {
        k->packed->group[m->type](y, stride, packed_matrix_group(m->packed, unit), records, width,
                                  packed_blocks(m->type, m->cols));
        return;
    }
    const int64_t row = unit * k->unit, n_rows = m->rows - row < k->unit ? m->rows - row : k->unit;
    k->rows->rows[m->type](y, stride, m->file + (uint64_t)row * m->row_bytes, m->row_bytes, n_rows, m->cols, records,
                           width);
}

/* Up to two units as a panel; false where rows in file layout do not fill it. */
static bool panel_of(const struct product_kernels *k, const struct product_matrix *m, int64_t unit, int64_t n_units,
                     struct panel_source *from) {
    *from = (struct panel_source){.n_rows = n_units * k->unit, .n_blocks = packed_blocks(m->type, m->cols)};
    if (m->packed != NULL) {
        for (int i = 0; i < n_units; i++) from->groups[i] = packed_matrix_group(m->packed, unit + i);
        return true;
    }
    from->rows = m->file + (uint64_t)(unit * k->unit) * m->row_bytes;
    from->row_bytes = m->row_bytes;
    from->n_blocks = m->cols / PACKED_BLOCK;
    return (unit + n_units) * k->unit <= m->rows;
}

/* Whole tiles by panels, what is left unit by unit. */
static void multiply_panels(const struct product_kernels *k, const struct product_matrix *m,
                            const struct product_input *in, int64_t unit, int64_t n_units, int64_t tile,
                            int64_t n_tiles, float *y, int64_t stride, uint8_t *scratch) {
    int64_t whole = n_tiles;
    if (qact_width(tile_columns(k, in, tile + n_tiles - 1)) < k->width) whole--;
    const struct panel_input columns = {.records = records_of(k, m, in, tile),
                                        .tile_bytes = tile_bytes(k, m, in), .n_tiles = whole};
    for (int64_t u = 0; u < n_units; u += k->units_together) {
        const int64_t some = n_units - u < k->units_together ? n_units - u : k->units_together;
        float *to = y + u * k->unit;
        struct panel_source from;
        const bool by_panel = panel_of(k, m, unit + u, some, &from);
        if (by_panel && whole > 0) panel_product(k->panel, m->type, to, stride, &from, &columns, scratch);
        for (int64_t t = by_panel ? whole : 0; t < n_tiles; t++) {
            for (int64_t i = 0; i < some; i++) {
                multiply_unit(k, m, in, unit + u + i, tile + t, to + t * k->width * stride + i * k->unit, stride);
            }
        }
    }
}

/* Whether a tile is wide enough for two units at once. */
static bool is_paired(const struct product_kernels *k, const struct product_matrix *m, const struct product_input *in,
                      int64_t tile) {
    return m->packed != NULL && has_pairs(k->packed) &&
           qact_width(tile_columns(k, in, tile)) == k->packed->max_width;
}

void product_block(const struct product_kernels *k, const struct product_matrix *m, const struct product_input *in,
                   int64_t unit, int64_t n_units, int64_t tile, int64_t n_tiles, float *y, int64_t stride,
                   void *scratch) {
    if (k->panel != NULL && in->n > k->width) {
        multiply_panels(k, m, in, unit, n_units, tile, n_tiles, y, stride, scratch);
        return;
    }
    for (int64_t t = 0; t < n_tiles; t++) {
        float *to = y + t * k->width * stride;
        const int64_t n_paired = is_paired(k, m, in, tile + t) ? n_units - n_units % 2 : 0;
        for (int64_t u = 0; u < n_paired; u += 2) {
            const uint8_t *groups[] = {packed_matrix_group(m->packed, unit + u),
                                       packed_matrix_group(m->packed, unit + u + 1)};
            k->packed->pair[m->type](to + u * k->unit, stride, groups, records_of(k, m, in, tile + t),
                                     packed_blocks(m->type, m->cols));
        }
        for (int64_t u = n_paired; u < n_units; u++) multiply_unit(k, m, in, unit + u, tile + t, to + u * k->unit, stride);
    }
}

void product_streams(const struct product_kernels *k, const struct product_matrix *const *m, const int64_t *units,
                     const struct product_input *in, float *const *y, int64_t stride) {
    const uint8_t *groups[PACKED_STREAMS];
    for (int s = 0; s < PACKED_STREAMS; s++) groups[s] = packed_matrix_group(m[s]->packed, units[s]);
    k->packed->streams[m[0]->type](y, stride, groups, records_of(k, m[0], in, 0), qact_width(in->n),
                                   packed_blocks(m[0]->type, m[0]->cols));
}
