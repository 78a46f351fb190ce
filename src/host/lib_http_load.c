/* lib_http_load.c - http.load and class Load of the Lua module "woolly.http". */
#include "host/lib_http.h"
#include "net/load.h"

#include <string.h>

#define LOAD_CLASS "woolly.http.Load"
#define MAX_BODIES 100000
#define MAX_TRACE 1000000

struct handle {
    struct load load;
    bool is_open;
};

static struct load *check_open(lua_State *L) {
    struct handle *handle = luaL_checkudata(L, 1, LOAD_CLASS);
    luaL_argcheck(L, handle->is_open, 1, "load is closed");
    return &handle->load;
}

static int l_close(lua_State *L) {
    struct handle *handle = luaL_checkudata(L, 1, LOAD_CLASS);
    if (handle->is_open) load_free(&handle->load);
    handle->is_open = false;
    return 0;
}

/* ---- running one ---- */

struct run_options {
    struct load_options load;
    struct http_limits limits;
    const char *shape;
};

static enum load_shape check_shape(lua_State *L, const char *name) {
    static const char *const names[] = {"closed", "constant", "poisson", "trace", NULL};
    for (int i = 0; names[i] != NULL; i++) {
        if (strcmp(name, names[i]) == 0) return (enum load_shape)i;
    }
    return (enum load_shape)luaL_error(
        L, "shape: unknown '%s', allowed: closed, constant, poisson, trace", name);
}

/* The array of request bodies at arg; the strings stay alive in it. Pushes one slot. */
static void check_bodies(lua_State *L, int arg, struct load_options *options) {
    luaL_checktype(L, arg, LUA_TTABLE);
    lua_Unsigned n = lua_rawlen(L, arg);
    luaL_argcheck(L, n >= 1 && n <= MAX_BODIES, arg, "1..100000 bodies are required");
    struct load_body *bodies = host_block(L, n, sizeof *bodies);
    if (bodies == NULL) luaL_error(L, "not enough memory");
    for (lua_Unsigned i = 0; i < n; i++) {
        luaL_argcheck(L, lua_rawgeti(L, arg, (lua_Integer)i + 1) == LUA_TSTRING, arg,
                      "bodies are strings");
        bodies[i].bytes = lua_tolstring(L, -1, &bodies[i].size);
        lua_pop(L, 1);
    }
    options->bodies = bodies;
    options->n_bodies = (int64_t)n;
}

/* trace: {at_s = {...}, body = {...}?}. Pushes two slots. */
static void check_trace(lua_State *L, int arg, struct load_options *options) {
    if (options->shape != LOAD_TRACE) return;
    luaL_checktype(L, arg, LUA_TTABLE);
    lua_getfield(L, arg, "at_s");
    double *at_s = host_check_numbers(L, lua_gettop(L), &options->n_trace);
    if (at_s == NULL) luaL_error(L, "not enough memory");
    for (int64_t i = 0; i < options->n_trace; i++) {
        luaL_argcheck(L, at_s[i] >= (i > 0 ? at_s[i - 1] : 0), arg, "at_s: ascending from 0 on");
    }
    options->trace_s = at_s;
    if (lua_getfield(L, arg, "body") == LUA_TNIL) return;
    int64_t n = 0;
    int32_t *body = host_check_ids(L, lua_gettop(L), options->n_bodies + 1, &n);
    if (body == NULL) luaL_error(L, "not enough memory");
    luaL_argcheck(L, n == options->n_trace, arg, "body: one for each of at_s is required");
    for (int64_t i = 0; i < n; i++) {
        luaL_argcheck(L, body[i] >= 1, arg, "body: numbers of bodies, from 1 on");
        body[i]--;
    }
    options->trace_body = body;
}

