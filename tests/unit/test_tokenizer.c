/* test_tokenizer.c - merging, special tokens, ends, pieces and their joining, on vocabularies small
 * enough to follow by hand. */
#include "support/check.h"
#include "support/vocab_file.h"

#include "base/alloc.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

struct loaded {
    struct vocab_file bytes;
    struct gguf *file;
    struct tokenizer *t;
};

static void load(struct loaded *l) {
    struct err err = {0};
    l->file = vocab_open(&l->bytes, &err);
    l->t = l->file != NULL ? tokenizer_new(l->file, &err) : NULL;
    if (l->t == NULL) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
}

static void unload(struct loaded *l) {
    tokenizer_free(l->t);
    gguf_close(l->file);
    free(l->bytes.data);
}

/* The ids of text as "1 2 3". */
static const char *ids_of(const struct tokenizer *t, const char *text, bool bos, bool special) {
    static char out[4096];
    struct tokenize_options options = {bos, special};
    struct err err;
    size_t n, used = 0;
    int32_t *ids = tokenizer_encode(t, text, strlen(text), &options, &n, &err);
    CHECK(ids != NULL);
    out[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        used += (size_t)snprintf(out + used, sizeof out - used, "%s%d", i ? " " : "", ids[i]);
    }
    mem_free(ids);
    return out;
}

static const char *piece_of(const struct tokenizer *t, int32_t id, bool special) {
    static char out[64];
    size_t size = tokenizer_piece(t, id, special, out, sizeof out - 1);
    out[size] = '\0';
    CHECK_INT(tokenizer_piece(t, id, special, NULL, 0), size);
    return out;
}

/* ---- SPM ---- */

enum { W = 259 }; /* the first word of vocab_spm */
#define B "\u2581"

static void test_spm_merges_by_score(void) {
    /* the score falls with the place: "ab" merges before "bc" */
    static const char *const words[] = {"ab", "bc", "abc", B, "a", "b", "c", B "abc"};
    struct loaded l;
    vocab_spm(&l.bytes, words, NULL, COUNT(words));
    load(&l);
    CHECK_STR(tokenizer_kind(l.t), "spm");
    CHECK_STR(tokenizer_pre(l.t), "default");
    CHECK_INT(tokenizer_n_vocab(l.t), W + 8);
    CHECK_STR(ids_of(l.t, "abc", false, false), "266"); /* a blank in front by default */
    CHECK_STR(ids_of(l.t, "abc", true, false), "1 266");
    CHECK_STR(ids_of(l.t, "bc", false, false), "262 260");
    CHECK_STR(ids_of(l.t, "abbc", false, false), "262 259 260");
    CHECK_STR(ids_of(l.t, "", false, false), "");
    CHECK_STR(ids_of(l.t, "", true, false), "1");
    CHECK_STR(ids_of(l.t, "z", false, false), "262 125"); /* a byte: 3 + 'z' */
    CHECK_STR(ids_of(l.t, "\u00e9", false, false), "262 198 172");
    CHECK_STR(ids_of(l.t, "a  a", false, false), "262 263 262 262 263");
    CHECK_STR(ids_of(l.t, "<s>", false, true), "1");
    CHECK_STR(piece_of(l.t, W + 7, false), " abc");
    CHECK_STR(piece_of(l.t, 3 + 'z', false), "z");
    CHECK_STR(piece_of(l.t, 1, false), "");
    CHECK_STR(piece_of(l.t, 1, true), "<s>");
    CHECK_STR(piece_of(l.t, -1, true), "");
    CHECK_STR(piece_of(l.t, W + 8, true), "");
    unload(&l);
}

