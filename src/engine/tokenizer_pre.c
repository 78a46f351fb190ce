/* tokenizer_pre.c - splits text into the words that byte-level BPE merges within.
 *
 * Each named pre-tokenizer is a list of stages. A stage is one regular expression, written out as
 * a function that tries a match at one place; the expression stands above it. Categories are
 * Unicode's, white space is the set \s means to the tokenizers the models were trained with. */
#include "engine/tokenizer_private.h"

#include <stdio.h>
#include <string.h>
#include <utf8proc.h>

/* ---- characters ---- */

static bool is_white_space(uint32_t c) {
    return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xa0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 || c == 0x202f ||
           c == 0x205f || c == 0x3000;
}

static uint8_t kind_of(uint32_t code) {
    if (is_white_space(code)) return PRE_SPACE;
    switch (utf8proc_category((utf8proc_int32_t)code)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
        return PRE_LETTER;
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_NO:
        return PRE_NUMBER;
    case UTF8PROC_CATEGORY_PC:
    case UTF8PROC_CATEGORY_PD:
    case UTF8PROC_CATEGORY_PS:
    case UTF8PROC_CATEGORY_PE:
    case UTF8PROC_CATEGORY_PI:
    case UTF8PROC_CATEGORY_PF:
    case UTF8PROC_CATEGORY_PO:
        return PRE_OTHER | PRE_PUNCTUATION;
    case UTF8PROC_CATEGORY_SM:
    case UTF8PROC_CATEGORY_SC:
    case UTF8PROC_CATEGORY_SK:
    case UTF8PROC_CATEGORY_SO:
        return PRE_OTHER | PRE_SYMBOL;
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
        return PRE_OTHER | PRE_MARK;
    default:
        return PRE_OTHER;
    }
}

/* A broken byte counts as U+FFFD, a symbol, and stays itself. */
size_t pre_glyphs(const char *text, size_t size, struct glyph *out) {
    size_t n = 0;
    for (size_t at = 0, bytes; at < size; at += bytes, n++) {
        int32_t code = utf8_next(text + at, size - at, &bytes);
        if (code < 0) {
            code = 0xfffd;
            bytes = 1;
        }
        out[n] = (struct glyph){.code = (uint32_t)code, .size = (uint8_t)bytes};
        out[n].kind = kind_of(out[n].code);
    }
    return n;
}

/* ---- parts of matches ---- */

static bool is_newline(uint32_t code) {
    return code == '\r' || code == '\n';
}

static size_t run_of(const struct glyph *g, size_t n, size_t i, uint8_t kinds) {
    while (i < n && (g[i].kind & kinds))
        i++;
    return i;
}

static size_t newlines(const struct glyph *g, size_t n, size_t i) {
    while (i < n && is_newline(g[i].code))
        i++;
    return i;
}

