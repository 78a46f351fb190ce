/* packed_together_avx2.h - a block of PACKED_STREAMS groups times one column: a line of activations is
 * broadcast once for all of them. Included after packed_dot_maddubs.h.
 *
 * Assembly, since a compiler that sees all of it at once keeps too much of it: a fifth of what it makes of the
 * same steps are copies and values put aside. */

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

/* ---- 8 bits: every pair is widened before it is added ---- */

#define BYTES_OF(k, w)                                                                             \
    "vmovdqu " #k "*32(%[" #w "]), %[t]\n\t"                                                       \
    "vpmaddubsw %[x0], %[t], %[t]\n\t"
#define BYTES_FIRST(k, w, s) BYTES_OF(k, w) "vpmaddwd %[ones], %[t], %[" #s "]\n\t"
#define BYTES_NEXT(k, w, s)                                                                        \
    BYTES_OF(k, w)                                                                                 \
    "vpmaddwd %[ones], %[t], %[t]\n\t"                                                            \
    "vpaddd %[t], %[" #s "], %[" #s "]\n\t"
#define BYTE_LINE(k, each)                                                                         \
    "vpbroadcastd " #k "*4(%[x]), %[x0]\n\t"                                                      \
    each(k, w0, s0) each(k, w1, s1) each(k, w2, s2) each(k, w3, s3)

/* dot[s]: int32, of 16 columns. */
INLINE void bytes_together(VI *dot, const uint8_t *const *w, const uint8_t *x) {
    const VI ones = _mm256_set1_epi16(1);
    VI x0, t;
    __asm__(BYTE_LINE(0, BYTES_FIRST) BYTE_LINE(1, BYTES_NEXT) BYTE_LINE(2, BYTES_NEXT) BYTE_LINE(3, BYTES_NEXT)
            : TOGETHER_OUTPUTS(dot), [x0] "=&x"(x0), [t] "=&x"(t)
            : TOGETHER_INPUTS(w, x), [ones] "x"(ones)
            : "memory");
}

/* Formats whose lines need no second plane and no table. */
INLINE bool goes_together(const struct packed_format f) {
    return f.base_bits == 8 || (f.base_bits == 4 && f.extra_bits == 0 && !f.lookup);
}

/* dot[s] = start + part h of the block at planes[s] times the column's bytes x: the sums that dot_lines has. */
INLINE void dot_together(VI *dot, const uint8_t *const *planes, const uint8_t *x, const struct packed_format f,
                         const int h, VI start) {
    if (f.base_bits == 8) {
        const uint8_t *lines[PACKED_STREAMS];
        for (int s = 0; s < PACKED_STREAMS; s++) lines[s] = planes[s] + 16 * ROWS * h;
        bytes_together(dot, lines, x + 16 * h);
        return;
    }
    nibbles_together(dot, planes, x);
    for (int s = 0; s < PACKED_STREAMS; s++) {
        dot[s] = vi_widen_pairs(dot[s]);
        if (f.zero != 0) dot[s] = vi_add_32(dot[s], start);
    }
}
