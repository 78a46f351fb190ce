/* tokenizer_vocab.c - reads the vocabulary of a GGUF file, refuses what is wrong with it, and
 * builds the tables that encoding looks things up in. */
#include "engine/tokenizer_private.h"

#include "base/alloc.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_VOCAB = 1 << 20,
    MAX_MERGES = 1 << 21,
    MAX_TEXT_BYTES = 1 << 16,
    SHOWN = 48, /* bytes of a token's text in a message */
};
#define KEY "tokenizer.ggml."
#define DAMAGED "The file is damaged or was converted wrongly; download or convert it again."

struct reader {
    struct tokenizer *t;
    const struct gguf *file;
    struct err *err;
};

static bool fail(struct reader *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool fail(struct reader *r, const char *format, ...) {
    char text[768];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return err_set(r->err, ERR_INPUT, "tokenizer: %s: %s", r->file->path, text);
}

static bool out_of_memory(struct reader *r, const char *what) {
    return err_set(r->err, ERR_ENVIRONMENT, "tokenizer: %s: not enough memory for %s",
                   r->file->path, what);
}

static int shown(const struct gguf_string *s) {
    return s->size < SHOWN ? (int)s->size : SHOWN;
}

/* ---- arrays of the file ---- */

/* The array under key, NULL when absent. False when it is something else. */
static bool get_array(struct reader *r, const char *key, bool strings, uint64_t expected,
                      const struct gguf_value **out) {
    *out = gguf_value(r->file, key);
    const struct gguf_value *v = *out;
    if (v == NULL) return true;
    if (v->kind != GGUF_ARRAY || (v->element == GGUF_STRING) != strings) {
        return fail(r, "key \"%s\" is %s, expected an array of %s. " DAMAGED, key,
                    v->kind == GGUF_ARRAY ? "an array of other values" : gguf_kind_name(v->kind),
                    strings ? "strings" : "numbers");
    }
    if (expected != 0 && v->count != expected) {
        return fail(
            r, "key \"%s\" has %llu entries, the vocabulary %llu tokens; they must agree. " DAMAGED,
            key, (unsigned long long)v->count, (unsigned long long)expected);
    }
    return true;
}

static bool is_utf8(const struct gguf_string *s) {
    for (size_t at = 0, size; at < s->size; at += size) {
        if (utf8_next(s->data + at, s->size - at, &size) < 0) return false;
    }
    return true;
}

static bool read_texts(struct reader *r) {
    struct tokenizer *t = r->t;
    const struct gguf_value *v;
    if (!get_array(r, KEY "tokens", true, 0, &v)) return false;
    if (v == NULL || v->count == 0) {
        return fail(r,
                    "key \"" KEY "tokens\" is %s: the file has no vocabulary. Choose a model "
                    "file that brings its tokenizer",
                    v == NULL ? "absent" : "empty");
    }
    if (v->count > MAX_VOCAB) {
        return fail(r, "key \"" KEY "tokens\" has %llu entries, allowed 1 to %d. " DAMAGED,
                    (unsigned long long)v->count, MAX_VOCAB);
    }
    t->texts = v->strings;
    t->n_vocab = (int32_t)v->count;
    for (int32_t i = 0; i < t->n_vocab; i++) {
        const struct gguf_string *s = &t->texts[i];
        if (s->size > MAX_TEXT_BYTES) {
            return fail(r, "token %d has %llu bytes of text, allowed up to %d. " DAMAGED, i,
                        (unsigned long long)s->size, MAX_TEXT_BYTES);
        }
        if (!is_utf8(s)) return fail(r, "token %d is not valid UTF-8. " DAMAGED, i);
        if (s->size > t->longest) t->longest = (uint32_t)s->size;
    }
    return true;
}

/* Empty texts (placeholders of some converters) stay out: nothing encodes to them. */
static bool index_texts(struct reader *r) {
    struct tokenizer *t = r->t;
    if (!vocab_texts_init(t)) return out_of_memory(r, "the table of tokens");
    for (int32_t id = 0; id < t->n_vocab; id++) {
        const struct gguf_string *s = &t->texts[id];
        if (s->size == 0) continue;
        int32_t twin = vocab_find(t, s->data, s->size, NULL, 0);
        if (twin != TOKEN_NONE) {
            return fail(r, "tokens %d and %d are both \"%.*s\". " DAMAGED, twin, id, shown(s),
                        s->data);
        }
        if (!vocab_texts_add(t, id)) {
            return fail(r,
                        "the texts of %d tokens collide beyond chance: the vocabulary was made to "
                        "slow programs down. Do not use this file",
                        MAX_PROBES);
        }
    }
    return true;
}

static bool is_number_kind(const struct gguf_value *v, bool whole) {
    bool real = v->element == GGUF_F32 || v->element == GGUF_F64;
    return v->element != GGUF_BOOL && (!whole || !real);
}

/* "<0x0A>" */
static bool parse_byte(const struct gguf_string *s, int *byte) {
    if (s->size != 6 || memcmp(s->data, "<0x", 3) != 0 || s->data[5] != '>') return false;
    *byte = 0;
    for (int i = 3; i < 5; i++) {
        char c = s->data[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                           : -1;
        if (digit < 0) return false;
        *byte = *byte * 16 + digit;
    }
    return true;
}

static bool read_types(struct reader *r) {
    struct tokenizer *t = r->t;
    const struct gguf_value *v;
    if (!get_array(r, KEY "token_type", false, (uint64_t)t->n_vocab, &v)) return false;
    if (v != NULL && !is_number_kind(v, true)) {
        return fail(r,
                    "key \"" KEY "token_type\" is an array of %s, expected whole numbers. " DAMAGED,
                    gguf_kind_name(v->element));
    }
    t->attributes = mem_alloc((size_t)t->n_vocab);
    if (t->attributes == NULL) return out_of_memory(r, "the token types");
    for (int32_t i = 0; i < t->n_vocab; i++) {
        int64_t type = v != NULL ? gguf_element_i64(v, (uint64_t)i) : TOKEN_NORMAL;
        int byte;
        if (type < TOKEN_UNDEFINED || type > TOKEN_BYTE) {
            return fail(r, "token %d has type %lld, allowed 0 to %d. " DAMAGED, i, (long long)type,
                        TOKEN_BYTE);
        }
        if (type == TOKEN_BYTE && t->pre == NULL && !parse_byte(&t->texts[i], &byte)) {
            return fail(r,
                        "token %d stands for a byte and is called \"%.*s\", expected <0x00> to "
                        "<0xFF>. " DAMAGED,
                        i, shown(&t->texts[i]), t->texts[i].data);
        }
        t->attributes[i] = (uint8_t)type;
    }
    return true;
}

/* Scores as keys that sort: the highest score is the smallest key, equal scores equal keys. */
static uint32_t order_of(double score) {
    float value = (float)score + 0.0f; /* -0 becomes 0 */
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    bits = bits >> 31 ? ~bits : bits | 0x80000000u;
    return ~bits;
}

static bool read_scores(struct reader *r) {
    struct tokenizer *t = r->t;
    const struct gguf_value *v;
    if (!get_array(r, KEY "scores", false, (uint64_t)t->n_vocab, &v)) return false;
    if (v == NULL) {
        return fail(r,
                    "key \"" KEY "scores\" is absent: without scores an SPM vocabulary cannot be "
                    "used. " DAMAGED);
    }
    if (!is_number_kind(v, false)) {
        return fail(r, "key \"" KEY "scores\" is an array of %s, expected numbers. " DAMAGED,
                    gguf_kind_name(v->element));
    }
    t->order = mem_alloc((size_t)t->n_vocab * sizeof *t->order);
    if (t->order == NULL) return out_of_memory(r, "the scores");
    for (int32_t i = 0; i < t->n_vocab; i++) {
        double score = gguf_element_f64(v, (uint64_t)i);
        if (isnan(score)) return fail(r, "the score of token %d is not a number. " DAMAGED, i);
        t->order[i] = order_of(score);
    }
    return true;
}

/* ---- byte-level BPE ---- */

/* Printing Latin-1 characters stand for themselves, the other bytes for U+0100 and up, in order. */
static void make_byte_texts(struct tokenizer *t) {
    unsigned hidden = 0x100;
    for (unsigned byte = 0; byte < 256; byte++) {
        bool prints = (byte >= '!' && byte <= '~') || (byte >= 0xa1 && byte != 0xad);
        unsigned c = prints ? byte : hidden++;
        struct byte_text *out = &t->byte_text[byte];
        out->size = c < 0x80 ? 1 : 2;
        out->text[0] = (char)(c < 0x80 ? c : 0xc0 | c >> 6);
        out->text[1] = (char)(0x80 | (c & 0x3f));
    }
}

static void find_byte_ids(struct tokenizer *t) {
    for (int byte = 0; byte < 256; byte++) {
        char name[8], raw = (char)byte;
        if (t->pre != NULL) {
            t->byte_ids[byte] =
                vocab_find(t, t->byte_text[byte].text, t->byte_text[byte].size, NULL, 0);
            continue;
        }
        snprintf(name, sizeof name, "<0x%02X>", (unsigned)byte);
        t->byte_ids[byte] = vocab_find(t, name, 6, NULL, 0);
        if (t->byte_ids[byte] == TOKEN_NONE) t->byte_ids[byte] = vocab_find(t, &raw, 1, NULL, 0);
    }
}

static bool read_merge(struct reader *r, uint64_t i, const struct gguf_string *s) {
    struct tokenizer *t = r->t;
    const char *blank = s->size > 1 ? memchr(s->data + 1, ' ', s->size - 1) : NULL;
    size_t left_size = blank != NULL ? (size_t)(blank - s->data) : 0;
    if (blank == NULL || left_size + 1 == s->size) {
        return fail(r, "merge %llu is \"%.*s\", expected two texts with a blank between. " DAMAGED,
                    (unsigned long long)i, shown(s), s->data);
    }
    size_t right_size = s->size - left_size - 1;
    int32_t left = vocab_find(t, s->data, left_size, NULL, 0);
    int32_t right = vocab_find(t, blank + 1, right_size, NULL, 0);
    int32_t result = vocab_find(t, s->data, left_size, blank + 1, right_size);
    if (left == TOKEN_NONE || right == TOKEN_NONE || result == TOKEN_NONE) {
        return fail(r, "merge %llu is \"%.*s\", but %s is no token. " DAMAGED,
                    (unsigned long long)i, shown(s), s->data,
                    left == TOKEN_NONE    ? "the first part"
                    : right == TOKEN_NONE ? "the second part"
                                          : "what it makes");
    }
    struct merge_slot *slot = vocab_merge_slot(t, left, right);
    if (slot == NULL) {
        return fail(r,
                    "%d merges collide beyond chance: the vocabulary was made to slow programs "
                    "down. Do not use this file",
                    MAX_PROBES);
    }
    if (slot->result == TOKEN_NONE) { /* of equal merges the first counts */
        *slot = (struct merge_slot){left, right, (uint32_t)i, result};
    }
    return true;
}

static bool read_merges(struct reader *r) {
    struct tokenizer *t = r->t;
    const struct gguf_value *v;
    if (!get_array(r, KEY "merges", true, 0, &v)) return false;
    if (v == NULL) {
        return fail(r, "key \"" KEY "merges\" is absent: without it a byte-level BPE vocabulary "
                       "cannot be used. " DAMAGED);
    }
    if (v->count > MAX_MERGES) {
        return fail(r, "key \"" KEY "merges\" has %llu entries, allowed up to %d. " DAMAGED,
                    (unsigned long long)v->count, MAX_MERGES);
    }
    if (!vocab_merges_init(t, v->count)) return out_of_memory(r, "the merges");
    for (uint64_t i = 0; i < v->count; i++) {
        if (!read_merge(r, i, &v->strings[i])) return false;
    }
    return true;
}

/* ---- special tokens ---- */

/* Texts that end generation, or only structure the text, whatever the file says of their type. */
static const char *const ends[] = {
    "<|eot_id|>",
    "<|im_end|>",
    "<|end|>",
    "<end_of_turn>",
    "<|endoftext|>",
    "<|eom_id|>",
    "<EOT>",
    "_<EOT>",
    "<|end_of_text|>",
    "<end_of_utterance>",
    "<|fim_pad|>",
    "<fim-pad>",
    "<fim_pad>",
    "<PAD>",
    "<|fim_repo|>",
    "<|repo_name|>",
    "<fim-repo>",
    "<REPO>",
    "<reponame>",
    "<|file_sep|>",
    "<\uff5cend\u2581of\u2581sentence\uff5c>",
};
static const char *const structure[] = {
    "<|fim_prefix|>",
    "<fim-prefix>",
    "<fim_prefix>",
    "<PRE>",
    "\u2581<PRE>",
    "<|fim_suffix|>",
    "<fim-suffix>",
    "<fim_suffix>",
    "<SUF>",
    "\u2581<SUF>",
    "<|fim_middle|>",
    "<fim-middle>",
    "<fim_middle>",
    "<MID>",
    "\u2581<MID>",
    "<\uff5cfim\u2581begin\uff5c>",
    "<\uff5cfim\u2581hole\uff5c>",
    "<\uff5cfim\u2581end\uff5c>",
};

static void mark_known(struct tokenizer *t, const char *const *names, size_t n, uint8_t add) {
    for (size_t i = 0; i < n; i++) {
        int32_t id = vocab_find(t, names[i], strlen(names[i]), NULL, 0);
        if (id == TOKEN_NONE) continue;
        t->attributes[id] = (uint8_t)((t->attributes[id] & ~TOKEN_TYPE_MASK) | TOKEN_CONTROL | add);
    }
}

/* An id under "tokenizer.ggml." name. Absent: *id stays; all ones means none. */
static bool read_id(struct reader *r, const char *name, int32_t *id) {
    char key[64];
    snprintf(key, sizeof key, KEY "%s", name);
    const struct gguf_value *v = gguf_value(r->file, key);
    if (v == NULL) return true;
    uint64_t found;
    if (!gguf_get_u64(r->file, key, &found)) {
        int64_t none = 0;
        bool whole =
            v->kind == GGUF_I8 || v->kind == GGUF_I16 || v->kind == GGUF_I32 || v->kind == GGUF_I64;
        if (whole) none = gguf_element_i64(v, 0);
        if (!whole || none != -1) {
            return fail(r, "key \"%s\" is %s, expected a token id from 0 to %d. " DAMAGED, key,
                        whole ? "negative" : gguf_kind_name(v->kind), r->t->n_vocab - 1);
        }
        found = UINT32_MAX;
    }
    if (found == UINT32_MAX) {
        *id = TOKEN_NONE;
    } else if (found >= (uint64_t)r->t->n_vocab) {
        return fail(r, "key \"%s\" is %llu, allowed 0 to %d. " DAMAGED, key,
                    (unsigned long long)found, r->t->n_vocab - 1);
    } else {
        *id = (int32_t)found;
    }
    return true;
}

/* What holds when the file is silent: the ids of the first SPM and BPE models. A vocabulary that
 * has something else there has no such token. */
static int32_t usual_id(const struct tokenizer *t, int32_t id) {
    if (id >= t->n_vocab) return TOKEN_NONE;
    return t->pre == NULL || token_type(t, id) == TOKEN_CONTROL ? id : TOKEN_NONE;
}

static bool read_special_ids(struct reader *r) {
    struct tokenizer *t = r->t;
    mark_known(t, ends, sizeof ends / sizeof *ends, TOKEN_ENDS);
    mark_known(t, structure, sizeof structure / sizeof *structure, 0);
    t->bos = usual_id(t, t->pre == NULL ? 1 : 11);
    t->eos = usual_id(t, t->pre == NULL ? 2 : 11);
    t->unknown = t->pre == NULL ? 0 : TOKEN_NONE;
    if (!read_id(r, "bos_token_id", &t->bos) || !read_id(r, "eos_token_id", &t->eos) ||
        !read_id(r, "unknown_token_id", &t->unknown)) {
        return false;
    }
    static const char *const stops[] = {"eot_token_id", "eom_token_id", "fim_pad_token_id",
                                        "fim_rep_token_id", "fim_sep_token_id"};
    if (t->eos != TOKEN_NONE) t->attributes[t->eos] |= TOKEN_ENDS;
    for (size_t i = 0; i < sizeof stops / sizeof *stops; i++) {
        int32_t id = TOKEN_NONE;
        if (!read_id(r, stops[i], &id)) return false;
        if (id != TOKEN_NONE) t->attributes[id] |= TOKEN_ENDS;
    }
    t->adds_bos = t->pre == NULL || t->pre->adds_bos;
    t->adds_space = t->pre == NULL;
    gguf_get_bool(r->file, KEY "add_bos_token", &t->adds_bos);
    gguf_get_bool(r->file, KEY "add_eos_token", &t->adds_eos);
    gguf_get_bool(r->file, KEY "add_space_prefix", &t->adds_space);
    t->adds_bos = t->adds_bos && t->bos != TOKEN_NONE;
    t->adds_eos = t->adds_eos && t->eos != TOKEN_NONE;
    return true;
}

static int by_bytes(const void *a, const void *b) {
    const struct special_text *x = a, *y = b;
    int order = memcmp(x->text, y->text, x->size < y->size ? x->size : y->size);
    if (order != 0) return order;
    return x->size < y->size ? -1 : x->size > y->size;
}

/* The tokens of the types in the bit set. */
static bool collect_special(struct reader *r, unsigned types, struct special_set *set) {
    const struct tokenizer *t = r->t;
    size_t n = 0;
    for (int pass = 0; pass < 2; pass++) { /* count, then fill */
        n = 0;
        for (int32_t id = 0; id < t->n_vocab; id++) {
            const struct gguf_string *s = &t->texts[id];
            if (!(types & 1u << token_type(t, id)) || s->size == 0) continue;
            if (pass == 1) {
                set->items[n] = (struct special_text){s->data, (uint32_t)s->size, id};
            }
            n++;
        }
        if (n == 0) return true;
        if (pass == 0) set->items = mem_new_array(n, sizeof *set->items);
        if (set->items == NULL) return out_of_memory(r, "the special tokens");
    }
    qsort(set->items, n, sizeof *set->items, by_bytes);
    for (size_t i = 0; i < n; i++)
        set->first[(unsigned char)set->items[i].text[0] + 1]++;
    for (int byte = 0; byte < 256; byte++)
        set->first[byte + 1] += set->first[byte];
    return true;
}

/* Files say nothing about white space that special tokens swallow; for Phi-3 it is known. */
static void mark_strips(struct tokenizer *t) {
    struct gguf_string name = {0};
    gguf_get_string(t->file, "general.name", &name);
    bool phi3 = false;
    for (uint64_t i = 0; i + 4 <= name.size && !phi3; i++) {
        bool phi = (name.data[i] | 0x20) == 'p' && (name.data[i + 1] | 0x20) == 'h' &&
                   (name.data[i + 2] | 0x20) == 'i';
        bool dash = name.data[i + 3] == '-';
        phi3 = phi && i + 4 + dash <= name.size && name.data[i + 3 + dash] == '3';
    }
    if (!phi3) return;
    for (int32_t id = 0; id < t->n_vocab; id++) {
        enum token_type type = token_type(t, id);
        if (type == TOKEN_CONTROL || type == TOKEN_USER_DEFINED || type == TOKEN_UNKNOWN) {
            t->attributes[id] |= TOKEN_RSTRIP;
        }
    }
    static const char *const plain[] = {"<unk>", "<s>", "<|endoftext|>"};
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
        int32_t id = vocab_find(t, plain[i], strlen(plain[i]), NULL, 0);
        if (id != TOKEN_NONE) t->attributes[id] &= (uint8_t)~TOKEN_RSTRIP;
    }
}

/* ---- the whole ---- */

static bool is_text(const struct gguf_string *s, const char *text) {
    return s->size == strlen(text) && memcmp(s->data, text, s->size) == 0;
}

static bool read_kind(struct reader *r) {
    struct gguf_string model = {0}, pre = {.data = "default", .size = 7};
    char names[600];
    if (!gguf_get_string(r->file, KEY "model", &model)) {
        return fail(r, "key \"" KEY "model\" is absent: the file has no vocabulary. Choose a model "
                       "file that brings its tokenizer");
    }
    if (is_text(&model, "llama")) return true;
    if (!is_text(&model, "gpt2")) {
        return fail(r,
                    "the tokenizer is of kind \"%.*s\", supported \"llama\" (SPM) and \"gpt2\" "
                    "(byte-level BPE). Choose another model",
                    shown(&model), model.data);
    }
    gguf_get_string(r->file, KEY "pre", &pre);
    r->t->pre = pre_find(pre.data, pre.size);
    if (r->t->pre != NULL) return true;
    pre_names(names, sizeof names);
    return fail(r, "key \"" KEY "pre\" is \"%.*s\", supported %s. Choose another model",
                shown(&pre), pre.data, names);
}

static bool read_vocabulary(struct reader *r) {
    struct tokenizer *t = r->t;
    if (!read_kind(r) || !read_texts(r) || !index_texts(r) || !read_types(r)) return false;
    if (t->pre != NULL) make_byte_texts(t);
    find_byte_ids(t);
    if (t->pre != NULL ? !read_merges(r) : !read_scores(r)) return false;
    if (!read_special_ids(r)) return false;
    mark_strips(t);
    const unsigned user = 1u << TOKEN_USER_DEFINED;
    return collect_special(r, user | 1u << TOKEN_CONTROL | 1u << TOKEN_UNKNOWN, &t->special) &&
           collect_special(r, user, &t->user_defined);
}

struct tokenizer *tokenizer_new(const struct gguf *file, struct err *err) {
    struct reader r = {.t = mem_new(sizeof *r.t), .file = file, .err = err};
    if (r.t == NULL) {
        out_of_memory(&r, "the tokenizer");
        return NULL;
    }
    r.t->file = file;
    if (read_vocabulary(&r)) return r.t;
    tokenizer_free(r.t);
    return NULL;
}

void tokenizer_free(struct tokenizer *t) {
    if (t == NULL) return;
    mem_free(t->attributes);
    mem_free(t->order);
    mem_free(t->by_text);
    mem_free(t->merges);
    mem_free(t->special.items);
    mem_free(t->user_defined.items);
    mem_free(t);
}
