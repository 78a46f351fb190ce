/* test_tokenizer_vocab.c - damaged vocabularies are refused with a message that says what is wrong.
 */
#include "support/check.h"
#include "support/vocab_file.h"

#include "base/alloc.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* Frees f. Returns whether a tokenizer was made; else err says why. */
static int accepted(struct vocab_file *f, struct err *err) {
    *err = (struct err){0};
    int64_t live = mem_live_bytes();
    struct gguf *file = vocab_open(f, err);
    struct tokenizer *t = NULL;
    if (file == NULL) {
        fprintf(stderr, "the file itself is refused: %s\n", err->message);
        CHECK(file != NULL);
    } else {
        t = tokenizer_new(file, err);
    }
    int made = t != NULL;
    tokenizer_free(t);
    gguf_close(file);
    free(f->data);
    CHECK_INT(mem_live_bytes(), live);
    return made;
}

static void check_refused(int line, struct vocab_file *f, const char *part) {
    struct err err;
    int made = accepted(f, &err);
    if (made || err.code != ERR_INPUT || strstr(err.message, part) == NULL) {
        fprintf(stderr, "line %d: %s\n", line, made ? "accepted" : err.message);
    }
    CHECK(!made);
    CHECK_INT(err.code, ERR_INPUT);
    CHECK_CONTAINS(err.message, part);
    CHECK_CONTAINS(err.message, "vocabulary"); /* the file's name */
}
#define REFUSED(f, part) check_refused(__LINE__, f, part)
#define ACCEPTED(f)                                                                                \
    do {                                                                                           \
        struct err err_;                                                                           \
        int made_ = accepted(f, &err_);                                                            \
        if (!made_) fprintf(stderr, "line %d: %s\n", __LINE__, err_.message);                      \
        CHECK(made_);                                                                              \
    } while (0)

static const char *const abc[] = {"a", "b", "ab"};
static const float scores[] = {0, -1, -2};
static const int32_t normal[] = {1, 1, 1};

static void begin(struct vocab_file *f, const char *model) {
    vocab_begin(f);
    vocab_key_text(f, "model", model);
}

static void test_kinds(void) {
    struct vocab_file f;
    vocab_begin(&f);
    vocab_key_texts(&f, "tokens", abc, 3);
    REFUSED(&f, "\"tokenizer.ggml.model\" is absent");
    begin(&f, "bert");
    REFUSED(&f, "of kind \"bert\", supported \"llama\"");
    begin(&f, "gpt2");
    vocab_key_text(&f, "pre", "gpt-3");
    vocab_key_texts(&f, "tokens", abc, 3);
    REFUSED(&f, "is \"gpt-3\", supported default, gpt-2, llama-bpe");
}

static void test_tokens(void) {
    struct vocab_file f;
    begin(&f, "llama");
    REFUSED(&f, "\"tokenizer.ggml.tokens\" is absent");
    begin(&f, "llama");
    vocab_key_texts(&f, "tokens", abc, 0);
    REFUSED(&f, "\"tokenizer.ggml.tokens\" is empty");
    begin(&f, "llama");
    vocab_key_i32s(&f, "tokens", normal, 3);
    REFUSED(&f, "expected an array of strings");
    begin(&f, "llama");
    vocab_key_text(&f, "tokens", "a");
    REFUSED(&f, "expected an array of strings");
    static const char *const twice[] = {"a", "b", "a"};
    begin(&f, "llama");
    vocab_key_texts(&f, "tokens", twice, 3);
    vocab_key_f32s(&f, "scores", scores, 3);
    REFUSED(&f, "tokens 0 and 2 are both \"a\"");
    static const char *const broken[] = {"a", "\xc3", "b"};
    begin(&f, "llama");
    vocab_key_texts(&f, "tokens", broken, 3);
    vocab_key_f32s(&f, "scores", scores, 3);
    REFUSED(&f, "token 1 is not valid UTF-8");
    begin(&f, "llama");
    vocab_array(&f, "tokens", GGUF_STRING, 1);
    char *huge = calloc(1, 70000);
    vocab_text(&f, huge, 70000);
    free(huge);
    REFUSED(&f, "token 0 has 70000 bytes of text, allowed up to 65536");
    begin(&f, "llama");
    vocab_array(&f, "tokens", GGUF_STRING, (1 << 20) + 1);
    for (int i = 0; i <= 1 << 20; i++)
        vocab_u64(&f, 0);
    REFUSED(&f, "has 1048577 entries, allowed 1 to 1048576");
}

