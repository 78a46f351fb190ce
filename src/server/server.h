/* server.h - the HTTP server in front of the engine: Woolly's API (what Ole calls), OpenAI's API,
 * MCP.
 *
 * Threads: one accepts and watches connections, libmicrohttpd's answer requests, one per loaded
 * model generates, one loads and unloads. All are started by server_start and joined by
 * server_stop. docs/http.md describes the routes. */
#ifndef WOOLLY_SERVER_SERVER_H
#define WOOLLY_SERVER_SERVER_H

#include "base/err.h"
#include "engine/engine.h"

struct server_model {
    const char *name, *path;
    bool load; /* at the start */
};

struct server_options {
    const char *bind;          /* address; default 127.0.0.1 */
    int port;                  /* 0: a free one */
    const char *api_key;       /* NULL: none; required for another address than loopback */
    const char *allow_origins; /* comma-separated, beside those of this machine; may be NULL */
    const char *allow_hosts;   /* likewise, of the Host header */
    const struct server_model *models;
    int n_models;
    struct engine_switches switches;
    int64_t n_ctx, n_batch;
    int max_connections, max_streams, max_queued;
    uint64_t kv_budget;        /* bytes of KV caches; 0: a quarter of the machine's memory */
    const char *chat_template; /* NULL: by the model */
    const char *faults;        /* NULL: none */
    const char *version;
    const volatile int *cancel; /* of the first loading */
};
struct server_options server_options_default(void);

struct server;

/* Loads the models to be loaded, listens, answers. Strings are copied. NULL and err. */
struct server *server_start(const struct server_options *options, struct err *err);
/* Ends what runs, closes every connection, frees the models. */
void server_stop(struct server *server);
int server_port(const struct server *server);

/* MCP tools run outside: the next call that waits, or NULL after timeout_ms. Any one thread. The
 * pointers live until the answer. */
struct server_call {
    int64_t id;
    const char *tool;
    const char *arguments; /* JSON */
};
bool server_next_call(struct server *server, int timeout_ms, struct server_call *out);
/* text: what the tool says; is_error: it failed. False: nobody waits for it any more. */
bool server_answer_call(struct server *server, int64_t id, const char *text, size_t size,
                        bool is_error);
/* A document at a path below /dashboard, copied. Any thread. */
bool server_set_page(struct server *server, const char *path, bool is_html, const char *body,
                     size_t size, struct err *err);
/* The tools as the JSON array of MCP's tools/list. */
bool server_set_tools(struct server *server, const char *json, struct err *err);

/* "name: what it does" of the ith fault, NULL behind the last. */
const char *server_fault(int i);

#endif
