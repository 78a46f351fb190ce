/* stats.c - see stats.h. */
#include "server/stats.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <stdio.h>
#include <unistd.h>

/* Upper bounds in ns: 10 us, then times 2 or 2.5, as 10, 20, 50. */
static const int64_t bounds[HISTOGRAM_BUCKETS] = {
    10000,   20000,    50000,    100000,   200000,    500000,    1000000,    2000000,
    5000000, 10000000, 20000000, 50000000, 100000000, 500000000, 1000000000, 5000000000};

void histogram_add(struct histogram *h, int64_t ns) {
    int i = 0;
    while (i < HISTOGRAM_BUCKETS && ns > bounds[i])
        i++;
    stats_add(&h->buckets[i], 1);
    stats_add(&h->count, 1);
    stats_add(&h->sum_ns, ns > 0 ? (uint64_t)ns : 0);
}

static void print_histogram(struct text *out, const char *name, const char *about,
                            const struct histogram *h) {
    uint64_t below = 0;
    text_printf(out, "# HELP woolly_%s %s\n# TYPE woolly_%s histogram\n", name, about, name);
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++) {
        below += atomic_load(&h->buckets[i]);
        text_printf(out, "woolly_%s_bucket{le=\"%g\"} %llu\n", name, (double)bounds[i] / 1e9,
                    (unsigned long long)below);
    }
    below += atomic_load(&h->buckets[HISTOGRAM_BUCKETS]);
    text_printf(out,
                "woolly_%s_bucket{le=\"+Inf\"} %llu\nwoolly_%s_sum %.9f\nwoolly_%s_count %llu\n",
                name, (unsigned long long)below, name, (double)atomic_load(&h->sum_ns) / 1e9, name,
                (unsigned long long)below);
}

static void print_value(struct text *out, const char *name, const char *kind, const char *about,
                        double value) {
    text_printf(out, "# HELP woolly_%s %s\n# TYPE woolly_%s %s\nwoolly_%s %.17g\n", name, about,
                name, kind, name, value);
}

/* Resident bytes by /proc/self/statm; below 0: unknown. */
static double resident_bytes(void) {
    long pages = -1, resident = -1;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL) return -1;
    if (fscanf(file, "%ld %ld", &pages, &resident) != 2) resident = -1;
    fclose(file);
    return resident < 0 ? -1 : (double)resident * (double)sysconf(_SC_PAGESIZE);
}

void stats_print(struct stats *s, int n_models, struct text *out) {
    const struct {
        const char *name, *about;
        uint64_t value;
    } counters[] = {
        {"requests_total", "HTTP requests answered", atomic_load(&s->requests)},
        {"errors_client_total", "answers with a status of 400 to 499",
         atomic_load(&s->errors_client)},
        {"errors_server_total", "answers with a status of 500 or more",
         atomic_load(&s->errors_server)},
        {"connections_refused_total", "connections answered with 503 at the door",
         atomic_load(&s->refused_connections)},
        {"connections_cut_total", "connections ended for being too slow or malformed",
         atomic_load(&s->cut_connections)},
        {"generations_total", "generations begun", atomic_load(&s->generations)},
        {"generations_failed_total", "generations that ended with an error",
         atomic_load(&s->generations_failed)},
        {"generations_cancelled_total", "generations whose client went away",
         atomic_load(&s->generations_cancelled)},
        {"prompt_tokens_total", "token ids of prompts", atomic_load(&s->prompt_tokens)},
        {"cached_tokens_total", "of them found in a session's KV cache",
         atomic_load(&s->cached_tokens)},
        {"completion_tokens_total", "token ids generated", atomic_load(&s->completion_tokens)},
        {"steps_total", "passes of decode", atomic_load(&s->steps)},
        {"step_tokens_total", "tokens run in them", atomic_load(&s->batched_tokens)},
    };
    const struct {
        const char *name, *about;
        int64_t value;
    } gauges[] = {
        {"connections", "open connections", atomic_load(&s->connections)},
        {"active_streams", "sequences being generated", atomic_load(&s->active_streams)},
        {"queued_requests", "sequences that wait for a place", atomic_load(&s->queued)},
        {"kv_bytes", "bytes of KV caches held", atomic_load(&s->kv_bytes)},
        {"kv_contexts", "KV caches held", atomic_load(&s->kv_contexts)},
        {"sessions", "sessions kept", atomic_load(&s->sessions)},
        {"models_loaded", "models in memory", n_models},
        {"heap_live_bytes", "heap bytes alive", mem_live_bytes()},
    };
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++) {
        print_value(out, counters[i].name, "counter", counters[i].about, (double)counters[i].value);
    }
    for (size_t i = 0; i < sizeof gauges / sizeof *gauges; i++) {
        print_value(out, gauges[i].name, "gauge", gauges[i].about, (double)gauges[i].value);
    }
    const double resident = resident_bytes();
    if (resident >= 0) {
        print_value(out, "process_resident_memory_bytes", "gauge", "resident memory of the process",
                    resident);
    }
    print_value(out, "uptime_seconds", "gauge", "seconds since the start",
                (double)(clock_now_ns() - s->started_ns) / 1e9);
    print_histogram(out, "ttft_seconds", "from a request's arrival to its first token", &s->ttft);
    print_histogram(out, "token_gap_seconds", "between two tokens of a sequence", &s->token_gap);
    print_histogram(out, "step_overhead_seconds",
                    "between two passes of a lone sequence, without the sampling: what the server "
                    "costs a token",
                    &s->step_overhead);
}
