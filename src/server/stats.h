/* stats.h - what the server counts, and its Prometheus text. */
#ifndef WOOLLY_SERVER_STATS_H
#define WOOLLY_SERVER_STATS_H

#include "server/text.h"

#include <stdatomic.h>
#include <stdint.h>

enum { HISTOGRAM_BUCKETS = 16 };

struct histogram {
    atomic_uint_least64_t buckets[HISTOGRAM_BUCKETS + 1], count, sum_ns;
};

struct stats {
    int64_t started_ns; /* of the server */
    atomic_uint_least64_t requests, errors_client, errors_server, refused_connections,
        cut_connections;
    atomic_uint_least64_t generations, generations_failed, generations_cancelled, prompt_tokens,
        cached_tokens, completion_tokens, steps, batched_tokens;
    atomic_int_least64_t connections, active_streams, queued, kv_bytes, kv_contexts, sessions;
    struct histogram ttft, token_gap, step_overhead;
};

void histogram_add(struct histogram *histogram, int64_t ns);
/* n_models: loaded. */
void stats_print(struct stats *stats, int n_models, struct text *out);

static inline void stats_add(atomic_uint_least64_t *counter, uint64_t n) {
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

#endif