static void test_spm_equal_scores_from_the_left(void) {
    static const char *const words[] = {"aa", "a", B};
    struct loaded l;
    vocab_spm(&l.bytes, words, NULL, COUNT(words));
    vocab_key_bool(&l.bytes, "add_space_prefix", 0);
    vocab_key_bool(&l.bytes, "add_bos_token", 0);
    load(&l);
    CHECK_STR(ids_of(l.t, "aaa", false, false), "259 260");
    CHECK_STR(ids_of(l.t, "aaaaa", true, false), "259 259 260"); /* the file adds no BOS */
    CHECK(!tokenizer_adds_bos(l.t));
    unload(&l);
}

static void test_spm_without_bytes(void) {
    static const char *const texts[] = {"<unk>", "a", B};
    static const float scores[] = {0, 0, 0};
    static const int32_t types[] = {2, 1, 1};
    struct loaded l;
    vocab_begin(&l.bytes);
    vocab_key_text(&l.bytes, "model", "llama");
    vocab_key_texts(&l.bytes, "tokens", texts, 3);
    vocab_key_f32s(&l.bytes, "scores", scores, 3);
    vocab_key_i32s(&l.bytes, "token_type", types, 3);
    load(&l);
    CHECK_STR(ids_of(l.t, "aza", false, false), "2 1 0 1");
    unload(&l);
}

/* ---- byte-level BPE ---- */

static const char *const merges[] = {"h e", "l l", "he ll", "hell o", "\u0120 hello", "1 2"};
enum { M = 256, X = M + COUNT(merges) }; /* the first merge, the first extra token */

static void load_bpe(struct loaded *l, const char *pre, const char *const *extra,
                     const int32_t *types, size_t n) {
    vocab_bpe(&l->bytes, pre, merges, COUNT(merges), extra, types, n);
    load(l);
}

static void test_bpe_merges_by_rank(void) {
    struct loaded l;
    load_bpe(&l, "gpt-2", NULL, NULL, 0);
    CHECK_STR(tokenizer_kind(l.t), "bpe");
    CHECK_STR(tokenizer_pre(l.t), "gpt-2");
    CHECK_STR(ids_of(l.t, "hello hello", false, false), "259 260");
    CHECK_STR(ids_of(l.t, "hell", true, false), "258"); /* no BOS: gpt-2 adds none */
    CHECK_STR(ids_of(l.t, "12", false, false), "261");
    CHECK_STR(piece_of(l.t, M + 4, false), " hello");
    CHECK_STR(piece_of(l.t, '\n', false), "\n");
    unload(&l);
    load_bpe(&l, "refact", NULL, NULL, 0);
    CHECK_STR(ids_of(l.t, "12", false, false), "49 50"); /* digits apart */
    unload(&l);
    load_bpe(&l, NULL, NULL, NULL, 0);
    CHECK_STR(tokenizer_pre(l.t), "default");
    unload(&l);
}

static void test_ignore_merges(void) {
    static const char *const extra[] = {"xyz", "<|begin|>"};
    static const int32_t types[] = {1, 3};
    struct loaded l;
    vocab_bpe(&l.bytes, "llama-bpe", merges, COUNT(merges), extra, types, 2);
    vocab_key_u32(&l.bytes, "bos_token_id", X + 1);
    load(&l);
    CHECK_STR(ids_of(l.t, "xyz", false, false), "262"); /* no merge makes it */
    CHECK_STR(ids_of(l.t, "xyzz", false, false), "120 121 122 122");
    CHECK(tokenizer_adds_bos(l.t));
    CHECK_STR(ids_of(l.t, "12", true, false), "263 261");
    unload(&l);
    load_bpe(&l, "qwen2", extra, types, 2);
    CHECK_STR(ids_of(l.t, "xyz", false, false), "120 121 122");
    unload(&l);
}

static void test_missing_bytes_are_left_out(void) {
    static const char *const texts[] = {"a", "b"};
    struct loaded l;
    vocab_begin(&l.bytes);
    vocab_key_text(&l.bytes, "model", "gpt2");
    vocab_key_text(&l.bytes, "pre", "gpt-2");
    vocab_key_texts(&l.bytes, "tokens", texts, 2);
    vocab_key_texts(&l.bytes, "merges", texts, 0);
    load(&l);
    CHECK_STR(ids_of(l.t, "azb", false, false), "0 1");
    CHECK_INT(tokenizer_bos(l.t), TOKEN_NONE);
    CHECK_INT(tokenizer_eos(l.t), TOKEN_NONE);
    unload(&l);
}

