/* lib_http.c - Lua module "woolly.http": one request, and events out of bytes. */
#include "host/lib_http.h"

#include "base/alloc.h"
#include "net/request.h"
#include "net/sse.h"

#include <string.h>

#define CALL_CLASS "woolly.http.Call"       /* private: owns a request under way */
#define HEADERS_CLASS "woolly.http.Headers" /* private */
#define PARSER_CLASS "woolly.http.Parser"   /* private */
#define MAX_HEADERS 64

/* ---- shared options ---- */

struct http_limits http_limits_default(void) {
    struct net_limits net = net_limits_default();
    return (struct http_limits){.connect_s = (double)net.connect_ms / 1e3,
                                .first_s = (double)net.first_ms / 1e3,
                                .gap_s = (double)net.gap_ms / 1e3,
                                .total_s = (double)net.total_ms / 1e3,
                                .max_event = net.max_event,
                                .max_headers = net.max_headers,
                                .max_body = net.max_body};
}

struct net_limits http_limits_for_net(const struct http_limits *limits) {
    return (struct net_limits){.connect_ms = (int64_t)(limits->connect_s * 1e3),
                               .first_ms = (int64_t)(limits->first_s * 1e3),
                               .gap_ms = (int64_t)(limits->gap_s * 1e3),
                               .total_ms = (int64_t)(limits->total_s * 1e3),
                               .max_event = limits->max_event,
                               .max_headers = limits->max_headers,
                               .max_body = limits->max_body,
                               .done_optional = limits->done_optional};
}

static int l_free_headers(lua_State *L) {
    struct curl_slist **list = luaL_checkudata(L, 1, HEADERS_CLASS);
    net_headers_free(*list);
    *list = NULL;
    return 0;
}

bool http_check_headers(lua_State *L, int arg, struct curl_slist **headers) {
    arg = lua_absindex(L, arg);
    struct curl_slist **list = lua_newuserdatauv(L, sizeof *list, 0);
    *headers = *list = NULL;
    luaL_setmetatable(L, HEADERS_CLASS);
    if (lua_isnoneornil(L, arg)) return true;
    luaL_checktype(L, arg, LUA_TTABLE);
    lua_Unsigned n = lua_rawlen(L, arg);
    luaL_argcheck(L, n <= MAX_HEADERS, arg, "at most 64 header lines");
    for (lua_Unsigned i = 1; i <= n; i++) {
        size_t size = 0;
        luaL_argcheck(L, lua_rawgeti(L, arg, (lua_Integer)i) == LUA_TSTRING, arg,
                      "header lines are strings");
        const char *line = lua_tolstring(L, -1, &size);
        luaL_argcheck(L,
                      strlen(line) == size && strpbrk(line, "\r\n") == NULL && *line != ':' &&
                          strpbrk(line, ":;") != NULL,
                      arg, "one line \"Name: value\" is required");
        struct curl_slist *longer = net_headers_add(*list, line);
        lua_pop(L, 1);
        if (longer == NULL) return false;
        *headers = *list = longer;
    }
    return true;
}

/* ---- one request ---- */

struct request_options {
    bool stream, unjudged, keep_text;
    int64_t hang_up_events, max_tokens;
    struct http_limits limits;
};

static int l_free_call(lua_State *L) {
    transfer_free(luaL_checkudata(L, 1, CALL_CLASS));
    return 0;
}

