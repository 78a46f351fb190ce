/* tokenizer.c - what a vocabulary says of itself, encoding as a whole, and tokens back to bytes. */
#include "engine/tokenizer_private.h"

#include "base/alloc.h"

#include <string.h>

enum { MAX_TEXT = 64 << 20 }; /* bytes of one text to encode: places in it fit 31 bits with ease */

int32_t tokenizer_n_vocab(const struct tokenizer *t) {
    return t->n_vocab;
}

int32_t tokenizer_bos(const struct tokenizer *t) {
    return t->bos;
}

int32_t tokenizer_eos(const struct tokenizer *t) {
    return t->eos;
}

bool tokenizer_is_end(const struct tokenizer *t, int32_t token) {
    return token >= 0 && token < t->n_vocab && (t->attributes[token] & TOKEN_ENDS) != 0;
}

bool tokenizer_adds_bos(const struct tokenizer *t) {
    return t->adds_bos;
}

const char *tokenizer_kind(const struct tokenizer *t) {
    return t->pre != NULL ? "bpe" : "spm";
}

const char *tokenizer_pre(const struct tokenizer *t) {
    return t->pre != NULL ? t->pre->name : "default";
}

/* ---- text to ids ---- */

static bool encode(struct encoder *e, const char *text, size_t size,
                   const struct tokenize_options *options) {
    const struct tokenizer *t = e->t;
    struct special_match *matches;
    size_t n;
    if (options->add_bos && t->adds_bos && !token_list_add(&e->out, t->bos)) return false;
    if (!special_find(t, text, size, options->parse_special, &matches, &n)) return false;
    size_t at = 0;
    bool good = true;
    for (size_t i = 0; good && i < n; i++) {
        good = encode_text(e, text + at, matches[i].from - at) &&
               token_list_add(&e->out, matches[i].id);
        at = matches[i].to;
    }
    mem_free(matches);
    if (!good || !encode_text(e, text + at, size - at)) return false;
    return !options->add_bos || !t->adds_eos || token_list_add(&e->out, t->eos);
}

int32_t *tokenizer_encode(const struct tokenizer *t, const char *text, size_t size,
                          const struct tokenize_options *options, size_t *n, struct err *err) {
    *n = 0;
    if (size > MAX_TEXT) {
        err_set(err, ERR_INPUT,
                "tokenizer: the text has %zu bytes, allowed up to %d. Encode it in parts", size,
                MAX_TEXT);
        return NULL;
    }
    struct encoder e = {.t = t};
    bool good = encode(&e, text, size, options);
    encoder_free(&e);
    if (good && e.out.ids == NULL) e.out.ids = mem_alloc(sizeof *e.out.ids);
    if (good && e.out.ids != NULL) {
        *n = e.out.n;
        return e.out.ids;
    }
    mem_free(e.out.ids);
    err_set(err, ERR_ENVIRONMENT, "tokenizer: not enough memory to encode a text of %zu bytes",
            size);
    return NULL;
}

/* ---- ids to bytes ---- */

struct output {
    char *out;
    size_t cap, size; /* size counts what did not fit, too */
};

static void put_byte(struct output *o, char byte) {
    if (o->size < o->cap) o->out[o->size] = byte;
    o->size++;
}

static void put_bytes(struct output *o, const char *bytes, size_t n) {
    if (o->size < o->cap)
        memcpy(o->out + o->size, bytes, n < o->cap - o->size ? n : o->cap - o->size);
    o->size += n;
}

/* U+2581 is a blank. */
static void put_spm(struct output *o, const struct gguf_string *s) {
    for (size_t i = 0; i < s->size;) {
        if (s->size - i >= 3 && memcmp(s->data + i, "\xe2\x96\x81", 3) == 0) {
            put_byte(o, ' ');
            i += 3;
        } else {
            put_byte(o, s->data[i++]);
        }
    }
}

/* The byte that a character of the byte-level alphabet stands for, or -1. */
static int byte_of(int32_t c) {
    if ((c >= '!' && c <= '~') || (c >= 0xa1 && c <= 0xff && c != 0xad)) return c;
    if (c < 0x100 || c > 0x143) return -1;
    c -= 0x100; /* 33 control characters and the blank, 34 from DEL to NBSP, the soft hyphen */
    return c <= 32 ? c : c <= 66 ? c - 33 + 0x7f : 0xad;
}

/* Characters outside the alphabet, as some added tokens have, stay themselves. */
static void put_bpe(struct output *o, const struct gguf_string *s) {
    for (size_t i = 0, size; i < s->size; i += size) {
        int byte = byte_of(utf8_next(s->data + i, s->size - i, &size));
        if (byte >= 0) {
            put_byte(o, (char)byte);
        } else {
            put_bytes(o, s->data + i, size);
        }
    }
}

static char spm_byte(const struct gguf_string *s) { /* "<0x0A>", checked at creation */
    int high = s->data[3], low = s->data[4];
    high = high <= '9' ? high - '0' : (high | 0x20) - 'a' + 10;
    low = low <= '9' ? low - '0' : (low | 0x20) - 'a' + 10;
    return (char)(high * 16 + low);
}

size_t tokenizer_piece(const struct tokenizer *t, int32_t token, bool special, char *out,
                       size_t cap) {
    if (token < 0 || token >= t->n_vocab) return 0;
    const struct gguf_string *s = &t->texts[token];
    struct output o = {out, cap, 0};
    switch (token_type(t, token)) {
    case TOKEN_UNKNOWN:
    case TOKEN_CONTROL:
        if (special) put_bytes(&o, s->data, s->size);
        break;
    case TOKEN_USER_DEFINED:
        put_bytes(&o, s->data, s->size);
        break;
    case TOKEN_NORMAL:
        if (t->pre != NULL) {
            put_bpe(&o, s);
        } else {
            put_spm(&o, s);
        }
        break;
    case TOKEN_BYTE:
        if (t->pre == NULL) put_byte(&o, spm_byte(s));
        break;
    default: /* unused, undefined: no text */
        break;
    }
    return o.size;
}