/* ---- special tokens ---- */

static void test_special_tokens(void) {
    static const char *const extra[] = {"<|im_start|>", "<|im_end|>", "<|x|>", "<|x|><|y|>",
                                        "  ",           "   ",        "|><"};
    static const int32_t types[] = {3, 3, 3, 3, 4, 4, 3};
    struct loaded l;
    load_bpe(&l, "gpt-2", extra, types, COUNT(extra));
    CHECK_STR(ids_of(l.t, "<|im_start|>hello<|im_end|>", false, true), "262 259 263");
    CHECK_STR(ids_of(l.t, "<|x|>", false, false), "60 124 120 124 62");
    CHECK_STR(ids_of(l.t, "<|x|><|y|>", false, true), "265"); /* the longer one wins */
    CHECK_STR(ids_of(l.t, "<|x|><|z|>", false, true), "264 60 124 122 124 62");
    /* user-defined ones count always, longest first, then from the left */
    CHECK_STR(ids_of(l.t, "a   b", false, false), "97 267 98");
    CHECK_STR(ids_of(l.t, "a     b", false, false), "97 267 266 98");
    CHECK_STR(ids_of(l.t, "a       b", false, true), "97 267 267 32 98");
    /* an overlap: "<|x|>" is longer than "|><", which is longer than nothing */
    CHECK_STR(ids_of(l.t, "<|x|><", false, true), "264 60");
    CHECK_STR(ids_of(l.t, "x|><", false, true), "120 268");
    CHECK_STR(piece_of(l.t, X + 4, false), "  ");
    CHECK_STR(piece_of(l.t, X, false), "");
    CHECK_STR(piece_of(l.t, X, true), "<|im_start|>");
    CHECK(tokenizer_is_end(l.t, X + 1));
    CHECK(!tokenizer_is_end(l.t, X));
    unload(&l);
}

static void test_longest_special_wins_over_the_first(void) {
    static const char *const extra[] = {"ab", "bcd", "abcde"};
    static const int32_t types[] = {4, 4, 4};
    struct loaded l;
    load_bpe(&l, "gpt-2", extra, types, COUNT(extra));
    CHECK_STR(ids_of(l.t, "abcd", false, false), "97 263");
    CHECK_STR(ids_of(l.t, "abcde", false, false), "264");
    CHECK_STR(ids_of(l.t, "abab", false, false), "262 262");
    unload(&l);
}

static void test_shorter_match_where_the_longer_does_not_fit(void) {
    static const char *const extra[] = {"xy", "xyzz", "zz123"};
    static const int32_t types[] = {4, 4, 4};
    struct loaded l;
    load_bpe(&l, "gpt-2", extra, types, COUNT(extra));
    CHECK_STR(ids_of(l.t, "xyzz123", false, false), "262 264");
    unload(&l);
}

static void test_spm_blank_behind_special(void) {
    static const char *const words[] = {B "a", "a", B, "<|end|>"};
    static const int32_t types[] = {1, 1, 1, 3};
    struct loaded l;
    vocab_spm(&l.bytes, words, types, COUNT(words));
    load(&l);
    CHECK_STR(ids_of(l.t, "a<|end|>a", true, true), "1 259 262 259");
    unload(&l);
    vocab_spm(&l.bytes, words, types, COUNT(words));
    vocab_key_text(&l.bytes, "general.name", "My Phi-3 mini"); /* its specials swallow blanks */
    load(&l);
    CHECK_STR(ids_of(l.t, "a<|end|> \n a", false, true), "259 262 259");
    CHECK_STR(ids_of(l.t, "<s> a", false, true), "1 261 259"); /* but this one does not */
    unload(&l);
}

