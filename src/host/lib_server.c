/* lib_server.c - Lua module "woolly.server". Checks and converts; computes nothing. */
#include "build_facts.h"
#include "engine/engine.h"
#include "host/host_util.h"
#include "host/lib_engine.h"
#include "server/server.h"

#include <string.h>

#define SERVER_CLASS "woolly.server.Server" /* metatable key; appears in type errors */
#define MAX_MODELS 256

struct handle {
    struct server *server; /* NULL once closed */
};

static struct server *check_open(lua_State *L, int arg) {
    struct handle *h = luaL_checkudata(L, arg, SERVER_CLASS);
    luaL_argcheck(L, h->server != NULL, arg, "server is closed");
    return h->server;
}

struct request {
    const char *preset, *backend, *kv_type, *key_type, *value_type;
    double kv_mb;
    bool models, load; /* models: read apart */
    struct server_options options;
};

static void read_request(lua_State *L, struct request *request) {
    static const struct opt_spec spec[] = {
        OPT_STRING_AS("bind", request, options.bind),
        OPT_INT_AS("port", request, options.port, 0, 65535),
        OPT_STRING_AS("api_key", request, options.api_key),
        OPT_STRING_AS("allow_origins", request, options.allow_origins),
        OPT_STRING_AS("allow_hosts", request, options.allow_hosts),
        OPT_STRING_AS("chat_template", request, options.chat_template),
        OPT_STRING_AS("faults", request, options.faults),
        OPT_INT64_AS("n_ctx", request, options.n_ctx, 0, 1 << 24),
        OPT_INT64_AS("n_batch", request, options.n_batch, 1, 4096),
        OPT_INT_AS("max_connections", request, options.max_connections, 1, 65536),
        OPT_INT_AS("max_streams", request, options.max_streams, 1, 256),
        OPT_INT_AS("max_queued", request, options.max_queued, 0, 65536),
        OPT_DOUBLE(request, kv_mb, 0.0, 1e9),
        OPT_STRING(request, preset),
        OPT_STRING(request, backend),
        OPT_STRING(request, kv_type),
        OPT_STRING(request, key_type),
        OPT_STRING(request, value_type),
        OPT_INT_AS("threads", request, options.switches.n_threads, 1, 256),
        OPT_BOOL_AS("repack", request, options.switches.repack),
        OPT_BOOL_AS("huge_pages", request, options.switches.huge_pages),
        OPT_BOOL_AS("tune", request, options.switches.tune),
        OPT_END,
    };
    host_read_options(L, 2, spec, request);
}

static bool read_kv_type(const char *name, enum kv_type *type, struct err *err) {
    if (name == NULL || kv_type_from_name(name, type)) return true;
    return err_set(err, ERR_INPUT,
                   "server: type \"%.40s\" of keys or values, allowed f32, f16, q8_0, q4_0", name);
}

static bool settle(struct request *r, struct err *err) {
    struct engine_switches *s = &r->options.switches;
    if (r->backend != NULL && !engine_isa("backend", r->backend, &s->isa, err)) return false;
    r->options.kv_budget = (uint64_t)(r->kv_mb * 1e6);
    return read_kv_type(r->kv_type, &s->key_type, err) &&
           read_kv_type(r->kv_type, &s->value_type, err) &&
           read_kv_type(r->key_type, &s->key_type, err) &&
           read_kv_type(r->value_type, &s->value_type, err);
}

/* A string field of the table at the top; raises where it is none. The string stays alive in its
 * table. */
static const char *model_field(lua_State *L, const char *key, int i) {
    lua_getfield(L, -1, key);
    if (lua_type(L, -1) != LUA_TSTRING) {
        luaL_error(L, "models[%d].%s: a string is required", i + 1, key);
    }
    const char *text = lua_tostring(L, -1);
    lua_pop(L, 1);
    return text;
}

/* The list at arg, as a block (pushed). */
static struct server_model *check_models(lua_State *L, int arg, int *n) {
    luaL_checktype(L, arg, LUA_TTABLE);
    const lua_Unsigned size = lua_rawlen(L, arg);
    luaL_argcheck(L, size <= MAX_MODELS, arg, "too many models");
    *n = (int)size;
    struct server_model *models = host_block(L, size > 0 ? size : 1, sizeof *models);
    for (int i = 0; i < *n && models != NULL; i++) {
        lua_rawgeti(L, arg, i + 1);
        if (!lua_istable(L, -1)) luaL_error(L, "models[%d]: a table is required", i + 1);
        models[i].name = model_field(L, "name", i);
        models[i].path = model_field(L, "path", i);
        lua_getfield(L, -1, "load");
        models[i].load = lua_toboolean(L, -1);
        lua_pop(L, 2);
    }
    return models;
}

