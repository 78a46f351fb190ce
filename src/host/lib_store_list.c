/* lib_store_list.c - Lua module "woolly.store": rows of runs, and their history by metric. */
#include "base/clock.h"
#include "host/lib_store.h"

#define MAX_LIMIT 1000000

static void set_text(lua_State *L, const char *key, const char *value) {
    if (value == NULL) return;
    lua_pushstring(L, value);
    lua_setfield(L, -2, key);
}

static void set_integer(lua_State *L, const char *key, int64_t value) {
    lua_pushinteger(L, value);
    lua_setfield(L, -2, key);
}

void store_push_row(lua_State *L, const struct store_row *row) {
    char started[32];
    clock_format_utc(row->started_wall_ns, started, sizeof started);
    lua_createtable(L, 0, 16);
    set_text(L, "id", row->id);
    set_text(L, "scenario", row->scenario);
    set_text(L, "target", row->target);
    set_text(L, "preset", row->preset);
    set_text(L, "commit", row->commit);
    set_text(L, "status", row->status);
    set_text(L, "verdict", row->verdict);
    set_text(L, "machine", row->machine);
    set_text(L, "model", row->model);
    set_text(L, "model_name", row->model_name);
    set_text(L, "switches", row->switches);
    set_text(L, "params", row->params);
    set_text(L, "started", started);
    lua_pushnumber(L, (double)row->started_wall_ns / 1e9);
    lua_setfield(L, -2, "started_s");
    set_integer(L, "seq", row->seq);
    set_integer(L, "exit_status", row->exit_status);
}

/* What the store calls back pushes under protection: a Lua error must not pass through it.
 * Stack: ..., table that is filled, functions. */
struct visit {
    lua_State *L;
    bool failed;      /* Lua ran out of memory: the error value is on the stack */
    lua_Integer rows; /* so far */
};

/* (list, row) */
static int add_row(lua_State *L) {
    store_push_row(L, lua_touserdata(L, 2));
    lua_rawseti(L, 1, (lua_Integer)lua_rawlen(L, 1) + 1);
    return 0;
}

static void read_filter(lua_State *L, int arg, struct store_filter *filter, const char **metric) {
    struct options {
        struct store_filter filter;
        const char *metric;
    } options = {.metric = NULL};
    static const struct opt_spec spec[] = {
        OPT_STRING_AS("scenario", options, filter.scenario),
        OPT_STRING_AS("machine", options, filter.machine),
        OPT_STRING_AS("model", options, filter.model),
        OPT_STRING_AS("target", options, filter.target),
        OPT_STRING_AS("preset", options, filter.preset),
        OPT_INT64_AS("limit", options, filter.limit, 0, MAX_LIMIT),
        OPT_STRING(options, metric),
        OPT_END};
    static const struct opt_spec last = OPT_END;
    struct opt_spec allowed[sizeof spec / sizeof *spec];
    for (size_t i = 0; i < sizeof spec / sizeof *spec; i++)
        allowed[i] = spec[i];
    if (metric == NULL) allowed[sizeof spec / sizeof *spec - 2] = last;
    host_read_options(L, arg, allowed, &options);
    *filter = options.filter;
    if (metric != NULL) *metric = options.metric;
}

/* Stack: ..., rows, add_row */
static bool visit_row(void *user, const struct store_row *row) {
    struct visit *visit = user;
    lua_pushvalue(visit->L, -1);
    lua_pushvalue(visit->L, -3);
    lua_pushlightuserdata(visit->L, (void *)row);
    visit->failed = lua_pcall(visit->L, 2, 0, 0) != LUA_OK;
    return !visit->failed;
}

/* Store:list([filter]) -> rows | nil, message, code */
int store_l_list(lua_State *L) {
    struct store *store = store_check_open(L, 1);
    struct store_filter filter;
    read_filter(L, 2, &filter, NULL);
    luaL_checkstack(L, 8, NULL);
    lua_newtable(L);
    lua_pushcfunction(L, add_row);
    struct visit visit = {.L = L};
    struct err err;
    bool ok = store_list(store, &filter, visit_row, &visit, &err);
    if (visit.failed) return lua_error(L);
    if (!ok) return host_push_fail(L, &err);
    lua_pop(L, 1);
    return 1;
}

/* ---- history ---- */