static void test_ends(void) {
    static const char *const extra[] = {"<|eot_id|>", "<end_of_turn>", "<|endoftext|>", "stop",
                                        "more",       "<|eom_id|>",    "<|fim_prefix|>"};
    static const int32_t types[] = {1, 4, 3, 3, 3, 3, 4};
    struct loaded l;
    vocab_bpe(&l.bytes, "qwen2", merges, COUNT(merges), extra, types, COUNT(extra));
    vocab_key_u32(&l.bytes, "eos_token_id", X + 3);
    vocab_key_u32(&l.bytes, "eot_token_id", X + 4);
    vocab_key_bool(&l.bytes, "add_eos_token", 1);
    load(&l);
    for (int32_t i = 0; i < 6; i++)
        CHECK(tokenizer_is_end(l.t, X + i));
    CHECK(!tokenizer_is_end(l.t, X + 6));
    CHECK(!tokenizer_is_end(l.t, 0));
    CHECK(!tokenizer_is_end(l.t, -1));
    CHECK(!tokenizer_is_end(l.t, X + 7));
    CHECK_INT(tokenizer_eos(l.t), X + 3);
    CHECK_STR(piece_of(l.t, X, false), ""); /* control by its text, whatever the file says */
    CHECK_STR(piece_of(l.t, X + 6, false), "");
    CHECK_STR(ids_of(l.t, "12", true, false), "49 50 265"); /* EOS behind, as the file asks */
    CHECK_STR(ids_of(l.t, "12", false, false), "49 50");
    unload(&l);
}

/* ---- bytes survive ---- */

static void check_round_trip(const struct tokenizer *t, const char *text, size_t size,
                             size_t skip) {
    struct tokenize_options options = {false, false};
    struct err err;
    size_t n, used = 0;
    int32_t *ids = tokenizer_encode(t, text, size, &options, &n, &err);
    CHECK(ids != NULL);
    char *back = malloc(size + 64);
    for (size_t i = 0; i < n; i++) {
        used += tokenizer_piece(t, ids[i], false, back + used, size + 64 - used);
    }
    CHECK_INT(used, size + skip);
    CHECK(used == size + skip && memcmp(back + skip, text, size) == 0);
    free(back);
    mem_free(ids);
}

static void test_any_bytes_round_trip(void) {
    static const char *const names[] = {
        "gpt-2",  "llama-bpe",    "qwen2",          "refact",      "default",
        "tekken", "deepseek-llm", "deepseek-coder", "deepseek-v3", "falcon"};
    static const char *const words[] = {B, "a", "b", "ab", B "a"};
    uint32_t state = 7;
    for (size_t k = 0; k <= COUNT(names); k++) {
        struct loaded l;
        int spm = k == COUNT(names);
        if (spm) {
            vocab_spm(&l.bytes, words, NULL, COUNT(words));
            load(&l);
        } else {
            load_bpe(&l, names[k], NULL, NULL, 0);
        }
        for (int round = 0; round < 100; round++) {
            char text[300];
            size_t size = (size_t)round * 3;
            for (size_t i = 0; i < size; i++) {
                state = state * 1664525 + 1013904223;
                text[i] = (char)(state >> 24);
            }
            /* U+2581 itself comes back as a blank: keep its first byte out */
            for (size_t i = 0; spm && i < size; i++) {
                if (text[i] == '\xe2') text[i] = 'a';
            }
            check_round_trip(l.t, text, size, spm && size > 0);
        }
        static const char cut[] = "caf\u00e9 \U0001f600";
        for (size_t size = 0; size < sizeof cut; size++) {
            check_round_trip(l.t, cut, size, spm && size > 0);
        }
        unload(&l);
    }
}

