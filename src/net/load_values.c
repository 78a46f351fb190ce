/* load_values.c - what the records of a load say, value by value. */
#include "net/load.h"

#include <math.h>

#define NS_PER_MS 1e6
#define NS_PER_S 1e9

struct sink {
    double *out;
    size_t n, capacity;
};

static void put(struct sink *sink, double value) {
    if (sink->n < sink->capacity) sink->out[sink->n] = value;
    sink->n++;
}

/* Tokens by usage where it is known, else by pieces. */
static int64_t tokens_of(const struct net_record *r) {
    return r->n_tokens >= 0 ? r->n_tokens : r->n_pieces;
}

static void put_gaps(struct sink *sink, const struct load *load, const struct net_record *r,
                     bool only_largest) {
    const int64_t *times = load->times + r->times_at;
    int64_t largest = -1;
    for (int32_t i = 1; i < r->n_pieces; i++) {
        int64_t gap = times[i] - times[i - 1];
        if (gap > largest) largest = gap;
        if (!only_largest) put(sink, (double)gap / NS_PER_MS);
    }
    if (only_largest && largest >= 0) put(sink, (double)largest / NS_PER_MS);
}

static void put_decode(struct sink *sink, const struct net_record *r, bool as_rate) {
    int64_t n = tokens_of(r), ns = r->last_ns - r->first_ns;
    if (n < 2 || ns <= 0) return; /* undefined: not "good" */
    put(sink, as_rate ? (double)(n - 1) / (double)ns * NS_PER_S
                      : (double)ns / (double)(n - 1) / NS_PER_MS);
}

static void put_value(struct sink *sink, const struct load *load, const struct net_record *r,
                      enum load_value which) {
    double sent = (double)r->send_ns, due = (double)r->plan_ns;
    switch (which) {
    case LOAD_TTFT:
        put(sink, ((double)r->first_ns - sent) / NS_PER_MS);
        break;
    case LOAD_TTFT_PLAN:
        put(sink, ((double)r->first_ns - due) / NS_PER_MS);
        break;
    case LOAD_TTST:
        if (r->n_pieces < 2) break;
        put(sink, (double)(load->times[r->times_at + 1] - load->times[r->times_at]) / NS_PER_MS);
        break;
    case LOAD_TPOT:
        put_decode(sink, r, false);
        break;
    case LOAD_DECODE_RATE:
        put_decode(sink, r, true);
        break;
    case LOAD_ITL:
        if (tokens_of(r) == r->n_pieces) put_gaps(sink, load, r, false);
        break;
    case LOAD_ICL:
        put_gaps(sink, load, r, false);
        break;
    case LOAD_MAX_GAP:
        put_gaps(sink, load, r, true);
        break;
    case LOAD_E2E:
        put(sink, ((double)r->last_ns - sent) / NS_PER_MS);
        break;
    case LOAD_E2E_PLAN:
        put(sink, ((double)r->last_ns - due) / NS_PER_MS);
        break;
    case LOAD_LAG:
        put(sink, (sent - due) / NS_PER_MS);
        break;
    case LOAD_QUEUE:
        if (!isnan(r->queue_ms)) put(sink, r->queue_ms);
        break;
    case LOAD_PREFILL:
        if (!isnan(r->prefill_ms)) put(sink, r->prefill_ms);
        break;
    case LOAD_VALUES:
        break;
    }
}

size_t load_values(const struct load *load, enum load_value which, double from_s, double to_s,
                   double *out, size_t capacity) {
    struct sink sink = {.out = out, .capacity = capacity};
    for (size_t i = 0; i < load->n_records; i++) {
        const struct net_record *r = &load->records[i];
        double due_s = (double)(r->plan_ns - load->start_ns) / NS_PER_S;
        if (due_s < from_s || due_s > to_s) continue;
        if (r->failure == NET_OK || which == LOAD_LAG) put_value(&sink, load, r, which);
    }
    return sink.n;
}

size_t load_pieces_between(const struct load *load, double from_s, double to_s) {
    size_t n = 0;
    for (size_t i = 0; i < load->n_records; i++) {
        const struct net_record *r = &load->records[i];
        if (r->failure != NET_OK) continue;
        for (int32_t k = 0; k < r->n_pieces; k++) {
            double at = (double)(load->times[r->times_at + (size_t)k] - load->start_ns) / NS_PER_S;
            if (at >= from_s && at < to_s) n++;
        }
    }
    return n;
}
