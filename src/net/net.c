/* net.c - names of failures, default limits, libcurl's start. */
#include "net/net.h"

#include "base/alloc.h"

#include <curl/curl.h>
#include <pthread.h>

const char *net_failure_name(enum net_failure failure) {
    static const char *const names[NET_FAILURES] = {
        "ok",           "connect",       "tls",        "connect_timeout", "first_timeout",
        "gap_timeout",  "total_timeout", "reset",      "truncated",       "bad_http",
        "too_large",    "encoded",       "redirect",   "rate_limit",      "unavailable",
        "client_error", "server_error",  "not_stream", "bad_event",       "error_event",
        "no_finish",    "no_done",       "after_done", "empty",           "count",
        "cancelled",    "memory",
    };
    return failure >= 0 && failure < NET_FAILURES ? names[failure] : "?";
}

struct net_limits net_limits_default(void) {
    return (struct net_limits){.connect_ms = 5000,
                               .first_ms = 60000,
                               .gap_ms = 30000,
                               .total_ms = 600000,
                               .max_event = 1 << 20,
                               .max_headers = 64 << 10,
                               .max_body = 8 << 20};
}

/* ---- libcurl's memory comes from the one seam ---- */

static void *take_zeroed(size_t n, size_t size) {
    return mem_new_array(n, size);
}

static CURLcode begun = CURLE_FAILED_INIT;

static void begin_once(void) {
    begun = curl_global_init_mem(CURL_GLOBAL_DEFAULT, mem_alloc, mem_free, mem_realloc, mem_strdup,
                                 take_zeroed);
}

bool net_begin(struct err *err) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, begin_once);
    if (begun == CURLE_OK) return true;
    return err_set(err, ERR_ENVIRONMENT, "libcurl cannot be started: %s",
                   curl_easy_strerror(begun));
}

struct curl_slist *net_headers_add(struct curl_slist *headers, const char *line) {
    return net_begin(NULL) ? curl_slist_append(headers, line) : NULL;
}

void net_headers_free(struct curl_slist *headers) {
    curl_slist_free_all(headers);
}
