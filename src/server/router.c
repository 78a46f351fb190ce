/* router.c - which route a path and a method mean, and the small routes. docs/http.md lists them
 * all. */
#include "server/server_private.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "server/answer.h"

#include <string.h>

/* ---- for routes ---- */

bool exchange_read_body(struct exchange *x) {
    struct err err = {0};
    struct json_limits limits = json_limits_default();
    limits.max_string = limits.max_bytes;
    limits.max_values = 200000;
    if (x->body.failed) {
        exchange_error(x, 500, "memory", "not enough memory for the body", NULL);
        return false;
    }
    size_t blank = 0;
    while (blank < x->body.size && strchr(" \t\r\n", x->body.data[blank]) != NULL)
        blank++;
    if (blank == x->body.size) {
        x->json = json_new_object();
    } else {
        x->json = json_parse(x->body.data, x->body.size, "body", &limits, &err);
        if (x->json == NULL && x->server->faults.accept_bad_json) x->json = json_new_object();
    }
    text_free(&x->body);
    if (x->json == NULL) {
        const bool ours = err.code != ERR_INPUT;
        exchange_error(x, ours ? 500 : 400, ours ? "memory" : "bad_json",
                       ours ? "not enough memory for the body" : err.message, NULL);
        return false;
    }
    if (json_kind_of(x->json) != JSON_OBJECT) {
        exchange_error(x, 400, "wrong_type", "body: a JSON object is required", NULL);
        return false;
    }
    return true;
}

const struct json *exchange_field(const struct exchange *x, const char *key) {
    const struct json *v = json_get(x->json, key);
    return v == NULL || json_kind_of(v) == JSON_NULL ? NULL : v;
}

/* True where the method is the one wanted; else answered with 405. */
static bool wants(struct exchange *x, const char *method) {
    if (strcmp(x->method, method) == 0) return true;
    if (strcmp(method, "GET") == 0 && strcmp(x->method, "HEAD") == 0) return true;
    exchange_error(x, 405, "method_not_allowed", "this path does not know the method", NULL);
    return false;
}

/* ---- health and metrics ---- */

static void begin_health(struct exchange *x, const char *status) {
    text_printf(&x->out,
                "{\"status\":\"%s\",\"service\":\"woolly\",\"version\":\"%s\",\"timestamp\":",
                status, x->server->version);
    answer_timestamp(&x->out);
}

void route_health(struct exchange *x, const char *rest) {
    struct server *server = x->server;
    if (!wants(x, "GET")) return;
    if (*rest == '\0') {
        begin_health(x, "healthy");
        text_puts(&x->out, "}");
    } else if (strcmp(rest, "/live") == 0) {
        begin_health(x, "alive");
        text_printf(&x->out, ",\"uptime_seconds\":%.3f}",
                    (double)(clock_now_ns() - server->stats.started_ns) / 1e9);
    } else if (strcmp(rest, "/ready") == 0) {
        const int loaded = registry_n_loaded(server->registry);
        const bool ready = loaded > 0 || server->faults.ready_always_200;
        begin_health(x, ready ? "ready" : "not_ready");
        text_printf(&x->out,
                    ",\"checks\":{\"server\":{\"status\":\"pass\",\"message\":\"answers\"},"
                    "\"models\":{\"status\":\"%s\",\"message\":\"%d loaded\"}}}",
                    ready ? "pass" : "fail", loaded);
        x->status = ready ? 200 : 503;
        x->retry_after_s = ready ? 0 : 5;
    } else {
        exchange_error(x, 404, "not_found", "there is no such path", NULL);
    }
}

void route_metrics(struct exchange *x) {
    if (!wants(x, "GET")) return;
    if (x->server->faults.bad_metrics) {
        text_puts(&x->out, "{\"metrics\": \"later\"}");
        return;
    }
    x->content_type = "text/plain; version=0.0.4; charset=utf-8";
    stats_print(&x->server->stats, registry_n_loaded(x->server->registry), &x->out);
}

/* What dashboard.lua --live made. */
static void route_page(struct exchange *x) {
    if (!wants(x, "GET")) return;
    if (!pages_print(x->server->pages, x->path, &x->out, &x->content_type))
        exchange_error(x, 404, "not_found", "there is no such page", NULL);
}

/* ---- models ---- */

static void change_model(struct exchange *x, const char *name, bool load) {
    struct err err = {0};
    if (!wants(x, "POST") || !exchange_read_body(x)) return;
    const struct json *config = exchange_field(x, "config");
    if (load && x->server->faults.load_always_ok) {
        text_puts(&x->out, "{\"success\":true,\"message\":\"model loaded\"}");
        return;
    }
    x->reply = reply_new();
    if (x->reply == NULL) {
        exchange_error(x, 500, "memory", "not enough memory", NULL);
        return;
    }
    enum registry_error result =
        registry_change(x->server->registry, name, load, config, x->reply, &err);
    if (result == REGISTRY_OK) {
        front_watch(x->server->front, x->fd, NULL);
        return;
    }
    reply_unref(x->reply);
    x->reply = NULL;
    if (result == REGISTRY_UNKNOWN) {
        exchange_error(x, 404, "model_not_found", "there is no model of that name", "model");
    } else if (result == REGISTRY_BUSY) {
        exchange_error(x, 409, "model_busy", "the model is being loaded or unloaded", "model");
    } else {
        exchange_error(x, 400, "config", err.message, "config");
    }
}

