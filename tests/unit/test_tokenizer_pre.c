/* test_tokenizer_pre.c - how each pre-tokenizer cuts a text into words. */
#include "support/check.h"

#include "engine/tokenizer_private.h"

/* The words of text with '|' between them. */
static void split(const char *pre_name, const char *text, char *out) {
    const struct pre_tokenizer *pre = pre_find(pre_name, strlen(pre_name));
    CHECK(pre != NULL);
    size_t size = strlen(text);
    struct glyph *g = malloc(size * sizeof *g + 1);
    size_t n = pre_glyphs(text, size, g);
    pre_split(pre, g, n);
    char *to = out;
    for (size_t i = 0; i < n; i++) {
        if (g[i].cut && i > 0) *to++ = '|';
        memcpy(to, text, g[i].size);
        to += g[i].size;
        text += g[i].size;
    }
    *to = '\0';
    free(g);
}

/* Expected: the text with '|' where words begin. */
static void check_split(int line, const char *pre, const char *expected) {
    char text[512], found[1024], *to = text;
    for (const char *c = expected; *c; c++) {
        if (*c != '|') *to++ = *c;
    }
    *to = '\0';
    split(pre, text, found);
    char where[64];
    snprintf(where, sizeof where, "%s, line %d", pre, line);
    if (strcmp(found, expected) != 0) {
        fprintf(stderr, "%s: found <%s> expected <%s>\n", where, found, expected);
    }
    CHECK(strcmp(found, expected) == 0);
}
#define SPLIT(pre, expected) check_split(__LINE__, pre, expected)

static void test_gpt2(void) {
    SPLIT("gpt-2", "Hello| world|!");
    SPLIT("gpt-2", "I|'m| we|'re| you|'ve| he|'ll| she|'d| it|'s| don|'t");
    SPLIT("gpt-2", "I|'|M| '|s"); /* capitals are no contraction, a blank before hides it */
    SPLIT("gpt-2", "a| 1234|b|5");
    SPLIT("gpt-2", "x|  | y|   ");    /* white space leaves one blank to the word */
    SPLIT("gpt-2", "x|\n|\n|y|\n\n"); /* and one newline alone, for it joins no word */
    SPLIT("gpt-2", "a|\t|b");
    SPLIT("gpt-2", "na\u00efve| \u4f60\u597d|\uff01|\u00a0|x");
    SPLIT("gpt-2", "e|\u0301|f");             /* a combining mark is no letter */
    SPLIT("gpt-2", "\u2460\u00bd|a| \u0663"); /* numbers of all kinds */
    SPLIT("gpt-2", "a|\u3000|b");
    SPLIT("gpt-2", "''");
    SPLIT("gpt-2", " ");
    SPLIT("gpt-2", "");
}

static void test_llama3_and_qwen2(void) {
    SPLIT("llama-bpe", "Hello| world|!");
    SPLIT("llama-bpe", "I|'M|'m| we|'Re");
    SPLIT("llama-bpe", "123|456|7| |8");
    SPLIT("qwen2", "1|2|3| |4");
    SPLIT("llama-bpe", "(hello|)\n\n|x"); /* one mark joins the word, newlines join marks */
    SPLIT("llama-bpe", "a| |\tb|\n|\tc"); /* any one character before letters, but no newline */
    SPLIT("llama-bpe", "a|  \n \n|  | b");
    SPLIT("llama-bpe", "a| ...\r\n|b");
    SPLIT("llama-bpe", "a|   ");
    SPLIT("llama-bpe", "\u00bd|a"); /* a number is no such character */
    SPLIT("qwen2", "x| =| |1|0|;\n");
    SPLIT("deepseek-r1-qwen", "a|1|2");
    SPLIT("qwen2", "\u4f60\u597d|\uff0c\u4e16\u754c|\uff01");
    SPLIT("qwen2", "$a|%%|b");
}

static void test_numbers_first(void) {
    static const char *const names[] = {"starcoder", "refact", "smollm", "command-r"};
    for (size_t i = 0; i < 4; i++) {
        SPLIT(names[i], "ab|1|2|3|cd");
        SPLIT(names[i], "x| |1|2| y"); /* the blank stays alone: the digit was cut away first */
        SPLIT(names[i], "a|  |5");
        SPLIT(names[i], "it|'s|\u00bd|\u00bd");
    }
}