static void test_scores_and_types(void) {
    struct vocab_file f;
    begin(&f, "llama");
    vocab_key_texts(&f, "tokens", abc, 3);
    REFUSED(&f, "\"tokenizer.ggml.scores\" is absent");
    begin(&f, "llama");
    vocab_key_texts(&f, "tokens", abc, 3);
    vocab_key_f32s(&f, "scores", scores, 2);
    REFUSED(&f, "has 2 entries, the vocabulary 3 tokens");
    begin(&f, "llama");
    vocab_key_texts(&f, "tokens", abc, 3);
    static const float bad[] = {0, NAN, 0};
    vocab_key_f32s(&f, "scores", bad, 3);
    REFUSED(&f, "score of token 1 is not a number");
    begin(&f, "llama");
    vocab_key_texts(&f, "tokens", abc, 3);
    vocab_key_texts(&f, "scores", abc, 3);
    REFUSED(&f, "expected an array of numbers");
    begin(&f, "llama");
    vocab_key_texts(&f, "tokens", abc, 3);
    vocab_key_f32s(&f, "scores", scores, 3);
    vocab_key_i32s(&f, "token_type", normal, 1);
    REFUSED(&f, "\"tokenizer.ggml.token_type\" has 1 entries");
    static const int32_t types[] = {1, 9, 1};
    begin(&f, "llama");
    vocab_key_texts(&f, "tokens", abc, 3);
    vocab_key_f32s(&f, "scores", scores, 3);
    vocab_key_i32s(&f, "token_type", types, 3);
    REFUSED(&f, "token 1 has type 9, allowed 0 to 6");
    begin(&f, "llama");
    vocab_key_texts(&f, "tokens", abc, 3);
    vocab_key_f32s(&f, "scores", scores, 3);
    vocab_key_f32s(&f, "token_type", scores, 3);
    REFUSED(&f, "expected whole numbers");
    static const char *const bytes[] = {"<0x-1>", "<0x1>", "<0xG0>", "x"};
    for (size_t i = 0; i < COUNT(bytes); i++) {
        static const int32_t byte_type = 6;
        vocab_spm(&f, &bytes[i], &byte_type, 1);
        REFUSED(&f, "token 259 stands for a byte");
    }
    static const char *const plain[] = {"x"};
    vocab_spm(&f, plain, NULL, 1);
    ACCEPTED(&f);
}

