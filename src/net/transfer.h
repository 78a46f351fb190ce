/* transfer.h - one HTTP request and its answer: sent by libcurl, read, timed and classified here.
 */
#ifndef WOOLLY_NET_TRANSFER_H
#define WOOLLY_NET_TRANSFER_H

#include "net/net.h"
#include "net/sse.h"

struct curl_slist;

#define NET_MESSAGE 256 /* CURL_ERROR_SIZE */

struct net_request {
    const char *method, *url;
    const struct curl_slist *headers; /* lives as long as the transfer */
    const char *body;                 /* likewise; NULL: none */
    size_t body_size;
    int64_t max_tokens;  /* asked for; 0: not known */
    bool is_stream;      /* an event stream is wanted */
    const char *ca_file; /* NULL: the system's certificates */
};

struct net_event {
    int64_t at_ns;
    size_t at, size; /* in the transfer's body */
};

struct transfer {
    void *easy; /* libcurl's handle */
    struct net_limits limits;
    struct net_record record;
    char message[NET_MESSAGE]; /* why it failed */
    /* what to keep: set before transfer_start */
    bool keeps_text, keeps_events;
    bool is_unjudged;       /* only what the network does wrong is a failure */
    int64_t hang_up_events; /* > 0: the client leaves after so many events */
    /* results beside the record */
    int64_t *times; /* record.n_pieces arrivals */
    struct sse_buffer text, body, head;
    struct net_event *events; /* record.n_events of them where kept */
    bool has_done, is_closing;
    /* private */
    struct sse sse;
    size_t times_capacity, events_capacity, head_bytes;
    int64_t max_tokens, heard_ns, now_ns;
    bool is_stream, reads_events, is_head_complete, is_encoded, hung_up, has_retry_after;
    enum net_failure stop;
    char curl_error[NET_MESSAGE];
    char content_type[80];
};

/* transfer_free is allowed after a failure too. */
bool transfer_init(struct transfer *transfer, const struct net_limits *limits, struct err *err);
void transfer_free(struct transfer *transfer);
/* Sets the handle up; record.send_ns is now. Give easy to a poller next. */
bool transfer_start(struct transfer *transfer, const struct net_request *request, struct err *err);
/* When it has to be given up, and as what. */
int64_t transfer_deadline(const struct transfer *transfer, enum net_failure *why);
/* Ends a transfer that the poller no longer has, by libcurl's code: fills record.failure and
 * message. */
void transfer_end(struct transfer *transfer, int code);
/* The same for one that was given up. */
void transfer_give_up(struct transfer *transfer, enum net_failure why);

#endif