/* 's 't 'm 'd 're 've 'll at i; any_case takes capitals too. i for none. */
static size_t contraction(const struct glyph *g, size_t n, size_t i, bool any_case) {
    if (i + 1 >= n || g[i].code != '\'') return i;
    uint32_t fold = any_case ? 0x20 : 0; /* ASCII letters only: nothing else becomes one */
    uint32_t a = g[i + 1].code | fold, b = i + 2 < n ? g[i + 2].code | fold : 0;
    if (a == 's' || a == 't' || a == 'm' || a == 'd') return i + 2;
    if ((a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l')) return i + 3;
    return i;
}

/* \s+(?!\S)|\s+ : a run of white space leaves its last character to the word behind it. */
static size_t blanks(const struct glyph *g, size_t n, size_t i) {
    size_t end = run_of(g, n, i, PRE_SPACE);
    return end > i + 1 && end < n ? end - 1 : end;
}

/* \s*[\r\n]+|\s+(?!\S)|\s+ */
static size_t lines_or_blanks(const struct glyph *g, size_t n, size_t i) {
    size_t end = i;
    for (size_t k = i; k < n && (g[k].kind & PRE_SPACE); k++) {
        if (is_newline(g[k].code)) end = k + 1;
    }
    return end > i ? end : blanks(g, n, i);
}

/* \p{N}{1,most} */
static size_t numbers(const struct glyph *g, size_t n, size_t i, size_t most) {
    return run_of(g, n - i > most ? i + most : n, i, PRE_NUMBER);
}

/* Behind an optional blank: where a match that begins with " ?" goes on. */
static size_t behind_blank(const struct glyph *g, size_t n, size_t i) {
    return i + (g[i].code == ' ' && i + 1 < n);
}

/* The same for "\s?". */
static size_t behind_space(const struct glyph *g, size_t n, size_t i) {
    return i + ((g[i].kind & PRE_SPACE) && i + 1 < n);
}

/* ---- stages of one expression each ---- */

/* 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+ */
static size_t match_gpt2(const struct glyph *g, size_t n, size_t i) {
    size_t end = contraction(g, n, i, false);
    if (end > i) return end;
    size_t start = behind_blank(g, n, i);
    uint8_t kind = g[start].kind & (PRE_LETTER | PRE_NUMBER | PRE_OTHER);
    return kind != 0 ? run_of(g, n, start, kind) : blanks(g, n, i);
}

/* (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,digits}
 * | ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+ */
static size_t match_words(const struct glyph *g, size_t n, size_t i, size_t digits) {
    size_t end = contraction(g, n, i, true);
    if (end > i) return end;
    if (g[i].kind & PRE_NUMBER) return numbers(g, n, i, digits);
    if (!is_newline(g[i].code)) {
        size_t start = i + !(g[i].kind & PRE_LETTER);
        end = run_of(g, n, start, PRE_LETTER);
        if (end > start) return end;
    }
    size_t start = behind_blank(g, n, i);
    end = run_of(g, n, start, PRE_OTHER);
    return end > start ? newlines(g, n, end) : lines_or_blanks(g, n, i);
}

static size_t match_llama3(const struct glyph *g, size_t n, size_t i) {
    return match_words(g, n, i, 3);
}

static size_t match_qwen2(const struct glyph *g, size_t n, size_t i) {
    return match_words(g, n, i, 1);
}

static bool maybe_upper(const struct glyph *g) {
    return (g->kind & PRE_LETTER) && !(g->code >= 'a' && g->code <= 'z');
}

static bool maybe_lower(const struct glyph *g) {
    return (g->kind & PRE_LETTER) && !(g->code >= 'A' && g->code <= 'Z');
}

/* U*W+|U+W* with U the letters but a-z and W the letters but A-Z: other scripts are in both. */
static size_t cased_word(const struct glyph *g, size_t n, size_t i) {
    size_t upper = i;
    while (upper < n && maybe_upper(&g[upper]))
        upper++;
    size_t end = upper;
    while (end < n && maybe_lower(&g[end]))
        end++;
    if (end > upper) return end;
    for (size_t k = upper; k > i; k--) { /* U* gives back until W+ has one */
        if (maybe_lower(&g[k - 1])) return k;
    }
    return upper;
}

/* [^\r\n\p{L}\p{N}]?(U*W+|U+W*)suffix?|\p{N}{1,digits}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+
 * |\s+(?!\S)|\s+ */
static size_t match_cased(const struct glyph *g, size_t n, size_t i, size_t digits, bool suffix) {
    if (g[i].kind & PRE_NUMBER) return numbers(g, n, i, digits);
    if (!is_newline(g[i].code)) {
        size_t start = i + !(g[i].kind & PRE_LETTER), end = cased_word(g, n, start);
        if (end > start) return suffix ? contraction(g, n, end, true) : end;
    }
    size_t start = behind_blank(g, n, i), end = run_of(g, n, start, PRE_OTHER);
    if (end == start) return lines_or_blanks(g, n, i);
    while (end < n && (is_newline(g[end].code) || g[end].code == '/'))
        end++;
    return end;
}

static size_t match_tekken(const struct glyph *g, size_t n, size_t i) {
    return match_cased(g, n, i, 1, false);
}

static size_t match_gpt4o(const struct glyph *g, size_t n, size_t i) {
    return match_cased(g, n, i, 3, true);
}

/* \p{N} */
static size_t match_number(const struct glyph *g, size_t n, size_t i) {
    return numbers(g, n, i, 1);
}

/* \p{N}{1,3} */
static size_t match_numbers3(const struct glyph *g, size_t n, size_t i) {
    return numbers(g, n, i, 3);
}

/* \p{N}+ */
static size_t match_numbers(const struct glyph *g, size_t n, size_t i) {
    return run_of(g, n, i, PRE_NUMBER);
}

/* [0-9][0-9][0-9] */
static size_t match_digits3(const struct glyph *g, size_t n, size_t i) {
    if (n - i < 3) return i;
    for (size_t k = i; k < i + 3; k++) {
        if (g[k].code < '0' || g[k].code > '9') return i;
    }
    return i + 3;
}

static bool is_one_of(uint32_t code, const char *ascii) {
    return code > 0 && code < 128 && strchr(ascii, (int)code) != NULL;
}

static size_t punctuation(const struct glyph *g, size_t n, size_t i, const char *also) {
    while (i < n && ((g[i].kind & PRE_PUNCTUATION) || is_one_of(g[i].code, also)))
        i++;
    return i;
}

/* [\p{P}\$\+<=>\^~\|]+ */
static size_t match_default_punctuation(const struct glyph *g, size_t n, size_t i) {
    return punctuation(g, n, i, "$+<=>^~|");
}

/* The same and the grave accent. */
static size_t match_falcon_punctuation(const struct glyph *g, size_t n, size_t i) {
    return punctuation(g, n, i, "$+<=>^~|`");
}

/* " ?[^(\s|.,!?...)]+" with the full stops and commas of several scripts */
static size_t match_bloom(const struct glyph *g, size_t n, size_t i) {
    size_t start = behind_blank(g, n, i), end = start;
    for (; end < n && !(g[end].kind & PRE_SPACE); end++) {
        uint32_t c = g[end].code;
        if (is_one_of(c, "(|.,!?)") || c == 0x2026 || c == 0x3002 || c == 0xff0c || c == 0x3001 ||
            c == 0x0964 || c == 0x06d4 || c == 0x060c) {
            break;
        }
    }
    return end > start ? end : i;
}

/* ---- DeepSeek ---- */

/* [\r\n] */
static size_t match_newline(const struct glyph *g, size_t n, size_t i) {
    (void)n;
    return i + is_newline(g[i].code);
}

struct range {
    uint32_t first, last;
};

static bool in_ranges(const struct range *ranges, size_t n, uint32_t code) {
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (code > ranges[middle].last) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < n && code >= ranges[low].first;
}

/* The letters with case that this vocabulary was trained with. */
static const struct range cased_letters[] = {
    {0x41, 0x5a},       {0x61, 0x7a},       {0xb5, 0xb5},       {0xc0, 0xd6},
    {0xd8, 0xf6},       {0xf8, 0x1ba},      {0x1bc, 0x1bf},     {0x1c4, 0x293},
    {0x295, 0x2af},     {0x370, 0x373},     {0x376, 0x377},     {0x37b, 0x37d},
    {0x37f, 0x37f},     {0x386, 0x386},     {0x388, 0x38a},     {0x38c, 0x38c},
    {0x38e, 0x3a1},     {0x3a3, 0x3f5},     {0x3f7, 0x481},     {0x48a, 0x52f},
    {0x531, 0x556},     {0x10a0, 0x10c5},   {0x13a0, 0x13f5},   {0x13f8, 0x13fd},
    {0x1c90, 0x1cba},   {0x1cbd, 0x1cbf},   {0x1d00, 0x1d2b},   {0x1d6b, 0x1d77},
    {0x1d79, 0x1d9a},   {0x1e00, 0x1f15},   {0x1f18, 0x1f1d},   {0x1f20, 0x1f45},
    {0x1f48, 0x1f4d},   {0x1f50, 0x1f57},   {0x1f59, 0x1f59},   {0x1f5b, 0x1f5b},
    {0x1f5d, 0x1f5d},   {0x1f5f, 0x1f7d},   {0x1f80, 0x1fb4},   {0x1fb6, 0x1fbc},
    {0x1fbe, 0x1fbe},   {0x1fc2, 0x1fc4},   {0x1fc6, 0x1fcc},   {0x1fd0, 0x1fd3},
    {0x1fd6, 0x1fdb},   {0x1fe0, 0x1fec},   {0x1ff2, 0x1ff4},   {0x1ff6, 0x1ffc},
    {0x2102, 0x2102},   {0x2107, 0x2107},   {0x210a, 0x2113},   {0x2115, 0x2115},
    {0x2119, 0x211d},   {0x2124, 0x2124},   {0x2126, 0x2126},   {0x2128, 0x2128},
    {0x212a, 0x212d},   {0x212f, 0x2134},   {0x2139, 0x2139},   {0x213c, 0x213f},
    {0x2145, 0x2149},   {0x214e, 0x214e},   {0x2183, 0x2184},   {0x2c00, 0x2c7b},
    {0x2c7e, 0x2ce4},   {0x2ceb, 0x2cee},   {0x2cf2, 0x2cf3},   {0xa640, 0xa66d},
    {0xa680, 0xa69b},   {0xa722, 0xa76f},   {0xa771, 0xa787},   {0xa78b, 0xa78e},
    {0xab70, 0xabbf},   {0xfb00, 0xfb06},   {0xfb13, 0xfb17},   {0xff21, 0xff3a},
    {0xff41, 0xff5a},   {0x10400, 0x1044f}, {0x104b0, 0x104d3}, {0x104d8, 0x104fb},
    {0x10c80, 0x10cb2}, {0x10cc0, 0x10cf2}, {0x118a0, 0x118df}, {0x1e900, 0x1e943},
};
static const struct range deepseek_marks[] = {
    {0x21, 0x2f},     {0x3a, 0x7e},     {0x2018, 0x201f},
    {0x3000, 0x3002}, {0xff01, 0xff0f}, {0xff1a, 0xff5e},
};
static const struct range deepseek_cjk[] = {{0x800, 0x9fa5}, {0xac00, 0xd7ff}};
static const struct range deepseek3_cjk[] = {{0x3040, 0x30ff}, {0x4e00, 0x9fa5}};

static size_t run_in(const struct range *ranges, size_t n_ranges, const struct glyph *g, size_t n,
                     size_t i) {
    while (i < n && !(g[i].kind & PRE_SPACE) && in_ranges(ranges, n_ranges, g[i].code))
        i++;
    return i;
}
#define RUN_IN(ranges, g, n, i) run_in(ranges, sizeof(ranges) / sizeof *(ranges), g, n, i)

/* \s?[cased letters]+ */
static size_t match_cased_letters(const struct glyph *g, size_t n, size_t i) {
    size_t start = behind_space(g, n, i), end = RUN_IN(cased_letters, g, n, start);
    return end > start ? end : i;
}

/* \s?[!-/:-~ and their full-width and typographic kin]+ */
static size_t match_deepseek_marks(const struct glyph *g, size_t n, size_t i) {
    size_t start = behind_space(g, n, i), end = RUN_IN(deepseek_marks, g, n, start);
    return end > start ? end : i;
}

/* \s+$ : a run that does not reach the end is given up at its start, not at every place in it. */
static size_t match_trailing_space(const struct glyph *g, size_t n, size_t i) {
    if (i > 0 && (g[i - 1].kind & PRE_SPACE)) return i;
    return run_of(g, n, i, PRE_SPACE) == n ? n : i;
}

/* [U+4E00-U+9FA5 U+0800-U+4E00 U+AC00-U+D7FF]+ */
static size_t match_deepseek_cjk(const struct glyph *g, size_t n, size_t i) {
    return RUN_IN(deepseek_cjk, g, n, i);
}

/* \s?\p{L}+ */
static size_t match_letters(const struct glyph *g, size_t n, size_t i) {
    size_t start = behind_space(g, n, i), end = run_of(g, n, start, PRE_LETTER);
    return end > start ? end : i;
}

/* \s?\p{P}+ */
static size_t match_punctuation(const struct glyph *g, size_t n, size_t i) {
    size_t start = behind_space(g, n, i), end = run_of(g, n, start, PRE_PUNCTUATION);
    return end > start ? end : i;
}

/* [U+4E00-U+9FA5 hiragana katakana]+ */
static size_t match_deepseek3_cjk(const struct glyph *g, size_t n, size_t i) {
    return RUN_IN(deepseek3_cjk, g, n, i);
}

static bool is_ascii_letter(uint32_t code) {
    return (code | 0x20) >= 'a' && (code | 0x20) <= 'z';
}

/* llama.cpp does not count the tilde here. */
static bool is_deepseek3_mark(const struct glyph *g) {
    return (g->kind & (PRE_PUNCTUATION | PRE_SYMBOL)) && g->code != '~';
}

/* [ASCII punctuation][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*
 * |\s*[\r\n]+|\s+(?!\S)|\s+ */
static size_t match_deepseek3(const struct glyph *g, size_t n, size_t i) {
    size_t start = i + 1, end = start;
    if (g[i].code < 128 && (g[i].kind & (PRE_PUNCTUATION | PRE_SYMBOL))) {
        while (end < n && is_ascii_letter(g[end].code))
            end++;
        if (end > start) return end;
    }
    if (!is_newline(g[i].code) && !(g[i].kind & PRE_LETTER) && !is_deepseek3_mark(&g[i])) {
        end = run_of(g, n, start, PRE_LETTER | PRE_MARK);
        if (end > start) return end;
    }
    end = run_of(g, n, i, PRE_LETTER | PRE_MARK);
    if (end > i) return end;
    start = end = behind_blank(g, n, i);
    while (end < n && is_deepseek3_mark(&g[end]))
        end++;
    return end > start ? newlines(g, n, end) : lines_or_blanks(g, n, i);
}

/* ---- names ---- */

#define NUMBERS_THEN_GPT2                                                                          \
    { match_number, match_gpt2 }
#define DEEPSEEK_LLM                                                                               \
    {                                                                                              \
        match_newline, match_cased_letters, match_deepseek_marks, match_trailing_space,            \
            match_deepseek_cjk, match_numbers                                                      \
    }

static const struct pre_tokenizer pre_tokenizers[] = {
    {"default",
     {match_default_punctuation, match_gpt2, match_numbers, match_digits3},
     false,
     false},
    {"gpt-2", {match_gpt2}, false, false},
    {"llama-bpe", {match_llama3}, true, true},
    {"llama3", {match_llama3}, true, true},
    {"llama-v3", {match_llama3}, true, true},
    {"falcon3", {match_llama3}, true, true},
    {"falcon-h1", {match_llama3}, true, true},
    {"pixtral", {match_llama3}, true, true},
    {"midm-2.0", {match_llama3}, true, true},
    {"lfm2", {match_llama3}, true, true},
    {"dbrx", {match_llama3}, false, false},
    {"smaug-bpe", {match_llama3}, false, false},
    {"glm4", {match_llama3}, false, false},
    {"chatglm-bpe", {match_llama3}, false, false},
    {"qwen2", {match_qwen2}, false, false},
    {"deepseek-r1-qwen", {match_qwen2}, false, false},
    {"megrez", {match_qwen2}, false, false},
    {"hunyuan", {match_qwen2}, false, false},
    {"stablelm2", {match_qwen2}, false, false},
    {"smollm", NUMBERS_THEN_GPT2, false, false},
    {"starcoder", NUMBERS_THEN_GPT2, false, false},
    {"refact", NUMBERS_THEN_GPT2, false, false},
    {"command-r", NUMBERS_THEN_GPT2, false, false},
    {"codeshell", NUMBERS_THEN_GPT2, false, false},
    {"exaone", NUMBERS_THEN_GPT2, false, false},
    {"minerva-7b", NUMBERS_THEN_GPT2, false, false},
    {"mpt", {match_gpt2}, false, false},
    {"olmo", {match_gpt2}, false, false},
    {"jais", {match_gpt2}, false, false},
    {"phi-2", {match_gpt2}, false, false},
    {"trillion", {match_gpt2}, false, false},
    {"exaone4", {match_gpt2}, false, false},
    {"gigachat", {match_gpt2}, false, false},
    {"a.x-4.0", {match_gpt2}, false, false},
    {"granite-docling", {match_gpt2}, false, false},
    {"falcon", {match_falcon_punctuation, match_gpt2, match_digits3}, false, false},
    {"tekken", {match_tekken}, true, true},
    {"gpt-4o", {match_gpt4o}, false, false},
    {"llama4", {match_gpt4o}, false, false},
    {"deepseek-llm", DEEPSEEK_LLM, false, false},
    {"deepseek-coder",
     {match_newline, match_letters, match_punctuation, match_deepseek_cjk, match_number},
     false,
     false},
    {"deepseek-v3", {match_numbers3, match_deepseek3_cjk, match_deepseek3}, false, false},
    {"bloom", {match_bloom}, false, false},
    {"poro-chat", {match_bloom}, false, false},
    {"gpt3-finnish", {match_bloom}, false, false},
    {"viking", {match_bloom, match_number}, false, false},
};
enum {
    N_PRE = sizeof pre_tokenizers / sizeof *pre_tokenizers,
    N_STAGES = sizeof pre_tokenizers[0].stages / sizeof *pre_tokenizers[0].stages,
};

const struct pre_tokenizer *pre_find(const char *name, size_t size) {
    for (size_t i = 0; i < N_PRE; i++) {
        const struct pre_tokenizer *pre = &pre_tokenizers[i];
        if (strlen(pre->name) == size && memcmp(pre->name, name, size) == 0) return pre;
    }
    return NULL;
}

void pre_names(char *out, size_t cap) {
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < N_PRE; i++) {
        size_t size = strlen(pre_tokenizers[i].name);
        if (used + size + 3 > cap) break;
        used += (size_t)snprintf(out + used, cap - used, "%s%s", i > 0 ? ", " : "",
                                 pre_tokenizers[i].name);
    }
}

void pre_split(const struct pre_tokenizer *pre, struct glyph *g, size_t n) {
    for (size_t stage = 0; stage < N_STAGES && pre->stages[stage] != NULL; stage++) {
        for (size_t begin = 0, end; begin < n; begin = end) {
            end = begin + 1;
            while (end < n && !g[end].cut)
                end++;
            for (size_t i = begin; i < end;) {
                size_t next = begin + pre->stages[stage](g + begin, end - begin, i - begin);
                if (next == i) {
                    i++;
                    continue;
                }
                g[i].cut = 1;
                if (next < n) g[next].cut = 1;
                i = next;
            }
        }
    }
}
