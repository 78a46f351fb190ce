/* packed.c - packing of file blocks into interleaved tiles; see packed.h for the layout. */
#include "engine/kernels/packed.h"

#include "engine/kernels/packed_format.h"

#include <string.h>

const struct packed_format packed_formats[TENSOR_TYPE_COUNT] = PACKED_FORMATS;

bool packed_supported(enum tensor_type type) {
    return packed_formats[type].base_bits != 0;
}

enum qact_kind packed_activations(const struct packed_kernels *k, enum tensor_type type) {
    const struct packed_format *f = &packed_formats[type];
    return PACKED_IS_WIDE(*f) && k->quantize[QACT_FOURS] != NULL ? QACT_FOURS : QACT_BLOCKS;
}

int64_t packed_blocks(enum tensor_type type, int64_t cols) {
    int64_t tile_cols = packed_formats[type].blocks * PACKED_BLOCK;
    return (cols + tile_cols - 1) / tile_cols * packed_formats[type].blocks;
}

size_t packed_group_bytes(enum tensor_type type, int rows, int64_t cols) {
    const struct packed_format *f = &packed_formats[type];
    size_t tiles = (size_t)(packed_blocks(type, cols) / f->blocks);
    size_t bytes = tiles * (size_t)rows * (size_t)PACKED_TILE_BYTES(*f);
    return (bytes + 63) & ~(size_t)63;
}

static uint16_t read_half(const uint8_t *p) {
    uint16_t bits;
    memcpy(&bits, p, sizeof bits);
    return bits;
}

static void nibbles_of_16(uint8_t *q, const uint8_t *qs) {
    for (int j = 0; j < 16; j++) {
        q[j] = qs[j] & 15;
        q[j + 16] = qs[j] >> 4;
    }
}

static void add_high_bits(uint8_t *q, const uint8_t *qh) {
    for (int j = 0; j < PACKED_BLOCK; j++) q[j] |= (uint8_t)(((qh[j >> 3] >> (j & 7)) & 1) << 4);
}

/* 6-bit scale and min number i of the 12 bytes that Q4_K and Q5_K share. */
static void scale_min_k4(const uint8_t *s, int i, struct packed_block *u) {
    if (i < 4) {
        u->sub_scale[0] = (int8_t)(s[i] & 63);
        u->sub_min[0] = s[i + 4] & 63;
    } else {
        u->sub_scale[0] = (int8_t)((s[i + 4] & 15) | ((s[i - 4] >> 6) << 4));
        u->sub_min[0] = (uint8_t)((s[i + 4] >> 4) | ((s[i] >> 6) << 4));
    }
}

/* 6-bit scale number i (of 16) of the 12 bytes of Q3_K, minus 32. */
static int8_t scale_q3(const uint8_t *s, int i) {
    int low = i < 8 ? s[i] & 15 : s[i - 8] >> 4;
    int high = (s[8 + (i & 3)] >> (2 * (i >> 2))) & 3;
    return (int8_t)((low | high << 4) - 32);
}