static void set_integer(lua_State *L, const char *name, int64_t value) {
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

/* A moment of the request, in ns since it was sent; left out when it never came. */
static void set_moment(lua_State *L, const char *name, const struct net_record *record,
                       int64_t ns) {
    if (ns != 0) set_integer(L, name, ns - record->send_ns);
}

static void set_count(lua_State *L, const char *name, int64_t count) {
    if (count >= 0) set_integer(L, name, count);
}

/* Header lines as a table: names in small letters, lines of one name joined by ", ". */
static void push_headers(lua_State *L, const struct sse_buffer *head) {
    lua_newtable(L);
    const char *line = head->bytes, *end = line + head->size;
    while (head->size > 0 && line < end) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        if (stop == NULL) stop = end;
        const char *colon = memchr(line, ':', (size_t)(stop - line));
        if (colon != NULL) {
            const char *value = colon + 1, *last = stop;
            while (value < last && (*value == ' ' || *value == '\t'))
                value++;
            while (last > value && (last[-1] == '\r' || last[-1] == ' '))
                last--;
            luaL_Buffer name;
            luaL_buffinit(L, &name);
            for (const char *c = line; c < colon; c++) {
                luaL_addchar(&name, *c >= 'A' && *c <= 'Z' ? (char)(*c + 32) : *c);
            }
            luaL_pushresult(&name);
            lua_pushvalue(L, -1);
            if (lua_rawget(L, -3) == LUA_TSTRING) {
                lua_pushliteral(L, ", ");
                lua_pushlstring(L, value, (size_t)(last - value));
                lua_concat(L, 3);
            } else {
                lua_pop(L, 1);
                lua_pushlstring(L, value, (size_t)(last - value));
            }
            lua_rawset(L, -3);
        }
        line = stop + 1;
    }
}

static void push_events(lua_State *L, const struct transfer *t) {
    int n = t->keeps_events ? t->record.n_events : 0;
    lua_createtable(L, n, 0);
    for (int i = 0; i < n; i++) {
        lua_createtable(L, 0, 2);
        set_integer(L, "ns", t->events[i].at_ns - t->record.send_ns);
        lua_pushlstring(L, t->body.bytes + t->events[i].at, t->events[i].size);
        lua_setfield(L, -2, "data");
        lua_rawseti(L, -2, i + 1);
    }
}

static void push_answer(lua_State *L, const struct transfer *t) {
    const struct net_record *r = &t->record;
    lua_createtable(L, 0, 20);
    set_integer(L, "status", r->status);
    lua_pushboolean(L, r->failure == NET_OK);
    lua_setfield(L, -2, "ok");
    if (r->failure != NET_OK) {
        lua_pushstring(L, net_failure_name(r->failure));
        lua_setfield(L, -2, "failure");
        lua_pushstring(L, t->message);
        lua_setfield(L, -2, "message");
    }
    push_headers(L, &t->head);
    lua_setfield(L, -2, "headers");
    if (t->reads_events) {
        push_events(L, t);
        lua_setfield(L, -2, "events");
        lua_pushboolean(L, t->has_done);
        lua_setfield(L, -2, "done");
        set_integer(L, "comments", (int64_t)t->sse.comments);
        set_integer(L, "pieces", r->n_pieces);
        lua_createtable(L, r->n_pieces, 0);
        for (int i = 0; i < r->n_pieces; i++) {
            lua_pushinteger(L, t->times[i] - r->send_ns);
            lua_rawseti(L, -2, i + 1);
        }
        lua_setfield(L, -2, "times_ns");
        lua_pushlstring(L, t->text.size > 0 ? t->text.bytes : "", t->text.size);
        lua_setfield(L, -2, "text");
    } else {
        lua_pushlstring(L, t->body.size > 0 ? t->body.bytes : "", t->body.size);
        lua_setfield(L, -2, "body");
    }
    lua_pushstring(L, r->finish_reason);
    lua_setfield(L, -2, "finish_reason");
    set_integer(L, "start_ns", r->send_ns);
    set_moment(L, "header_ns", r, r->header_ns);
    set_moment(L, "end_ns", r, r->end_ns);
    set_count(L, "prompt_tokens", r->n_prompt);
    set_count(L, "completion_tokens", r->n_tokens);
}

