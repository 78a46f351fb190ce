/* packed.h - quantised weights interleaved by output rows, times activations quantised to int8.
 *
 * A matrix [rows, cols] is cut into groups of R rows (R = 4, 8 or 16, by ISA). A group is one
 * sequential stream of tiles, so a thread reads one address range from start to end. Within a tile
 * one 32-bit lane of a register is one row: no horizontal sum ever, and the R results of a group
 * end as one register of floats.
 *
 *   1. block = 32 columns of R rows. Its planes hold, lane by lane (4 bytes a row):
 *      base plane   8 bits: 8 lines, line k byte j is column 4k + j
 *                   4 bits: 4 lines, line k byte j low nibble is column 4k + j, high 16 + 4k + j
 *                   2 bits: 2 lines, line k byte j bits 2f are column 16k + 4f + j
 *      extra plane  1 bit: 1 line, byte j bit k is column 4k + j; 2 bits: as the 2-bit base
 *      A line is 4 R bytes; the value is base | extra << base bits.
 *   2. tile = (K types) the super-block's d and dmin as R half floats each, then the scales of its blocks,
 *      then their planes: what is used first lies first, so that reading is one stream.
 *      simple types: 2 blocks a tile; per block R half scales, then R half mins where the type has
 *      them. K types: 8 blocks a tile; per block (or per 16 columns) R int8 scales and R uint8 mins.
 *   Columns are padded to a whole tile and rows to a whole group with zero scales.
 *
 * y = sum over blocks b of  d_x[b] * (scale[b] * dot(q_w, q_x)) - min[b] * sum(x)[b], in block order
 * with one multiply and one or two fused multiply-adds per block. The dot is exact, so every width and
 * every thread count gives the same bits, and so does every ISA that has fused multiply-adds and takes the
 * same activations. */
#ifndef WOOLLY_ENGINE_PACKED_H
#define WOOLLY_ENGINE_PACKED_H

#include "engine/kernels/kernels.h"
#include "engine/tensor_type.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PACKED_BLOCK = 32, PACKED_MAX_ROWS = 16, PACKED_MAX_WIDTH = 16, PACKED_STREAMS = 4 };

/* Activations: records of `width` columns, one per block of 32 values, in block order. Layout of those of
 * blocks for width W: int8 q[W][32], float d[W], int32 bias[W] (-8 times the sum of q: the start
 * value that makes unsigned 4-bit weights signed), int32 half[W] (the same over the first 16 q),
 * float s[W] (d * sum). d = largest |x| / 127, q rounded to nearest even. A block with infinity or NaN
 * in it has d and s NaN, so that all its products are; one below 2^-119 counts as zero.
 *
 * Records of fours are for 8-bit weights where an instruction adds the products of two neighbours, unsigned
 * times signed, in an int16. Four values, 8 p + 2 s + {0, 1, 4, 5}, have a step of their own, m d, so wide that
 * their q > 0 add up to at most 128 and those < 0 to no less than -128: 255 times that fits, so the products of
 * two lines are added before they are widened. Widening multiplies, and m comes for nothing; a step for
 * so few values makes up for its width. Layout: for each column int8 q[32] and int16 m[4][2] (p, s; 1 ..
 * QACT_MAX_STEPS, which keeps the sums of a block within an int32), then float d[W], float offset[W] (-128 d
 * sum(m q): what weights stored + 128 add too much). One below 2^-105 counts as zero. */
enum qact_kind { QACT_BLOCKS, QACT_FOURS, QACT_KINDS };
enum { QACT_MAX_STEPS = 8191, QACT_FOURS_COLUMN = PACKED_BLOCK + 16 /* q and m */ };

static inline int qact_column_bytes(enum qact_kind kind) {
    return kind == QACT_FOURS ? QACT_FOURS_COLUMN + 8 : PACKED_BLOCK + 16;
}

/* The width of a tile of n columns. */
static inline int qact_width(int64_t n) {
    return n > 8 ? 16 : n > 4 ? 8 : n > 2 ? 4 : n > 1 ? 2 : 1;
}

static inline size_t qact_bytes(enum qact_kind kind, int width, int64_t n_blocks) {
    return (size_t)(width * qact_column_bytes(kind)) * (size_t)n_blocks;
}

struct packed_kernels {
    const char *name;
    int rows;      /* R of this ISA's groups */
    int max_width; /* widths 1, 2, 4 .. max_width exist */
    bool biased;   /* 8-bit values are stored as q + 128, for unsigned multiplies */
    bool fused;    /* multiply and add round once; else twice, and the bits are not those of others */
    /* x [columns, n] f32, rows `ld` apart, n a multiple of 32, into columns 0 .. of records of width
     * `width`. [QACT_FOURS] NULL: no type of this ISA takes them. */
    void (*quantize[QACT_KINDS])(void *records, int width, int columns, const float *x, int64_t ld, int64_t n);
    /* y[c * stride + r] for the R rows of one group and `width` columns. n_blocks covers whole
     * tiles. Allocates nothing; any thread. NULL for types without a packed form. */
    void (*group[TENSOR_TYPE_COUNT])(float *y, int64_t stride, const uint8_t *w,
                                     const void *records, int width, int64_t n_blocks);
    /* The same of two groups, rows R .. 2 R - 1 being the second's, and max_width columns. NULL where it does not
     * pay. */
    void (*pair[TENSOR_TYPE_COUNT])(float *y, int64_t stride, const uint8_t *const *groups, const void *records,
                                    int64_t n_blocks);
    /* The same of PACKED_STREAMS groups by turns, to y[s][c * stride + r], for memory that gives more to
     * several streams than to one; widths up to stream_width. NULL where it does not. */
    int stream_width;
    void (*streams[TENSOR_TYPE_COUNT])(float *const *y, int64_t stride, const uint8_t *const *groups,
                                       const void *records, int width, int64_t n_blocks);
};

/* The one of that ISA; the scalar one where this build or this machine lacks it. */
const struct packed_kernels *packed_kernels_get(enum isa isa);

/* True when the type has a packed form (all block-quantised types). */
bool packed_supported(enum tensor_type type);
/* The records that products with a type take, packed or as the file has it. */
enum qact_kind packed_activations(const struct packed_kernels *k, enum tensor_type type);
/* x to the records that products with a type take; see packed_kernels.quantize. */
static inline void packed_quantize(const struct packed_kernels *k, enum tensor_type type, void *records, int width,
                                   int columns, const float *x, int64_t ld, int64_t n) {
    k->quantize[packed_activations(k, type)](records, width, columns, x, ld, n);
}
/* Columns rounded up to whole tiles, as blocks of 32: what n_blocks and the records must cover. */
int64_t packed_blocks(enum tensor_type type, int64_t cols);
/* Bytes of a group of `rows` (R) rows. */
size_t packed_group_bytes(enum tensor_type type, int rows, int64_t cols);
/* Packs R rows from file layout; sources[r] NULL: a row of zeros. dst 64-byte aligned. */
void packed_group(uint8_t *dst, enum tensor_type type, int rows, bool biased,
                  const uint8_t *const *sources, int64_t cols);

#endif
