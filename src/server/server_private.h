/* server_private.h - the server's parts, and one exchange as http.c and the routes see it. */
#ifndef WOOLLY_SERVER_SERVER_PRIVATE_H
#define WOOLLY_SERVER_SERVER_PRIVATE_H

#include "base/json.h"
#include "server/calls.h"
#include "server/pages.h"
#include "server/faults.h"
#include "server/front.h"
#include "server/generation_request.h"
#include "server/registry.h"
#include "server/security.h"
#include "server/server.h"
#include "server/session.h"
#include "server/stats.h"

struct server {
    struct faults faults;
    struct stats stats;
    struct security security;
    char *api_key, *allow_origins, *allow_hosts, *bind, *chat_template, *version;
    struct registry *registry;
    struct session_table sessions, mcp_sessions;
    struct calls *calls; /* of MCP tools */
    struct pages *pages;
    struct front *front;
    struct MHD_Daemon *daemon;
    atomic_uint_least64_t n_generations; /* for faults */
};

/* One request and its answer. */
struct exchange {
    struct server *server;
    struct MHD_Connection *connection;
    int fd;
    const char *method, *path; /* path: decoded, inside `target` */
    char target[512];
    struct text body;
    struct json *json; /* the body, once read */
    uint64_t client;
    bool is_answered, is_too_large;
    bool is_chunked; /* the client understands chunks: HTTP/1.1 */
    /* The answer: either at once by these, or later by the reply. */
    int status;
    int retry_after_s;
    struct text out;
    const char *content_type;
    struct reply *reply;
};

/* router.c: answers, or sets exchange->reply. */
void route(struct exchange *exchange);

/* For routes. */
void exchange_error(struct exchange *exchange, int status, const char *code, const char *message,
                    const char *param);
/* Reads the body as a JSON object, {} where it is empty; false: answered with 400. */
bool exchange_read_body(struct exchange *exchange);
/* A field of the body, NULL where it is absent or null. */
const struct json *exchange_field(const struct exchange *exchange, const char *key);

/* Routes by subject. */
void route_health(struct exchange *exchange, const char *rest);
void route_metrics(struct exchange *exchange);
void route_models(struct exchange *exchange, const char *rest);
void route_sessions(struct exchange *exchange, const char *rest);
void route_mcp(struct exchange *exchange, const char *rest);
void route_generate(struct exchange *exchange, enum api api, enum request_kind kind, bool stream);

/* http_head.c */
const char *http_header(const struct exchange *exchange, const char *name);
/* Whose turn a request takes: a named client, else the address it comes from. */
uint64_t http_client(const struct exchange *exchange);
/* Everything that can be said without the body, the path decoded; false: exchange_error was called.
 */
bool http_check_head(struct exchange *exchange, const char *url);

/* http.c: the callbacks of libmicrohttpd. */
bool http_start(struct server *server, int max_connections, struct err *err);
void http_stop(struct server *server);

#endif
