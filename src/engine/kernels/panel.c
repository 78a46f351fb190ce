/* panel.c - chooses the panels of an ISA, and multiplies panel after panel. */
#include "engine/kernels/panel.h"

#if defined(__x86_64__)
extern const struct panel_kernels panel_kernels_avx2;
#endif

const struct panel_kernels *panel_kernels_get(enum isa isa) {
#if defined(__x86_64__)
    if (isa == ISA_AVX2 && kernels_get(isa) != NULL) return &panel_kernels_avx2;
#endif
    (void)isa;
    return NULL;
}

void panel_product(const struct panel_kernels *k, enum tensor_type type, float *y, int64_t stride,
                   const struct panel_source *from, const struct panel_input *in, uint8_t *scratch) {
    for (int64_t block = 0; block < from->n_blocks; block += PANEL_BLOCKS) {
        const int64_t left = from->n_blocks - block, n = left < PANEL_BLOCKS ? left : PANEL_BLOCKS;
        if (from->groups[0] != NULL) {
            k->from_groups[type](scratch, from->groups[0], from->groups[1], block, n);
        } else {
            k->from_rows[type](scratch, from->rows, from->row_bytes, from->n_rows, block, n);
        }
        k->multiply[type](y, stride, scratch, from->n_rows, in, block, n);
    }
}
