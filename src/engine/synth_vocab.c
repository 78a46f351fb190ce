/* synth_vocab.c - vocabularies of made-up words that encode and decode any text.
 *
 * Both kinds end as: control tokens, one token for every byte, then words in a fixed order:
 * letters behind a blank, pairs, pairs behind a blank, triples, ..., fours, as many as fit.
 * English comes out at about half a token a letter, as from a weak real vocabulary. */
#include "engine/synth.h"

#include <stdio.h>
#include <string.h>

enum { LETTERS = 26, MOST_LETTERS = 5, TEXT_SIZE = 16 };

struct word {
    bool blank; /* starts with the mark of a blank */
    int n_letters;
    char letters[MOST_LETTERS + 1];
};

/* Word i of the fixed order. */
static struct word word_at(uint64_t i) {
    struct word w = {.blank = true, .n_letters = 1};
    uint64_t here = LETTERS;
    while (i >= here) { /* on to the next group: 1b 2 2b 3 3b 4 4b 5 ... */
        i -= here;
        if (w.blank) {
            w.n_letters++;
            here *= LETTERS;
        }
        w.blank = !w.blank;
    }
    for (int at = w.n_letters - 1; at >= 0; at--, i /= LETTERS) {
        w.letters[at] = (char)('a' + i % LETTERS);
    }
    return w;
}

/* ---- SPM: unknown, begin, end, 256 bytes, blank, printable ASCII, words ---- */

#define SPM_BLANK "\xe2\x96\x81"
enum { SPM_CONTROL = 3, SPM_BYTES_END = SPM_CONTROL + 256, SPM_WORDS = SPM_BYTES_END + 1 + 94 };

static size_t spm_text(uint64_t id, char out[TEXT_SIZE]) {
    static const char *const control[SPM_CONTROL] = {"<unk>", "<s>", "</s>"};
    int size;
    if (id < SPM_CONTROL) {
        size = snprintf(out, TEXT_SIZE, "%s", control[id]);
    } else if (id < SPM_BYTES_END) {
        size = snprintf(out, TEXT_SIZE, "<0x%02X>", (unsigned)(id - SPM_CONTROL));
    } else if (id == SPM_BYTES_END) {
        size = snprintf(out, TEXT_SIZE, SPM_BLANK);
    } else if (id < SPM_WORDS) {
        size = snprintf(out, TEXT_SIZE, "%c", (int)('!' + (id - SPM_BYTES_END - 1)));
    } else {
        struct word w = word_at(id - SPM_WORDS);
        size = snprintf(out, TEXT_SIZE, "%s%s", w.blank ? SPM_BLANK : "", w.letters);
    }
    return (size_t)size;
}

static int spm_vocabulary(struct synth_out *out, uint64_t n) {
    enum { UNKNOWN = 2, CONTROL = 3, BYTE = 6, NORMAL = 1 };
    char text[TEXT_SIZE];
    synth_key_text(out, "tokenizer.ggml.model", "llama");
    synth_key_array(out, "tokenizer.ggml.tokens", GGUF_STRING, n);
    for (uint64_t i = 0; i < n; i++)
        synth_put_text(out, text, spm_text(i, text));
    synth_key_array(out, "tokenizer.ggml.scores", GGUF_F32, n);
    for (uint64_t i = 0; i < n; i++) { /* earlier words merge first */
        float score = i < SPM_BYTES_END ? 0.0f : -(float)(i - SPM_BYTES_END);
        synth_put(out, &score, sizeof score);
    }
    synth_key_array(out, "tokenizer.ggml.token_type", GGUF_I32, n);
    for (uint64_t i = 0; i < n; i++) {
        synth_put_u32(out, i == 0              ? UNKNOWN
                           : i < SPM_CONTROL   ? CONTROL
                           : i < SPM_BYTES_END ? BYTE
                                               : NORMAL);
    }
    synth_key_u32(out, "tokenizer.ggml.bos_token_id", 1);
    synth_key_u32(out, "tokenizer.ggml.eos_token_id", 2);
    synth_key_u32(out, "tokenizer.ggml.unknown_token_id", 0);
    synth_key_bool(out, "tokenizer.ggml.add_bos_token", true);
    return 8;
}

/* ---- byte-level BPE: 256 bytes, words, begin and end of text ---- */

#define BPE_BLANK "\xc4\xa0"
enum { BPE_CONTROL = 2 };

/* The character that stands for a byte: itself where it prints, else 256 and up in order. */
static unsigned byte_character(unsigned byte) {
    unsigned hidden = 0;
    for (unsigned b = 0; b <= byte; b++) {
        bool prints = (b >= '!' && b <= '~') || (b >= 0xa1 && b != 0xad);
        if (b == byte && prints) return byte;
        hidden += !prints;
    }
    return 255 + hidden;
}

static size_t bpe_text(uint64_t id, uint64_t n, char out[TEXT_SIZE * 2]) {
    if (id < 256) {
        unsigned c = byte_character((unsigned)id);
        if (c < 0x80) {
            out[0] = (char)c;
            return 1;
        }
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 63));
        return 2;
    }
    if (id >= n - BPE_CONTROL) {
        const char *text = id == n - 2 ? "<|begin_of_text|>" : "<|end_of_text|>";
        return (size_t)snprintf(out, TEXT_SIZE * 2, "%s", text);
    }
    struct word w = word_at(id - 256);
    return (size_t)snprintf(out, TEXT_SIZE * 2, "%s%s", w.blank ? BPE_BLANK : "", w.letters);
}

/* A word as the two tokens it is merged from: halves whose own merges rank before it. */
static size_t merge_text(uint64_t i, char out[TEXT_SIZE * 2]) {
    struct word w = word_at(i);
    int left = w.blank ? w.n_letters / 2 : (w.n_letters + 1) / 2;
    return (size_t)snprintf(out, TEXT_SIZE * 2, "%s%.*s %s", w.blank ? BPE_BLANK : "", left,
                            w.letters, w.letters + left);
}

static int bpe_vocabulary(struct synth_out *out, const struct synth_shape *shape) {
    enum { NORMAL = 1, CONTROL = 3 };
    const uint64_t n = (uint64_t)shape->n_vocab, n_words = n - 256 - BPE_CONTROL;
    char text[TEXT_SIZE * 2];
    synth_key_text(out, "tokenizer.ggml.model", "gpt2");
    synth_key_text(out, "tokenizer.ggml.pre", shape->pre);
    synth_key_array(out, "tokenizer.ggml.tokens", GGUF_STRING, n);
    for (uint64_t i = 0; i < n; i++)
        synth_put_text(out, text, bpe_text(i, n, text));
    synth_key_array(out, "tokenizer.ggml.token_type", GGUF_I32, n);
    for (uint64_t i = 0; i < n; i++)
        synth_put_u32(out, i < n - BPE_CONTROL ? NORMAL : CONTROL);
    synth_key_array(out, "tokenizer.ggml.merges", GGUF_STRING, n_words);
    for (uint64_t i = 0; i < n_words; i++)
        synth_put_text(out, text, merge_text(i, text));
    synth_key_u32(out, "tokenizer.ggml.bos_token_id", (uint32_t)(n - 2));
    synth_key_u32(out, "tokenizer.ggml.eos_token_id", (uint32_t)(n - 1));
    synth_key_bool(out, "tokenizer.ggml.add_bos_token", shape->adds_bos);
    return 8;
}

int synth_vocabulary(struct synth_out *out, const struct synth_shape *shape) {
    return shape->pre != NULL ? bpe_vocabulary(out, shape)
                              : spm_vocabulary(out, (uint64_t)shape->n_vocab);
}
