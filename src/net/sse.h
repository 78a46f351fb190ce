/* sse.h - server-sent events out of bytes that come in any pieces.
 *
 * The format is the HTML standard's event stream: lines end in LF, CR or CR LF; an empty line ends
 * an event; "data" lines of one event are joined by LF; lines that begin with ':' are comments; a
 * byte order mark in front is skipped; what is not ended by an empty line is no event. */
#ifndef WOOLLY_NET_SSE_H
#define WOOLLY_NET_SSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sse_buffer {
    char *bytes;
    size_t size, capacity;
};

/* One event; type is "" unless the event names one. data is valid during the call, a NUL follows it
 * that size does not count. False stops the parser. */
typedef bool (*sse_event_fn)(void *user, const char *type, const char *data, size_t size);

struct sse {
    sse_event_fn on_event;
    void *user;
    size_t max_event; /* bytes of one line, and of one event's data */
    struct sse_buffer line, data;
    char type[32];
    bool has_data, was_cr, is_past_start;
    uint64_t events, comments;
};

enum sse_result { SSE_OK, SSE_TOO_LARGE, SSE_STOPPED, SSE_MEMORY };

void sse_init(struct sse *sse, size_t max_event, sse_event_fn on_event, void *user);
/* Ready for the next stream; keeps its memory. */
void sse_reset(struct sse *sse);
void sse_free(struct sse *sse);
/* The next bytes of the stream. After anything but SSE_OK only sse_reset and sse_free are allowed.
 */
enum sse_result sse_push(struct sse *sse, const char *bytes, size_t size);
/* Has an event begun that no empty line has ended? */
bool sse_is_inside(const struct sse *sse);

#endif
