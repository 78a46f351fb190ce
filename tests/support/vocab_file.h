/* vocab_file.h - small vocabularies for tests, written as GGUF bytes. */
#ifndef WOOLLY_TESTS_VOCAB_FILE_H
#define WOOLLY_TESTS_VOCAB_FILE_H

#include "engine/gguf.h"
#include "engine/tokenizer.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct vocab_file {
    unsigned char *data;
    size_t size, room;
    uint64_t n_keys;
};

static inline void vocab_put(struct vocab_file *f, const void *data, size_t size) {
    if (f->size + size > f->room) {
        f->room = 2 * (f->size + size) + 256;
        f->data = realloc(f->data, f->room);
    }
    if (size > 0) memcpy(f->data + f->size, data, size);
    f->size += size;
}
static inline void vocab_u32(struct vocab_file *f, uint32_t v) {
    vocab_put(f, &v, sizeof v);
}
static inline void vocab_u64(struct vocab_file *f, uint64_t v) {
    vocab_put(f, &v, sizeof v);
}
static inline void vocab_text(struct vocab_file *f, const char *text, size_t size) {
    vocab_u64(f, size);
    vocab_put(f, text, size);
}

static inline void vocab_begin(struct vocab_file *f) {
    *f = (struct vocab_file){0};
    vocab_put(f, "GGUF", 4);
    vocab_u32(f, 3);
    vocab_u64(f, 0); /* tensors */
    vocab_u64(f, 0); /* keys, at the end */
}
static inline void vocab_key(struct vocab_file *f, const char *name, uint32_t kind) {
    char key[96];
    int size = snprintf(key, sizeof key, "%s%s", strchr(name, '.') ? "" : "tokenizer.ggml.", name);
    vocab_text(f, key, (size_t)size);
    vocab_u32(f, kind);
    f->n_keys++;
}
static inline void vocab_key_text(struct vocab_file *f, const char *name, const char *text) {
    vocab_key(f, name, GGUF_STRING);
    vocab_text(f, text, strlen(text));
}
static inline void vocab_key_u32(struct vocab_file *f, const char *name, uint32_t value) {
    vocab_key(f, name, GGUF_U32);
    vocab_u32(f, value);
}
static inline void vocab_key_bool(struct vocab_file *f, const char *name, int value) {
    vocab_key(f, name, GGUF_BOOL);
    vocab_put(f, value ? "\1" : "\0", 1);
}
static inline void vocab_array(struct vocab_file *f, const char *name, uint32_t kind, uint64_t n) {
    vocab_key(f, name, GGUF_ARRAY);
    vocab_u32(f, kind);
    vocab_u64(f, n);
}
static inline void vocab_key_texts(struct vocab_file *f, const char *name, const char *const *texts,
                                   size_t n) {
    vocab_array(f, name, GGUF_STRING, n);
    for (size_t i = 0; i < n; i++)
        vocab_text(f, texts[i], strlen(texts[i]));
}
static inline void vocab_key_i32s(struct vocab_file *f, const char *name, const int32_t *values,
                                  size_t n) {
    vocab_array(f, name, GGUF_I32, n);
    vocab_put(f, values, n * sizeof *values);
}
static inline void vocab_key_f32s(struct vocab_file *f, const char *name, const float *values,
                                  size_t n) {
    vocab_array(f, name, GGUF_F32, n);
    vocab_put(f, values, n * sizeof *values);
}

/* The file over f's bytes, which stay f's. */
static inline struct gguf *vocab_open(struct vocab_file *f, struct err *err) {
    memcpy(f->data + 16, &f->n_keys, sizeof f->n_keys);
    return gguf_open_memory(f->data, f->size, "vocabulary", err);
}

/* ---- ready-made ---- */

/* The character for a byte in byte-level vocabularies; returns its size. */
static inline size_t vocab_byte_char(unsigned byte, char out[3]) {
    unsigned hidden = 0;
    for (unsigned b = 0; b < byte; b++) {
        hidden += !((b >= '!' && b <= '~') || (b >= 0xa1 && b != 0xad));
    }
    int prints = (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte != 0xad);
    unsigned c = prints ? byte : 256 + hidden;
    memset(out, 0, 3);
    if (c < 128) {
        out[0] = (char)c;
        return 1;
    }
    out[0] = (char)(0xc0 | c >> 6);
    out[1] = (char)(0x80 | (c & 63));
    return 2;
}

/* Byte-level BPE: 256 bytes, the results of the merges, then the extra tokens with their types.
 * merges are "left right"; each makes the token 256 + its place. */
static inline void vocab_bpe(struct vocab_file *f, const char *pre, const char *const *merges,
                             size_t n_merges, const char *const *extra, const int32_t *types,
                             size_t n_extra) {
    size_t n = 256 + n_merges + n_extra;
    vocab_begin(f);
    vocab_key_text(f, "model", "gpt2");
    if (pre != NULL) vocab_key_text(f, "pre", pre);
    vocab_array(f, "tokens", GGUF_STRING, n);
    for (unsigned b = 0; b < 256; b++) {
        char c[3];
        size_t size = vocab_byte_char(b, c);
        vocab_text(f, c, size);
    }
    for (size_t i = 0; i < n_merges; i++) {
        char text[128];
        size_t size = 0;
        for (const char *c = merges[i]; *c; c++) {
            if (*c != ' ') text[size++] = *c;
        }
        vocab_text(f, text, size);
    }
    for (size_t i = 0; i < n_extra; i++)
        vocab_text(f, extra[i], strlen(extra[i]));
    vocab_array(f, "token_type", GGUF_I32, n);
    for (size_t i = 0; i < n; i++) {
        vocab_u32(f, i < n - n_extra ? 1 : (uint32_t)types[i - (n - n_extra)]);
    }
    vocab_key_texts(f, "merges", merges, n_merges);
}

/* SPM: <unk> <s> </s>, 256 bytes, then the words, earlier ones with higher scores. */
static inline void vocab_spm(struct vocab_file *f, const char *const *words, const int32_t *types,
                             size_t n_words) {
    static const char *const control[] = {"<unk>", "<s>", "</s>"};
    size_t n = 259 + n_words;
    vocab_begin(f);
    vocab_key_text(f, "model", "llama");
    vocab_array(f, "tokens", GGUF_STRING, n);
    for (size_t i = 0; i < 3; i++)
        vocab_text(f, control[i], strlen(control[i]));
    for (unsigned b = 0; b < 256; b++) {
        char text[8];
        snprintf(text, sizeof text, "<0x%02X>", b);
        vocab_text(f, text, 6);
    }
    for (size_t i = 0; i < n_words; i++)
        vocab_text(f, words[i], strlen(words[i]));
    vocab_array(f, "scores", GGUF_F32, n);
    for (size_t i = 0; i < n; i++) {
        float score = i < 259 ? 0 : -(float)(i - 258);
        vocab_put(f, &score, sizeof score);
    }
    vocab_array(f, "token_type", GGUF_I32, n);
    for (size_t i = 0; i < n; i++) {
        vocab_u32(f, i >= 259 ? types == NULL ? 1 : (uint32_t)types[i - 259]
                     : i >= 3 ? 6
                     : i == 0 ? 2
                              : 3);
    }
}

#endif