/* http.load(url, headers, bodies, options [, trace]) -> Load | nil, message, code */
int http_load(lua_State *L) {
    static const struct opt_spec spec[] = {
        OPT_STRING(run_options, shape),
        OPT_INT64_AS("users", run_options, load.users, 1, 4096),
        OPT_DOUBLE_AS("rate", run_options, load.rate, 1e-6, 1e6),
        OPT_DOUBLE_AS("rate_end", run_options, load.rate_end, 0, 1e6),
        OPT_DOUBLE_AS("ramp_s", run_options, load.ramp_s, 0, 1e6),
        OPT_DOUBLE_AS("duration_s", run_options, load.duration_s, 0, 1e7),
        OPT_INT64_AS("requests", run_options, load.requests, 0, 1 << 30),
        OPT_DOUBLE_AS("drain_s", run_options, load.drain_s, 0, 1e6),
        OPT_INT64_AS("max_in_flight", run_options, load.max_in_flight, 1, 4096),
        OPT_INT64_AS("max_tokens", run_options, load.max_tokens, 0, 1 << 30),
        OPT_UINT64_AS("seed", run_options, load.seed),
        OPT_BOOL_AS("keep_text", run_options, load.keeps_text),
        OPT_BOOL_AS("stop_saturated", run_options, load.stops_saturated),
        HTTP_LIMIT_OPTIONS(run_options),
        OPT_END};
    struct run_options options = {
        .load = load_options_default(), .limits = http_limits_default(), .shape = "closed"};
    options.load.url = luaL_checkstring(L, 1);
    host_read_options(L, 4, spec, &options);
    options.load.shape = check_shape(L, options.shape);
    luaL_argcheck(L,
                  options.load.duration_s > 0 || options.load.requests > 0 ||
                      options.load.shape == LOAD_TRACE,
                  4, "duration_s or requests is required: when shall it end?");
    lua_settop(L, 5);
    struct curl_slist *headers = NULL;
    if (!http_check_headers(L, 2, &headers)) return host_fail_memory(L, "header lines", 1, 64);
    check_bodies(L, 3, &options.load);
    check_trace(L, 5, &options.load);
    options.load.headers = headers;
    options.load.limits = http_limits_for_net(&options.limits);
    options.load.ca_file = options.limits.ca_file;
    struct handle *handle = lua_newuserdatauv(L, sizeof *handle, 0);
    memset(handle, 0, sizeof *handle);
    handle->is_open = true; /* an empty load is as good as any to free */
    luaL_setmetatable(L, LOAD_CLASS);
    struct err err;
    if (!load_run(&handle->load, &options.load, host_cancel(L), &err)) {
        return host_push_fail(L, &err);
    }
    return 1;
}

/* ---- what it says ---- */