/* rest: "", "/NAME", "/NAME/load", "/NAME/unload" */
void route_models(struct exchange *x, const char *rest) {
    if (*rest == '\0') {
        if (!wants(x, "GET")) return;
        text_puts(&x->out, "{\"success\":true,\"object\":\"list\",\"data\":[");
        registry_print_all(x->server->registry, false, &x->out);
        text_puts(&x->out, "]}");
        return;
    }
    char name[512];
    const char *action = strrchr(rest + 1, '/');
    const bool load = action != NULL && strcmp(action, "/load") == 0;
    const bool unload = action != NULL && strcmp(action, "/unload") == 0;
    const size_t n = load || unload ? (size_t)(action - rest - 1) : strlen(rest + 1);
    memcpy(name, rest + 1, n);
    name[n] = '\0';
    if (load || unload) {
        change_model(x, name, load);
    } else if (wants(x, "GET") && !registry_print(x->server->registry, name, &x->out)) {
        exchange_error(x, 404, "model_not_found", "there is no model of that name", "model");
    }
}

static void list_openai(struct exchange *x, const char *rest) {
    if (!wants(x, "GET")) return;
    if (*rest == '/') {
        if (!registry_print(x->server->registry, rest + 1, &x->out)) {
            exchange_error(x, 404, "model_not_found", "there is no model of that name", "model");
        }
        return;
    }
    text_puts(&x->out, "{\"object\":\"list\",\"data\":[");
    registry_print_all(x->server->registry, true, &x->out);
    text_puts(&x->out, "]}");
}

/* ---- sessions ---- */

void route_sessions(struct exchange *x, const char *rest) {
    struct session_table *table = &x->server->sessions;
    if (*rest == '\0' && strcmp(x->method, "POST") == 0) {
        if (!exchange_read_body(x)) return;
        const struct json *config = exchange_field(x, "config"),
                          *metadata = exchange_field(x, "metadata");
        if ((config != NULL && json_kind_of(config) != JSON_OBJECT) ||
            (metadata != NULL && json_kind_of(metadata) != JSON_OBJECT)) {
            exchange_error(x, 400, "wrong_type", "config, metadata: objects are required",
                           "config");
            return;
        }
        struct session *s = session_new(table, config, metadata);
        if (s == NULL) {
            exchange_error(x, 429, "too_many_sessions",
                           "the server keeps as many sessions as it may; delete one", NULL);
            return;
        }
        atomic_store(&x->server->stats.sessions, session_count(table));
        text_printf(&x->out, "{\"success\":true,\"session_id\":\"%s\",\"session\":", s->id);
        session_print(s, &x->out);
        text_puts(&x->out, "}");
        x->status = 201;
        session_unref(s);
    } else if (*rest == '\0') {
        if (!wants(x, "GET")) return;
        text_puts(&x->out, "{\"success\":true,\"object\":\"list\",\"data\":[");
        session_print_all(table, &x->out);
        text_puts(&x->out, "]}");
    } else if (strcmp(x->method, "DELETE") == 0) {
        if (!session_delete(table, rest + 1)) {
            exchange_error(x, 404, "session_not_found", "there is no such session", "session_id");
            return;
        }
        atomic_store(&x->server->stats.sessions, session_count(table));
        registry_poke(x->server->registry);
        text_puts(&x->out, "{\"success\":true,\"message\":\"session deleted\"}");
    } else if (wants(x, "GET")) {
        struct session *s = session_find(table, rest + 1);
        if (s == NULL) {
            exchange_error(x, 404, "session_not_found", "there is no such session", "session_id");
            return;
        }
        session_print(s, &x->out);
        session_unref(s);
    }
}

/* ---- all ---- */

/* What follows a prefix that ends at "/" or the end, or NULL. */
static const char *after(const char *path, const char *prefix) {
    const size_t n = strlen(prefix);
    if (strncmp(path, prefix, n) != 0 || (path[n] != '\0' && path[n] != '/')) return NULL;
    return path + n;
}

void route(struct exchange *x) {
    const char *path = x->path, *rest = after(path, "/api/v1");
    const bool is_native = rest != NULL;
    if (is_native) path = rest;
    const struct {
        const char *path;
        enum api api;
        enum request_kind kind;
        bool stream;
    } generations[] = {
        {"/inference/complete", API_NATIVE, REQUEST_COMPLETION, false},
        {"/inference/chat", API_NATIVE, REQUEST_CHAT, false},
        {"/inference/stream", API_NATIVE, REQUEST_EITHER, true},
        {"/v1/completions", API_OPENAI, REQUEST_COMPLETION, false},
        {"/v1/chat/completions", API_OPENAI, REQUEST_CHAT, false},
    };
    for (size_t i = 0; i < sizeof generations / sizeof *generations; i++) {
        if (strcmp(generations[i].path, path) != 0 ||
            is_native != (generations[i].api == API_NATIVE))
            continue;
        if (wants(x, "POST"))
            route_generate(x, generations[i].api, generations[i].kind, generations[i].stream);
        return;
    }
    if ((rest = after(path, "/health")) != NULL) {
        route_health(x, rest);
    } else if (strcmp(path, "/metrics") == 0) {
        route_metrics(x);
    } else if (!is_native && after(path, "/dashboard") != NULL) {
        route_page(x);
    } else if ((rest = after(path, "/mcp")) != NULL) {
        route_mcp(x, rest);
    } else if (is_native && (rest = after(path, "/models")) != NULL && strcmp(rest, "/") != 0) {
        route_models(x, rest);
    } else if (is_native && (rest = after(path, "/sessions")) != NULL && strcmp(rest, "/") != 0) {
        route_sessions(x, rest);
    } else if (!is_native && (rest = after(path, "/v1/models")) != NULL) {
        list_openai(x, rest);
    } else {
        exchange_error(x, 404, "not_found", "there is no such path", NULL);
    }
}