struct one_value {
    const char *metric;
    double median;
    lua_Integer row;
};

/* (series, value): appends to series[metric].at and .value */
static int add_value(lua_State *L) {
    const struct one_value *value = lua_touserdata(L, 2);
    if (lua_getfield(L, 1, value->metric) != LUA_TTABLE) {
        lua_newtable(L);
        lua_newtable(L);
        lua_setfield(L, -2, "at");
        lua_newtable(L);
        lua_setfield(L, -2, "value");
        lua_pushvalue(L, -1);
        lua_setfield(L, 1, value->metric);
    }
    lua_getfield(L, -1, "at");
    lua_Integer next = (lua_Integer)lua_rawlen(L, -1) + 1;
    lua_pushinteger(L, value->row);
    lua_rawseti(L, -2, next);
    lua_getfield(L, -2, "value");
    lua_pushnumber(L, value->median);
    lua_rawseti(L, -2, next);
    return 0;
}

/* Stack: ..., rows, add_row, series, add_value */
static bool visit_run(void *user, const struct store_row *row) {
    struct visit *visit = user;
    lua_pushvalue(visit->L, -3);
    lua_pushvalue(visit->L, -5);
    lua_pushlightuserdata(visit->L, (void *)row);
    visit->failed = lua_pcall(visit->L, 2, 0, 0) != LUA_OK;
    visit->rows++;
    return !visit->failed;
}

static bool visit_value(void *user, const char *metric, double median, int64_t n) {
    struct visit *visit = user;
    struct one_value value = {.metric = metric, .median = median, .row = visit->rows};
    (void)n;
    lua_pushvalue(visit->L, -1);
    lua_pushvalue(visit->L, -3);
    lua_pushlightuserdata(visit->L, &value);
    visit->failed = lua_pcall(visit->L, 2, 0, 0) != LUA_OK;
    return !visit->failed;
}

/* Store:history([filter]) -> {rows, series} | nil, message, code */
int store_l_history(lua_State *L) {
    struct store *store = store_check_open(L, 1);
    struct store_filter filter;
    const char *metric = NULL;
    read_filter(L, 2, &filter, &metric);
    luaL_checkstack(L, 12, NULL);
    lua_createtable(L, 0, 2);
    int result = lua_gettop(L);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setfield(L, result, "rows");
    lua_pushcfunction(L, add_row);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setfield(L, result, "series");
    lua_pushcfunction(L, add_value);
    struct visit visit = {.L = L};
    struct store_history history = {.user = &visit, .run = visit_run, .value = visit_value};
    struct err err;
    bool ok = store_history(store, &filter, metric, &history, &err);
    if (visit.failed) return lua_error(L);
    if (!ok) return host_push_fail(L, &err);
    lua_settop(L, result);
    return 1;
}

/* ---- tags ---- */

/* (list, tag) */
static int add_tag(lua_State *L) {
    const struct store_tagged *tag = lua_touserdata(L, 2);
    lua_createtable(L, 0, 4);
    set_text(L, "id", tag->id);
    set_text(L, "key", tag->key);
    set_text(L, "value", tag->value);
    set_integer(L, "seq", tag->seq);
    lua_rawseti(L, 1, (lua_Integer)lua_rawlen(L, 1) + 1);
    return 0;
}

/* Stack: ..., list, add_tag */
static bool visit_tag(void *user, const struct store_tagged *tag) {
    struct visit *visit = user;
    lua_pushvalue(visit->L, -1);
    lua_pushvalue(visit->L, -3);
    lua_pushlightuserdata(visit->L, (void *)tag);
    visit->failed = lua_pcall(visit->L, 2, 0, 0) != LUA_OK;
    return !visit->failed;
}

/* Store:tags(prefix) -> tags | nil, message, code */
int store_l_tags(lua_State *L) {
    struct store *store = store_check_open(L, 1);
    const char *prefix = luaL_checkstring(L, 2);
    luaL_checkstack(L, 8, NULL);
    lua_newtable(L);
    lua_pushcfunction(L, add_tag);
    struct visit visit = {.L = L};
    struct err err;
    bool ok = store_tags(store, prefix, visit_tag, &visit, &err);
    if (visit.failed) return lua_error(L);
    if (!ok) return host_push_fail(L, &err);
    lua_pop(L, 1);
    return 1;
}
