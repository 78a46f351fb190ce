/* lib_store.c - Lua module "woolly.store": reports as tables into the store and back. */
#include "host/lib_store.h"
#include "base/alloc.h"
#include "host/host_json.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define STORE_CLASS "woolly.store.Store"
#define DOCUMENT_CLASS "woolly.store.Document"
#define MAX_LIST 100000 /* metrics, limits and tags of one run */

struct handle {
    struct store *store; /* NULL once closed */
};

struct store *store_check_open(lua_State *L, int arg) {
    struct handle *handle = luaL_checkudata(L, arg, STORE_CLASS);
    luaL_argcheck(L, handle->store != NULL, arg, "store is closed");
    return handle->store;
}

/* A text without NUL bytes: what follows one would be lost silently. */
static const char *check_text(lua_State *L, int arg) {
    size_t size = 0;
    const char *text = luaL_checklstring(L, arg, &size);
    luaL_argcheck(L, strlen(text) == size, arg, "a NUL byte in the text");
    return text;
}

/* store.open(url [, options]) -> Store | nil, message, code */
static int l_open(lua_State *L) {
    struct open_options {
        bool read_only;
    } options = {.read_only = false};
    static const struct opt_spec spec[] = {OPT_BOOL(open_options, read_only), OPT_END};
    const char *url = check_text(L, 1);
    host_read_options(L, 2, spec, &options);
    struct handle *handle = lua_newuserdatauv(L, sizeof *handle, 0);
    handle->store = NULL;
    luaL_setmetatable(L, STORE_CLASS);
    struct err err;
    handle->store = store_open(url, options.read_only, &err);
    return handle->store != NULL ? 1 : host_push_fail(L, &err);
}

/* store.new_id() -> string */
static int l_new_id(lua_State *L) {
    char id[27];
    store_new_id(id);
    lua_pushstring(L, id);
    return 1;
}

static int l_close(lua_State *L) {
    struct handle *handle = luaL_checkudata(L, 1, STORE_CLASS);
    store_close(handle->store);
    handle->store = NULL;
    return 0;
}

static int l_path(lua_State *L) {
    lua_pushstring(L, store_path(store_check_open(L, 1)));
    return 1;
}

/* ---- a report table as a run ----
 * Strings and tables fetched from the report stay on the Lua stack, hence alive, until the end. */

/* Field `name` of the table at index as text; NULL for nil and null. Leaves the value on the stack.
 */
static const char *text_field(lua_State *L, int index, const char *name, bool required) {
    luaL_checkstack(L, 4, NULL);
    lua_pushstring(L, name);
    lua_rawget(L, index);
    int type = lua_type(L, -1);
    if (type == LUA_TSTRING) {
        const char *text = lua_tostring(L, -1);
        if (strlen(text) != lua_rawlen(L, -1))
            luaL_error(L, "store: report: %s holds a NUL byte", name);
        return text;
    }
    bool absent = type == LUA_TNIL || type == LUA_TLIGHTUSERDATA;
    if (!absent || required) {
        luaL_error(L, "store: report: %s is a %s, a string is required", name,
                   luaL_typename(L, -1));
    }
    return NULL;
}

/* Pushes element i of the list `name` at index, a table; returns its stack index. */
static int element(lua_State *L, int index, const char *name, size_t i) {
    lua_rawgeti(L, index, (lua_Integer)i + 1);
    if (!lua_istable(L, -1)) {
        luaL_error(L, "store: report: %s[%d] is a %s, a table is required", name, (int)i + 1,
                   luaL_typename(L, -1));
    }
    return lua_gettop(L);
}

/* The length of the list `name` at index, and room on the stack for what is fetched from it. */
static size_t check_list(lua_State *L, int index, const char *name) {
    size_t n = lua_rawlen(L, index);
    if (n > MAX_LIST) luaL_error(L, "store: report: %s has more than %d entries", name, MAX_LIST);
    luaL_checkstack(L, (int)(6 * n) + 20, name);
    return n;
}

/* Pushes table field `name`; 0 when it is absent and may be. */
static int table_field(lua_State *L, int index, const char *name, bool required) {
    luaL_checkstack(L, 4, NULL);
    lua_pushstring(L, name);
    lua_rawget(L, index);
    if (lua_istable(L, -1)) return lua_gettop(L);
    if (required || !(lua_isnil(L, -1) || lua_islightuserdata(L, -1))) {
        luaL_error(L, "store: report: %s is a %s, a table is required", name, luaL_typename(L, -1));
    }
    return 0;
}

