/* faults.h - what a server does wrong on request, so that a test of servers can be tested.
 *
 * "no_done,stall_ms=500,stall_at=3": names, and values where one takes a value. Never on by
 * default. */
#ifndef WOOLLY_SERVER_FAULTS_H
#define WOOLLY_SERVER_FAULTS_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define FAULT_LIST(X)                                                                              \
    X(no_done, "streams end without data: [DONE]")                                                 \
    X(wrong_usage, "usage counts 7 completion tokens too many")                                    \
    X(no_usage, "no usage anywhere")                                                               \
    X(words_as_tokens, "usage counts words")                                                       \
    X(no_timings, "no timings anywhere")                                                           \
    X(no_cors, "no Access-Control headers")                                                        \
    X(star_origin, "Access-Control-Allow-Origin: *")                                               \
    X(reflect_origin, "any Origin is allowed and sent back")                                       \
    X(any_host, "any Host is served")                                                              \
    X(any_content_type, "bodies of any Content-Type are read")                                     \
    X(no_preflight, "OPTIONS gets 404")                                                            \
    X(split_utf8, "chunks end inside a character")                                                 \
    X(bad_json, "the second chunk of a stream is no JSON")                                         \
    X(no_finish, "no finish_reason")                                                               \
    X(wrong_object, "object is \"thing\"")                                                         \
    X(changing_id, "each chunk has another id")                                                    \
    X(no_role, "a chat stream never names the role")                                               \
    X(error_event, "a stream ends with an error event after 200 (at stall_at, or token 3)")        \
    X(cut_stream, "the connection ends in mid-stream (at stall_at, or token 3)")                   \
    X(mock_stream, "a stream's text comes in one piece at the end")                                \
    X(empty_choices, "a chunk without choices in mid-stream")                                      \
    X(wrong_content_type, "streams are text/plain")                                                \
    X(html_errors, "errors are HTML")                                                              \
    X(error_200, "errors have status 200")                                                         \
    X(no_suggestion, "errors have no suggestion, timestamp and request_id")                        \
    X(no_retry_after, "429 and 503 without Retry-After")                                           \
    X(ready_always_200, "/health/ready is 200 without a model")                                    \
    X(unload_noop, "unload says success and unloads nothing")                                      \
    X(load_always_ok, "loading an unknown model says success")                                     \
    X(ignore_max_tokens, "max_tokens is doubled")                                                  \
    X(ignore_stop, "stop texts are ignored")                                                       \
    X(ignore_seed, "seed is ignored")                                                              \
    X(ignore_n, "n is ignored")                                                                    \
    X(ignore_disconnect, "computing goes on when the client left")                                 \
    X(accept_bad_json, "a body that is no JSON counts as {}")                                      \
    X(accept_bad_values, "parameters out of range count as not given")                             \
    X(repeat_token, "every third token is sent twice")                                             \
    X(drop_token, "every third token is not sent")                                                 \
    X(no_sessions, "sessions forget their tokens")                                                 \
    X(no_models, "the list of models is empty")                                                    \
    X(bad_metrics, "/metrics is no Prometheus text")                                               \
    X(no_key, "the API key is not asked for")

#define FAULT_VALUES(X)                                                                            \
    X(first_ms, "milliseconds until the first token, at least")                                    \
    X(token_ms, "milliseconds between tokens, at least")                                           \
    X(stall_ms, "milliseconds of a pause in mid-stream")                                           \
    X(stall_at, "token before which it pauses, errs or is cut (default 3)")                        \
    X(stall_all_ms, "milliseconds of one pause of the whole server")                               \
    X(stall_all_at, "request that begins it, counted from 1")                                      \
    X(leak_kb, "KiB leaked by each request")                                                       \
    X(drift_us, "microseconds by which each request's tokens come slower than the last one's")     \
    X(answer_ms, "milliseconds before any answer")                                                 \
    X(fail_every, "every Nth generation answers 500")                                              \
    X(busy_every, "every Nth generation answers 429")

struct faults {
    bool any;
#define FAULT_FIELD(name, about) bool name;
    FAULT_LIST(FAULT_FIELD)
#undef FAULT_FIELD
#define FAULT_FIELD(name, about) int64_t name;
    FAULT_VALUES(FAULT_FIELD)
#undef FAULT_FIELD
};

/* The list in `text` (NULL or "": none) into *out; an unknown name is ERR_INPUT. */
bool faults_read(const char *text, struct faults *out, struct err *err);
/* "name: what it does" of the ith, NULL behind the last. */
const char *faults_describe(int i);

#endif
