/* transfer.c - callbacks of one libcurl handle; the arrival is read before anything is parsed. */
#include "net/transfer.h"

#include "base/alloc.h"
#include "net/chunk.h"

#include <curl/curl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

_Static_assert(NET_MESSAGE >= CURL_ERROR_SIZE, "libcurl writes so much");

#define NS_PER_MS 1000000
#define FIRST_TIMES 256
#define MAX_PIECES (1 << 22)
#define MAX_KEPT_TEXT (8u << 20)

static void stop(struct transfer *t, enum net_failure why, const char *message) {
    if (t->stop != NET_OK) return;
    t->stop = why;
    snprintf(t->message, sizeof t->message, "%s", message);
}

/* ---- growing arrays ---- */

static bool grow(void **block, size_t *capacity, size_t needed, size_t size, size_t first) {
    if (needed <= *capacity) return true;
    size_t wanted = *capacity > 0 ? *capacity : first;
    while (wanted < needed)
        wanted *= 2;
    void *moved = mem_realloc(*block, wanted * size);
    if (moved == NULL) return false;
    *block = moved;
    *capacity = wanted;
    return true;
}

static bool append(struct sse_buffer *buffer, const char *bytes, size_t size) {
    void *block = buffer->bytes;
    if (!grow(&block, &buffer->capacity, buffer->size + size + 1, 1, 1024)) return false;
    buffer->bytes = block;
    if (size > 0) memcpy(buffer->bytes + buffer->size, bytes, size);
    buffer->size += size;
    buffer->bytes[buffer->size] = '\0';
    return true;
}

/* ---- events ---- */

static void keep_piece(struct transfer *t, const struct chunk *chunk) {
    struct net_record *record = &t->record;
    void *times = t->times;
    size_t n = (size_t)record->n_pieces;
    if (n >= MAX_PIECES) return stop(t, NET_TOO_LARGE, "more than 4 million pieces of text");
    if (!grow(&times, &t->times_capacity, n + 1, sizeof *t->times, FIRST_TIMES)) {
        return stop(t, NET_MEMORY, "out of memory");
    }
    t->times = times;
    t->times[n] = t->now_ns;
    record->n_pieces++;
    record->last_ns = t->now_ns;
    if (record->first_ns == 0) record->first_ns = t->now_ns;
    if (record->answer_ns == 0 && chunk->has_text) record->answer_ns = t->now_ns;
    if (!t->is_unjudged && t->max_tokens > 0 && record->n_pieces > t->max_tokens) {
        stop(t, NET_COUNT, "more pieces of text than tokens asked for");
    }
}

static void read_usage(struct net_record *record, const struct chunk *chunk) {
    if (!chunk->has_usage) return;
    record->n_tokens = chunk->completion_tokens;
    record->n_prompt = chunk->prompt_tokens;
    record->n_cached = chunk->cached_tokens;
}

static void read_event(struct transfer *t, const char *type, const char *data, size_t size) {
    struct chunk chunk = {.text = NULL};
    if (t->keeps_text && t->text.size < MAX_KEPT_TEXT) {
        void *block = t->text.bytes;
        if (!grow(&block, &t->text.capacity, t->text.size + size + 1, 1, 1024)) {
            return stop(t, NET_MEMORY, "out of memory");
        }
        t->text.bytes = block;
        chunk.text = t->text.bytes + t->text.size;
        chunk.text_capacity = size;
    }
    if (!chunk_read(&chunk, data, size)) {
        char message[120];
        snprintf(message, sizeof message, "event %d is no JSON object in UTF-8: %.60s",
                 t->record.n_events, data);
        return stop(t, NET_BAD_EVENT, message);
    }
    if (chunk.is_error || strcmp(type, "error") == 0) {
        return stop(t, NET_ERROR_EVENT, chunk.error[0] != '\0' ? chunk.error : "an error event");
    }
    if (chunk.text != NULL) t->text.size += chunk.text_size;
    if (chunk.has_text || chunk.has_reasoning) {
        if (t->record.finish_reason[0] != '\0') {
            return stop(t, NET_AFTER_DONE, "text behind the finish reason");
        }
        keep_piece(t, &chunk);
    }
    if (chunk.finish_reason[0] != '\0') {
        memcpy(t->record.finish_reason, chunk.finish_reason, sizeof t->record.finish_reason);
    }
    read_usage(&t->record, &chunk);
    if (chunk.queue_ms == chunk.queue_ms) t->record.queue_ms = chunk.queue_ms;
    if (chunk.prefill_ms == chunk.prefill_ms) t->record.prefill_ms = chunk.prefill_ms;
}