static lua_Integer integer_field(lua_State *L, int index, const char *name, lua_Integer otherwise) {
    lua_pushstring(L, name);
    lua_rawget(L, index);
    int is_integer = 0;
    lua_Integer value = lua_tointegerx(L, -1, &is_integer);
    lua_pop(L, 1);
    return is_integer ? value : otherwise;
}

/* 2026-01-02T03:04:05.678Z as ns since 1970. */
static int64_t parse_utc(lua_State *L, const char *text) {
    struct tm tm = {0};
    int ms = 0, used = 0;
    int n = sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
                   &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &ms, &used);
    bool ok = n == 7 && text[used] == '\0' && tm.tm_year >= 1970 && tm.tm_year <= 2261;
    if (!ok) luaL_error(L, "store: report: run.started is no UTC time of the years 1970 to 2261");
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    return ((int64_t)timegm(&tm) * 1000 + ms) * 1000000;
}

static void read_sets(lua_State *L, int metrics, struct store_run *run) {
    size_t n = check_list(L, metrics, "metrics");
    struct store_sample_set *sets = host_block(L, n, sizeof *sets);
    if (sets == NULL) luaL_error(L, "not enough memory");
    for (size_t i = 0; i < n; i++) {
        int metric = element(L, metrics, "metrics", i);
        sets[i].metric = text_field(L, metric, "name", true);
        sets[i].unit = text_field(L, metric, "unit", true);
        sets[i].reason = text_field(L, metric, "reason", false);
        int samples = table_field(L, metric, "samples", true);
        int64_t n_values = 0;
        sets[i].values = host_check_numbers(L, samples, &n_values);
        if (sets[i].values == NULL && n_values > 0) luaL_error(L, "not enough memory");
        sets[i].n = (size_t)n_values;
    }
    run->sets = sets;
    run->n_sets = n;
}

static void read_verdicts(lua_State *L, int gate, struct store_run *run) {
    const char *name = text_field(L, gate, "name", true);
    run->verdict = text_field(L, gate, "verdict", true);
    int limits = table_field(L, gate, "limits", true);
    size_t n = check_list(L, limits, "gate.limits");
    struct store_verdict *verdicts = host_block(L, n, sizeof *verdicts);
    if (verdicts == NULL) luaL_error(L, "not enough memory");
    for (size_t i = 0; i < n; i++) {
        int limit = element(L, limits, "gate.limits", i);
        verdicts[i].gate = name;
        verdicts[i].metric = text_field(L, limit, "metric", true);
        verdicts[i].bound = text_field(L, limit, "bound", true);
        verdicts[i].stat = text_field(L, limit, "stat", true);
        verdicts[i].verdict = text_field(L, limit, "verdict", true);
        verdicts[i].reason = text_field(L, limit, "reason", false);
        lua_getfield(L, limit, "limit");
        verdicts[i].has_limit = lua_type(L, -1) == LUA_TNUMBER;
        verdicts[i].limit = lua_tonumber(L, -1);
        lua_pop(L, 1);
    }
    run->verdicts = verdicts;
    run->n_verdicts = n;
}

/* The run's tags, and its params as one more; either may be absent (0). */
static void read_tags(lua_State *L, int tags, int params, struct store_run *run) {
    size_t n = 0;
    if (tags == 0) {
        lua_newtable(L);
        tags = lua_gettop(L);
    }
    char **params_json = params != 0 ? host_encode_json(L, params, false) : NULL;
    for (lua_pushnil(L); lua_next(L, tags) != 0; lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING) {
            luaL_error(L, "store: report: run.tags: keys and values are strings");
        }
        n++;
    }
    struct store_tag *all = host_block(L, n + 1, sizeof *all);
    if (all == NULL || (params_json != NULL && *params_json == NULL))
        luaL_error(L, "not enough memory");
    size_t i = 0;
    for (lua_pushnil(L); lua_next(L, tags) != 0; lua_pop(L, 1)) {
        all[i].key = lua_tostring(L, -2);
        if (params_json != NULL && strcmp(all[i].key, STORE_PARAMS_TAG) == 0) continue;
        all[i++].value = lua_tostring(L, -1);
    }
    if (params_json != NULL)
        all[i++] = (struct store_tag){.key = STORE_PARAMS_TAG, .value = *params_json};
    run->tags = all;
    run->n_tags = i;
}

static void read_model(lua_State *L, int model, struct store_run *run) {
    run->model_sha256 = text_field(L, model, "sha256", false);
    run->model_name = text_field(L, model, "name", true);
    char **text = host_encode_json(L, model, false);
    run->model_json = *text;
}

