/* http_watch.h - a strict look at every byte that libmicrohttpd reads from a connection.
 *
 * The door sees the head of the first request only, and libmicrohttpd is lenient: it takes bare
 * line feeds, folded headers, loose chunks. So this room defines recv(), which libmicrohttpd calls
 * (a program's symbol goes before the C library's), and what two parsers could read differently
 * does not get past it: behind the last good request the connection looks ended. */
#ifndef WOOLLY_SERVER_HTTP_WATCH_H
#define WOOLLY_SERVER_HTTP_WATCH_H

#include "server/http_scan.h"

#include <sys/types.h>

enum { HTTP_WATCH_MOST_FDS = 65536 };

/* The bytes of one connection, in order. Pure but for the memory of a head that came in pieces. */
struct http_stream {
    enum {
        STREAM_HEAD,
        STREAM_BODY,
        STREAM_CHUNK_SIZE,
        STREAM_CHUNK,
        STREAM_CHUNK_END,
        STREAM_TRAILER,
        STREAM_BAD,
    } phase;
    uint64_t left;                /* of the body or the chunk */
    size_t n_line;                /* bytes of a chunk's line so far */
    bool has_ended, in_extension; /* its CR came; its ; came */
    char *head;                   /* [n_head] of a head whose end has not come */
    size_t n_head;
    unsigned n_requests;    /* whose heads were good */
    struct http_scan error; /* when bad */
    bool broke_body;        /* it is not in a head */
};

/* How many of the n bytes may be passed on; fewer than n: the rest is bad, see `error`. */
size_t http_stream_take(struct http_stream *stream, const char *data, size_t n);
void http_stream_free(struct http_stream *stream);

struct front;

/* From now on what recv() reads from fd is looked at; false: no memory, or too large an fd. */
bool http_watch_open(int fd, struct front *front);
void http_watch_close(int fd);
/* A request begins: false when its head was not seen here, which must not be. */
bool http_watch_begin(int fd);
/* Its answer has been sent: one that came behind it and is bad is refused now. */
void http_watch_end(int fd);

#endif
