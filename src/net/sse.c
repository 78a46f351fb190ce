/* sse.c - lines first, fields of a line second, events third. */
#include "net/sse.h"

#include "base/alloc.h"

#include <string.h>

#define FIRST_CAPACITY 512

void sse_init(struct sse *sse, size_t max_event, sse_event_fn on_event, void *user) {
    *sse = (struct sse){.on_event = on_event, .user = user, .max_event = max_event};
}

void sse_reset(struct sse *sse) {
    sse->line.size = sse->data.size = 0;
    sse->type[0] = '\0';
    sse->has_data = sse->was_cr = sse->is_past_start = false;
    sse->events = sse->comments = 0;
}

void sse_free(struct sse *sse) {
    mem_free(sse->line.bytes);
    mem_free(sse->data.bytes);
    sse->line = sse->data = (struct sse_buffer){0};
}

bool sse_is_inside(const struct sse *sse) {
    return sse->line.size > 0 || sse->has_data;
}

/* Appends, and keeps room for a NUL behind. */
static enum sse_result append(struct sse *sse, struct sse_buffer *buffer, const char *bytes,
                              size_t size) {
    if (size > sse->max_event - buffer->size) return SSE_TOO_LARGE;
    size_t needed = buffer->size + size + 1;
    if (needed > buffer->capacity) {
        size_t capacity = buffer->capacity > 0 ? buffer->capacity : FIRST_CAPACITY;
        while (capacity < needed)
            capacity *= 2;
        char *moved = mem_realloc(buffer->bytes, capacity);
        if (moved == NULL) return SSE_MEMORY;
        buffer->bytes = moved;
        buffer->capacity = capacity;
    }
    if (size > 0) memcpy(buffer->bytes + buffer->size, bytes, size);
    buffer->size += size;
    buffer->bytes[buffer->size] = '\0';
    return SSE_OK;
}

static enum sse_result end_event(struct sse *sse) {
    bool go_on = true;
    if (sse->has_data) {
        sse->events++;
        go_on = sse->on_event(sse->user, sse->type, sse->data.bytes, sse->data.size);
    }
    sse->has_data = false;
    sse->data.size = 0;
    sse->type[0] = '\0';
    return go_on ? SSE_OK : SSE_STOPPED;
}

static bool is_field(const char *name, size_t size, const char *wanted) {
    return size == strlen(wanted) && memcmp(name, wanted, size) == 0;
}

static enum sse_result end_line(struct sse *sse, const char *line, size_t size) {
    if (!sse->is_past_start) {
        sse->is_past_start = true;
        if (size >= 3 && memcmp(line, "\xEF\xBB\xBF", 3) == 0) {
            line += 3;
            size -= 3;
        }
    }
    if (size == 0) return end_event(sse);
    const char *colon = memchr(line, ':', size);
    if (colon == line) {
        sse->comments++;
        return SSE_OK;
    }
    size_t name_size = colon != NULL ? (size_t)(colon - line) : size;
    const char *value = colon != NULL ? colon + 1 : line + size;
    size_t value_size = (size_t)(line + size - value);
    if (value_size > 0 && value[0] == ' ') {
        value++;
        value_size--;
    }
    if (is_field(line, name_size, "data")) {
        enum sse_result result = SSE_OK;
        if (sse->has_data) result = append(sse, &sse->data, "\n", 1);
        sse->has_data = true;
        return result == SSE_OK ? append(sse, &sse->data, value, value_size) : result;
    }
    if (is_field(line, name_size, "event")) {
        if (value_size >= sizeof sse->type) value_size = sizeof sse->type - 1;
        memcpy(sse->type, value, value_size);
        sse->type[value_size] = '\0';
    }
    return SSE_OK; /* id, retry and names nobody knows */
}

/* Where the line that begins at bytes ends, or NULL. */
static const char *find_end(const char *bytes, size_t size) {
    const char *lf = memchr(bytes, '\n', size);
    const char *cr = memchr(bytes, '\r', lf != NULL ? (size_t)(lf - bytes) : size);
    return cr != NULL ? cr : lf;
}

enum sse_result sse_push(struct sse *sse, const char *bytes, size_t size) {
    const char *end = bytes + size;
    while (bytes < end) {
        if (sse->was_cr && *bytes == '\n') bytes++;
        sse->was_cr = false;
        if (bytes == end) break;
        const char *stop = find_end(bytes, (size_t)(end - bytes));
        size_t part = (size_t)((stop != NULL ? stop : end) - bytes);
        const char *line = bytes;
        if (stop == NULL || sse->line.size > 0) {
            enum sse_result result = append(sse, &sse->line, bytes, part);
            if (result != SSE_OK) return result;
            if (stop == NULL) return SSE_OK;
            line = sse->line.bytes;
            part = sse->line.size;
        } else if (part > sse->max_event) {
            return SSE_TOO_LARGE;
        }
        sse->was_cr = *stop == '\r';
        enum sse_result result = end_line(sse, line, part);
        if (result != SSE_OK) return result;
        sse->line.size = 0;
        bytes = stop + 1;
    }
    return SSE_OK;
}
