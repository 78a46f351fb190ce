/* packed_format.h - the plane and scale layout of each packed type, shared by packing and kernels. */
#ifndef WOOLLY_ENGINE_PACKED_FORMAT_H
#define WOOLLY_ENGINE_PACKED_FORMAT_H

#include "engine/kernels/packed.h"

struct packed_format {
    int base_bits, extra_bits; /* 0: no packed form */
    int blocks;                /* of 32 columns, in a tile */
    int scales;                /* per block and row: 1, or 2 for scales of 16 columns */
    bool super;                /* int8 scales times the tile's d, uint8 mins times its dmin */
    bool mins;
    int zero;    /* subtracted from the stored value; the correction start value is -zero * sum */
    bool lookup; /* the stored value is an index into the IQ4 table */
};

#define PACKED_FORMATS                                                                             \
    {                                                                                              \
        [TENSOR_Q4_0] = {4, 0, 2, 1, false, false, 8, false},                                      \
        [TENSOR_Q4_1] = {4, 0, 2, 1, false, true, 0, false},                                       \
        [TENSOR_Q5_0] = {4, 1, 2, 1, false, false, 16, false},                                     \
        [TENSOR_Q5_1] = {4, 1, 2, 1, false, true, 0, false},                                       \
        [TENSOR_Q8_0] = {8, 0, 2, 1, false, false, 0, false},                                      \
        [TENSOR_Q2_K] = {2, 0, 8, 2, true, true, 0, false},                                        \
        [TENSOR_Q3_K] = {2, 1, 8, 2, true, false, 4, false},                                       \
        [TENSOR_Q4_K] = {4, 0, 8, 1, true, true, 0, false},                                        \
        [TENSOR_Q5_K] = {4, 1, 8, 1, true, true, 0, false},                                        \
        [TENSOR_Q6_K] = {4, 2, 8, 2, true, false, 32, false},                                      \
        [TENSOR_IQ4_NL] = {4, 0, 2, 1, false, false, 0, true},                                     \
        [TENSOR_IQ4_XS] = {4, 0, 8, 1, true, false, 0, true},                                      \
    }

/* Values of 8 bits, stored or looked up. */
#define PACKED_IS_WIDE(f) ((f).base_bits == 8 || (f).lookup)

/* Bytes of a row's share, so that a tile is rows times the sum of them. */
#define PACKED_PLANE_BYTES(f) (4 * ((f).base_bits + (f).extra_bits))
#define PACKED_SCALE_BYTES(f) (((f).super ? 1 : 2) * (f).scales * ((f).mins ? 2 : 1))
#define PACKED_SUPER_BYTES(f) ((f).super ? ((f).mins ? 4 : 2) : 0)
#define PACKED_TILE_BYTES(f)                                                                       \
    ((f).blocks * (PACKED_PLANE_BYTES(f) + PACKED_SCALE_BYTES(f)) + PACKED_SUPER_BYTES(f))

/* IQ4_NL and IQ4_XS: value of each 4-bit index, and that + 128. Source: GGUF specification, type IQ4_NL. */
#define PACKED_IQ4_VALUES                                                                          \
    {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}
#define PACKED_IQ4_BIASED                                                                          \
    {1, 24, 45, 63, 79, 93, 106, 118, 129, 141, 153, 166, 181, 197, 217, 241}

/* Bounds of |value| after zero and look-up decide how many products an int16 sum may hold. */
extern const struct packed_format packed_formats[TENSOR_TYPE_COUNT];

/* A block of 32 stored values of one row with its scales, as the file has them. */
struct packed_block {
    uint8_t q[PACKED_BLOCK];
    uint16_t scale, min; /* simple types: half floats */
    int8_t sub_scale[2]; /* K types: one, or two for 16 columns each */
    uint8_t sub_min[2];
    uint16_t d, dmin;
};

/* Block b (of 32 columns) of a row in file layout. */
void packed_unpack(struct packed_block *u, enum tensor_type type, const uint8_t *row, int64_t b);

/* Shared by all levels of x86 from AVX2 on, and by all of AArch64. */
void packed_quantize_avx2(void *records, int width, int columns, const float *x, int64_t ld,
                          int64_t n);
void packed_quantize_fours_avx2(void *records, int width, int columns, const float *x, int64_t ld, int64_t n);
void packed_quantize_neon(void *records, int width, int columns, const float *x, int64_t ld,
                          int64_t n);

/* _fours: what those equal bit for bit that take records of fours. */
extern const struct packed_kernels packed_kernels_scalar, packed_kernels_scalar_fours, packed_kernels_sse4,
    packed_kernels_avx2, packed_kernels_avxvnni, packed_kernels_avx512, packed_kernels_avx512vnni,
    packed_kernels_neon, packed_kernels_dotprod, packed_kernels_i8mm;

#endif
