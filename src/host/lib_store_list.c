/* lib_store_list.c - Lua module "woolly.store": rows of runs, and their history by metric. */
#include "base/alloc.h"
#include "base/clock.h"
#include "host/lib_store.h"

#include <limits.h>
#include <string.h>

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

/* One metric's medians, each with the run that it is of (from 1). */
struct column {
    char *name;
    int64_t n, room;
    struct point {
        int64_t row;
        double median;
    } * points;
};

struct history {
    struct visit visit;
    struct column *columns;
    int64_t n_columns, room, next; /* next: where the next value is likely to go */
    bool is_short;                 /* of memory */
};

/* Runs have their metrics in one order: looked for from where the last one was. */
static struct column *column_of(struct history *history, const char *name) {
    for (int64_t i = 0; i < history->n_columns; i++) {
        int64_t at = (history->next + i) % history->n_columns;
        if (strcmp(history->columns[at].name, name) != 0) continue;
        history->next = at + 1;
        return &history->columns[at];
    }
    if (history->n_columns == history->room) {
        int64_t room = history->room > 0 ? 2 * history->room : 32;
        struct column *grown = mem_realloc(history->columns, (size_t)room * sizeof *grown);
        if (grown == NULL) return NULL;
        history->columns = grown;
        history->room = room;
    }
    struct column *column = &history->columns[history->n_columns];
    *column = (struct column){.name = mem_strdup(name)};
    if (column->name == NULL) return NULL;
    history->next = ++history->n_columns;
    return column;
}

static bool visit_value(void *user, const char *metric, double median, int64_t n) {
    struct history *history = user;
    struct column *column = column_of(history, metric);
    (void)n;
    history->is_short = true;
    if (column == NULL) return false;
    if (column->n == column->room) {
        int64_t room = column->room > 0 ? 2 * column->room : 64;
        struct point *grown = mem_realloc(column->points, (size_t)room * sizeof *grown);
        if (grown == NULL) return false;
        column->points = grown;
        column->room = room;
    }
    history->is_short = false;
    column->points[column->n++] = (struct point){history->visit.rows, median};
    return true;
}

/* Stack: ..., rows, add_row */
static bool visit_run(void *user, const struct store_row *row) {
    struct history *history = user;
    history->visit.rows++;
    return visit_row(&history->visit, row);
}

static int table_room(int64_t n) {
    return n < INT_MAX ? (int)n : 0;
}

/* (series, history) */
static int add_columns(lua_State *L) {
    const struct history *history = lua_touserdata(L, 2);
    for (int64_t i = 0; i < history->n_columns; i++) {
        const struct column *column = &history->columns[i];
        lua_createtable(L, 0, 2);
        lua_createtable(L, table_room(column->n), 0);
        for (int64_t k = 0; k < column->n; k++) {
            lua_pushinteger(L, column->points[k].row);
            lua_rawseti(L, -2, k + 1);
        }
        lua_setfield(L, -2, "at");
        lua_createtable(L, table_room(column->n), 0);
        for (int64_t k = 0; k < column->n; k++) {
            lua_pushnumber(L, column->points[k].median);
            lua_rawseti(L, -2, k + 1);
        }
        lua_setfield(L, -2, "value");
        lua_setfield(L, 1, column->name);
    }
    return 0;
}

static void free_columns(struct history *history) {
    for (int64_t i = 0; i < history->n_columns; i++) {
        mem_free(history->columns[i].name);
        mem_free(history->columns[i].points);
    }
    mem_free(history->columns);
}

/* Store:history([filter]) -> {rows, series} | nil, message, code */
int store_l_history(lua_State *L) {
    struct store *store = store_check_open(L, 1);
    struct store_filter filter;
    const char *metric = NULL;
    read_filter(L, 2, &filter, &metric);
    luaL_checkstack(L, 12, NULL);
    lua_createtable(L, 0, 2);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "series");
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_setfield(L, -4, "rows");
    lua_pushcfunction(L, add_row); /* result, series, rows, add_row */
    struct history history = {.visit = {.L = L}};
    struct store_history visit = {.user = &history, .run = visit_run, .value = visit_value};
    struct err err;
    bool ok = store_history(store, &filter, metric, &visit, &err);
    if (ok && history.is_short)
        ok = err_set(&err, ERR_ENVIRONMENT, "store: %s: out of memory", store_path(store));
    if (ok && !history.visit.failed) {
        lua_pushcfunction(L, add_columns);
        lua_pushvalue(L, -4);
        lua_pushlightuserdata(L, &history);
        history.visit.failed = lua_pcall(L, 2, 0, 0) != LUA_OK;
    }
    free_columns(&history);
    if (history.visit.failed) return lua_error(L);
    if (!ok) return host_push_fail(L, &err);
    lua_pop(L, 3);
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