static void test_long_texts(void) {
    static const char *const extra[] = {"  ", "    ", "        ", "<|x|>"};
    static const int32_t types[] = {4, 4, 4, 3};
    struct loaded l;
    load_bpe(&l, "gpt-2", extra, types, COUNT(extra));
    const size_t size = 300000;
    char *text = malloc(size);
    memset(text, 'l', size); /* one word: every pair merges, most of them twice looked at */
    check_round_trip(l.t, text, size, 0);
    memset(text, ' ', size); /* a special token begins at every place */
    check_round_trip(l.t, text, size, 0);
    unload(&l);
    static const char *const words[] = {B, "l", "ll", "llll", "llllllll"};
    vocab_spm(&l.bytes, words, NULL, COUNT(words));
    load(&l);
    memset(text, 'l', size);
    check_round_trip(l.t, text, size, 1);
    struct tokenize_options options = {false, false};
    struct err err = {0};
    size_t n;
    CHECK(tokenizer_encode(l.t, text, (64u << 20) + 1, &options, &n, &err) == NULL);
    CHECK_INT(err.code, ERR_INPUT);
    CHECK_CONTAINS(err.message, "allowed up to 67108864");
    unload(&l);
    free(text);
}

/* ---- joining pieces ---- */

/* Joins the bytes cut into pieces of `step`. */
static const char *joined(const char *bytes, size_t step) {
    static char out[1024];
    struct utf8_join join = {.n_pending = 0};
    size_t size = strlen(bytes), used = 0;
    for (size_t at = 0; at < size; at += step) {
        size_t n = size - at < step ? size - at : step;
        used += utf8_join_push(&join, bytes + at, n, out + used, sizeof out - used);
    }
    used += utf8_join_finish(&join, out + used, sizeof out - used);
    out[used] = '\0';
    return out;
}

static void test_join(void) {
    static const struct {
        const char *bytes, *expected;
    } cases[] = {
        {"plain", "plain"},
        {"caf\u00e9 \u4f60 \U0001f600", "caf\u00e9 \u4f60 \U0001f600"},
        {"\xff", "\ufffd"},
        {"a\x80z", "a\ufffdz"},
        {"\xc3", "\ufffd"},
        {"\xc3(", "\ufffd("},
        {"\xe2\x82", "\ufffd"}, /* a cut character is one replacement */
        {"\xe2\x82(", "\ufffd("},
        {"\xe2(\x82", "\ufffd(\ufffd"},
        {"\xf0\x9f\x98", "\ufffd"},
        {"\xf0\x9f\x98\xf0\x9f\x98\x80", "\ufffd\U0001f600"},
        {"\xc0\xaf", "\ufffd\ufffd"}, /* too long a form */
        {"\xe0\x80\xaf", "\ufffd\ufffd\ufffd"},
        {"\xed\xa0\x80", "\ufffd\ufffd\ufffd"}, /* a surrogate */
        {"\xf4\x90\x80\x80", "\ufffd\ufffd\ufffd\ufffd"},
        {"\xf5\x80", "\ufffd\ufffd"},
        {"\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (size_t step = 1; step < 6; step++)
            CHECK_STR(joined(cases[i].bytes, step), cases[i].expected);
    }
    struct utf8_join join = {.n_pending = 0};
    char out[64];
    CHECK_INT(utf8_join_push(&join, "\xe4\xbd", 2, out, sizeof out), 0); /* waits */
    CHECK_INT(utf8_join_push(&join, "", 0, out, sizeof out), 0);
    CHECK_INT(utf8_join_push(&join, "\xa0!", 2, out, sizeof out), 4);
    CHECK_INT(utf8_join_finish(&join, out, sizeof out), 0);
}

int main(void) {
    test_spm_merges_by_score();
    test_spm_equal_scores_from_the_left();
    test_spm_without_bytes();
    test_bpe_merges_by_rank();
    test_ignore_merges();
    test_missing_bytes_are_left_out();
    test_special_tokens();
    test_longest_special_wins_over_the_first();
    test_shorter_match_where_the_longer_does_not_fit();
    test_spm_blank_behind_special();
    test_ends();
    test_any_bytes_round_trip();
    test_long_texts();
    test_join();
    return check_done();
}
