/* fuzz_tokenizer.c - any bytes as a vocabulary file, and any bytes as a text.
 *
 * The input: one byte says which; then either a GGUF file, whose tokenizer then encodes the file's
 * own beginning, or a text for a small vocabulary of each kind. What comes back is checked: ids in
 * range, bytes as they were, joined pieces valid UTF-8. */
#include "base/alloc.h"
#include "engine/tokenizer_private.h"
#include "../support/vocab_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(int condition) {
    if (!condition) abort();
}

static void check_valid(const char *text, size_t size) {
    for (size_t at = 0, bytes; at < size; at += bytes) {
        must(utf8_next(text + at, size - at, &bytes) >= 0);
    }
}

/* exact: the vocabulary has every byte, so the text comes back (SPM: behind a blank). */
static void encode(const struct tokenizer *t, const char *text, size_t size, bool special,
                   bool exact) {
    struct tokenize_options options = {true, special};
    struct err err;
    size_t n, used = 0, joined = 0;
    int32_t *ids = tokenizer_encode(t, text, size, &options, &n, &err);
    must(ids != NULL);
    char *back = malloc(size + 4096);
    struct utf8_join join = {.n_pending = 0};
    for (size_t i = 0; i < n; i++) {
        must(ids[i] >= 0 && ids[i] < tokenizer_n_vocab(t));
        size_t piece_size = tokenizer_piece(t, ids[i], special, NULL, 0);
        char *piece = malloc(piece_size + 1), *out = malloc(3 * (piece_size + 4));
        must(tokenizer_piece(t, ids[i], special, piece, piece_size) == piece_size);
        joined = utf8_join_push(&join, piece, piece_size, out, 3 * (piece_size + 4));
        check_valid(out, joined);
        if (exact) {
            must(used + piece_size <= size + 4096);
            memcpy(back + used, piece, piece_size);
        }
        used += piece_size;
        free(piece);
        free(out);
    }
    char end[12];
    check_valid(end, utf8_join_finish(&join, end, sizeof end));
    if (exact) must(used == size && memcmp(back, text, size) == 0);
    free(back);
    mem_free(ids);
}

static void fuzz_file(const uint8_t *data, size_t size) {
    struct err err;
    struct gguf *file = gguf_open_memory(data, size, "fuzz", &err);
    if (file == NULL) return;
    struct tokenizer *t = tokenizer_new(file, &err);
    if (t != NULL) encode(t, (const char *)data, size < 512 ? size : 512, true, false);
    tokenizer_free(t);
    gguf_close(file);
}

static void fuzz_text(const uint8_t *data, size_t size) {
    static const char *const names[] = {
        "gpt-2",  "llama-bpe", "qwen2",       "starcoder", "default",      "falcon",
        "tekken", "gpt-4o",    "deepseek-v3", "bloom",     "deepseek-llm", "deepseek-coder"};
    static const char *const merges[] = {"a b", "ab c", "\u0120 a", "\u0120 \u0120", "' s", "1 2"};
    static const char *const extra[] = {"<|x|>", "aa", "a a"}, *const words[] = {"\u2581", "ab",
                                                                                 "abc", "\u2581a"};
    static const int32_t types[] = {3, 4, 4};
    if (size == 0) return;
    size_t which = data[0] % (sizeof names / sizeof *names + 1);
    bool spm = which == sizeof names / sizeof *names;
    struct vocab_file f;
    if (spm) {
        vocab_spm(&f, words, NULL, sizeof words / sizeof *words);
    } else {
        vocab_bpe(&f, names[which], merges, 6, extra, types, 3);
    }
    struct err err;
    struct gguf *file = vocab_open(&f, &err);
    struct tokenizer *t = tokenizer_new(file, &err);
    must(t != NULL);
    bool special = data[0] & 128;
    encode(t, (const char *)data + 1, size - 1, special, !spm);
    tokenizer_free(t);
    gguf_close(file);
    free(f.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 1) return 0;
    if (data[0] & 1) {
        fuzz_file(data + 1, size - 1);
    } else {
        fuzz_text(data + 1, size - 1);
    }
    return 0;
}
