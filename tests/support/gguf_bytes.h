/* gguf_bytes.h - a small GGUF file in memory whose every field's place is known, to be damaged. */
#ifndef WOOLLY_TESTS_GGUF_BYTES_H
#define WOOLLY_TESTS_GGUF_BYTES_H

#include "support/tiny_model.h"

enum place {
    MAGIC,
    VERSION,
    N_TENSORS,
    N_KEYS,
    ARCH_LENGTH, /* key general.architecture */
    ARCH_KIND,
    ARCH_TEXT, /* its value's length, then 5 bytes */
    ALIGN_KEY,
    ALIGN_KIND,
    ALIGN_VALUE,
    BYTE_KEY, /* "k.u8" u8 200 */
    BYTE_KIND,
    BYTE_VALUE,
    ARRAY_KEY, /* "k.numbers": i32 -1, 2, 3 */
    ARRAY_KIND,
    ARRAY_ELEMENT,
    ARRAY_COUNT,
    ARRAY_DATA,
    TEXTS_ELEMENT, /* "k.texts": "one", "" */
    TEXTS_COUNT,
    TEXTS_FIRST, /* length of "one" */
    TEXTS_SECOND,
    A_NAME, /* tensor "a" F32 [4, 2] */
    A_DIMS,
    A_DIM0,
    A_DIM1,
    A_TYPE,
    A_OFFSET,
    B_NAME, /* "b.weight" Q4_0 [32] */
    B_DIMS,
    B_DIM0,
    B_TYPE,
    B_OFFSET,
    C_NAME, /* "c" F16 [8] */
    C_DIM0,
    C_TYPE,
    C_OFFSET,
    DATA, /* a at 0, b at 32, c at 64 (each on the alignment), 16 bytes */
    N_PLACES,
};

struct gguf_bytes {
    struct tiny_bytes b;
    size_t at[N_PLACES];
};

static inline void mark(struct gguf_bytes *g, enum place place) {
    g->at[place] = g->b.size;
}

static inline void gguf_bytes_tensor(struct gguf_bytes *g, const char *name, const enum place at[5],
                                     const uint64_t *dims, uint32_t n_dims, uint32_t type,
                                     uint64_t offset) {
    mark(g, at[0]);
    tiny_text(&g->b, name);
    mark(g, at[1]);
    tiny_u32(&g->b, n_dims);
    for (uint32_t i = 0; i < n_dims; i++) {
        mark(g, (enum place)(at[2] + (i < 2 ? i : 1)));
        tiny_u64(&g->b, dims[i]);
    }
    mark(g, at[3]);
    tiny_u32(&g->b, type);
    mark(g, at[4]);
    tiny_u64(&g->b, offset);
}

/* The healthy file. alignment: written and used; 0: 32 without the key. */
static inline void gguf_bytes_make(struct gguf_bytes *g, uint32_t alignment) {
    struct tiny_bytes *b = &g->b;
    const uint64_t align = alignment > 0 ? alignment : 32;
    b->size = 0;
    mark(g, MAGIC), tiny_put(b, "GGUF", 4);
    mark(g, VERSION), tiny_u32(b, 3);
    mark(g, N_TENSORS), tiny_u64(b, 3);
    mark(g, N_KEYS), tiny_u64(b, alignment > 0 ? 5 : 4);
    mark(g, ARCH_LENGTH), tiny_text(b, "general.architecture");
    mark(g, ARCH_KIND), tiny_u32(b, 8);
    mark(g, ARCH_TEXT), tiny_text(b, "llama");
    if (alignment > 0) {
        mark(g, ALIGN_KEY), tiny_text(b, "general.alignment");
        mark(g, ALIGN_KIND), tiny_u32(b, 4);
        mark(g, ALIGN_VALUE), tiny_u32(b, alignment);
    }
    mark(g, BYTE_KEY), tiny_text(b, "k.u8");
    mark(g, BYTE_KIND), tiny_u32(b, 0);
    mark(g, BYTE_VALUE), tiny_put(b, "\xc8", 1);
    mark(g, ARRAY_KEY), tiny_text(b, "k.numbers");
    mark(g, ARRAY_KIND), tiny_u32(b, 9);
    mark(g, ARRAY_ELEMENT), tiny_u32(b, 5);
    mark(g, ARRAY_COUNT), tiny_u64(b, 3);
    mark(g, ARRAY_DATA), tiny_u32(b, 0xffffffffu), tiny_u32(b, 2), tiny_u32(b, 3);
    tiny_text(b, "k.texts");
    tiny_u32(b, 9);
    mark(g, TEXTS_ELEMENT), tiny_u32(b, 8);
    mark(g, TEXTS_COUNT), tiny_u64(b, 2);
    mark(g, TEXTS_FIRST), tiny_text(b, "one");
    mark(g, TEXTS_SECOND), tiny_text(b, "");
    gguf_bytes_tensor(g, "a", (enum place[]){A_NAME, A_DIMS, A_DIM0, A_TYPE, A_OFFSET},
                      (uint64_t[]){4, 2}, 2, 0, 0);
    gguf_bytes_tensor(g, "b.weight", (enum place[]){B_NAME, B_DIMS, B_DIM0, B_TYPE, B_OFFSET},
                      (uint64_t[]){32}, 1, 2, align > 32 ? align : 32);
    gguf_bytes_tensor(g, "c", (enum place[]){C_NAME, C_NAME, C_DIM0, C_TYPE, C_OFFSET},
                      (uint64_t[]){8}, 1, 1, align > 32 ? 2 * align : 64);
    g->at[C_NAME] = g->at[C_DIM0] - 4 - 9; /* marked twice above */
    while (b->size % align != 0)
        tiny_put(b, "", 1);
    mark(g, DATA);
    size_t end = g->at[DATA] + (align > 32 ? 2 * align : 64) + 16;
    while (b->size < end)
        tiny_put(b, "\x01", 1);
}

static inline void gguf_bytes_set(struct gguf_bytes *g, size_t at, const void *value, size_t size) {
    memcpy(g->b.data + at, value, size);
}

static inline void gguf_bytes_free(struct gguf_bytes *g) {
    free(g->b.data);
    g->b = (struct tiny_bytes){0};
}

#endif
