/* json_scan.h - private to json.c: the strict scanner in front of cJSON. */
#ifndef WOOLLY_BASE_JSON_SCAN_H
#define WOOLLY_BASE_JSON_SCAN_H

#include "base/json.h"

/* True when the text is JSON within the limits. *patched: NULL, or the text of the same size to
 * give cJSON instead, with numbers too long for it made short; mem_free it. */
bool json_scan(const char *text, size_t size, const char *name, const struct json_limits *limits,
               char **patched, struct err *err);
/* Bytes of the UTF-8 character at p (at most left), or 0: it is none. */
size_t json_utf8_length(const unsigned char *p, size_t left);

#endif