/* Store:save(report) -> id | nil, message, code */
static int l_save(lua_State *L) {
    struct store *store = store_check_open(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    struct store_run run = {.exit_status = (int)integer_field(L, 2, "status", 0)};
    int facts = table_field(L, 2, "run", true);
    run.id = text_field(L, facts, "id", true);
    run.scenario = text_field(L, facts, "scenario", true);
    run.target = text_field(L, facts, "target", true);
    run.preset = text_field(L, facts, "preset", false);
    run.commit = text_field(L, facts, "commit", false);
    run.status = text_field(L, facts, "status", true);
    run.started_wall_ns = parse_utc(L, text_field(L, facts, "started", true));
    run.seed = (uint64_t)integer_field(L, facts, "seed", 0);
    lua_getfield(L, facts, "dirty");
    run.dirty = lua_toboolean(L, -1);
    int part = table_field(L, facts, "switches", false);
    char **switches = part != 0 ? host_encode_json(L, part, false) : NULL;
    run.switches_json = switches != NULL ? *switches : NULL;
    int machine = table_field(L, 2, "machine", true);
    run.machine_fingerprint = text_field(L, machine, "fingerprint", true);
    char **machine_json = host_encode_json(L, machine, false);
    run.machine_json = *machine_json;
    if ((part = table_field(L, 2, "model", false)) != 0) read_model(L, part, &run);
    if ((part = table_field(L, 2, "gate", false)) != 0) read_verdicts(L, part, &run);
    part = table_field(L, facts, "tags", false);
    read_tags(L, part, table_field(L, facts, "params", false), &run);
    read_sets(L, table_field(L, 2, "metrics", true), &run);
    char **report = host_encode_json(L, 2, false);
    run.report_json = *report;
    bool short_of_memory = run.report_json == NULL || run.machine_json == NULL ||
                           (switches != NULL && *switches == NULL) ||
                           (run.model_name != NULL && run.model_json == NULL);
    if (short_of_memory)
        return host_fail(L, ERR_ENVIRONMENT, "store: out of memory for the report");
    struct err err;
    if (!store_save(store, &run, &err)) return host_push_fail(L, &err);
    lua_pushstring(L, run.id);
    return 1;
}

/* ---- reading ---- */

static int l_document_close(lua_State *L) {
    struct json **slot = lua_touserdata(L, 1);
    json_free(*slot);
    *slot = NULL;
    return 0;
}

/* Store:report(which) -> table | nil, message, code */
static int l_report(lua_State *L) {
    struct store *store = store_check_open(L, 1);
    const char *which = check_text(L, 2);
    char **text = host_adopt(L);
    struct json **slot = lua_newuserdatauv(L, sizeof *slot, 0);
    *slot = NULL;
    luaL_setmetatable(L, DOCUMENT_CLASS);
    lua_toclose(L, -1);
    struct err err;
    *text = store_report(store, which, &err);
    if (*text == NULL) return host_push_fail(L, &err);
    struct json_limits limits = json_limits_default();
    limits.max_bytes = 1u << 30; /* ours, as long as many samples made it */
    limits.max_keys = 1000000;
    limits.max_values = 100000000;
    limits.max_string = 16u << 20;
    *slot = json_parse(*text, strlen(*text), "stored report", &limits, &err);
    if (*slot == NULL) return host_push_fail(L, &err);
    host_push_json(L, *slot);
    return 1;
}

/* Store:pin(name, which) -> true | nil, message, code */
static int l_pin(lua_State *L) {
    struct store *store = store_check_open(L, 1);
    const char *name = check_text(L, 2), *which = check_text(L, 3);
    struct err err;
    return host_push_result(L, store_pin(store, name, which, &err), &err);
}

/* Store:tag(which, key, value) -> true | nil, message, code */
static int l_tag(lua_State *L) {
    struct store *store = store_check_open(L, 1);
    const char *which = check_text(L, 2), *key = check_text(L, 3), *value = check_text(L, 4);
    struct err err;
    return host_push_result(L, store_tag_run(store, which, key, value, &err), &err);
}

int luaopen_woolly_store(lua_State *L);

int luaopen_woolly_store(lua_State *L) {
    static const luaL_Reg functions[] = {{"open", l_open}, {"new_id", l_new_id}, {NULL, NULL}};
    static const luaL_Reg methods[] = {{"save", l_save},
                                       {"list", store_l_list},
                                       {"history", store_l_history},
                                       {"tags", store_l_tags},
                                       {"report", l_report},
                                       {"pin", l_pin},
                                       {"tag", l_tag},
                                       {"path", l_path},
                                       {"close", l_close},
                                       {NULL, NULL}};
    static const luaL_Reg none[] = {{NULL, NULL}};
    host_new_class(L, STORE_CLASS, methods, l_close);
    host_new_class(L, DOCUMENT_CLASS, none, l_document_close);
    luaL_newlib(L, functions);
    return 1;
}
