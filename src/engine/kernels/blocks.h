/* blocks.h - byte layouts of the GGUF block types. Source: GGUF specification, ggml block types.
 * Half floats are raw bits. Blocks have no alignment beyond 1 in the file: read through memcpy. */
#ifndef WOOLLY_ENGINE_BLOCKS_H
#define WOOLLY_ENGINE_BLOCKS_H

#include <stdint.h>

#pragma pack(push, 1)
struct block_q4_0 { /* value j: d * ((qs[j % 16] >> 4 * (j / 16)) & 15 - 8) */
    uint16_t d;
    uint8_t qs[16];
};
struct block_q4_1 { /* d * q + m */
    uint16_t d, m;
    uint8_t qs[16];
};
struct block_q5_0 { /* as q4_0 with bit j of qh as fifth bit, - 16 */
    uint16_t d;
    uint8_t qh[4];
    uint8_t qs[16];
};
struct block_q5_1 {
    uint16_t d, m;
    uint8_t qh[4];
    uint8_t qs[16];
};
struct block_q8_0 { /* d * q */
    uint16_t d;
    int8_t qs[32];
};
/* 256 values each from here on; sub-block i covers values 16 i or 32 i onwards. */
struct block_q2_k { /* d * (scales[i] & 15) * q - dmin * (scales[i] >> 4), i = j / 16 */
    uint8_t scales[16];
    uint8_t qs[64]; /* value 128 h + 32 p + l: bits 2p of qs[32 h + l] */
    uint16_t d, dmin;
};
struct block_q3_k { /* d * (scale[i] - 32) * (q - 4), i = j / 16 */
    uint8_t hmask[32]; /* value 32 p + l: bit p of hmask[l] is bit 2 of q */
    uint8_t qs[64];    /* as q2_k */
    uint8_t scales[12]; /* 6 bits: low nibbles in 0..7, high pairs of bits in 8..11 */
    uint16_t d;
};
struct block_q4_k { /* d * scale[i] * q - dmin * min[i], i = j / 32 */
    uint16_t d, dmin;
    uint8_t scales[12]; /* 6-bit scales and mins of 8 sub-blocks */
    uint8_t qs[128];    /* value 64 c + 32 p + l: nibble p of qs[32 c + l] */
};
struct block_q5_k {
    uint16_t d, dmin;
    uint8_t scales[12];
    uint8_t qh[32]; /* value 32 i + l: bit i of qh[l] is the fifth bit */
    uint8_t qs[128];
};
struct block_q6_k { /* d * scales[i] * (q - 32), i = j / 16 */
    uint8_t ql[128]; /* value 128 h + 32 p + l: nibble p / 2 of ql[64 h + 32 (p % 2) + l] */
    uint8_t qh[64];  /* and bits 2p of qh[32 h + l] */
    int8_t scales[16];
    uint16_t d;
};
struct block_iq4_nl { /* d * table[q] */
    uint16_t d;
    uint8_t qs[16];
};
struct block_iq4_xs { /* d * (scale[i] - 32) * table[q], i = j / 32 */
    uint16_t d;
    uint16_t scales_h; /* bits 2i: high bits of scale i */
    uint8_t scales_l[4]; /* nibble i: low bits */
    uint8_t qs[128];     /* per sub-block as iq4_nl */
};
#pragma pack(pop)

/* Values of the 4-bit indexes of IQ4_NL and IQ4_XS. */
#define IQ4_VALUES {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

/* 6-bit scale and min i of the 12 bytes of Q4_K and Q5_K. */
static inline void scale_min_k4(const uint8_t *s, int i, uint8_t *scale, uint8_t *min) {
    if (i < 4) {
        *scale = s[i] & 63;
        *min = s[i + 4] & 63;
    } else {
        *scale = (uint8_t)((s[i + 4] & 15) | ((s[i - 4] >> 6) << 4));
        *min = (uint8_t)((s[i + 4] >> 4) | ((s[i] >> 6) << 4));
    }
}

/* 6-bit scale i (of 16) of Q3_K, minus 32. */
static inline int scale_q3_k(const uint8_t *s, int i) {
    int low = i < 8 ? s[i] & 15 : s[i - 8] >> 4;
    int high = (s[8 + (i & 3)] >> (2 * (i >> 2))) & 3;
    return (low | high << 4) - 32;
}

/* 6-bit scale i (of 8) of IQ4_XS, minus 32. */
static inline int scale_iq4_xs(const struct block_iq4_xs *b, int i) {
    int low = (b->scales_l[i / 2] >> (4 * (i % 2))) & 15;
    int high = (b->scales_h >> (2 * i)) & 3;
    return (low | high << 4) - 32;
}

#endif
