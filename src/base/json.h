/* json.h - strict JSON (RFC 8259) in, JSON out. cJSON does the work behind a strict scanner.
 *
 * Refused with the byte offset: trailing bytes, a BOM, bad UTF-8, raw control characters, lone
 * surrogates, 012, 1., 1e999, integers that a double does not hold, nesting over 64, files over
 * 8 MiB, more than 10,000 keys or 10^6 values, strings over 64 KiB (limits below). Stricter than
 * the RFC asks: duplicate keys and "\u0000" are refused too. */
#ifndef WOOLLY_BASE_JSON_H
#define WOOLLY_BASE_JSON_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct json; /* one value of a document, opaque */

enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json_limits {
    size_t max_bytes;
    int max_depth;
    int max_keys;
    int max_values; /* of all kinds; each takes about 100 bytes */
    size_t max_string;
};
struct json_limits json_limits_default(void);

/* name: what to call the text in messages (a file name). limits NULL: the defaults. */
struct json *json_parse(const char *text, size_t size, const char *name,
                        const struct json_limits *limits, struct err *err);
void json_free(struct json *document); /* the root only; NULL is fine */

enum json_kind json_kind_of(const struct json *value);
bool json_bool(const struct json *value);
double json_number(const struct json *value);
const char *json_string(const struct json *value);        /* NUL-terminated: "\u0000" is refused */
const struct json *json_first(const struct json *parent); /* first child or NULL */
const struct json *json_next(const struct json *child);
const char *json_key(const struct json *member);                         /* of an object's child */
const struct json *json_get(const struct json *object, const char *key); /* case-sensitive */

/* Builders: NULL when memory is short. json_append / json_set take ownership of child, also when
 * they fail (child is freed), and return false then or when child is NULL, so that a chain can be
 * checked once at the end. */
struct json *json_new_null(void);
struct json *json_new_bool(bool value);
struct json *json_new_number(double value);                  /* NaN and infinities become null */
struct json *json_new_string(const char *text, size_t size); /* bad UTF-8 becomes U+FFFD */
struct json *json_new_array(void);
struct json *json_new_object(void);
bool json_append(struct json *array, struct json *child);
bool json_set(struct json *object, const char *key, struct json *child);
/* Text to mem_free, or NULL when memory is short. indent: two spaces a level, one key a line. */
char *json_print(const struct json *value, bool indent);

#endif
