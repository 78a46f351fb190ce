/* net.h - what the files of this room share: limits, classes of failure, the record of one request.
 *
 * A server under test is not trusted: every size and every wait has a limit, redirects are not
 * followed, proxies of the environment are not used, content is not decoded, and nothing is tried
 * twice. Times are CLOCK_MONOTONIC_RAW in nanoseconds; 0: it never happened. */
#ifndef WOOLLY_NET_NET_H
#define WOOLLY_NET_NET_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <time.h>

/* How a request ended. Only NET_OK counts as success. */
enum net_failure {
    NET_OK,
    NET_CONNECT,         /* refused, unreachable, name unknown */
    NET_TLS,             /* certificate or handshake */
    NET_CONNECT_TIMEOUT, /* no connection within the limit */
    NET_FIRST_TIMEOUT,   /* no whole answer head within the limit */
    NET_GAP_TIMEOUT,     /* nothing new within the limit */
    NET_TOTAL_TIMEOUT,
    NET_RESET,        /* the connection broke */
    NET_TRUNCATED,    /* fewer bytes than announced, or no end of the chunks */
    NET_BAD_HTTP,     /* no HTTP, or broken HTTP */
    NET_TOO_LARGE,    /* head, body or event beyond its limit */
    NET_ENCODED,      /* a content encoding nobody asked for */
    NET_REDIRECT,     /* 3xx */
    NET_RATE_LIMIT,   /* 429 */
    NET_UNAVAILABLE,  /* 503 */
    NET_CLIENT_ERROR, /* other 4xx */
    NET_SERVER_ERROR, /* other 5xx, and statuses that mean nothing here */
    NET_NOT_STREAM,   /* a stream was asked for, another content type came */
    NET_BAD_EVENT,    /* an event that is no JSON object in UTF-8 */
    NET_ERROR_EVENT,  /* an error inside the stream */
    NET_NO_FINISH,    /* the stream ended without a finish reason */
    NET_NO_DONE,      /* ... with one, but without [DONE] */
    NET_AFTER_DONE,   /* something behind [DONE] */
    NET_EMPTY,        /* finished without a token */
    NET_COUNT,        /* a token count that cannot be true */
    NET_CANCELLED,    /* we ended it: Ctrl-C, or the load's end */
    NET_MEMORY,
    NET_FAILURES /* how many there are */
};

/* "ok", "connect", "tls", "connect_timeout" ... */
const char *net_failure_name(enum net_failure failure);

struct net_limits {
    int64_t connect_ms, first_ms, gap_ms, total_ms;
    int64_t max_event, max_headers, max_body; /* bytes */
    bool done_optional; /* a stream may end without [DONE] once it has a finish reason */
};
/* 5 s, 60 s, 30 s, 600 s; 1 MiB, 64 KiB, 8 MiB. */
struct net_limits net_limits_default(void);

/* One generation as the client saw it. A piece is a part of the stream with text in it. */
struct net_record {
    int64_t plan_ns;                      /* when it should have been sent */
    int64_t send_ns;                      /* when it was handed to the network */
    int64_t header_ns;                    /* the answer's head was complete */
    int64_t first_ns;                     /* first piece, reasoning included */
    int64_t answer_ns;                    /* first piece that is no reasoning */
    int64_t last_ns;                      /* last piece */
    int64_t end_ns;                       /* the stream was closed, or given up */
    int64_t n_tokens, n_prompt, n_cached; /* as usage says; -1: it does not */
    double queue_ms, prefill_ms;          /* as the server says; else NaN */
    uint64_t times_at; /* n_pieces arrival times from here on, in the load's pool */
    uint64_t text_at, text_size;
    int32_t n_pieces, n_events;
    int32_t body; /* which request body */
    int32_t status;
    enum net_failure failure;
    char finish_reason[24];
};

static inline int64_t net_now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_RAW, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Header lines "Name: value" of requests. The list with one more, or NULL when memory is short (the
 * old one stands). NULL is an empty list. */
struct curl_slist;
struct curl_slist *net_headers_add(struct curl_slist *headers, const char *line);
void net_headers_free(struct curl_slist *headers);

/* libcurl once per process, with our allocator. */
bool net_begin(struct err *err);

#endif
