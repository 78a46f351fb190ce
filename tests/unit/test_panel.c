/* test_panel.c - panels: equal to the packed product of the same level bit for bit, for every type, from
 * groups and from rows in file layout, with one group and two, up to the largest sums there can be. */
#include "support/check.h"

#include "base/alloc.h"
#include "engine/kernels/panel.h"
#include "support/levels.h"
#include "support/random_rows.h"

enum { TILES = 3, COLUMNS = TILES * PANEL_COLUMNS, GUARD = 3 };

struct problem {
    enum tensor_type type;
    int64_t n_rows, cols, n_blocks; /* rows: 8 or 16 */
    uint64_t row_bytes;
    uint8_t *file, *groups[2], *records;
    size_t tile_bytes;
};

static void expect(float *y, const struct problem *p, const struct packed_kernels *k) {
    for (int t = 0; t < TILES; t++) {
        for (int g = 0; g < p->n_rows / k->rows; g++) {
            k->group[p->type](y + t * PANEL_COLUMNS * PANEL_ROWS + g * k->rows, PANEL_ROWS, p->groups[g],
                              p->records + (size_t)t * p->tile_bytes, PANEL_COLUMNS, p->n_blocks);
        }
    }
}

static void multiply(float *y, int64_t stride, const struct problem *p, const struct panel_kernels *k,
                     bool from_rows) {
    uint8_t *scratch = mem_alloc_aligned(PANEL_MAX_BYTES, 64);
    const struct panel_input in = {p->records, p->tile_bytes, TILES};
    struct panel_source from = {.groups = {p->groups[0], p->groups[1]}, .n_rows = p->n_rows,
                                .n_blocks = p->n_blocks};
    if (from_rows) {
        from = (struct panel_source){.rows = p->file, .row_bytes = p->row_bytes, .n_rows = p->n_rows,
                                     .n_blocks = p->cols / PACKED_BLOCK};
    }
    memset(scratch, 0x5a, PANEL_MAX_BYTES);
    panel_product(k, p->type, y, stride, &from, &in, scratch);
    mem_free(scratch);
}

static void check_problem(const struct problem *p, const struct packed_kernels *packed,
                          const struct panel_kernels *k) {
    const int64_t stride = PANEL_ROWS + GUARD;
    float expected[COLUMNS * PANEL_ROWS], y[COLUMNS * (PANEL_ROWS + GUARD)];
    expect(expected, p, packed);
    for (int from_rows = 0; from_rows < 2; from_rows++) {
        memset(y, 0x7f, sizeof y);
        multiply(y, stride, p, k, from_rows);
        bool equal = true, kept = true;
        for (int c = 0; c < COLUMNS; c++) {
            equal &= memcmp(y + c * stride, expected + c * PANEL_ROWS, (size_t)p->n_rows * sizeof *y) == 0;
            for (int64_t r = p->n_rows; r < stride; r++) {
                uint32_t bits;
                memcpy(&bits, &y[c * stride + r], sizeof bits);
                kept &= bits == 0x7f7f7f7f;
            }
        }
        if (!equal || !kept) {
            fprintf(stderr, "%s: %lld rows of %lld, from %s\n", tensor_type_info(p->type)->name,
                    (long long)p->n_rows, (long long)p->cols, from_rows ? "the file's" : "groups");
        }
        CHECK(equal);
        CHECK(kept);
    }
}

static void test_shape(enum tensor_type type, int64_t n_rows, int64_t cols, const struct packed_kernels *packed,
                       const struct panel_kernels *k) {
    struct problem p = {.type = type, .n_rows = n_rows, .cols = cols,
                        .n_blocks = packed_blocks(type, cols),
                        .row_bytes = tensor_type_row_bytes(type, (uint64_t)cols)};
    p.tile_bytes = qact_bytes(packed_activations(packed, type), PANEL_COLUMNS, p.n_blocks) + 64;
    p.file = mem_alloc((size_t)n_rows * p.row_bytes);
    p.records = mem_new(TILES * p.tile_bytes);
    float *x = mem_new((size_t)(COLUMNS * cols) * sizeof *x);
    for (int64_t i = 0; i < COLUMNS * cols; i++) x[i] = random_float();
    for (int64_t i = 0; i < 2 * cols; i++) x[i] = i < cols ? 2.0f : -2.0f; /* all bytes 127, and -127 */
    for (int64_t r = 0; r < n_rows; r++) random_row(p.file + (uint64_t)r * p.row_bytes, type, cols);
    for (int64_t r = 0; r < 2; r++) extreme_row(p.file + (uint64_t)r * p.row_bytes, type, cols, r == 0);
    for (int g = 0; g < n_rows / packed->rows; g++) {
        const uint8_t *sources[PACKED_MAX_ROWS];
        for (int r = 0; r < packed->rows; r++) sources[r] = p.file + (uint64_t)(g * packed->rows + r) * p.row_bytes;
        p.groups[g] = mem_alloc_aligned(packed_group_bytes(type, packed->rows, cols), 64);
        packed_group(p.groups[g], type, packed->rows, packed->biased, sources, cols);
    }
    for (int t = 0; t < TILES; t++) {
        uint8_t *records = p.records + (size_t)t * p.tile_bytes;
        packed_quantize(packed, type, records, PANEL_COLUMNS, PANEL_COLUMNS, x + t * PANEL_COLUMNS * cols, cols, cols);
    }
    check_problem(&p, packed, k);
    for (int g = 0; g < 2; g++) mem_free(p.groups[g]);
    mem_free(p.file);
    mem_free(p.records);
    mem_free(x);
}

int main(void) {
    int levels = 0;
    for (enum isa isa = ISA_SCALAR; isa < ISA_COUNT; isa++) {
        const struct panel_kernels *k = packed_level(isa) == NULL ? NULL : panel_kernels_get(isa);
        if (k == NULL) continue;
        levels++;
        for (int type = 0; type < TENSOR_TYPE_COUNT; type++) {
            if (tensor_type_info((uint32_t)type) == NULL || !packed_supported(type)) continue;
            const int64_t step = tensor_type_info((uint32_t)type)->block_values;
            for (int64_t n_rows = packed_level(isa)->rows; n_rows <= PANEL_ROWS; n_rows += 8) {
                test_shape((enum tensor_type)type, n_rows, step, packed_level(isa), k);
                test_shape((enum tensor_type)type, n_rows, 5 * step, packed_level(isa), k);
                test_shape((enum tensor_type)type, n_rows, 2816, packed_level(isa), k);
            }
        }
    }
    if (levels == 0) {
        printf("no level of this machine multiplies by panels\n");
        return 77;
    }
    return check_done();
}