static void test_merges(void) {
    struct vocab_file f;
    begin(&f, "gpt2");
    vocab_key_texts(&f, "tokens", abc, 3);
    REFUSED(&f, "\"tokenizer.ggml.merges\" is absent");
    static const struct {
        const char *merge, *part;
    } cases[] = {
        {"a c", "merge 1 is \"a c\", but the second part is no token"},
        {"c a", "but the first part is no token"},
        {"b a", "but what it makes is no token"},
        {"ab", "expected two texts with a blank between"},
        {" ab", "expected two texts with a blank between"},
        {"ab ", "expected two texts with a blank between"},
        {"", "expected two texts with a blank between"},
        {" ", "expected two texts with a blank between"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *merges[] = {"a b", cases[i].merge};
        begin(&f, "gpt2");
        vocab_key_texts(&f, "tokens", abc, 3);
        vocab_key_texts(&f, "merges", merges, 2);
        REFUSED(&f, cases[i].part);
    }
    static const char *const merges[] = {"a b", "a b"};
    begin(&f, "gpt2");
    vocab_key_texts(&f, "tokens", abc, 3);
    vocab_key_texts(&f, "merges", merges, 2);
    ACCEPTED(&f); /* twice the same does no harm */
    begin(&f, "gpt2");
    vocab_key_texts(&f, "tokens", abc, 3);
    vocab_key_texts(&f, "merges", merges, 0);
    ACCEPTED(&f);
    begin(&f, "gpt2");
    vocab_key_texts(&f, "tokens", abc, 3);
    vocab_key_i32s(&f, "merges", normal, 3);
    REFUSED(&f, "expected an array of strings");
}

static void test_ids(void) {
    static const char *const keys[] = {"bos_token_id", "eos_token_id", "unknown_token_id",
                                       "eot_token_id", "eom_token_id"};
    struct vocab_file f;
    for (size_t i = 0; i < COUNT(keys); i++) {
        char part[96];
        vocab_spm(&f, NULL, NULL, 0);
        vocab_key_u32(&f, keys[i], 259);
        snprintf(part, sizeof part, "\"tokenizer.ggml.%s\" is 259, allowed 0 to 258", keys[i]);
        REFUSED(&f, part);
        vocab_spm(&f, NULL, NULL, 0);
        vocab_key_u32(&f, keys[i], UINT32_MAX); /* none */
        ACCEPTED(&f);
        vocab_spm(&f, NULL, NULL, 0);
        vocab_key_text(&f, keys[i], "1");
        snprintf(part, sizeof part, "\"tokenizer.ggml.%s\" is string", keys[i]);
        REFUSED(&f, part);
        vocab_spm(&f, NULL, NULL, 0);
        vocab_key(&f, keys[i], GGUF_I32);
        vocab_u32(&f, (uint32_t)-2);
        REFUSED(&f, "is negative");
        vocab_spm(&f, NULL, NULL, 0);
        vocab_key(&f, keys[i], GGUF_I32);
        vocab_u32(&f, (uint32_t)-1);
        ACCEPTED(&f);
    }
}

/* Every request of creation and encoding fails once: a clean error, nothing left behind. */
static void test_memory(void) {
    static const char *const merges[] = {"a b", "ab c"}, *const extra[] = {"<|x|>", "yy"};
    static const int32_t types[] = {3, 4};
    for (int spm = 0; spm < 2; spm++) {
        struct vocab_file f;
        if (spm) {
            vocab_spm(&f, extra, types, 2);
        } else {
            vocab_bpe(&f, "gpt-2", merges, 2, extra, types, 2);
        }
        struct err err = {0};
        struct gguf *file = vocab_open(&f, &err);
        CHECK(file != NULL);
        int done = 0;
        int64_t live = mem_live_bytes();
        for (uint64_t nth = 1; nth < 100 && !done; nth++) {
            err = (struct err){0};
            mem_fail_at(nth, 0);
            struct tokenizer *t = tokenizer_new(file, &err);
            int32_t *ids = NULL;
            if (t != NULL) {
                struct tokenize_options options = {true, true};
                size_t n;
                ids = tokenizer_encode(t, "abc <|x|> yy abcabc", 19, &options, &n, &err);
            }
            mem_fail_at(0, 0);
            done = ids != NULL;
            if (!done) CHECK_INT(err.code, ERR_ENVIRONMENT);
            if (!done) CHECK_CONTAINS(err.message, "not enough memory");
            mem_free(ids);
            tokenizer_free(t);
            CHECK_INT(mem_live_bytes(), live);
        }
        CHECK(done);
        gguf_close(file);
        free(f.data);
    }
}

int main(void) {
    test_kinds();
    test_tokens();
    test_scores_and_types();
    test_merges();
    test_ids();
    test_memory();
    return check_done();
}
