/* text.c - see text.h. */
#include "server/text.h"

#include "base/alloc.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LEAST_ROOM 256

void text_free(struct text *t) {
    mem_free(t->data);
    *t = (struct text){0};
}

bool text_reserve(struct text *t, size_t more) {
    size_t wanted;
    if (t->failed) return false;
    if (__builtin_add_overflow(t->size, more, &wanted)) wanted = SIZE_MAX;
    if (wanted <= t->cap) return true;
    size_t cap = t->cap < LEAST_ROOM ? LEAST_ROOM : t->cap;
    while (cap < wanted && cap <= SIZE_MAX / 2)
        cap *= 2;
    char *data = cap < wanted ? NULL : mem_realloc(t->data, cap);
    if (data == NULL) {
        t->failed = true;
        return false;
    }
    t->data = data;
    t->cap = cap;
    return true;
}

void text_put(struct text *t, const void *data, size_t size) {
    if (size == 0 || !text_reserve(t, size)) return;
    memcpy(t->data + t->size, data, size);
    t->size += size;
}

void text_puts(struct text *t, const char *string) {
    text_put(t, string, strlen(string));
}

void text_printf(struct text *t, const char *format, ...) {
    va_list arguments;
    if (!text_reserve(t, 64)) return;
    va_start(arguments, format);
    int n = vsnprintf(t->data + t->size, t->cap - t->size, format, arguments);
    va_end(arguments);
    if (n < 0) return;
    if ((size_t)n >= t->cap - t->size) {
        if (!text_reserve(t, (size_t)n + 1)) return;
        va_start(arguments, format);
        vsnprintf(t->data + t->size, t->cap - t->size, format, arguments);
        va_end(arguments);
    }
    t->size += (size_t)n;
}

void text_drop(struct text *t, size_t n) {
    if (n >= t->size) {
        t->size = 0;
        return;
    }
    memmove(t->data, t->data + n, t->size - n);
    t->size -= n;
}

const char *text_string(struct text *t) {
    if (!text_reserve(t, 1)) return "";
    t->data[t->size] = '\0';
    return t->data;
}

/* ---- JSON ---- */

/* Bytes of the UTF-8 character at p, or 0: it is none. */
static size_t utf8_length(const unsigned char *p, size_t left) {
    size_t n = *p < 0x80                 ? 1
               : *p >= 0xc2 && *p < 0xe0 ? 2
               : *p >= 0xe0 && *p < 0xf0 ? 3
               : *p >= 0xf0 && *p < 0xf5 ? 4
                                         : 0;
    if (n == 0 || n > left) return 0;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) return 0;
    }
    if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) || (*p == 0xf0 && p[1] < 0x90) ||
        (*p == 0xf4 && p[1] > 0x8f)) {
        return 0;
    }
    return n;
}

bool text_is_utf8(const char *data, size_t size) {
    const unsigned char *p = (const unsigned char *)data;
    for (size_t i = 0, n; i < size; i += n) {
        n = utf8_length(p + i, size - i);
        if (n == 0) return false;
    }
    return true;
}

static bool is_plain(unsigned char c) {
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

void text_json_inside(struct text *t, const char *data, size_t size) {
    static const char replacement[] = "\xef\xbf\xbd";
    const unsigned char *p = (const unsigned char *)data;
    for (size_t i = 0; i < size;) {
        size_t run = i;
        while (run < size && is_plain(p[run]))
            run++;
        text_put(t, p + i, run - i);
        i = run;
        if (i == size) return;
        if (p[i] == '"' || p[i] == '\\') {
            char escaped[2] = {'\\', (char)p[i++]};
            text_put(t, escaped, 2);
        } else if (p[i] == '\n') {
            text_put(t, "\\n", 2);
            i++;
        } else if (p[i] < 0x20 || p[i] == 0x7f) {
            text_printf(t, "\\u%04x", p[i++]);
        } else {
            size_t n = utf8_length(p + i, size - i);
            if (n > 0) {
                text_put(t, p + i, n);
            } else {
                text_put(t, replacement, 3);
            }
            i += n > 0 ? n : 1;
        }
    }
}

void text_json(struct text *t, const char *data, size_t size) {
    text_put(t, "\"", 1);
    text_json_inside(t, data, size);
    text_put(t, "\"", 1);
}

void text_jsons(struct text *t, const char *string) {
    text_json(t, string, strlen(string));
}

void text_number(struct text *t, double value, int decimals) {
    if (!isfinite(value)) {
        text_puts(t, "null");
    } else {
        text_printf(t, "%.*f", decimals, value);
    }
}
