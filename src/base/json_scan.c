/* json_scan.c - the strict scanner: what is JSON, and where a text stops being it. */
#include "base/json_scan.h"

#include "base/alloc.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NUMBER 1023 /* characters of a number */
#define CJSON_NUMBER 63 /* cJSON reads no more of one */
#define MAX_WHOLE 309   /* digits of the largest double */

/* A key seen: keys of one object that decode to the same bytes are duplicates. */
struct seen_key {
    uint64_t hash; /* of the decoded bytes */
    size_t offset;
    int object; /* serial number of the object */
};

struct scan {
    const unsigned char *text;
    size_t size, at;
    const char *name;
    struct json_limits limits;
    struct err *err;
    struct seen_key *keys;
    size_t keys_cap;
    int n_keys, n_objects, n_values, depth;
    char *patched; /* a copy with long numbers made short, or NULL */
};

__attribute__((format(printf, 3, 4))) static bool refuse(const struct scan *s, size_t offset,
                                                         const char *format, ...) {
    char what[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    return err_set(s->err, ERR_INPUT, "%s: byte %zu: %s", s->name, offset, what);
}

/* "found 'x', EXPECTED is required" for the byte at hand. */
static bool unexpected(const struct scan *s, const char *expected) {
    if (s->at >= s->size) return refuse(s, s->at, "the text ends, %s is required", expected);
    unsigned char c = s->text[s->at];
    if (c < 0x20 || c >= 0x7F) {
        return refuse(s, s->at, "found byte 0x%02X, %s is required", c, expected);
    }
    return refuse(s, s->at, "found '%c', %s is required", c, expected);
}

static void skip_blanks(struct scan *s) {
    for (; s->at < s->size; s->at++) {
        unsigned char c = s->text[s->at];
        if (c != ' ' && c != '\n' && c != '\t' && c != '\r') return;
    }
}

static bool is_digit(const struct scan *s) {
    return s->at < s->size && s->text[s->at] >= '0' && s->text[s->at] <= '9';
}

static bool skip_digits(struct scan *s) {
    if (!is_digit(s)) return unexpected(s, "a digit");
    while (is_digit(s))
        s->at++;
    return true;
}

/* A whole number must come through a double unchanged: then it prints as it was written. */
static bool check_integer(const struct scan *s, size_t start, const char *digits, double value) {
    char whole[MAX_WHOLE + 3];
    int n = snprintf(whole, sizeof whole, "%.0f", value);
    if (n > 0 && (size_t)n < sizeof whole && strcmp(whole, digits) == 0) return true;
    return refuse(s, start, "%.40s%s is not exact as a double, write it as a string", digits,
                  strlen(digits) > 40 ? "..." : "");
}

/* cJSON would cut this number: in a copy of the text it becomes as short as its value allows. */
static bool shorten_number(struct scan *s, size_t start, size_t length, double value) {
    if (s->patched == NULL) {
        s->patched = mem_alloc(s->size);
        if (s->patched == NULL)
            return err_set(s->err, ERR_ENVIRONMENT, "%s: out of memory", s->name);
        memcpy(s->patched, s->text, s->size);
    }
    char digits[CJSON_NUMBER];
    int n = snprintf(digits, sizeof digits, "%.17g", value);
    memset(s->patched + start, ' ', length);
    memcpy(s->patched + start, digits, (size_t)n);
    return true;
}

static bool scan_number(struct scan *s) {
    size_t start = s->at;
    bool is_integer = true;
    if (s->text[s->at] == '-') s->at++;
    if (s->at < s->size && s->text[s->at] == '0') {
        s->at++;
        if (is_digit(s)) return refuse(s, start, "a number begins with 0");
    } else if (!skip_digits(s)) {
        return false;
    }
    if (s->at < s->size && s->text[s->at] == '.') {
        is_integer = false;
        s->at++;
        if (!skip_digits(s)) return false;
    }
    if (s->at < s->size && (s->text[s->at] == 'e' || s->text[s->at] == 'E')) {
        is_integer = false;
        s->at++;
        if (s->at < s->size && (s->text[s->at] == '+' || s->text[s->at] == '-')) s->at++;
        if (!skip_digits(s)) return false;
    }
    size_t length = s->at - start;
    if (length > MAX_NUMBER) {
        return refuse(s, start, "a number of %zu characters, allowed are %d", length, MAX_NUMBER);
    }
    char digits[MAX_NUMBER + 1];
    memcpy(digits, s->text + start, length);
    digits[length] = '\0';
    double value = strtod(digits, NULL);
    if (isinf(value)) return refuse(s, start, "%.40s is larger than any double", digits);
    if (value == 0 && strcspn(digits, "123456789") < strcspn(digits, "eE")) {
        return refuse(s, start, "%.40s is smaller than any double", digits);
    }
    if (is_integer && !check_integer(s, start, digits, value)) return false;
    return length <= CJSON_NUMBER || shorten_number(s, start, length, value);
}

size_t json_utf8_length(const unsigned char *p, size_t left) {
    static const struct {
        unsigned char first_low, first_high, second_low, second_high;
        size_t length;
    } forms[] = {
        {0x00, 0x7F, 0, 0, 1},       {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3},
        {0xE1, 0xEC, 0x80, 0xBF, 3}, {0xED, 0xED, 0x80, 0x9F, 3}, {0xEE, 0xEF, 0x80, 0xBF, 3},
        {0xF0, 0xF0, 0x90, 0xBF, 4}, {0xF1, 0xF3, 0x80, 0xBF, 4}, {0xF4, 0xF4, 0x80, 0x8F, 4},
    };
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (p[0] < forms[i].first_low || p[0] > forms[i].first_high) continue;
        if (forms[i].length > left) return 0;
        if (forms[i].length == 1) return 1;
        if (p[1] < forms[i].second_low || p[1] > forms[i].second_high) return 0;
        for (size_t k = 2; k < forms[i].length; k++) {
            if ((p[k] & 0xC0) != 0x80) return 0;
        }
        return forms[i].length;
    }
    return 0;
}

