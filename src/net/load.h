/* load.h - many generations against one server, timed in one thread without a script in the loop.
 *
 * Closed loop: each of `users` sends its next request when the last one has ended; it says what a
 * server does for that many callers, and hides how long a stall would have kept others waiting.
 * Open loop: requests leave when they are due, whatever the server does; latency counts from when
 * they were due (s_plan), so a stall is seen by everyone it kept waiting. */
#ifndef WOOLLY_NET_LOAD_H
#define WOOLLY_NET_LOAD_H

#include "net/net.h"

struct curl_slist;

enum load_shape { LOAD_CLOSED, LOAD_CONSTANT, LOAD_POISSON, LOAD_TRACE };

struct load_body {
    const char *bytes;
    size_t size;
};

struct load_options {
    enum load_shape shape;
    const char *url;
    const struct curl_slist *headers;
    const struct load_body *bodies; /* in turns, or as the trace says */
    int64_t n_bodies;
    int64_t max_tokens;    /* what every body asks for; 0: not known */
    int64_t users;         /* closed loop: 1..4096 */
    double rate, rate_end; /* open loop: requests/s; rate_end 0: as rate */
    double ramp_s;         /* closed: until the last user has begun; open: from rate to rate_end */
    double duration_s;     /* no request begins later; 0: only `requests` ends it */
    int64_t requests;      /* at most so many; 0: only the time ends it */
    double drain_s;        /* how long the last ones may take before they are given up */
    const double *trace_s; /* trace: seconds from the start, ascending */
    const int32_t *trace_body;
    int64_t n_trace;
    int64_t max_in_flight; /* open loop: what is due beyond is dropped and counted */
    uint64_t seed;
    bool keeps_text, stops_saturated;
    struct net_limits limits;
    const char *ca_file;
};
struct load_options load_options_default(void);

struct load {
    struct net_record *records; /* of what was sent, in the order of its end */
    int64_t *times;             /* arrivals: record.times_at .. + n_pieces */
    char *text;                 /* record.text_at .. + text_size */
    size_t n_records, n_times, n_text;
    size_t records_capacity, times_capacity, text_capacity;
    int64_t dropped;
    int64_t start_ns, stop_ns, end_ns; /* of the load, of the last beginning, of the last end */
    int64_t cpu_ns;                    /* of the thread that drove it */
    bool is_saturated;                 /* stopped by the two-slope rule */
    bool has_given_up;                 /* stopped because nothing succeeds */
    int64_t by_failure[NET_FAILURES];
    char examples[NET_FAILURES][200]; /* the first message of each */
};

/* False: it could not be started, memory ran out, or *cancel was raised. load_free either way. */
bool load_run(struct load *load, const struct load_options *options, const volatile int *cancel,
              struct err *err);
void load_free(struct load *load);

enum load_value {
    LOAD_TTFT,        /* first piece - sent */
    LOAD_TTFT_PLAN,   /* first piece - due */
    LOAD_TTST,        /* second piece - first */
    LOAD_TPOT,        /* (last - first) / (tokens - 1) of a request */
    LOAD_ITL,         /* gaps, all requests whose pieces are single tokens */
    LOAD_ICL,         /* gaps between pieces, all requests */
    LOAD_MAX_GAP,     /* the largest one of a request */
    LOAD_E2E,         /* last piece - sent */
    LOAD_E2E_PLAN,    /* last piece - due */
    LOAD_LAG,         /* sent - due, of all that was sent */
    LOAD_DECODE_RATE, /* (tokens - 1) / (last - first), 1/s */
    LOAD_QUEUE,       /* as the server says */
    LOAD_PREFILL,
    LOAD_VALUES
};
/* Milliseconds (rates: 1/s) of the requests that succeeded and were due from_s..to_s after the
 * start. Returns how many there are; writes the first `capacity` of them. */
size_t load_values(const struct load *load, enum load_value which, double from_s, double to_s,
                   double *out, size_t capacity);
/* Pieces of requests that succeeded which came from_s..to_s after the start. */
size_t load_pieces_between(const struct load *load, double from_s, double to_s);

#endif