/* Source: GGUF specification, block layouts. */
void packed_unpack(struct packed_block *u, enum tensor_type type, const uint8_t *row, int64_t b) {
    const struct tensor_type_info *info = tensor_type_info(type);
    int per = info->block_values / PACKED_BLOCK, sub = (int)(b % per);
    const uint8_t *p = row + b / per * info->block_bytes;
    memset(u, 0, sizeof *u);
    switch (type) {
    case TENSOR_Q4_0:
    case TENSOR_IQ4_NL:
        u->scale = read_half(p);
        nibbles_of_16(u->q, p + 2);
        break;
    case TENSOR_Q4_1:
        u->scale = read_half(p);
        u->min = read_half(p + 2);
        nibbles_of_16(u->q, p + 4);
        break;
    case TENSOR_Q5_0:
        u->scale = read_half(p);
        nibbles_of_16(u->q, p + 6);
        add_high_bits(u->q, p + 2);
        break;
    case TENSOR_Q5_1:
        u->scale = read_half(p);
        u->min = read_half(p + 2);
        nibbles_of_16(u->q, p + 8);
        add_high_bits(u->q, p + 4);
        break;
    case TENSOR_Q8_0:
        u->scale = read_half(p);
        memcpy(u->q, p + 2, PACKED_BLOCK);
        break;
    case TENSOR_Q2_K: /* scales 16, qs 64, d, dmin */
        for (int h = 0; h < 2; h++) {
            u->sub_scale[h] = (int8_t)(p[2 * sub + h] & 15);
            u->sub_min[h] = p[2 * sub + h] >> 4;
        }
        for (int j = 0; j < PACKED_BLOCK; j++) {
            u->q[j] = (p[16 + 32 * (sub / 4) + j] >> (2 * (sub % 4))) & 3;
        }
        u->d = read_half(p + 80);
        u->dmin = read_half(p + 82);
        break;
    case TENSOR_Q3_K: /* hmask 32, qs 64, scales 12, d */
        for (int h = 0; h < 2; h++) u->sub_scale[h] = scale_q3(p + 96, 2 * sub + h);
        for (int j = 0; j < PACKED_BLOCK; j++) {
            int low = (p[32 + 32 * (sub / 4) + j] >> (2 * (sub % 4))) & 3;
            u->q[j] = (uint8_t)(low | ((p[j] >> sub) & 1) << 2);
        }
        u->d = read_half(p + 108);
        break;
    case TENSOR_Q4_K: /* d, dmin, scales 12, qs 128 */
    case TENSOR_Q5_K: { /* d, dmin, scales 12, qh 32, qs 128 */
        const uint8_t *qs = p + (type == TENSOR_Q4_K ? 16 : 48) + 32 * (sub / 2);
        for (int j = 0; j < PACKED_BLOCK; j++) {
            u->q[j] = (qs[j] >> (4 * (sub % 2))) & 15;
            if (type == TENSOR_Q5_K) u->q[j] |= (uint8_t)(((p[16 + j] >> sub) & 1) << 4);
        }
        scale_min_k4(p + 4, sub, u);
        u->d = read_half(p);
        u->dmin = read_half(p + 2);
        break;
    }
    case TENSOR_Q6_K: { /* ql 128, qh 64, scales 16, d */
        int half = sub / 4, part = sub % 4;
        const uint8_t *ql = p + 64 * half + 32 * (part % 2), *qh = p + 128 + 32 * half;
        for (int j = 0; j < PACKED_BLOCK; j++) {
            int low = (ql[j] >> (4 * (part / 2))) & 15;
            u->q[j] = (uint8_t)(low | ((qh[j] >> (2 * part)) & 3) << 4);
        }
        for (int h = 0; h < 2; h++) u->sub_scale[h] = (int8_t)p[192 + 2 * sub + h];
        u->d = read_half(p + 208);
        break;
    }
    case TENSOR_IQ4_XS: { /* d, scales_h u16, scales_l 4, qs 128 */
        int low = (p[4 + sub / 2] >> (4 * (sub % 2))) & 15;
        int high = (read_half(p + 2) >> (2 * sub)) & 3;
        u->sub_scale[0] = (int8_t)((low | high << 4) - 32);
        nibbles_of_16(u->q, p + 8 + 16 * sub);
        u->d = read_half(p);
        break;
    }
    default:
        break;
    }
}

/* ---- a row's share of a block's planes: words of 4 columns, each at 4 * row of its line ---- */

static void put_word(uint8_t *plane, int rows, int line, int r, uint32_t word) {
    memcpy(plane + 4 * (line * rows + r), &word, sizeof word);
}

/* Four bits of each byte of word k, those of word k + 4 above them. */
static void put_nibbles(uint8_t *plane, int rows, int r, const uint32_t *q) {
    for (int k = 0; k < 4; k++) {
        put_word(plane, rows, k, r, (q[k] & 0x0f0f0f0f) | (q[k + 4] & 0x0f0f0f0f) << 4);
    }
}

/* Two bits from bit `from` on of each byte of four words together, twice. */
static void put_pairs(uint8_t *plane, int rows, int r, const uint32_t *q, int from) {
    for (int half = 0; half < 2; half++) {
        uint32_t word = 0;
        for (int k = 0; k < 4; k++) word |= (q[4 * half + k] >> from & 0x03030303) << (2 * k);
        put_word(plane, rows, half, r, word);
    }
}

