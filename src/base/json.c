/* json.c - strict JSON: our scanner decides what is JSON, cJSON builds and prints the values. */
#include "base/json.h"

#include "base/alloc.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NUMBER 63 /* characters that cJSON reads of a number */

struct json_limits json_limits_default(void) {
    return (struct json_limits){
        .max_bytes = 8u << 20, .max_depth = 64, .max_keys = 10000, .max_string = 64u << 10};
}

/* ---- the scanner ---- */

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
    int n_keys, n_objects, depth;
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
    while (s->at < s->size && strchr(" \t\n\r", s->text[s->at]) != NULL && s->text[s->at] != '\0') {
        s->at++;
    }
}

static bool is_digit(const struct scan *s) {
    return s->at < s->size && s->text[s->at] >= '0' && s->text[s->at] <= '9';
}

static bool skip_digits(struct scan *s) {
    if (!is_digit(s)) return unexpected(s, "a digit");
    while (is_digit(s)) s->at++;
    return true;
}

/* A whole number must come through a double unchanged. */
static bool check_integer(const struct scan *s, size_t start, const char *digits) {
    char *end = NULL;
    double value = strtod(digits, &end);
    if (fabs(value) <= 9007199254740992.0) {
        if (fabs(value) < 9007199254740992.0) return true;
        /* 2^53 itself is exact, 2^53 + 1 rounds to it */
        return strtoll(digits, NULL, 10) == (long long)value ||
               refuse(s, start, "%s is not exact as a double, write it as a string", digits);
    }
    if (fabs(value) < 9.2e18 && strtoll(digits, NULL, 10) == (long long)value) return true;
    return refuse(s, start, "%s is not exact as a double, write it as a string", digits);
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
    if (is_integer) return check_integer(s, start, digits);
    double value = strtod(digits, NULL);
    if (isinf(value)) return refuse(s, start, "%s is larger than any double", digits);
    if (value == 0 && strcspn(digits, "123456789") < strcspn(digits, "eE")) {
        return refuse(s, start, "%s is smaller than any double", digits);
    }
    return true;
}

/* Bytes of the UTF-8 character at p (at most left), or 0. */
static size_t utf8_length(const unsigned char *p, size_t left) {
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
    while (more-- > 0) hash_byte(hash, (unsigned char)(0x80 | ((c >> (6 * more)) & 0x3F)));
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
        size_t length = utf8_length(s->text + s->at, s->size - s->at);
        if (length == 0) return unexpected(s, "valid UTF-8");
        for (size_t i = 0; i < length; i++) hash_byte(hash, s->text[s->at + i]);
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

/* ---- values: struct json is a cJSON ---- */

static cJSON *node(struct json *value) {
    return (cJSON *)(void *)value;
}

static const cJSON *const_node(const struct json *value) {
    return (const cJSON *)(const void *)value;
}

static struct json *wrap(cJSON *item) {
    return (struct json *)(void *)item;
}

__attribute__((constructor)) static void use_our_allocator(void) {
    cJSON_Hooks hooks = {.malloc_fn = mem_alloc, .free_fn = mem_free};
    cJSON_InitHooks(&hooks);
}

struct json *json_parse(const char *text, size_t size, const char *name,
                        const struct json_limits *limits, struct err *err) {
    struct scan scan = {.text = (const unsigned char *)text, .size = size, .name = name, .err = err,
                        .limits = limits != NULL ? *limits : json_limits_default()};
    bool ok = scan_document(&scan);
    mem_free(scan.keys);
    if (!ok) return NULL;
    cJSON *root = cJSON_ParseWithLength(text, size);
    /* What the scanner accepts, cJSON accepts; so only memory can be short. */
    if (root == NULL) err_set(err, ERR_ENVIRONMENT, "%s: out of memory", name);
    return wrap(root);
}

void json_free(struct json *document) {
    cJSON_Delete(node(document));
}

enum json_kind json_kind_of(const struct json *value) {
    const cJSON *item = const_node(value);
    if (cJSON_IsBool(item)) return JSON_BOOL;
    if (cJSON_IsNumber(item)) return JSON_NUMBER;
    if (cJSON_IsString(item)) return JSON_STRING;
    if (cJSON_IsArray(item)) return JSON_ARRAY;
    return cJSON_IsObject(item) ? JSON_OBJECT : JSON_NULL;
}

bool json_bool(const struct json *value) {
    return cJSON_IsTrue(const_node(value));
}

double json_number(const struct json *value) {
    return const_node(value)->valuedouble;
}

const char *json_string(const struct json *value) {
    return const_node(value)->valuestring;
}

const struct json *json_first(const struct json *parent) {
    return wrap(const_node(parent)->child);
}

const struct json *json_next(const struct json *child) {
    return wrap(const_node(child)->next);
}

const char *json_key(const struct json *member) {
    return const_node(member)->string;
}

const struct json *json_get(const struct json *object, const char *key) {
    return wrap(cJSON_GetObjectItemCaseSensitive(const_node(object), key));
}

struct json *json_new_null(void) {
    return wrap(cJSON_CreateNull());
}

struct json *json_new_bool(bool value) {
    return wrap(cJSON_CreateBool(value));
}

struct json *json_new_number(double value) {
    return wrap(isfinite(value) ? cJSON_CreateNumber(value) : cJSON_CreateNull());
}

struct json *json_new_string(const char *text, size_t size) {
    if (size > (SIZE_MAX - 1) / 3) return NULL;
    char *clean = mem_alloc(3 * size + 1); /* one bad byte becomes three */
    if (clean == NULL) return NULL;
    size_t n = 0;
    for (size_t at = 0; at < size;) {
        size_t length = utf8_length((const unsigned char *)text + at, size - at);
        if (length > 0 && text[at] != '\0') {
            memcpy(clean + n, text + at, length);
            n += length;
        } else {
            memcpy(clean + n, "\xEF\xBF\xBD", 3);
            n += 3;
        }
        at += length > 0 ? length : 1;
    }
    clean[n] = '\0';
    cJSON *item = cJSON_CreateString(clean);
    mem_free(clean);
    return wrap(item);
}

struct json *json_new_array(void) {
    return wrap(cJSON_CreateArray());
}

struct json *json_new_object(void) {
    return wrap(cJSON_CreateObject());
}

bool json_append(struct json *array, struct json *child) {
    if (array != NULL && child != NULL && cJSON_AddItemToArray(node(array), node(child))) return true;
    json_free(child);
    return false;
}

bool json_set(struct json *object, const char *key, struct json *child) {
    if (object != NULL && child != NULL &&
        cJSON_AddItemToObject(node(object), key, node(child))) {
        return true;
    }
    json_free(child);
    return false;
}

/* cJSON indents with tabs; ours are two spaces a level. Strings hold no raw tab. */
static char *with_spaces(char *printed) {
    size_t size = 0;
    for (const char *p = printed; *p != '\0'; p++) size += *p == '\t' ? 2 : 1;
    char *out = mem_alloc(size + 1);
    if (out != NULL) {
        char *to = out;
        for (const char *p = printed; *p != '\0'; p++) {
            if (*p == '\t') {
                bool behind_key = p > printed && p[-1] == ':'; /* "key":\tvalue */
                *to++ = ' ';
                if (!behind_key) *to++ = ' ';
            } else {
                *to++ = *p;
            }
        }
        *to = '\0';
    }
    mem_free(printed);
    return out;
}

char *json_print(const struct json *value, bool indent) {
    char *printed = indent ? cJSON_Print(const_node(value)) : cJSON_PrintUnformatted(const_node(value));
    return printed != NULL && indent ? with_spaces(printed) : printed;
}
