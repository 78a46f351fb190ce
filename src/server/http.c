/* http.c - libmicrohttpd's callbacks: heads are checked, bodies gathered, answers sent, streams
 * fed. */
#include "server/server_private.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "server/answer.h"
#include "server/http_watch.h"

#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

enum {
    HTTP_THREADS = 2,
    MEMORY_PER_CONNECTION = 64 * 1024, /* heads and one block of an answer */
    STREAM_BLOCK = 16 * 1024,
    IDLE_S = 120,
    WRITE_STALL_S = 30,
    SPARE_CONNECTIONS = 16,
};

/* ---- answers ---- */

static void add_cors(const struct exchange *x, struct MHD_Response *response) {
    const struct faults *f = &x->server->faults;
    const char *origin = http_header(x, "Origin");
    if (f->star_origin) MHD_add_response_header(response, "Access-Control-Allow-Origin", "*");
    if (origin == NULL || f->no_cors || f->star_origin) return;
    if (!f->reflect_origin && !security_origin(&x->server->security, origin)) return;
    MHD_add_response_header(response, "Access-Control-Allow-Origin", origin);
    MHD_add_response_header(response, "Vary", "Origin");
    MHD_add_response_header(response, "Access-Control-Expose-Headers", "Retry-After, X-Request-Id");
}

static void count_answer(struct exchange *x, int status) {
    stats_add(&x->server->stats.requests, 1);
    if (status >= 500) stats_add(&x->server->stats.errors_server, 1);
    if (status >= 400 && status < 500) stats_add(&x->server->stats.errors_client, 1);
}

static void free_block(void *block) {
    mem_free(block);
}

static enum MHD_Result send_answer(struct exchange *x) {
    char seconds[16];
    const struct faults *f = &x->server->faults;
    if (x->out.failed) {
        text_free(&x->out);
        x->status = 500;
    }
    struct MHD_Response *response =
        x->out.data == NULL ? MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT)
                            : MHD_create_response_from_buffer_with_free_callback(
                                  x->out.size, x->out.data, free_block);
    if (response == NULL) return MHD_NO;
    x->out = (struct text){0};
    MHD_add_response_header(response, "Content-Type", x->content_type);
    MHD_add_response_header(response, "Cache-Control", "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (x->retry_after_s > 0 && !f->no_retry_after) {
        snprintf(seconds, sizeof seconds, "%d", x->retry_after_s);
        MHD_add_response_header(response, "Retry-After", seconds);
    }
    if (x->status == 401) MHD_add_response_header(response, "WWW-Authenticate", "Bearer");
    add_cors(x, response);
    x->is_answered = true;
    count_answer(x, x->status);
    if (f->answer_ms > 0) clock_sleep_ns(f->answer_ms * 1000000, NULL);
    front_state(x->server->front, x->fd, FRONT_ANSWER);
    const int status = f->error_200 && x->status >= 400 ? 200 : x->status;
    enum MHD_Result queued = MHD_queue_response(x->connection, (unsigned)status, response);
    MHD_destroy_response(response);
    return queued;
}

void exchange_error(struct exchange *x, int status, const char *code, const char *message,
                    const char *param) {
    text_clear(&x->out);
    answer_error(&x->out, &x->server->faults, status, code, message, param);
    x->status = status;
    if (status == 429 || status == 503)
        x->retry_after_s = x->retry_after_s > 0 ? x->retry_after_s : 1;
    if (x->server->faults.html_errors) x->content_type = "text/html";
}

/* ---- streams ---- */

static ssize_t read_stream(void *user, uint64_t position, char *buffer, size_t most) {
    (void)position;
    struct exchange *x = user;
    struct reply *r = x->reply;
    ssize_t result = 0;
    reply_lock(r);
    const size_t left = r->out.size - r->taken;
    if (left > 0 &&
        !(r->cut && (atomic_load(&r->cancelled) || r->direct_fd >= 0) && !x->server->faults.any)) {
        const size_t n = left < most ? left : most;
        memcpy(buffer, r->out.data + r->taken, n);
        r->taken += n;
        if (r->taken == r->out.size) {
            text_clear(&r->out);
            r->taken = 0;
        }
        result = (ssize_t)n;
    } else if (r->done || r->out.failed) {
        result = r->cut || r->out.failed ? MHD_CONTENT_READER_END_WITH_ERROR
                                         : MHD_CONTENT_READER_END_OF_STREAM;
    } else {
        reply_suspend(r, x->connection);
    }
    pthread_mutex_unlock(&r->lock);
    return result;
}

