/* json.c - JSON values: cJSON holds them, our scanner decides what is JSON, our printer writes it.
 */
#include "base/json.h"

#include "base/alloc.h"
#include "base/json_scan.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct json_limits json_limits_default(void) {
    return (struct json_limits){.max_bytes = 8u << 20,
                                .max_depth = 64,
                                .max_keys = 10000,
                                .max_values = 1000000,
                                .max_string = 64u << 10};
}

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
    struct json_limits usual = json_limits_default();
    char *patched = NULL;
    if (!json_scan(text, size, name, limits != NULL ? limits : &usual, &patched, err)) return NULL;
    cJSON *root = cJSON_ParseWithLength(patched != NULL ? patched : text, size);
    mem_free(patched);
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

/* The text with U+FFFD for each byte that is no UTF-8, and for NUL; mem_free it. */
static char *clean_text(const char *text, size_t size) {
    if (size > (SIZE_MAX - 1) / 3) return NULL;
    char *clean = mem_alloc(3 * size + 1); /* one bad byte becomes three */
    if (clean == NULL) return NULL;
    size_t n = 0;
    for (size_t at = 0; at < size;) {
        size_t length = json_utf8_length((const unsigned char *)text + at, size - at);
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
    return clean;
}

struct json *json_new_string(const char *text, size_t size) {
    char *clean = clean_text(text, size);
    cJSON *item = clean != NULL ? cJSON_CreateString(clean) : NULL;
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
    if (array != NULL && child != NULL && cJSON_AddItemToArray(node(array), node(child)))
        return true;
    json_free(child);
    return false;
}

bool json_set(struct json *object, const char *key, struct json *child) {
    char *clean = clean_text(key, strlen(key));
    bool ok = object != NULL && child != NULL && clean != NULL &&
              cJSON_AddItemToObject(node(object), clean, node(child));
    mem_free(clean);
    if (!ok) json_free(child);
    return ok;
}

/* ---- printing: cJSON's own rounds the last digit of a number away and indents with tabs ---- */

struct output {
    char *text;
    size_t size, cap;
    bool indent, failed;
};

static void put(struct output *out, const char *bytes, size_t size) {
    if (out->failed) return;
    if (size > out->cap - out->size) {
        size_t cap = 2 * out->cap > out->size + size ? 2 * out->cap : out->size + size;
        char *text = mem_realloc(out->text, cap);
        out->failed = text == NULL;
        if (out->failed) return;
        out->text = text;
        out->cap = cap;
    }
    memcpy(out->text + out->size, bytes, size);
    out->size += size;
}

static void put_line(struct output *out, int depth) {
    if (!out->indent) return;
    put(out, "\n", 1);
    for (int i = 0; i < depth; i++)
        put(out, "  ", 2);
}

static void put_string(struct output *out, const char *text) {
    static const char values[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
    put(out, "\"", 1);
    while (*text != '\0') {
        size_t plain = 0;
        while ((unsigned char)text[plain] >= 0x20 && text[plain] != '"' && text[plain] != '\\')
            plain++;
        put(out, text, plain);
        text += plain;
        if (*text == '\0') break;
        char escape[8] = "\\";
        const char *found = strchr(values, *text);
        if (found != NULL) {
            escape[1] = names[found - values];
        } else {
            snprintf(escape, sizeof escape, "\\u%04x", (unsigned char)*text);
        }
        put(out, escape, strlen(escape));
        text++;
    }
    put(out, "\"", 1);
}

/* The shortest digits that give the same double back. */
static void put_number(struct output *out, double value) {
    char digits[32];
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtod(digits, NULL) == value) break;
    }
    put(out, digits, strlen(digits));
}

/* Recursion is as deep as the document. */
static void put_value(struct output *out, const struct json *value, int depth) {
    enum json_kind kind = json_kind_of(value);
    switch (kind) {
    case JSON_NULL:
        put(out, "null", 4);
        return;
    case JSON_BOOL:
        put(out, json_bool(value) ? "true" : "false", json_bool(value) ? 4 : 5);
        return;
    case JSON_NUMBER:
        put_number(out, json_number(value));
        return;
    case JSON_STRING:
        put_string(out, json_string(value));
        return;
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    const struct json *first = json_first(value);
    put(out, kind == JSON_ARRAY ? "[" : "{", 1);
    for (const struct json *child = first; child != NULL; child = json_next(child)) {
        if (child != first) put(out, ",", 1);
        put_line(out, depth + 1);
        if (kind == JSON_OBJECT) {
            put_string(out, json_key(child));
            put(out, ": ", out->indent ? 2 : 1);
        }
        put_value(out, child, depth + 1);
    }
    if (first != NULL) put_line(out, depth);
    put(out, kind == JSON_ARRAY ? "]" : "}", 1);
}

char *json_print(const struct json *value, bool indent) {
    struct output out = {.cap = 256, .indent = indent};
    out.text = mem_alloc(out.cap);
    out.failed = out.text == NULL;
    put_value(&out, value, 0);
    put(&out, "", 1);
    if (!out.failed) return out.text;
    mem_free(out.text);
    return NULL;
}