static void test_default_and_falcon(void) {
    SPLIT("default", "Hello|,| world|!");
    SPLIT("default", "a| |...|b"); /* the blank is cut from the marks */
    SPLIT("default", "a|123|4|b| |123|45");
    SPLIT("falcon", "a| |`|b|$+|c");
    SPLIT("falcon", "123|4");
    SPLIT("falcon", " |123|4");
    SPLIT("falcon", "it|'|s"); /* marks are cut before contractions */
}

static void test_deepseek(void) {
    SPLIT("deepseek-llm", "ab| cd|\n|\n|ef");
    SPLIT("deepseek-llm", "a| ,|b");
    SPLIT("deepseek-llm", "\u4f60\u597d|abc|123|  ");
    SPLIT("deepseek-llm", "a| | b|  |5");
    SPLIT("deepseek-coder", "ab| cd|\n|1|2");
    SPLIT("deepseek-coder", "a| ,|b|\u4f60\u597d");
    SPLIT("deepseek-v3", "abc|123|4| def|.foo| +\n|x");
    SPLIT("deepseek-v3", "ae\u0301| \u0301");
    SPLIT("deepseek-v3", "x|\u3042\u4f60|y");
}

static void test_tekken_and_bloom(void) {
    SPLIT("tekken", "Hello|World| HTMLParser");
    SPLIT("tekken", "camel|Case| ABC|1|2");
    SPLIT("tekken", "a|//\n/|b");
    SPLIT("tekken", "\u00c0BCd");
    SPLIT("tekken", "\u4f60|AB");
    SPLIT("tekken", "I|'m");
    SPLIT("gpt-4o", "I'm| you'RE|123|4");
    SPLIT("bloom", "Hello|,| world|.");
    SPLIT("viking", "a|1|2");
}

/* Nothing is lost, whatever the bytes: sizes add up and every name ends. */
static void test_any_bytes(void) {
    static const char *const names[] = {"default",     "gpt-2",  "llama-bpe",    "qwen2",
                                        "starcoder",   "falcon", "deepseek-llm", "deepseek-coder",
                                        "deepseek-v3", "tekken", "gpt-4o",       "bloom",
                                        "viking"};
    static const char *const parts[] = {" ",  "\n",   "a",        "B",      "1",
                                        ".",  "\xff", "\xe2\x82", "\u00e9", "\u4f60",
                                        "\t", "'s",   "~",        "\u0301", "\u00a0"};
    uint32_t state = 1;
    for (int round = 0; round < 400; round++) {
        char text[256];
        size_t size = 0;
        while (size < 200) {
            state = state * 1664525 + 1013904223;
            const char *part = parts[(state >> 16) % (sizeof parts / sizeof *parts)];
            memcpy(text + size, part, strlen(part));
            size += strlen(part);
        }
        struct glyph g[256];
        size_t n = pre_glyphs(text, size, g), sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += g[i].size;
        CHECK_INT(sum, size);
        const char *name = names[(size_t)round % (sizeof names / sizeof *names)];
        pre_split(pre_find(name, strlen(name)), g, n);
    }
}

/* A million blanks before a letter: quadratic matching would take minutes. */
static void test_long_runs_are_linear(void) {
    static const char *const names[] = {"gpt-2",          "llama-bpe",   "deepseek-llm",
                                        "deepseek-coder", "deepseek-v3", "tekken",
                                        "default",        "bloom"};
    const size_t n = 1 << 20;
    struct glyph *g = malloc((n + 1) * sizeof *g);
    char *text = malloc(n + 1);
    for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
        static const char fills[] = " \nA1.";
        for (size_t fill = 0; fill < 5; fill++) {
            memset(text, fills[fill], n);
            text[n] = fill < 2 ? (char)0xff : 'a';
            size_t found = pre_glyphs(text, n + 1, g);
            CHECK_INT(found, n + 1);
            pre_split(pre_find(names[k], strlen(names[k])), g, found);
        }
    }
    free(g);
    free(text);
}

int main(void) {
    test_gpt2();
    test_llama3_and_qwen2();
    test_numbers_first();
    test_default_and_falcon();
    test_deepseek();
    test_tekken_and_bloom();
    test_any_bytes();
    test_long_runs_are_linear();
    CHECK(pre_find("gpt", 3) == NULL);
    CHECK(pre_find("", 0) == NULL);
    return check_done();
}