static bool keep_event(struct transfer *t, const char *data, size_t size) {
    void *events = t->events;
    size_t n = (size_t)t->record.n_events;
    if (t->body.size + size > (size_t)t->limits.max_body) {
        stop(t, NET_TOO_LARGE, "a stream beyond the limit of an answer");
        return false;
    }
    if (!grow(&events, &t->events_capacity, n + 1, sizeof *t->events, 64)) return false;
    t->events = events;
    t->events[n] = (struct net_event){.at_ns = t->now_ns, .at = t->body.size, .size = size};
    return append(&t->body, data, size);
}

static bool on_event(void *user, const char *type, const char *data, size_t size) {
    struct transfer *t = user;
    t->heard_ns = t->now_ns;
    if (t->keeps_events && !keep_event(t, data, size)) stop(t, NET_MEMORY, "out of memory");
    t->record.n_events++;
    if (t->has_done && !t->is_unjudged) {
        stop(t, NET_AFTER_DONE, "an event behind [DONE]");
    } else if (size == 6 && memcmp(data, "[DONE]", 6) == 0) {
        t->has_done = true;
    } else if (!t->is_unjudged) {
        read_event(t, type, data, size);
    }
    if (t->hang_up_events > 0 && t->record.n_events >= t->hang_up_events) {
        t->hung_up = true;
        stop(t, NET_CANCELLED, "the client hung up");
    }
    return t->stop == NET_OK;
}

/* ---- callbacks of libcurl ---- */

/* The value of a header line of that name, or NULL. */
static const char *header_value(const char *line, size_t size, const char *name, size_t *left) {
    size_t length = strlen(name);
    if (size <= length || line[length] != ':' || strncasecmp(line, name, length) != 0) return NULL;
    const char *value = line + length + 1, *end = line + size;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' '))
        end--;
    *left = (size_t)(end - value);
    return value;
}

static void end_head(struct transfer *t) {
    long status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200) return; /* the real answer is still to come */
    t->record.status = (int32_t)status;
    t->record.header_ns = t->heard_ns = net_now_ns();
    t->is_head_complete = true;
    bool is_event_stream = strncasecmp(t->content_type, "text/event-stream", 17) == 0;
    t->reads_events = t->is_stream && status == 200 && is_event_stream;
    if (t->is_encoded) stop(t, NET_ENCODED, "the body has a content encoding nobody asked for");
}

static void read_header(struct transfer *t, const char *line, size_t size) {
    size_t left = 0;
    const char *value = header_value(line, size, "Content-Type", &left);
    if (value != NULL) {
        snprintf(t->content_type, sizeof t->content_type, "%.*s", (int)(left > 79 ? 79 : left),
                 value);
    }
    if (header_value(line, size, "Retry-After", &left) != NULL) t->has_retry_after = true;
    value = header_value(line, size, "Content-Encoding", &left);
    if (value != NULL && !(left == 8 && strncasecmp(value, "identity", 8) == 0)) {
        t->is_encoded = true;
    }
    if (strncmp(line, "HTTP/", 5) == 0) {
        t->content_type[0] = '\0';
        t->is_encoded = false;
        t->head.size = 0;
    }
}

static size_t on_header(char *line, size_t one, size_t size, void *user) {
    (void)one;
    struct transfer *t = user;
    t->head_bytes += size;
    if (t->head_bytes > (size_t)t->limits.max_headers) {
        stop(t, NET_TOO_LARGE, "the answer's head is beyond its limit");
        return 0;
    }
    if (t->is_head_complete) return size; /* trailers */
    read_header(t, line, size);
    if (!append(&t->head, line, size)) {
        stop(t, NET_MEMORY, "out of memory");
        return 0;
    }
    if (size <= 2 && (line[0] == '\r' || line[0] == '\n')) end_head(t);
    return t->stop == NET_OK ? size : 0;
}

static size_t on_bytes(char *bytes, size_t one, size_t size, void *user) {
    (void)one;
    struct transfer *t = user;
    t->now_ns = net_now_ns();
    if (!t->reads_events) {
        t->heard_ns = t->now_ns;
        if (t->body.size + size > (size_t)t->limits.max_body) {
            stop(t, NET_TOO_LARGE, "the body is beyond its limit");
        } else if (!append(&t->body, bytes, size)) {
            stop(t, NET_MEMORY, "out of memory");
        }
        return t->stop == NET_OK ? size : 0;
    }
    if (t->record.n_pieces == 0) t->heard_ns = t->now_ns; /* a keep-alive while we are queued */
    switch (sse_push(&t->sse, bytes, size)) {
    case SSE_OK:
        return size;
    case SSE_TOO_LARGE:
        stop(t, NET_TOO_LARGE, "an event is beyond its limit");
        break;
    case SSE_MEMORY:
        stop(t, NET_MEMORY, "out of memory");
        break;
    case SSE_STOPPED:
        break;
    }
    return 0;
}

