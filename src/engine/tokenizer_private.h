/* tokenizer_private.h - what the tokenizer's files share; tests of the splitting include it too.
 *
 * Text to ids: special tokens are cut out (tokenizer_special.c); what lies between is split into
 * words (tokenizer_pre.c, byte-level BPE only) and merged bottom-up (tokenizer_merge.c). The
 * vocabulary and its checks are in tokenizer_vocab.c, its tables in tokenizer_lookup.c, UTF-8 in
 * tokenizer_utf8.c. */
#ifndef WOOLLY_ENGINE_TOKENIZER_PRIVATE_H
#define WOOLLY_ENGINE_TOKENIZER_PRIVATE_H

#include "engine/tokenizer.h"

/* ---- UTF-8 ---- */

enum { UTF8_BAD = -1, UTF8_CUT = -2 };

/* The character at s, n >= 1. UTF8_BAD: *size bytes (at least 1) can never begin a character, the
 * longest such run (WHATWG's "maximal subpart"). UTF8_CUT: all n bytes begin one that goes on. */
int32_t utf8_next(const char *s, size_t n, size_t *size);

/* ---- splitting text into words ---- */

enum { /* exactly one of the first four; the others say more about PRE_OTHER */
       PRE_SPACE = 1,
       PRE_LETTER = 2,
       PRE_NUMBER = 4,
       PRE_OTHER = 8,
       PRE_PUNCTUATION = 16,
       PRE_SYMBOL = 32,
       PRE_MARK = 64,
};

struct glyph { /* one character, or one byte that belongs to none */
    uint32_t code;
    uint8_t kind; /* PRE_* */
    uint8_t size; /* bytes */
    uint8_t cut;  /* a word begins here */
};

struct pre_tokenizer {
    const char *name;
    /* Tries a match at i < n; returns its end, or i for none. Each stage cuts every word of the
     * stages before it into its matches and what lies between them. NULL ends the list. */
    size_t (*stages[6])(const struct glyph *g, size_t n, size_t i);
    bool ignore_merges; /* a word that is a token is not merged */
    bool adds_bos;      /* unless the file says otherwise */
};

/* NULL for an unknown name. */
const struct pre_tokenizer *pre_find(const char *name, size_t size);
/* All names, for messages: writes "a, b, ..." as far as it fits. */
void pre_names(char *out, size_t cap);
/* Fills out (room for size glyphs), all uncut; returns how many. */
size_t pre_glyphs(const char *text, size_t size, struct glyph *out);
/* Sets cut where words begin. O(n). */
void pre_split(const struct pre_tokenizer *pre, struct glyph *g, size_t n);

/* ---- the vocabulary ---- */

enum token_type { /* numbers in the file */
                  TOKEN_UNDEFINED,
                  TOKEN_NORMAL,
                  TOKEN_UNKNOWN,
                  TOKEN_CONTROL,
                  TOKEN_USER_DEFINED,
                  TOKEN_UNUSED,
                  TOKEN_BYTE,
};

enum { /* of an attributes byte */
       TOKEN_TYPE_MASK = 7,
       TOKEN_ENDS = 8,    /* generation stops there */
       TOKEN_LSTRIP = 16, /* swallows the white space before it */
       TOKEN_RSTRIP = 32, /* and behind it */
};

/* No probe of a table goes on longer: a file whose texts all collide is refused, not waited for. */
enum { MAX_PROBES = 1024 };

struct text_slot {
    uint32_t tag; /* of the hash */
    int32_t id;   /* or TOKEN_NONE */
};

struct merge_slot {
    int32_t left, right;
    uint32_t rank;  /* place in the file's list: lower merges first */
    int32_t result; /* TOKEN_NONE: free */
};

struct special_text {
    const char *text;
    uint32_t size;
    int32_t id;
};

struct special_set { /* sorted by bytes; those that begin with byte b are [first[b], first[b + 1])
                      */
    struct special_text *items;
    uint32_t first[257];
};

struct byte_text { /* the character that stands for a byte in a byte-level vocabulary */
    char text[2];
    uint8_t size;
};

struct tokenizer {
    const struct gguf *file;
    const struct pre_tokenizer *pre; /* NULL: SPM */
    const struct gguf_string *texts; /* as in the file */
    int32_t n_vocab;
    uint32_t longest; /* bytes of the longest text */
    uint8_t *attributes;
    uint32_t *order; /* SPM: lower merges first; from the scores */
    struct text_slot *by_text;
    uint64_t by_text_mask;
    struct merge_slot *merges; /* BPE */
    uint64_t merges_mask;
    struct special_set special, user_defined; /* the second when special text is not parsed */
    struct byte_text byte_text[256];          /* BPE */
    int32_t byte_ids[256];                    /* or TOKEN_NONE */
    int32_t bos, eos, unknown;
    bool adds_bos, adds_eos, adds_space;
};

/* Filling the tables (tokenizer_lookup.c). False: memory is short, or for add too many probes. */
bool vocab_texts_init(struct tokenizer *t);
bool vocab_texts_add(struct tokenizer *t, int32_t id); /* a text that is not there yet */
bool vocab_merges_init(struct tokenizer *t, uint64_t count);
/* Where the pair stands or would stand; NULL after too many probes. */
struct merge_slot *vocab_merge_slot(const struct tokenizer *t, int32_t left, int32_t right);

/* The token whose text is a followed by b (b may be empty), or TOKEN_NONE. */
int32_t vocab_find(const struct tokenizer *t, const char *a, size_t n_a, const char *b, size_t n_b);
/* The token whose text is these bytes in the byte-level alphabet. */
int32_t vocab_find_bytes(const struct tokenizer *t, const char *bytes, size_t n);
/* NULL when the two do not merge. */
const struct merge_slot *vocab_merge(const struct tokenizer *t, int32_t left, int32_t right);

static inline enum token_type token_type(const struct tokenizer *t, int32_t id) {
    return (enum token_type)(t->attributes[id] & TOKEN_TYPE_MASK);
}

/* ---- text to ids ---- */

struct special_match {
    uint32_t at, size;
    uint32_t from, to; /* with the white space it swallows */
    int32_t id;
};

/* The special tokens in a text, in order, as a block to mem_free (NULL for none). Where they
 * overlap the longer wins, then the earlier. False when memory is short. */
bool special_find(const struct tokenizer *t, const char *text, size_t size, bool parse_special,
                  struct special_match **matches, size_t *n);

struct token_list {
    int32_t *ids;
    size_t n, room;
};

bool token_list_add(struct token_list *list, int32_t id); /* false when memory is short */

struct encoder { /* scratch of one encode call */
    const struct tokenizer *t;
    struct token_list out;
    struct symbol *symbols;
    struct pair *heap;
    size_t room, n_heap; /* symbols; the heap has room for twice as many */
    const char *text;
    char *escaped; /* SPM: the text with blanks written as U+2581 */
    struct glyph *glyphs;
    size_t escaped_room, glyphs_room;
};

/* Appends the ids of a text between special tokens. False when memory is short. */
bool encode_text(struct encoder *e, const char *text, size_t size);
void encoder_free(struct encoder *e); /* all but the list */

#endif
