/* http_scan.h - a strict look at the bytes of a request's head, before any lenient parser sees
 * them.
 *
 * Accepted is what RFC 9112 lets a client send and nothing that two parsers read differently: CRLF
 * line ends, no folding, one Host, Content-Length or Transfer-Encoding: chunked but not both,
 * visible ASCII in the target. Pure: bytes in, verdict out. */
#ifndef WOOLLY_SERVER_HTTP_SCAN_H
#define WOOLLY_SERVER_HTTP_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    HTTP_MAX_LINE = 8192,  /* of the request line, and of one header */
    HTTP_MAX_HEAD = 32768, /* all headers together */
    HTTP_MAX_HEADERS = 64,
    HTTP_MAX_BODY = 8 << 20,
};

struct http_scan {
    int status;          /* 0: more bytes are needed; 200: a good head; else what to answer */
    const char *problem; /* with an error: what, found, allowed */
    const char *code;    /* "bad_request_line", ... */
    /* Of a good head: */
    size_t head_size; /* with the empty line */
    uint64_t length;  /* of the body */
    bool is_chunked;  /* the body comes in chunks; length is 0 */
};

struct http_scan http_scan(const char *data, size_t size);

#endif