/* ---- life ---- */

bool transfer_init(struct transfer *t, const struct net_limits *limits, struct err *err) {
    *t = (struct transfer){.limits = *limits};
    sse_init(&t->sse, (size_t)limits->max_event, on_event, t);
    if (!net_begin(err)) return false;
    t->easy = curl_easy_init();
    if (t->easy == NULL) return err_set(err, ERR_ENVIRONMENT, "out of memory for the HTTP client");
    return true;
}

void transfer_free(struct transfer *t) {
    if (t->easy != NULL) curl_easy_cleanup(t->easy);
    sse_free(&t->sse);
    mem_free(t->times);
    mem_free(t->events);
    mem_free(t->text.bytes);
    mem_free(t->body.bytes);
    mem_free(t->head.bytes);
    *t = (struct transfer){.easy = NULL};
}

static void forget(struct transfer *t) {
    t->record = (struct net_record){.n_tokens = -1,
                                    .n_prompt = -1,
                                    .n_cached = -1,
                                    .queue_ms = __builtin_nan(""),
                                    .prefill_ms = __builtin_nan("")};
    t->text.size = t->body.size = t->head.size = t->head_bytes = 0;
    t->has_done = t->reads_events = t->is_head_complete = t->is_encoded = t->hung_up = false;
    t->has_retry_after = false;
    t->stop = NET_OK;
    t->message[0] = t->curl_error[0] = t->content_type[0] = '\0';
    sse_reset(&t->sse);
}

static CURLcode set_up(struct transfer *t, const struct net_request *request) {
    CURL *easy = t->easy;
    CURLcode code = CURLE_OK;
    curl_easy_reset(easy); /* keeps the connections */
#define SET(option, value)                                                                         \
    if (code == CURLE_OK) code = curl_easy_setopt(easy, option, value)
    SET(CURLOPT_URL, request->url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_TCP_NODELAY, 1L);
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)t->limits.connect_ms);
    SET(CURLOPT_HTTPHEADER, (struct curl_slist *)request->headers);
    SET(CURLOPT_ERRORBUFFER, t->curl_error);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, t);
    SET(CURLOPT_WRITEFUNCTION, on_bytes);
    SET(CURLOPT_WRITEDATA, t);
    SET(CURLOPT_PRIVATE, t);
    if (request->ca_file != NULL) SET(CURLOPT_CAINFO, request->ca_file);
    if (request->body != NULL) {
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_size);
        SET(CURLOPT_POSTFIELDS, request->body);
    }
    if (strcmp(request->method, "HEAD") == 0) SET(CURLOPT_NOBODY, 1L);
    if (strcmp(request->method, request->body != NULL ? "POST" : "GET") != 0) {
        SET(CURLOPT_CUSTOMREQUEST, request->method);
    }
#undef SET
    return code;
}

bool transfer_start(struct transfer *t, const struct net_request *request, struct err *err) {
    forget(t);
    t->is_stream = request->is_stream;
    t->max_tokens = request->max_tokens;
    CURLcode code = set_up(t, request);
    if (code != CURLE_OK) {
        return err_set(err, code == CURLE_OUT_OF_MEMORY ? ERR_ENVIRONMENT : ERR_INPUT, "%s: %s",
                       request->url, curl_easy_strerror(code));
    }
    t->record.send_ns = t->heard_ns = net_now_ns();
    if (t->record.plan_ns == 0) t->record.plan_ns = t->record.send_ns;
    return true;
}

int64_t transfer_deadline(const struct transfer *t, enum net_failure *why) {
    int64_t total = t->record.send_ns + t->limits.total_ms * NS_PER_MS;
    int64_t phase;
    if (t->is_head_complete) {
        phase = t->heard_ns + t->limits.gap_ms * NS_PER_MS;
        *why = NET_GAP_TIMEOUT;
    } else {
        phase = t->record.send_ns + t->limits.first_ms * NS_PER_MS;
        *why = NET_FIRST_TIMEOUT;
    }
    if (phase < total) return phase;
    *why = NET_TOTAL_TIMEOUT;
    return total;
}

/* ---- what its end means ---- */

