/* tokenizer.h - text to token ids and back, from the vocabulary inside a GGUF file.
 *
 * Kinds: SPM (tokenizer.ggml.model "llama") and byte-level BPE ("gpt2") with the pre-tokenizers
 * that tokenizer.ggml.pre names. Ids equal those of llama.cpp. Immutable after creation, so any
 * thread may use one; encode allocates its scratch and frees it. */
#ifndef WOOLLY_ENGINE_TOKENIZER_H
#define WOOLLY_ENGINE_TOKENIZER_H

#include "base/err.h"
#include "engine/gguf.h"

#include <stddef.h>
#include <stdint.h>

#define TOKEN_NONE (-1)

struct tokenizer;

/* The file must outlive the tokenizer (pieces point into it). Vocabulary errors (row G9) are
 * ERR_INPUT. */
struct tokenizer *tokenizer_new(const struct gguf *file, struct err *err);
void tokenizer_free(struct tokenizer *tokenizer);

int32_t tokenizer_n_vocab(const struct tokenizer *tokenizer);
int32_t tokenizer_bos(const struct tokenizer *tokenizer); /* or TOKEN_NONE */
int32_t tokenizer_eos(const struct tokenizer *tokenizer); /* or TOKEN_NONE */
/* EOS, EOT, EOM and the like: generation ends there unless told otherwise. */
bool tokenizer_is_end(const struct tokenizer *tokenizer, int32_t token);
bool tokenizer_adds_bos(const struct tokenizer *tokenizer); /* by default for this vocabulary */
const char *tokenizer_kind(const struct tokenizer *tokenizer); /* "spm" or "bpe" */
const char *tokenizer_pre(const struct tokenizer *tokenizer);  /* "gpt-2", ... or "default" */

struct tokenize_options {
    bool add_bos;       /* put BOS in front, where the vocabulary has one and adds it, and EOS
                         * behind, where the file's add_eos_token asks for it */
    bool parse_special; /* "<|im_end|>" in the text becomes that control token */
};

/* Ids into a block to mem_free, count in *n. An empty text without BOS gives *n = 0 and a block
 * that still needs mem_free. NULL and err when memory is short. Cost O(size log size). */
int32_t *tokenizer_encode(const struct tokenizer *tokenizer, const char *text, size_t size,
                          const struct tokenize_options *options, size_t *n, struct err *err);

/* The raw bytes a token stands for (may be part of a UTF-8 sequence). Control tokens give their
 * text only with special. Returns the length, at most cap bytes written; call with cap 0 to ask. */
size_t tokenizer_piece(const struct tokenizer *tokenizer, int32_t token, bool special, char *out,
                       size_t cap);

/* Joins pieces into valid UTF-8: bytes that cannot become valid are U+FFFD, an unfinished sequence
 * waits for the next piece. */
struct utf8_join {
    unsigned char pending[4];
    int n_pending;
};
/* Appends piece; writes whole characters to out (cap at least 3 * (size + 4)); returns bytes. */
size_t utf8_join_push(struct utf8_join *join, const char *piece, size_t size, char *out, size_t cap);
/* What is still pending at the end, as U+FFFD. cap at least 12. */
size_t utf8_join_finish(struct utf8_join *join, char *out, size_t cap);

#endif
