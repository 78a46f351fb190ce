/* pages.h - a few documents that somebody else made and the server hands out: path, type, body. */
#ifndef WOOLLY_SERVER_PAGES_H
#define WOOLLY_SERVER_PAGES_H

#include "server/text.h"

#include <stddef.h>

struct pages;

struct pages *pages_new(void); /* NULL when memory is short */
void pages_free(struct pages *pages);

/* Copies the body; replaces what was at the path. False: memory is short, there are too many, or
 * the path is not below /dashboard. Any thread. */
bool pages_set(struct pages *pages, const char *path, bool is_html, const char *body, size_t size);

/* Appends the body of a path and tells its type; false where there is none. Any thread. */
bool pages_print(struct pages *pages, const char *path, struct text *out, const char **type);

#endif
