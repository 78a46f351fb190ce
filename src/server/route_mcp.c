/* route_mcp.c - the Model Context Protocol: JSON-RPC 2.0 at POST /mcp, and the same as plain
 * routes. */
#include "server/server_private.h"

#include "base/alloc.h"

#include <string.h>

#define PROTOCOL "2025-03-26"

/* The call goes to whoever runs tools; the answer comes by the reply. */
static void call_tool(struct exchange *x, const char *tool, const struct json *arguments,
                      enum call_form form, const char *rpc_id) {
    char *printed = arguments == NULL ? mem_strdup("{}") : json_print(arguments, false);
    x->reply = reply_new();
    const bool put = printed != NULL && x->reply != NULL &&
                     calls_put(x->server->calls, tool, printed, form, rpc_id, x->reply);
    mem_free(printed);
    if (put) {
        front_watch(x->server->front, x->fd, NULL);
        return;
    }
    reply_unref(x->reply);
    x->reply = NULL;
    exchange_error(x, 503, "tools_busy", "as many tool calls wait as may; try again later", NULL);
}

static bool check_arguments(struct exchange *x, const struct json *arguments) {
    if (arguments == NULL || json_kind_of(arguments) == JSON_OBJECT) return true;
    exchange_error(x, 400, "wrong_type", "arguments: an object is required", "arguments");
    return false;
}

/* ---- JSON-RPC ---- */

static void rpc_error(struct exchange *x, const char *id, int code, const char *message) {
    text_clear(&x->out);
    text_printf(&x->out, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"error\":{\"code\":%d,\"message\":", id,
                code);
    text_jsons(&x->out, message);
    text_puts(&x->out, "}}");
}

static void rpc_call(struct exchange *x, const char *id) {
    const struct json *params = exchange_field(x, "params");
    const struct json *name =
        params != NULL && json_kind_of(params) == JSON_OBJECT ? json_get(params, "name") : NULL;
    const struct json *arguments = name == NULL ? NULL : json_get(params, "arguments");
    if (name == NULL || json_kind_of(name) != JSON_STRING) {
        rpc_error(x, id, -32602, "params.name: a text is required");
    } else if (!calls_has_tool(x->server->calls, json_string(name))) {
        rpc_error(x, id, -32602, "params.name: there is no such tool");
    } else if (arguments != NULL && json_kind_of(arguments) != JSON_OBJECT) {
        rpc_error(x, id, -32602, "params.arguments: an object is required");
    } else {
        call_tool(x, json_string(name), arguments, CALL_RPC, id);
    }
}

static void rpc(struct exchange *x) {
    if (!exchange_read_body(x)) return;
    const struct json *method = exchange_field(x, "method"), *id_json = exchange_field(x, "id");
    const struct json *version = exchange_field(x, "jsonrpc");
    char *id = id_json == NULL ? mem_strdup("null") : json_print(id_json, false);
    if (id == NULL) {
        exchange_error(x, 500, "memory", "not enough memory", NULL);
        return;
    }
    if (version == NULL || json_kind_of(version) != JSON_STRING ||
        strcmp(json_string(version), "2.0") != 0 || method == NULL ||
        json_kind_of(method) != JSON_STRING) {
        rpc_error(x, id, -32600, "a JSON-RPC 2.0 request has jsonrpc \"2.0\" and a method");
        x->status = 400;
    } else if (id_json == NULL) { /* a notification */
        x->status = 202;
    } else if (strcmp(json_string(method), "initialize") == 0) {
        text_printf(&x->out,
                    "{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{\"protocolVersion\":\"%s\","
                    "\"capabilities\":"
                    "{\"tools\":{\"listChanged\":false}},\"serverInfo\":{\"name\":\"woolly\","
                    "\"version\":\"%s\"}}}",
                    id, PROTOCOL, x->server->version);
    } else if (strcmp(json_string(method), "ping") == 0) {
        text_printf(&x->out, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{}}", id);
    } else if (strcmp(json_string(method), "tools/list") == 0) {
        text_printf(&x->out, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":{\"tools\":", id);
        calls_print_tools(x->server->calls, &x->out);
        text_puts(&x->out, "}}");
    } else if (strcmp(json_string(method), "tools/call") == 0) {
        rpc_call(x, id);
    } else {
        rpc_error(x, id, -32601, "there is no such method");
    }
    mem_free(id);
}

/* ---- plain routes ---- */

static void list_tools(struct exchange *x) {
    text_puts(&x->out, "{\"success\":true,\"tools\":");
    calls_print_tools(x->server->calls, &x->out);
    text_puts(&x->out, "}");
}

static void plain_call(struct exchange *x, const char *tool) {
    if (!exchange_read_body(x)) return;
    const struct json *arguments = exchange_field(x, "arguments");
    if (!calls_has_tool(x->server->calls, tool)) {
        exchange_error(x, 404, "tool_not_found", "there is no such tool", "name");
    } else if (check_arguments(x, arguments)) {
        call_tool(x, tool, arguments, CALL_REST, NULL);
    }
}

static void open_session(struct exchange *x) {
    if (!exchange_read_body(x)) return;
    struct session *s = session_new(&x->server->mcp_sessions, NULL, NULL);
    if (s == NULL) {
        exchange_error(x, 429, "too_many_sessions",
                       "the server keeps as many sessions as it may; delete one", NULL);
        return;
    }
    text_printf(&x->out,
                "{\"success\":true,\"session_id\":\"%s\",\"protocol_version\":\"%s\",\"tools\":",
                s->id, PROTOCOL);
    calls_print_tools(x->server->calls, &x->out);
    text_puts(&x->out, "}");
    x->status = 201;
    session_unref(s);
}

/* A chat whose model is told of nothing: this server's models call no functions. */
static void chat(struct exchange *x) {
    route_generate(x, API_NATIVE, REQUEST_CHAT, false);
}

void route_mcp(struct exchange *x, const char *rest) {
    const bool get = strcmp(x->method, "GET") == 0, post = strcmp(x->method, "POST") == 0;
    if (*rest == '\0' && post) {
        rpc(x);
    } else if (strcmp(rest, "/tools") == 0 && get) {
        list_tools(x);
    } else if (strncmp(rest, "/tools/", 7) == 0 && post) {
        plain_call(x, rest + 7);
    } else if (strcmp(rest, "/sessions") == 0 && post) {
        open_session(x);
    } else if (strncmp(rest, "/sessions/", 10) == 0 && strcmp(x->method, "DELETE") == 0) {
        if (session_delete(&x->server->mcp_sessions, rest + 10)) {
            text_puts(&x->out, "{\"success\":true,\"message\":\"session deleted\"}");
        } else {
            exchange_error(x, 404, "session_not_found", "there is no such session", "session_id");
        }
    } else if (strcmp(rest, "/chat") == 0 && post) {
        chat(x);
    } else if (*rest == '\0' || strcmp(rest, "/tools") == 0 || strcmp(rest, "/sessions") == 0 ||
               strcmp(rest, "/chat") == 0) {
        exchange_error(x, 405, "method_not_allowed", "this path does not know the method", NULL);
    } else {
        exchange_error(x, 404, "not_found", "there is no such path", NULL);
    }
}