/* server.start(models [, options]) -> Server | nil, message, code */
static int l_start(lua_State *L) {
    struct request request = {.kv_mb = 0};
    struct err err = {0};
    if (lua_isnoneornil(L, 2)) {
        lua_settop(L, 1);
        lua_newtable(L);
    }
    read_request(L, &request); /* first for the preset, on which the others build */
    const char *preset = request.preset;
    request = (struct request){.options = server_options_default()};
    if (preset != NULL && !engine_preset(preset, &request.options.switches, &err)) {
        return host_push_fail(L, &err);
    }
    read_request(L, &request);
    if (!settle(&request, &err)) return host_push_fail(L, &err);
    int n = 0;
    request.options.models = check_models(L, 1, &n);
    if (request.options.models == NULL)
        return host_fail_memory(L, "models", (uint64_t)n, sizeof *request.options.models);
    request.options.n_models = n;
    request.options.version = WOOLLY_VERSION;
    request.options.cancel = host_cancel(L);
    struct handle *h = lua_newuserdatauv(L, sizeof *h, 0);
    h->server = NULL;
    luaL_setmetatable(L, SERVER_CLASS);
    h->server = server_start(&request.options, &err);
    return h->server != NULL ? 1 : host_push_fail(L, &err);
}

/* server.faults() -> lines */
static int l_faults(lua_State *L) {
    lua_newtable(L);
    for (int i = 0; server_fault(i) != NULL; i++) {
        lua_pushstring(L, server_fault(i));
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* Server:close() */
static int l_close(lua_State *L) {
    struct handle *h = luaL_checkudata(L, 1, SERVER_CLASS);
    struct server *server = h->server;
    h->server = NULL;
    server_stop(server);
    return 0;
}

/* Server:port() -> integer */
static int l_port(lua_State *L) {
    lua_pushinteger(L, server_port(check_open(L, 1)));
    return 1;
}

/* Server:set_page(path, type, body) -> true | nil, message, code */
static int l_set_page(lua_State *L) {
    static const char *const types[] = {"html", "json", NULL};
    struct err err;
    size_t size;
    struct server *server = check_open(L, 1);
    const char *path = luaL_checkstring(L, 2);
    const bool is_html = luaL_checkoption(L, 3, NULL, types) == 0;
    const char *body = luaL_checklstring(L, 4, &size);
    return host_push_result(L, server_set_page(server, path, is_html, body, size, &err), &err);
}

/* Server:set_tools(json) -> true | nil, message, code */
static int l_set_tools(lua_State *L) {
    struct err err;
    struct server *server = check_open(L, 1);
    return host_push_result(L, server_set_tools(server, luaL_checkstring(L, 2), &err), &err);
}

/* Server:next_call([seconds]) -> {id, tool, arguments} | nil */
static int l_next_call(lua_State *L) {
    struct server *server = check_open(L, 1);
    const double seconds = luaL_optnumber(L, 2, 0.25);
    luaL_argcheck(L, seconds >= 0 && seconds <= 3600, 2, "0 to 3600 seconds are required");
    struct server_call call;
    if (!server_next_call(server, (int)(seconds * 1000), &call)) return 0;
    lua_createtable(L, 0, 3);
    lua_pushinteger(L, call.id);
    lua_setfield(L, -2, "id");
    lua_pushstring(L, call.tool);
    lua_setfield(L, -2, "tool");
    lua_pushstring(L, call.arguments);
    lua_setfield(L, -2, "arguments");
    return 1;
}

/* Server:answer_call(id, text [, is_error]) -> boolean */
static int l_answer_call(lua_State *L) {
    struct server *server = check_open(L, 1);
    const lua_Integer id = luaL_checkinteger(L, 2);
    size_t size = 0;
    const char *text = luaL_checklstring(L, 3, &size);
    lua_pushboolean(L, server_answer_call(server, id, text, size, lua_toboolean(L, 4)));
    return 1;
}

int luaopen_woolly_server(lua_State *L);

int luaopen_woolly_server(lua_State *L) {
    static const luaL_Reg functions[] = {{"start", l_start}, {"faults", l_faults}, {NULL, NULL}};
    static const luaL_Reg methods[] = {
        {"close", l_close},
        {"port", l_port},
        {"set_page", l_set_page},
        {"set_tools", l_set_tools},
        {"next_call", l_next_call},
        {"answer_call", l_answer_call},
        {NULL, NULL},
    };
    host_new_class(L, SERVER_CLASS, methods, l_close);
    luaL_newlib(L, functions);
    return 1;
}
