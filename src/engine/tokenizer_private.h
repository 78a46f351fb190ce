/* tokenizer_private.h - what the tokenizer's files share: the vocabulary, merging, splitting. */
#ifndef WOOLLY_ENGINE_TOKENIZER_PRIVATE_H
#define WOOLLY_ENGINE_TOKENIZER_PRIVATE_H

#include "engine/tokenizer.h"

enum token_kind { /* ids in tokenizer.ggml.token_type */
    TOKEN_NORMAL = 1, TOKEN_UNKNOWN, TOKEN_CONTROL, TOKEN_USER_DEFINED, TOKEN_UNUSED, TOKEN_BYTE,
};

/* SPM: as in the file, with U+2581 for a blank. BPE: normal tokens as the bytes they stand for. */
struct vocab_token {
    const char *text; /* not NUL-terminated */
    uint32_t size;
    float score;
    enum token_kind kind;
};

/* ---- splitting a text before BPE ---- */

enum pre_kind {
    PRE_DEFAULT, PRE_GPT2, PRE_LLAMA3, PRE_QWEN2, PRE_DIGITS_GPT2, PRE_DEEPSEEK_LLM,
    PRE_DEEPSEEK_CODER, PRE_DEEPSEEK3, PRE_FALCON, PRE_TEKKEN, PRE_GPT4O, PRE_BLOOM, PRE_VIKING,
};

struct pre_rule {
    const char *name; /* tokenizer.ggml.pre */
    enum pre_kind kind;
    bool ignore_merges; /* a whole piece that is a token is not merged from bytes */
    bool adds_bos;      /* when the file does not say */
};
/* NULL when the name is unknown. */
const struct pre_rule *pre_rule_find(const char *name, size_t size);
/* "gpt-2, llama-bpe, ...": for messages. */
const char *pre_rule_names(void);
/* The pieces of text, as their ends in bytes: *n of them in a block to mem_free. NULL: no memory.
 * Bytes that are no UTF-8 are characters of no category. Cost O(size). */
uint32_t *pre_split(enum pre_kind kind, const char *text, size_t size, size_t *n);

/* ---- merging symbols ---- */

struct symbol {
    int32_t prev, next; /* -1 at the ends */
    uint32_t start, size; /* bytes of the text; size 0: merged into its left neighbour */
    int32_t id; /* token, or TOKEN_NONE */
};

/* What a pair may become: its rank (lower first) and the token. False: no merge. */
struct merge {
    int64_t rank;
    int32_t id;
};

/* Scratch of one encode call, grown as needed. */
struct merge_scratch {
    struct symbol *symbols;
    struct merge_entry *heap;
    size_t symbols_cap, heap_cap;
};
/* Room for n symbols and the heap of their merging. */
bool merge_reserve(struct merge_scratch *scratch, size_t n);
void merge_release(struct merge_scratch *scratch);
/* Merges scratch->symbols[0..n) until no pair merges; the leftmost of equal ranks first.
 * O(n log n), allocates nothing. */
void merge_run(const struct tokenizer *tokenizer, struct merge_scratch *scratch, size_t n,
               const char *text);

/* ---- the tokenizer ---- */

struct special_token {
    const char *text;
    uint32_t size;
    int32_t id;
    bool always; /* user-defined: parsed whatever the caller says */
};

struct merge_slot {
    uint64_t pair; /* left << 32 | right, UINT64_MAX: empty */
    int32_t rank, id;
};

#define MAX_END_TOKENS 24

struct tokenizer {
    bool is_bpe, adds_bos, adds_eos, adds_space_prefix;
    const struct pre_rule *pre; /* of BPE */
    int32_t n_vocab, bos, eos, unknown;
    struct vocab_token *tokens;
    char *bytes; /* decoded texts of BPE */
    uint32_t *slots; /* hash of texts: id + 1, 0 empty */
    uint32_t slot_mask;
    struct merge_slot *merges;
    uint64_t merge_mask;
    int32_t byte_tokens[256];
    struct special_token *specials; /* longest first */
    size_t n_specials;
    unsigned char special_starts[32]; /* bitmap of first bytes */
    int32_t end_tokens[MAX_END_TOKENS];
    int n_end_tokens;
};

/* The token of exactly that text, or TOKEN_NONE. */
int32_t vocab_find(const struct tokenizer *tokenizer, const char *text, size_t size);
bool merge_of(const struct tokenizer *tokenizer, int32_t left, int32_t right, struct merge *out);

#endif
