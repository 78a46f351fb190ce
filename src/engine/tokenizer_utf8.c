/* tokenizer_utf8.c - reads UTF-8 that may be anything, and joins pieces into UTF-8 that is valid.
 */
#include "engine/tokenizer_private.h"

#include <assert.h>
#include <string.h>

int32_t utf8_next(const char *text, size_t n, size_t *size) {
    const unsigned char *s = (const unsigned char *)text;
    unsigned lead = s[0], low = 0x80, high = 0xbf;
    size_t more;
    int32_t code;
    *size = 1;
    if (lead < 0x80) return (int32_t)lead;
    if (lead < 0xc2 || lead > 0xf4) return UTF8_BAD;
    if (lead < 0xe0) {
        more = 1;
        code = lead & 0x1f;
    } else if (lead < 0xf0) {
        more = 2;
        code = lead & 0x0f;
        if (lead == 0xe0) low = 0xa0;  /* shorter forms exist */
        if (lead == 0xed) high = 0x9f; /* surrogates */
    } else {
        more = 3;
        code = lead & 0x07;
        if (lead == 0xf0) low = 0x90;
        if (lead == 0xf4) high = 0x8f; /* above U+10FFFF */
    }
    for (size_t i = 1; i <= more; i++, low = 0x80, high = 0xbf) {
        *size = i;
        if (i == n) return UTF8_CUT;
        if (s[i] < low || s[i] > high) return UTF8_BAD;
        code = code << 6 | (s[i] & 0x3f);
    }
    *size = more + 1;
    return code;
}

static size_t put(char *out, size_t used, const char *bytes, size_t size) {
    memcpy(out + used, bytes, size);
    return used + size;
}

static size_t put_replacement(char *out, size_t used) {
    return put(out, used, "\xef\xbf\xbd", 3);
}

/* Takes as much of s as is decided, returns how much. */
static size_t decide(const char *s, size_t n, char *out, size_t *used) {
    size_t at = 0, size;
    while (at < n) {
        int32_t code = utf8_next(s + at, n - at, &size);
        if (code == UTF8_CUT) break;
        *used = code == UTF8_BAD ? put_replacement(out, *used) : put(out, *used, s + at, size);
        at += size;
    }
    return at;
}

size_t utf8_join_push(struct utf8_join *join, const char *piece, size_t size, char *out,
                      size_t cap) {
    assert(cap >= 3 * (size + 4));
    (void)cap;
    size_t used = 0, taken = 0;
    while (join->n_pending > 0 && taken < size) { /* finish what was begun, byte by byte */
        char *pending = (char *)join->pending;
        pending[join->n_pending++] = piece[taken++];
        size_t n = (size_t)join->n_pending, done = decide(pending, n, out, &used);
        join->n_pending = (int)(n - done);
        memmove(pending, pending + done, n - done);
    }
    size_t done = decide(piece + taken, size - taken, out, &used);
    size_t left = size - taken - done;
    if (left > 0) { /* only where nothing is pending any more */
        memcpy(join->pending, piece + taken + done, left);
        join->n_pending = (int)left;
    }
    return used;
}

size_t utf8_join_finish(struct utf8_join *join, char *out, size_t cap) {
    assert(cap >= 12);
    (void)cap;
    size_t used = join->n_pending > 0 ? put_replacement(out, 0) : 0;
    join->n_pending = 0;
    return used;
}
