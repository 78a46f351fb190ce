/* span.h - a bounded read cursor over untrusted bytes, and checked size arithmetic.
 *
 * Every size that comes from a file goes through these. A cursor never points outside its bytes;
 * a failed read leaves it where it was. */
#ifndef WOOLLY_BASE_SPAN_H
#define WOOLLY_BASE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct span {
    const uint8_t *data;
    uint64_t size;
    uint64_t at; /* next byte to read, 0..size */
};

static inline uint64_t span_left(const struct span *s) {
    return s->size - s->at;
}

/* The next n bytes, or NULL when fewer are left. */
static inline const uint8_t *span_take(struct span *s, uint64_t n) {
    if (n > span_left(s)) return NULL;
    const uint8_t *bytes = s->data + s->at;
    s->at += n;
    return bytes;
}

/* Little-endian reads into a native value; the machines we run on are little-endian. */
static inline bool span_read(struct span *s, void *out, uint64_t n) {
    const uint8_t *bytes = span_take(s, n);
    if (bytes == NULL) return false;
    memcpy(out, bytes, n);
    return true;
}

static inline bool size_add(uint64_t a, uint64_t b, uint64_t *out) {
    return !__builtin_add_overflow(a, b, out);
}

static inline bool size_mul(uint64_t a, uint64_t b, uint64_t *out) {
    return !__builtin_mul_overflow(a, b, out);
}

/* value rounded up to a multiple of align (a power of two); false when it would wrap. */
static inline bool size_align(uint64_t value, uint64_t align, uint64_t *out) {
    uint64_t sum;
    if (!size_add(value, align - 1, &sum)) return false;
    *out = sum & ~(align - 1);
    return true;
}

/* True when [offset, offset + size) lies inside [0, total). */
static inline bool size_inside(uint64_t offset, uint64_t size, uint64_t total) {
    uint64_t end;
    return size_add(offset, size, &end) && end <= total;
}

#endif