static void set_integer(lua_State *L, const char *name, int64_t value) {
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

static void set_seconds(lua_State *L, const char *name, int64_t ns) {
    lua_pushnumber(L, (double)ns / 1e9);
    lua_setfield(L, -2, name);
}

/* Load:summary() -> table */
static int l_summary(lua_State *L) {
    const struct load *load = check_open(L);
    lua_createtable(L, 0, 16);
    set_integer(L, "issued", (int64_t)load->n_records + load->dropped);
    set_integer(L, "sent", (int64_t)load->n_records);
    set_integer(L, "completed", load->by_failure[NET_OK]);
    set_integer(L, "dropped", load->dropped);
    set_integer(L, "start_ns", load->start_ns);
    set_seconds(L, "began_s", load->stop_ns - load->start_ns);
    set_seconds(L, "seconds", load->end_ns - load->start_ns);
    set_seconds(L, "cpu_s", load->cpu_ns);
    lua_pushboolean(L, load->is_saturated);
    lua_setfield(L, -2, "saturated");
    lua_pushboolean(L, load->has_given_up);
    lua_setfield(L, -2, "gave_up");
    int64_t tokens = 0, prompt = 0, pieces = 0;
    for (size_t i = 0; i < load->n_records; i++) {
        const struct net_record *r = &load->records[i];
        if (r->failure != NET_OK) continue;
        tokens += r->n_tokens >= 0 ? r->n_tokens : r->n_pieces;
        prompt += r->n_prompt >= 0 ? r->n_prompt : 0;
        pieces += r->n_pieces;
    }
    set_integer(L, "tokens", tokens);
    set_integer(L, "prompt_tokens", prompt);
    set_integer(L, "pieces", pieces);
    lua_newtable(L);
    lua_newtable(L);
    for (int i = NET_OK + 1; i < NET_FAILURES; i++) {
        if (load->by_failure[i] == 0) continue;
        lua_pushinteger(L, load->by_failure[i]);
        lua_setfield(L, -3, net_failure_name((enum net_failure)i));
        lua_pushstring(L, load->examples[i]);
        lua_setfield(L, -2, net_failure_name((enum net_failure)i));
    }
    lua_setfield(L, -3, "examples");
    lua_setfield(L, -2, "failures");
    return 1;
}

/* Load:values(name [, from_s [, to_s]]) -> numbers */
static int l_values(lua_State *L) {
    static const char *const names[] = {
        "ttft_ms", "ttft_plan_ms", "ttst_ms", "tpot_ms",     "itl_ms",   "icl_ms",     "max_gap_ms",
        "e2e_ms",  "e2e_plan_ms",  "lag_ms",  "decode_rate", "queue_ms", "prefill_ms", NULL};
    const struct load *load = check_open(L);
    enum load_value which = (enum load_value)luaL_checkoption(L, 2, NULL, names);
    double from = luaL_optnumber(L, 3, -1e18), to = luaL_optnumber(L, 4, 1e18);
    size_t n = load_values(load, which, from, to, NULL, 0);
    double *values = host_block(L, n, sizeof *values);
    if (values == NULL && n > 0) return host_fail_memory(L, "values", n, sizeof *values);
    load_values(load, which, from, to, values, n);
    lua_createtable(L, (int)(n < INT32_MAX ? n : INT32_MAX), 0);
    for (size_t i = 0; i < n; i++) {
        lua_pushnumber(L, values[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* Load:pieces_between(from_s, to_s) -> integer */
static int l_pieces_between(lua_State *L) {
    const struct load *load = check_open(L);
    size_t n = load_pieces_between(load, luaL_checknumber(L, 2), luaL_checknumber(L, 3));
    lua_pushinteger(L, (lua_Integer)n);
    return 1;
}

static void set_moment(lua_State *L, const char *name, const struct load *load, int64_t ns) {
    if (ns != 0) set_integer(L, name, ns - load->start_ns);
}

static void set_count(lua_State *L, const char *name, int64_t count) {
    if (count >= 0) set_integer(L, name, count);
}

/* Load:request(i) -> table | nil: in the order of their ends, times in ns since the load's start */
static int l_request(lua_State *L) {
    const struct load *load = check_open(L);
    lua_Integer i = luaL_checkinteger(L, 2);
    if (i < 1 || (size_t)i > load->n_records) return 0;
    const struct net_record *r = &load->records[i - 1];
    lua_createtable(L, 0, 18);
    lua_pushstring(L, net_failure_name(r->failure));
    lua_setfield(L, -2, "ended");
    set_integer(L, "status", r->status);
    set_integer(L, "body", r->body + 1);
    set_integer(L, "plan_ns", r->plan_ns - load->start_ns);
    set_integer(L, "send_ns", r->send_ns - load->start_ns);
    set_moment(L, "header_ns", load, r->header_ns);
    set_moment(L, "first_ns", load, r->first_ns);
    set_moment(L, "answer_ns", load, r->answer_ns);
    set_moment(L, "last_ns", load, r->last_ns);
    set_moment(L, "end_ns", load, r->end_ns);
    set_integer(L, "pieces", r->n_pieces);
    set_count(L, "completion_tokens", r->n_tokens);
    set_count(L, "prompt_tokens", r->n_prompt);
    set_count(L, "cached_tokens", r->n_cached);
    lua_pushstring(L, r->finish_reason);
    lua_setfield(L, -2, "finish_reason");
    lua_pushlstring(L, r->text_size > 0 ? load->text + r->text_at : "", (size_t)r->text_size);
    lua_setfield(L, -2, "text");
    return 1;
}

void http_open_load(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"summary", l_summary}, {"values", l_values}, {"pieces_between", l_pieces_between},
        {"request", l_request}, {"close", l_close},   {NULL, NULL}};
    host_new_class(L, LOAD_CLASS, methods, l_close);
}