static enum MHD_Result send_stream(struct exchange *x) {
    const char *type =
        x->server->faults.wrong_content_type ? "text/plain" : "text/event-stream; charset=utf-8";
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, STREAM_BLOCK, read_stream, x, NULL);
    if (response == NULL) return MHD_NO;
    MHD_add_response_header(response, "Content-Type", type);
    MHD_add_response_header(response, "Cache-Control", "no-cache");
    MHD_add_response_header(response, "X-Accel-Buffering", "no");
    add_cors(x, response);
    x->is_answered = true;
    count_answer(x, 200);
    MHD_set_connection_option(x->connection, MHD_CONNECTION_OPTION_TIMEOUT,
                              (unsigned)WRITE_STALL_S);
    enum MHD_Result queued = MHD_queue_response(x->connection, 200, response);
    MHD_destroy_response(response);
    return queued;
}

/* An answer that another thread makes: waits, or sends it. */
static enum MHD_Result send_reply(struct exchange *x) {
    struct reply *r = x->reply;
    reply_lock(r);
    const bool streams = r->streams, done = r->done, gone = r->cut;
    if (streams && x->is_chunked) r->direct_fd = x->fd;
    if (!streams && !done) {
        r->suspended = x->connection;
        MHD_suspend_connection(x->connection);
    } else if (!streams) {
        text_free(&x->out);
        x->out = r->out;
        r->out = (struct text){0};
        x->status = r->status;
        x->retry_after_s = r->retry_after_s;
        if (x->status >= 400 && x->server->faults.html_errors) x->content_type = "text/html";
    }
    pthread_mutex_unlock(&r->lock);
    if (streams) return send_stream(x);
    if (!done) return MHD_YES;
    return gone ? MHD_NO : send_answer(x);
}

/* ---- preflight ---- */

static enum MHD_Result answer_preflight(struct exchange *x) {
    const struct faults *f = &x->server->faults;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    if (response == NULL) return MHD_NO;
    add_cors(x, response);
    if (http_header(x, "Origin") != NULL && !f->no_cors) {
        MHD_add_response_header(response, "Access-Control-Allow-Methods",
                                "GET, POST, DELETE, OPTIONS");
        MHD_add_response_header(
            response, "Access-Control-Allow-Headers",
            "Content-Type, Authorization, X-API-Key, X-Ole-Client, X-Client-Id, X-Request-Id, "
            "Accept, Cache-Control, User-Agent, x-stainless-arch, x-stainless-lang, "
            "x-stainless-os, "
            "x-stainless-package-version, x-stainless-retry-count, x-stainless-runtime, "
            "x-stainless-runtime-version, x-stainless-timeout, x-stainless-helper-method, "
            "Mcp-Session-Id");
        MHD_add_response_header(response, "Access-Control-Max-Age", "600");
        if (http_header(x, "Access-Control-Request-Private-Network") != NULL) {
            MHD_add_response_header(response, "Access-Control-Allow-Private-Network", "true");
        }
    }
    MHD_add_response_header(response, "Allow", "GET, POST, DELETE, OPTIONS");
    x->is_answered = true;
    count_answer(x, 204);
    enum MHD_Result queued = MHD_queue_response(x->connection, 204, response);
    MHD_destroy_response(response);
    return queued;
}

/* ---- callbacks ---- */

static int fd_of(struct MHD_Connection *connection) {
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info == NULL ? -1 : info->connect_fd;
}

static enum MHD_Result begin(struct server *server, struct MHD_Connection *connection,
                             const char *url, const char *method, const char *version,
                             void **state) {
    struct exchange *x = mem_new(sizeof *x);
    if (x == NULL) return MHD_NO;
    *state = x;
    x->server = server;
    x->connection = connection;
    x->fd = fd_of(connection);
    x->method = method;
    x->is_chunked = strcmp(version, "HTTP/1.1") == 0;
    x->status = 200;
    x->content_type = "application/json";
    front_state(server->front, x->fd, FRONT_BODY);
    if (!http_watch_begin(x->fd)) {
        exchange_error(x, 500, "unseen_head", "the head of the request was not looked at", NULL);
        return send_answer(x);
    }
    if (!http_check_head(x, url)) return send_answer(x);
    x->client = http_client(x);
    if (strcmp(method, "OPTIONS") == 0 && !server->faults.no_preflight) return answer_preflight(x);
    return MHD_YES;
}

