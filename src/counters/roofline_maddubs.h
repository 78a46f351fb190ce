/* roofline_maddubs.h - 8-bit products without dot products, in three instructions: for registers of 32 or 64
 * bytes. Included by the files of AVX2 and AVX-512, which define ROOFLINE_VI, its functions and the
 * constraint that means a register of it. Private. */
#define ROOFLINE_FOUR(op) op(0) op(1) op(2) op(3)

/* Whole bytes: two products fit 16 bits, so each pair is widened at once. */
static int64_t maddubs_int8(int64_t rounds) {
    ROOFLINE_VI a = ROOFLINE_SET1_8(7), b = ROOFLINE_SET1_8(3), ones = ROOFLINE_SET1_16(1);
    ROOFLINE_VI sum[4], product;
    for (int i = 0; i < 4; i++) sum[i] = ROOFLINE_ZERO();
#define PRODUCT(i)                                                                                 \
    __asm__ volatile("vpmaddubsw %3, %2, %1\n\tvpmaddwd %4, %1, %1\n\tvpaddd %1, %0, %0"           \
                     : "+" ROOFLINE_IN(sum[i]), "=&" ROOFLINE_IN(product)                          \
                     : ROOFLINE_IN(a), ROOFLINE_IN(b), ROOFLINE_IN(ones));
    for (int64_t r = 0; r < rounds; r++) {
        ROOFLINE_FOUR(PRODUCT) ROOFLINE_FOUR(PRODUCT)
    }
    for (int i = 0; i < 4; i++) __asm__ volatile("" : : ROOFLINE_IN(sum[i]));
    return rounds * 8 * (int64_t)sizeof a;
#undef PRODUCT
}

/* Weights of few bits: eight products are added in 16 bits before they are widened, as 4 bits allow. Four
 * such chains by turns: one after the other they wait for each other in the scheduler's window. */
static int64_t maddubs_int4(int64_t rounds) {
    ROOFLINE_VI a = ROOFLINE_SET1_8(7), b = ROOFLINE_SET1_8(3), ones = ROOFLINE_SET1_16(1);
    ROOFLINE_VI sum[4], chain[4], product;
    for (int i = 0; i < 4; i++) sum[i] = ROOFLINE_ZERO();
#define FIRST(i)                                                                                   \
    __asm__ volatile("vpmaddubsw %2, %1, %0"                                                       \
                     : "=&" ROOFLINE_IN(chain[i])                                                  \
                     : ROOFLINE_IN(a), ROOFLINE_IN(b));
#define MORE(i)                                                                                    \
    __asm__ volatile("vpmaddubsw %3, %2, %1\n\tvpaddw %1, %0, %0"                                  \
                     : "+" ROOFLINE_IN(chain[i]), "=&" ROOFLINE_IN(product)                        \
                     : ROOFLINE_IN(a), ROOFLINE_IN(b));
#define WIDEN(i)                                                                                   \
    __asm__ volatile("vpmaddwd %2, %1, %1\n\tvpaddd %1, %0, %0"                                    \
                     : "+" ROOFLINE_IN(sum[i]), "+" ROOFLINE_IN(chain[i])                          \
                     : ROOFLINE_IN(ones));
    for (int64_t r = 0; r < rounds; r++) {
        ROOFLINE_FOUR(FIRST)
        ROOFLINE_FOUR(MORE) ROOFLINE_FOUR(MORE) ROOFLINE_FOUR(MORE) ROOFLINE_FOUR(MORE)
        ROOFLINE_FOUR(MORE) ROOFLINE_FOUR(MORE) ROOFLINE_FOUR(MORE)
        ROOFLINE_FOUR(WIDEN)
    }
    for (int i = 0; i < 4; i++) __asm__ volatile("" : : ROOFLINE_IN(sum[i]));
    return rounds * 4 * 8 * (int64_t)sizeof a;
#undef FIRST
#undef MORE
#undef WIDEN
}