static enum net_failure class_of_code(const struct transfer *t, CURLcode code) {
    switch (code) {
    case CURLE_OK:
        return NET_OK;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
        return NET_CONNECT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_INVALIDCERTSTATUS:
        return NET_TLS;
    case CURLE_OPERATION_TIMEDOUT:
        return NET_CONNECT_TIMEOUT;
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
        return NET_TRUNCATED;
    case CURLE_SEND_ERROR:
        return NET_RESET;
    case CURLE_RECV_ERROR: /* libcurl says so of broken chunks too */
        return strstr(t->curl_error, "chunk") != NULL ? NET_BAD_HTTP : NET_RESET;
    case CURLE_OUT_OF_MEMORY: /* libcurl says so of a head line over 100 KiB too */
        return t->is_head_complete ? NET_MEMORY : NET_TOO_LARGE;
    default:
        return NET_BAD_HTTP;
    }
}

static enum net_failure class_of_status(int status) {
    if (status >= 200 && status < 300) return NET_OK;
    if (status >= 300 && status < 400) return NET_REDIRECT;
    if (status == 429) return NET_RATE_LIMIT;
    if (status == 503) return NET_UNAVAILABLE;
    return status >= 400 && status < 500 ? NET_CLIENT_ERROR : NET_SERVER_ERROR;
}

/* The first words of an error's body. */
static void quote_status(struct transfer *t) {
    struct chunk chunk = {.text = NULL};
    const char *text = t->body.size > 0 ? t->body.bytes : "";
    if (t->body.size > 0 && chunk_read(&chunk, t->body.bytes, t->body.size) && chunk.error[0]) {
        text = chunk.error;
    }
    bool is_later = t->record.status == 429 || t->record.status == 503;
    snprintf(t->message, sizeof t->message, "status %d%s%s%.150s", (int)t->record.status,
             is_later && !t->has_retry_after ? ", no Retry-After" : "", text[0] != '\0' ? ": " : "",
             text);
}

/* Can usage and what came both be true? A token gives at most one piece of text. */
static bool count_is_true(const struct transfer *t) {
    const struct net_record *record = &t->record;
    if (record->n_tokens < 0) return true;
    if (record->n_pieces > record->n_tokens) return false;
    return t->max_tokens <= 0 || record->n_tokens <= t->max_tokens;
}

static void judge_stream(struct transfer *t) {
    struct net_record *record = &t->record;
    if (!t->reads_events) {
        stop(t, NET_NOT_STREAM, "an event stream was asked for, the content type is another");
    } else if (record->finish_reason[0] == '\0') {
        stop(t, NET_NO_FINISH, "the stream ended without a finish reason");
    } else if (!t->has_done && !t->limits.done_optional) {
        stop(t, NET_NO_DONE, "the stream ended without [DONE]");
    } else if (record->n_pieces == 0) {
        stop(t, NET_EMPTY, "finished without a token");
    } else if (!count_is_true(t)) {
        char message[120];
        snprintf(message, sizeof message,
                 "usage says %lld tokens; %d pieces came, %lld were asked "
                 "for",
                 (long long)record->n_tokens, record->n_pieces, (long long)t->max_tokens);
        stop(t, NET_COUNT, message);
    }
}

/* A whole answer to a request without a stream: counts as one piece. */
static void read_answer(struct transfer *t) {
    struct chunk chunk = {.text = NULL};
    if (t->body.size == 0 || !chunk_read(&chunk, t->body.bytes, t->body.size)) return;
    read_usage(&t->record, &chunk);
    memcpy(t->record.finish_reason, chunk.finish_reason, sizeof t->record.finish_reason);
}

void transfer_end(struct transfer *t, int code) {
    struct net_record *record = &t->record;
    record->end_ns = net_now_ns();
    if (t->stop == NET_OK && code != CURLE_OK) {
        stop(t, class_of_code(t, (CURLcode)code),
             t->curl_error[0] != '\0' ? t->curl_error : curl_easy_strerror((CURLcode)code));
    }
    if (t->stop == NET_OK && !t->is_head_complete) {
        stop(t, NET_TRUNCATED, "the connection was closed inside the answer's head");
    }
    if (t->stop == NET_OK && class_of_status(record->status) != NET_OK) {
        quote_status(t);
        t->stop = class_of_status(record->status);
    }
    if (t->stop == NET_OK && t->is_stream && !t->is_unjudged) judge_stream(t);
    if (t->stop == NET_OK && !t->is_stream) read_answer(t);
    record->failure = t->stop;
    record->text_size = t->text.size;
}

void transfer_give_up(struct transfer *t, enum net_failure why) {
    static const char *const words[NET_FAILURES] = {
        [NET_FIRST_TIMEOUT] = "no answer within the limit",
        [NET_GAP_TIMEOUT] = "nothing more came within the limit",
        [NET_TOTAL_TIMEOUT] = "not finished within the limit",
        [NET_CANCELLED] = "ended by the client",
    };
    stop(t, why, words[why] != NULL ? words[why] : net_failure_name(why));
    transfer_end(t, CURLE_OK);
}