/* Bit `from` of each byte of eight words together. */
static void put_bits(uint8_t *plane, int rows, int r, const uint32_t *q, int from) {
    uint32_t word = 0;
    for (int k = 0; k < 8; k++) word |= (q[k] >> from & 0x01010101) << k;
    put_word(plane, rows, 0, r, word);
}

static void put_values(uint8_t *planes, const struct packed_format *f, int rows, int r, bool biased,
                       const uint8_t *values) {
    uint32_t q[PACKED_BLOCK / 4];
    memcpy(q, values, sizeof q);
    uint8_t *extra = planes + f->base_bits * 4 * rows;
    if (f->base_bits == 8) {
        for (int k = 0; k < 8; k++) put_word(planes, rows, k, r, biased ? q[k] ^ 0x80808080 : q[k]);
    } else if (f->base_bits == 4) {
        put_nibbles(planes, rows, r, q);
    } else {
        put_pairs(planes, rows, r, q, 0);
    }
    if (f->extra_bits == 1) put_bits(extra, rows, r, q, f->base_bits);
    if (f->extra_bits == 2) put_pairs(extra, rows, r, q, f->base_bits);
}

static void write_half(uint8_t *p, uint16_t bits) {
    memcpy(p, &bits, sizeof bits);
}

void packed_group(uint8_t *dst, enum tensor_type type, int rows, bool biased,
                  const uint8_t *const *sources, int64_t cols) {
    const struct packed_format *f = &packed_formats[type];
    int64_t n_blocks = cols / PACKED_BLOCK, n_tiles = packed_blocks(type, cols) / f->blocks;
    size_t plane = (size_t)(PACKED_PLANE_BYTES(*f) * rows);
    size_t tile = (size_t)(PACKED_TILE_BYTES(*f) * rows);
    memset(dst, 0, packed_group_bytes(type, rows, cols));
    for (int64_t t = 0; t < n_tiles; t++, dst += tile) {
        uint8_t *scales = dst + PACKED_SUPER_BYTES(*f) * rows;
        uint8_t *planes = scales + f->blocks * PACKED_SCALE_BYTES(*f) * rows;
        for (int i = 0; i < f->blocks && t * f->blocks + i < n_blocks; i++) {
            for (int r = 0; r < rows; r++) {
                if (sources[r] == NULL) continue;
                struct packed_block u;
                packed_unpack(&u, type, sources[r], t * f->blocks + i);
                put_values(planes + (size_t)i * plane, f, rows, r, biased, u.q);
                uint8_t *s = scales + i * PACKED_SCALE_BYTES(*f) * rows;
                if (!f->super) {
                    write_half(s + 2 * r, u.scale);
                    if (f->mins) write_half(s + 2 * rows + 2 * r, u.min);
                    continue;
                }
                for (int h = 0; h < f->scales; h++) {
                    s[h * rows + r] = (uint8_t)u.sub_scale[h];
                    if (f->mins) s[(f->scales + h) * rows + r] = u.sub_min[h];
                }
                write_half(dst + 2 * r, u.d);
                if (f->mins) write_half(dst + 2 * rows + 2 * r, u.dmin);
            }
        }
    }
}

const struct packed_kernels *packed_kernels_get(enum isa isa) {
    static const struct packed_kernels *const tables[ISA_COUNT] = {
#if defined(__x86_64__)
        [ISA_SSE4] = &packed_kernels_sse4,     [ISA_AVX2] = &packed_kernels_avx2,
        [ISA_AVXVNNI] = &packed_kernels_avxvnni, [ISA_AVX512] = &packed_kernels_avx512,
        [ISA_AVX512VNNI] = &packed_kernels_avx512vnni,
#elif defined(__aarch64__)
        [ISA_NEON] = &packed_kernels_neon,
        [ISA_DOTPROD] = &packed_kernels_dotprod,
        [ISA_I8MM] = &packed_kernels_i8mm,
#endif
    };
    /* kernels_get knows what this machine has. */
    if (tables[isa] == NULL || kernels_get(isa) == NULL) return &packed_kernels_scalar;
    return tables[isa];
}