/* http.request(method, url [, headers [, body [, options]]]) -> answer | nil, message, code */
static int l_request(lua_State *L) {
    static const struct opt_spec spec[] = {OPT_BOOL(request_options, stream),
                                           OPT_BOOL(request_options, unjudged),
                                           OPT_BOOL(request_options, keep_text),
                                           OPT_INT64(request_options, hang_up_events, 1, 1 << 30),
                                           OPT_INT64(request_options, max_tokens, 0, 1 << 30),
                                           HTTP_LIMIT_OPTIONS(request_options),
                                           OPT_END};
    lua_settop(L, 5);
    struct request_options options = {.limits = http_limits_default()};
    struct net_request request = {.method = luaL_checkstring(L, 1), .url = luaL_checkstring(L, 2)};
    request.body = luaL_optlstring(L, 4, NULL, &request.body_size);
    host_read_options(L, 5, spec, &options);
    struct curl_slist *headers = NULL;
    if (!http_check_headers(L, 3, &headers)) return host_fail_memory(L, "header lines", 1, 64);
    request.headers = headers;
    request.is_stream = options.stream;
    request.max_tokens = options.max_tokens;
    request.ca_file = options.limits.ca_file;
    struct transfer *t = lua_newuserdatauv(L, sizeof *t, 0);
    memset(t, 0, sizeof *t);
    luaL_setmetatable(L, CALL_CLASS);
    struct net_limits limits = http_limits_for_net(&options.limits);
    struct err err;
    bool ok = transfer_init(t, &limits, &err);
    t->keeps_events = true;
    t->keeps_text = true;
    t->is_unjudged = options.unjudged;
    t->hang_up_events = options.hang_up_events;
    ok = ok && request_run(t, &request, host_cancel(L), &err);
    if (!ok) return host_push_fail(L, &err);
    push_answer(L, t);
    return 1;
}

/* ---- events out of bytes ---- */

struct parser {
    struct sse sse;
    struct sse_buffer events; /* each as its size (8 bytes) and its bytes */
    bool is_out_of_memory;
};

static int l_free_parser(lua_State *L) {
    struct parser *parser = luaL_checkudata(L, 1, PARSER_CLASS);
    sse_free(&parser->sse);
    mem_free(parser->events.bytes);
    parser->events = (struct sse_buffer){0};
    return 0;
}

static bool keep_event(void *user, const char *type, const char *data, size_t size) {
    (void)type;
    struct parser *parser = user;
    struct sse_buffer *kept = &parser->events;
    size_t needed = kept->size + sizeof size + size;
    if (needed > kept->capacity) {
        char *moved = mem_realloc(kept->bytes, needed * 2);
        if (moved == NULL) {
            parser->is_out_of_memory = true;
            return false;
        }
        kept->bytes = moved;
        kept->capacity = needed * 2;
    }
    memcpy(kept->bytes + kept->size, &size, sizeof size);
    memcpy(kept->bytes + kept->size + sizeof size, data, size);
    kept->size = needed;
    return true;
}

/* http.events(bytes [, piece]) -> array of data | nil, message, code */
static int l_events(lua_State *L) {
    size_t size = 0;
    const char *bytes = luaL_checklstring(L, 1, &size);
    lua_Integer piece = luaL_optinteger(L, 2, 1 << 20);
    luaL_argcheck(L, piece >= 1, 2, "1 or more is required");
    struct parser *parser = lua_newuserdatauv(L, sizeof *parser, 0);
    memset(parser, 0, sizeof *parser);
    luaL_setmetatable(L, PARSER_CLASS);
    sse_init(&parser->sse, (size_t)net_limits_default().max_event, keep_event, parser);
    for (size_t at = 0; at < size;) {
        size_t part = size - at < (size_t)piece ? size - at : (size_t)piece;
        enum sse_result result = sse_push(&parser->sse, bytes + at, part);
        if (result == SSE_TOO_LARGE) return host_fail(L, ERR_INPUT, "an event beyond 1 MiB");
        if (result != SSE_OK) return host_fail_memory(L, "events", 1, size);
        at += part;
    }
    lua_newtable(L);
    lua_Integer n = 0;
    for (size_t at = 0; at < parser->events.size;) {
        size_t length;
        memcpy(&length, parser->events.bytes + at, sizeof length);
        at += sizeof length;
        lua_pushlstring(L, parser->events.bytes + at, length);
        lua_rawseti(L, -2, ++n);
        at += length;
    }
    return 1;
}

int luaopen_woolly_http(lua_State *L);

int luaopen_woolly_http(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"request", l_request}, {"load", http_load}, {"events", l_events}, {NULL, NULL}};
    static const luaL_Reg none[] = {{NULL, NULL}};
    host_new_class(L, CALL_CLASS, none, l_free_call);
    host_new_class(L, HEADERS_CLASS, none, l_free_headers);
    host_new_class(L, PARSER_CLASS, none, l_free_parser);
    http_open_load(L);
    luaL_newlib(L, functions);
    return 1;
}
