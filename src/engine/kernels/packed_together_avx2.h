/* packed_together_avx2.h - a block of PACKED_STREAMS groups times one column: a line of activations is
 * broadcast once for all of them. Included after packed_dot_maddubs.h.
 *
 * Assembly, since a compiler that sees all of it at once keeps too much of it: a fifth of what it makes of the
 * same steps are copies and values put aside. */

#include "engine/kernels/packed_together.h"

#define TOGETHER_OUTPUTS(t)                                                                        \
    [s0] "=&x"((t)[0]), [s1] "=&x"((t)[1]), [s2] "=&x"((t)[2]), [s3] "=&x"((t)[3])
#define TOGETHER_INPUTS(w, x)                                                                      \
    [w0] "r"((w)[0]), [w1] "r"((w)[1]), [w2] "r"((w)[2]), [w3] "r"((w)[3]), [x] "r"(x)

/* ---- 4 bits: line k in the low halves, line k + 4 in the high ones ---- */

#define NIBBLES(k, w)                                                                              \
    "vmovdqu " #k "*32(%[" #w "]), %[high]\n\t"                                                    \
    "vpand %[mask], %[high], %[low]\n\t"                                                          \
    "vpsrlw $4, %[high], %[high]\n\t"                                                             \
    "vpand %[mask], %[high], %[high]\n\t"
#define NIBBLES_FIRST(k, w, s)                                                                     \
    NIBBLES(k, w)                                                                                  \
    "vpmaddubsw %[x0], %[low], %[" #s "]\n\t"                                                     \
    "vpmaddubsw %[x1], %[high], %[high]\n\t"                                                      \
    "vpaddw %[high], %[" #s "], %[" #s "]\n\t"
#define NIBBLES_NEXT(k, w, s)                                                                      \
    NIBBLES(k, w)                                                                                  \
    "vpmaddubsw %[x0], %[low], %[low]\n\t"                                                        \
    "vpmaddubsw %[x1], %[high], %[high]\n\t"                                                      \
    "vpaddw %[low], %[" #s "], %[" #s "]\n\t"                                                      \
    "vpaddw %[high], %[" #s "], %[" #s "]\n\t"
#define NIBBLE_LINES(k, each)                                                                      \
    "vpbroadcastd " #k "*4(%[x]), %[x0]\n\tvpbroadcastd " #k "*4+16(%[x]), %[x1]\n\t"             \
    each(k, w0, s0) each(k, w1, s1) each(k, w2, s2) each(k, w3, s3)

/* sum[s]: int16 pairs. */
INLINE void nibbles_together(VI *sum, const uint8_t *const *w, const uint8_t *x) {
    const VI mask = vi_set1_8(15);
    VI x0, x1, low, high;
    __asm__(NIBBLE_LINES(0, NIBBLES_FIRST) NIBBLE_LINES(1, NIBBLES_NEXT) NIBBLE_LINES(2, NIBBLES_NEXT)
                NIBBLE_LINES(3, NIBBLES_NEXT)
            : TOGETHER_OUTPUTS(sum), [x0] "=&x"(x0), [x1] "=&x"(x1), [low] "=&x"(low), [high] "=&x"(high)
            : TOGETHER_INPUTS(w, x), [mask] "x"(mask)
            : "memory");
}

/* ---- 8 bits, a record of fours: two lines are added before they are widened ---- */

#define BYTES_OF(k, l, w)                                                                          \
    "vmovdqu " #k "*32(%[" #w "]), %[t0]\n\t"                                                      \
    "vmovdqu " #l "*32(%[" #w "]), %[t1]\n\t"                                                      \
    "vpmaddubsw %[x0], %[t0], %[t0]\n\t"                                                          \
    "vpmaddubsw %[x1], %[t1], %[t1]\n\t"                                                          \
    "vpaddw %[t1], %[t0], %[t0]\n\t"
#define BYTES_FIRST(k, l, w, s) BYTES_OF(k, l, w) "vpmaddwd %[m], %[t0], %[" #s "]\n\t"
#define BYTES_NEXT(k, l, w, s)                                                                     \
    BYTES_OF(k, l, w)                                                                              \
    "vpmaddwd %[m], %[t0], %[t0]\n\t"                                                             \
    "vpaddd %[t0], %[" #s "], %[" #s "]\n\t"
#define BYTE_LINES(k, l, each)                                                                     \
    "vpbroadcastd " #k "*4(%[x]), %[x0]\n\tvpbroadcastd " #l "*4(%[x]), %[x1]\n\t"               \
    "vpbroadcastd " #k "*2+32(%[x]), %[m]\n\t"                                                    \
    each(k, l, w0, s0) each(k, l, w1, s1) each(k, l, w2, s2) each(k, l, w3, s3)

/* dot[s]: int32. */
INLINE void bytes_together(VI *dot, const uint8_t *const *w, const uint8_t *x) {
    VI x0, x1, m, t0, t1;
    __asm__(BYTE_LINES(0, 1, BYTES_FIRST) BYTE_LINES(2, 3, BYTES_NEXT) BYTE_LINES(4, 5, BYTES_NEXT)
                BYTE_LINES(6, 7, BYTES_NEXT)
            : TOGETHER_OUTPUTS(dot), [x0] "=&x"(x0), [x1] "=&x"(x1), [m] "=&x"(m), [t0] "=&x"(t0), [t1] "=&x"(t1)
            : TOGETHER_INPUTS(w, x)
            : "memory");
}

/* What a stream needs of block i of the tile at w, beside what dot_together asks for. */
INLINE void ask_together(const uint8_t *w, const struct packed_format f, const int i) {
    const int share = PACKED_TILE_BYTES(f) * ROWS / f.blocks;
    ask_ahead(w + i * share, f, share);
}

/* dot[s] = start + the block at planes[s] times the column's record x: the sums that dot_lines has. */
INLINE void dot_together(VI *dot, const uint8_t *const *planes, const uint8_t *x, const struct packed_format f,
                         VI start) {
    if (f.base_bits == 8) {
        bytes_together(dot, planes, x);
        return;
    }
    nibbles_together(dot, planes, x);
    for (int s = 0; s < PACKED_STREAMS; s++) {
        dot[s] = vi_widen_pairs(dot[s]);
        if (f.zero != 0) dot[s] = vi_add_32(dot[s], start);
    }
}