static void take_body(struct exchange *x, const char *data, size_t size) {
    front_count_body(x->server->front, x->fd, size);
    if (x->is_answered) return;
    if (x->body.size + size > HTTP_MAX_BODY) x->is_too_large = true;
    if (!x->is_too_large) text_put(&x->body, data, size);
}

/* libmicrohttpd takes no answer in the middle of a body, so this one goes round it. */
static enum MHD_Result refuse_large(struct exchange *x) {
    static const char answer[] =
        "HTTP/1.1 413 Content Too Large\r\nContent-Type: application/json\r\nConnection: close\r\n"
        "Content-Length: 190\r\n\r\n";
    struct text out = {0};
    answer_error(&x->out, &x->server->faults, 413, "body_too_large",
                 "the body is over 8388608 bytes, the most allowed", NULL);
    text_put(&out, answer, strstr(answer, "Content-Length") - answer);
    text_printf(&out, "Content-Length: %zu\r\n\r\n", x->out.size);
    text_put(&out, x->out.data, x->out.size);
    if (!out.failed) {
        ssize_t ignored = send(x->fd, out.data, out.size, MSG_DONTWAIT | MSG_NOSIGNAL);
        (void)ignored;
    }
    text_free(&out);
    count_answer(x, 413);
    return MHD_NO;
}

static enum MHD_Result on_request(void *user, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **state) {
    struct exchange *x = *state;
    if (x == NULL) return begin(user, connection, url, method, version, state);
    if (*size > 0) {
        take_body(x, data, *size);
        *size = 0;
        return x->is_too_large ? refuse_large(x) : MHD_YES;
    }
    if (x->is_answered) return MHD_YES;
    if (x->reply == NULL) {
        front_state(x->server->front, x->fd, FRONT_ANSWER);
        route(x);
    }
    return x->reply != NULL ? send_reply(x) : send_answer(x);
}

/* The end of an exchange, however it came. */
static void on_completed(void *user, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode how) {
    struct server *server = user;
    struct exchange *x = *state;
    (void)connection;
    if (x == NULL) return;
    *state = NULL;
    front_state(server->front, x->fd, FRONT_IDLE);
    if (how == MHD_REQUEST_TERMINATED_COMPLETED_OK) http_watch_end(x->fd);
    if (x->reply != NULL && how != MHD_REQUEST_TERMINATED_COMPLETED_OK &&
        !server->faults.ignore_disconnect) {
        atomic_store(&x->reply->cancelled, true);
        registry_poke(server->registry);
    }
    MHD_set_connection_option(connection, MHD_CONNECTION_OPTION_TIMEOUT, (unsigned)IDLE_S);
    reply_unref(x->reply);
    json_free(x->json);
    text_free(&x->body);
    text_free(&x->out);
    mem_free(x);
}

static void on_connection(void *user, struct MHD_Connection *connection, void **state,
                          enum MHD_ConnectionNotificationCode what) {
    struct server *server = user;
    (void)state;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        front_opened(server->front, fd_of(connection));
    } else {
        front_closed(server->front, fd_of(connection));
    }
}

/* Escapes stay as they are until decode_path looks at them. */
static size_t keep_escapes(void *user, struct MHD_Connection *connection, char *text) {
    (void)user;
    (void)connection;
    return strlen(text);
}

bool http_start(struct server *server, int max_connections, struct err *err) {
    const unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME |
                           MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC;
    server->daemon = MHD_start_daemon(
        flags, 0, NULL, NULL, on_request, server, MHD_OPTION_NOTIFY_COMPLETED, on_completed, server,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, server, MHD_OPTION_UNESCAPE_CALLBACK,
        keep_escapes, NULL, MHD_OPTION_THREAD_POOL_SIZE, (unsigned)HTTP_THREADS,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)(max_connections + SPARE_CONNECTIONS),
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)MEMORY_PER_CONNECTION, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
    return server->daemon != NULL ||
           err_set(err, ERR_ENVIRONMENT, "server: libmicrohttpd cannot start");
}

void http_stop(struct server *server) {
    if (server->daemon != NULL) MHD_stop_daemon(server->daemon);
    server->daemon = NULL;
}