static void hash_byte(uint64_t *hash, unsigned char byte) {
    *hash = (*hash ^ byte) * 0x100000001B3u; /* FNV-1a */
}

static void hash_code_point(uint64_t *hash, uint32_t c) {
    if (c < 0x80) {
        hash_byte(hash, (unsigned char)c);
        return;
    }
    int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const unsigned char lead[] = {0, 0xC0, 0xE0, 0xF0};
    hash_byte(hash, (unsigned char)(lead[more] | (c >> (6 * more))));
    while (more-- > 0)
        hash_byte(hash, (unsigned char)(0x80 | ((c >> (6 * more)) & 0x3F)));
}

/* The four hex digits behind "\u". */
static bool scan_hex(struct scan *s, uint32_t *out) {
    *out = 0;
    for (int i = 0; i < 4; i++, s->at++) {
        unsigned char c = s->at < s->size ? s->text[s->at] : 0;
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) return unexpected(s, "a hexadecimal digit");
        *out = *out * 16 + (uint32_t)digit;
    }
    return true;
}

static bool scan_escape(struct scan *s, uint64_t *hash) {
    size_t start = s->at++;
    static const char names[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    unsigned char c = s->at < s->size ? s->text[s->at] : 0;
    const char *found = c == 0 ? NULL : strchr(names, c);
    if (found != NULL) {
        s->at++;
        hash_byte(hash, (unsigned char)values[found - names]);
        return true;
    }
    if (c != 'u') return unexpected(s, "an escape such as \\n or \\u0041");
    s->at++;
    uint32_t unit = 0, low = 0;
    if (!scan_hex(s, &unit)) return false;
    if (unit == 0) return refuse(s, start, "\\u0000 is not allowed in a text");
    if (unit >= 0xDC00 && unit <= 0xDFFF) return refuse(s, start, "a lone low surrogate");
    if (unit >= 0xD800 && unit <= 0xDBFF) {
        if (s->size - s->at < 6 || memcmp(s->text + s->at, "\\u", 2) != 0) {
            return refuse(s, start, "a lone high surrogate");
        }
        s->at += 2;
        if (!scan_hex(s, &low)) return false;
        if (low < 0xDC00 || low > 0xDFFF) return refuse(s, start, "a lone high surrogate");
        unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
    }
    hash_code_point(hash, unit);
    return true;
}

static bool scan_string(struct scan *s, uint64_t *hash) {
    size_t start = s->at++;
    *hash = 0xCBF29CE484222325u;
    while (s->at < s->size) {
        unsigned char c = s->text[s->at];
        if (c == '"') {
            s->at++;
            return true;
        }
        if (s->at - start > s->limits.max_string) {
            return refuse(s, start, "a string longer than %zu bytes, which is the limit",
                          s->limits.max_string);
        }
        if (c < 0x20) return unexpected(s, "no control character (write \\n, \\t or \\u00XX)");
        if (c == '\\') {
            if (!scan_escape(s, hash)) return false;
            continue;
        }
        size_t length = json_utf8_length(s->text + s->at, s->size - s->at);
        if (length == 0) return unexpected(s, "valid UTF-8");
        for (size_t i = 0; i < length; i++)
            hash_byte(hash, s->text[s->at + i]);
        s->at += length;
    }
    return refuse(s, start, "a string that does not end");
}

static bool scan_value(struct scan *s);

static bool enter(struct scan *s) {
    if (++s->depth > s->limits.max_depth) {
        return refuse(s, s->at, "nested deeper than %d levels, which is the limit",
                      s->limits.max_depth);
    }
    s->at++;
    skip_blanks(s);
    return true;
}

static bool remember_key(struct scan *s, int object, size_t offset, uint64_t hash) {
    if (s->n_keys >= s->limits.max_keys) {
        return refuse(s, offset, "more than %d keys, which is the limit", s->limits.max_keys);
    }
    if ((size_t)s->n_keys == s->keys_cap) {
        size_t cap = s->keys_cap == 0 ? 64 : 2 * s->keys_cap;
        struct seen_key *keys = mem_realloc(s->keys, cap * sizeof *keys);
        if (keys == NULL) return err_set(s->err, ERR_ENVIRONMENT, "%s: out of memory", s->name);
        s->keys = keys;
        s->keys_cap = cap;
    }
    s->keys[s->n_keys++] = (struct seen_key){.hash = hash, .offset = offset, .object = object};
    return true;
}

static bool scan_object(struct scan *s) {
    int object = s->n_objects++;
    if (!enter(s)) return false;
    if (s->at < s->size && s->text[s->at] == '}') goto done;
    for (;;) {
        uint64_t hash = 0;
        size_t offset = s->at;
        if (s->at >= s->size || s->text[s->at] != '"') return unexpected(s, "a key in quotes");
        if (!scan_string(s, &hash) || !remember_key(s, object, offset, hash)) return false;
        skip_blanks(s);
        if (s->at >= s->size || s->text[s->at] != ':') return unexpected(s, "':'");
        s->at++;
        if (!scan_value(s)) return false;
        skip_blanks(s);
        if (s->at < s->size && s->text[s->at] == '}') break;
        if (s->at >= s->size || s->text[s->at] != ',') return unexpected(s, "',' or '}'");
        s->at++;
        skip_blanks(s);
    }
done:
    s->at++;
    s->depth--;
    return true;
}

static bool scan_array(struct scan *s) {
    if (!enter(s)) return false;
    if (s->at < s->size && s->text[s->at] == ']') goto done;
    for (;;) {
        if (!scan_value(s)) return false;
        skip_blanks(s);
        if (s->at < s->size && s->text[s->at] == ']') break;
        if (s->at >= s->size || s->text[s->at] != ',') return unexpected(s, "',' or ']'");
        s->at++;
    }
done:
    s->at++;
    s->depth--;
    return true;
}

static bool scan_word(struct scan *s, const char *word) {
    size_t length = strlen(word);
    if (s->size - s->at < length || memcmp(s->text + s->at, word, length) != 0) {
        return unexpected(s, "a value (NaN and Infinity are none)");
    }
    s->at += length;
    return true;
}

/* Recursion is bounded by max_depth. */
static bool scan_value(struct scan *s) {
    uint64_t hash = 0;
    skip_blanks(s);
    if (s->at >= s->size) return unexpected(s, "a value");
    if (++s->n_values > s->limits.max_values) {
        return refuse(s, s->at, "more than %d values, which is the limit", s->limits.max_values);
    }
    switch (s->text[s->at]) {
    case '{':
        return scan_object(s);
    case '[':
        return scan_array(s);
    case '"':
        return scan_string(s, &hash);
    case 't':
        return scan_word(s, "true");
    case 'f':
        return scan_word(s, "false");
    case 'n':
        return scan_word(s, "null");
    default:
        break;
    }
    if (s->text[s->at] != '-' && !is_digit(s)) {
        return unexpected(s, "a value (NaN and Infinity are none)");
    }
    return scan_number(s);
}

static int compare_keys(const void *a, const void *b) {
    const struct seen_key *x = a, *y = b;
    if (x->object != y->object) return x->object < y->object ? -1 : 1;
    if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
    return x->offset < y->offset ? -1 : 1;
}

static bool check_duplicates(struct scan *s) {
    if (s->n_keys == 0) return true;
    qsort(s->keys, (size_t)s->n_keys, sizeof *s->keys, compare_keys);
    for (int i = 1; i < s->n_keys; i++) {
        const struct seen_key *key = &s->keys[i], *first = &s->keys[i - 1];
        if (key->object != first->object || key->hash != first->hash) continue;
        const unsigned char *text = s->text + key->offset;
        const unsigned char *end = memchr(text + 1, '"', s->size - key->offset - 1);
        int length = end == NULL ? 1 : (int)(end - text) + 1;
        return refuse(s, key->offset, "duplicate key %.*s, first at byte %zu",
                      length > 80 ? 80 : length, (const char *)text, first->offset);
    }
    return true;
}

static bool scan_document(struct scan *s) {
    if (s->size > s->limits.max_bytes) {
        return refuse(s, s->limits.max_bytes, "%zu bytes, allowed are %zu", s->size,
                      s->limits.max_bytes);
    }
    if (s->size == 0) return err_set(s->err, ERR_INPUT, "%s: is empty, JSON is required", s->name);
    if (s->size >= 3 && memcmp(s->text, "\xEF\xBB\xBF", 3) == 0) {
        return refuse(s, 0, "starts with a byte order mark (BOM). Save it as UTF-8 without one");
    }
    if (!scan_value(s)) return false;
    skip_blanks(s);
    if (s->at < s->size) return unexpected(s, "the end of the text");
    return check_duplicates(s);
}

bool json_scan(const char *text, size_t size, const char *name, const struct json_limits *limits,
               char **patched, struct err *err) {
    struct scan scan = {.text = (const unsigned char *)text,
                        .size = size,
                        .name = name,
                        .err = err,
                        .limits = *limits};
    bool ok = scan_document(&scan);
    mem_free(scan.keys);
    *patched = ok ? scan.patched : NULL;
    if (!ok) mem_free(scan.patched);
    return ok;
}
