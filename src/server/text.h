/* text.h - a growing byte buffer, and JSON written straight into it.
 *
 * Answers are flat and hot (one piece a token), so they are printed instead of built as trees.
 * Memory that is short sets `failed` and drops what follows: one check at the end is enough. */
#ifndef WOOLLY_SERVER_TEXT_H
#define WOOLLY_SERVER_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text {
    char *data; /* not terminated; to mem_free */
    size_t size, cap;
    bool failed;
};

void text_free(struct text *text);
/* Forgets the content, keeps the memory. */
static inline void text_clear(struct text *text) {
    text->size = 0;
    text->failed = false;
}
bool text_reserve(struct text *text, size_t more);
void text_put(struct text *text, const void *data, size_t size);
void text_puts(struct text *text, const char *string);
void text_printf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Drops the first n bytes. */
void text_drop(struct text *text, size_t n);
/* A NUL behind the content that size does not count; "" when memory is short. */
const char *text_string(struct text *text);

bool text_is_utf8(const char *data, size_t size);
/* A JSON string with its quotation marks; bytes that are no UTF-8 become U+FFFD. */
void text_json(struct text *text, const char *data, size_t size);
void text_jsons(struct text *text, const char *string);
/* The same without the quotation marks. */
void text_json_inside(struct text *text, const char *data, size_t size);
/* A number with `decimals`, null when it is none. */
void text_number(struct text *text, double value, int decimals);

#endif
