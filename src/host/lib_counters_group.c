/* lib_counters_group.c - events of the module "woolly.counters": names, and class Group. */
#include "base/clock.h"
#include "counters/perf_events.h"
#include "counters/perf_names.h"
#include "host/lib_counters.h"

#include <ctype.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define GROUP_CLASS "woolly.counters.Group"
#define MOST_COST_READS 10000000

struct handle { /* the names of its events are user value 1 */
    struct perf_group *group; /* NULL once closed */
    int n_events;
    bool has_begun;
};

static struct handle *check_open(lua_State *L) {
    struct handle *handle = luaL_checkudata(L, 1, GROUP_CLASS);
    luaL_argcheck(L, handle->group != NULL, 1, "group of counters is closed");
    return handle;
}

/* ---- names ---- */

/* counters.available(event) -> boolean [, reason] */
int counters_l_available(lua_State *L) {
    const char *event = luaL_checkstring(L, 1);
    struct err reason;
    bool available = perf_event_available(NULL, event, &reason);
    lua_pushboolean(L, available);
    if (available) return 1;
    lua_pushstring(L, reason.message);
    return 2;
}

struct listing {
    char *text; /* name, kind and description of each, ended by 0; to mem_free */
    size_t used, size;
    bool is_short; /* of memory */
    const char *pattern;
    bool has_wildcards;
};

static bool is_wanted(const struct listing *listing, const char *name) {
    if (listing->pattern == NULL) return true;
    if (listing->has_wildcards) return fnmatch(listing->pattern, name, FNM_CASEFOLD) == 0;
    return strcasestr(name, listing->pattern) != NULL;
}

/* Writes the three texts at `used` when they fit; counts them in any case. */
static void note_event(void *user, const char *name, const char *kind, const char *about) {
    struct listing *listing = user;
    const char *const parts[] = {name, kind, about};
    if (!is_wanted(listing, name)) return;
    for (int i = 0; i < 3; i++) {
        size_t n = strlen(parts[i]) + 1;
        if (listing->text != NULL && listing->size - listing->used >= n) {
            memcpy(listing->text + listing->used, parts[i], n);
        } else if (listing->text != NULL) {
            listing->is_short = true; /* the list has grown since it was measured */
            return;
        }
        listing->used += n;
    }
}

/* counters.list([pattern]) -> {name, kind, about}[] */
int counters_l_list(lua_State *L) {
    struct listing listing = {.pattern = luaL_optstring(L, 1, NULL)};
    listing.has_wildcards = listing.pattern != NULL && strpbrk(listing.pattern, "*?[") != NULL;
    lua_settop(L, 1);
    perf_event_list(note_event, &listing); /* how much */
    listing.size = listing.used + 1;
    listing.used = 0;
    listing.text = host_block(L, listing.size, 1);
    if (listing.text == NULL) return host_fail_memory(L, "a list of events", listing.size, 1);
    perf_event_list(note_event, &listing);
    lua_newtable(L);
    const char *at = listing.text, *end = listing.text + listing.used;
    for (lua_Integer i = 1; at < end && !(listing.is_short && end - at < 3); i++) {
        static const char *const keys[] = {"name", "kind", "about"};
        lua_createtable(L, 0, 3);
        for (int k = 0; k < 3; k++) {
            lua_pushstring(L, at);
            lua_setfield(L, -2, keys[k]);
            at += strlen(at) + 1;
        }
        lua_rawseti(L, -2, i);
    }
    return 1;
}

/* ---- opening ---- */

struct request {
    int pid;
    bool inherit;
};

/* The option `threads`, as a block of ids; NULL and *n = 0 when it is not given. */
static pid_t *read_threads(lua_State *L, int arg, int *n) {
    *n = 0;
    if (!lua_istable(L, arg)) return NULL;
    lua_pushstring(L, "threads");
    if (lua_rawget(L, arg) == LUA_TNIL) return NULL;
    luaL_argcheck(L, lua_istable(L, -1), arg, "option 'threads': an array of thread ids is required");
    int list = lua_gettop(L);
    lua_Unsigned length = lua_rawlen(L, list);
    luaL_argcheck(L, length >= 1 && length <= PERF_MAX_THREADS, arg,
                  "option 'threads': 1..1024 thread ids are required");
    pid_t *tids = host_block(L, length, sizeof *tids);
    if (tids == NULL) return NULL;
    for (lua_Unsigned i = 0; i < length; i++) {
        int is_integer = 0;
        lua_rawgeti(L, list, (lua_Integer)i + 1);
        lua_Integer tid = lua_tointegerx(L, -1, &is_integer);
        luaL_argcheck(L, is_integer && tid > 0 && tid <= INT_MAX, arg,
                      "option 'threads': every id is a positive integer");
        tids[i] = (pid_t)tid;
        lua_pop(L, 1);
    }
    *n = (int)length;
    return tids;
}

/* Options without `threads`, which is read apart: a copy for host_read_options. */
static void read_request(lua_State *L, int arg, struct request *request) {
    static const struct opt_spec spec[] = {OPT_INT(request, pid, 0, INT_MAX),
                                           OPT_BOOL(request, inherit), OPT_END};
    if (lua_isnoneornil(L, arg)) return;
    luaL_checktype(L, arg, LUA_TTABLE);
    lua_newtable(L);
    int copy = lua_gettop(L);
    for (lua_pushnil(L); lua_next(L, arg) != 0;) {
        if (lua_type(L, -2) == LUA_TSTRING && strcmp(lua_tostring(L, -2), "threads") == 0) {
            lua_pop(L, 1);
            continue;
        }
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, copy);
    }
    host_read_options(L, copy, spec, request);
    lua_settop(L, copy - 1);
}

/* counters.open(events [, options]) -> Group | nil, message, code */
int counters_l_open(lua_State *L) {
    const char *events[PERF_MAX_EVENTS];
    struct request request = {.pid = 0};
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    lua_Unsigned n = lua_rawlen(L, 1);
    luaL_argcheck(L, n >= 1 && n <= PERF_MAX_EVENTS, 1, "1..16 names of events are required");
    read_request(L, 2, &request);
    luaL_checkstack(L, PERF_MAX_EVENTS + 16, NULL);
    lua_createtable(L, (int)n, 0); /* keeps the names, whatever becomes of the argument */
    int names = lua_gettop(L);
    for (lua_Unsigned i = 0; i < n; i++) {
        lua_rawgeti(L, 1, (lua_Integer)i + 1);
        luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, 1, "every event is a string");
        events[i] = lua_tostring(L, -1);
        lua_rawseti(L, names, (lua_Integer)i + 1);
    }
    struct handle *handle = lua_newuserdatauv(L, sizeof *handle, 1);
    *handle = (struct handle){.n_events = (int)n};
    luaL_setmetatable(L, GROUP_CLASS);
    lua_pushvalue(L, names);
    lua_setiuservalue(L, -2, 1);
    int made = lua_gettop(L);
    struct perf_options options = {.events = events, .n_events = (int)n, .pid = request.pid,
                                   .inherit = request.inherit};
    options.tids = read_threads(L, 2, &options.n_tids);
    struct err err;
    handle->group = perf_group_open(&options, &err);
    if (handle->group == NULL) return host_push_fail(L, &err);
    lua_pushvalue(L, made);
    return 1;
}

/* ---- the group ---- */

/* Group:start() -> true | nil, message, code */
static int l_start(lua_State *L) {
    struct handle *handle = check_open(L);
    struct err err;
    handle->has_begun = true;
    return host_push_result(L, perf_group_start(handle->group, &err), &err);
}

/* Group:stop() -> true | nil, message, code */
static int l_stop(lua_State *L) {
    struct handle *handle = check_open(L);
    struct err err;
    return host_push_result(L, perf_group_stop(handle->group, &err), &err);
}

/* names[i + 1], pushed. */
static const char *push_name(lua_State *L, int names, int i) {
    lua_rawgeti(L, names, i + 1);
    return lua_tostring(L, -1);
}

/* Counts of one thread (or of all: -1) as a new table. */
static void push_values(lua_State *L, struct handle *handle, int names, int thread) {
    lua_createtable(L, 0, handle->n_events);
    for (int e = 0; e < handle->n_events; e++) {
        struct perf_reading reading = perf_group_reading(handle->group, e, thread);
        if (reading.state != PERF_COUNTED) continue;
        push_name(L, names, e);
        lua_pushinteger(L, (lua_Integer)reading.value);
        lua_rawset(L, -3);
    }
}

/* Group:read() -> Reading | nil, message, code */
static int l_read(lua_State *L) {
    struct handle *handle = check_open(L);
    struct err err;
    luaL_argcheck(L, handle->has_begun, 1, "nothing is counted yet: start() comes first");
    if (!perf_group_update(handle->group, &err)) return host_push_fail(L, &err);
    lua_getiuservalue(L, 1, 1);
    int names = lua_gettop(L), n_threads = perf_group_threads(handle->group);
    lua_createtable(L, 0, 5);
    int reading = lua_gettop(L);
    push_values(L, handle, names, -1);
    lua_setfield(L, reading, "values");
    lua_newtable(L);
    lua_setfield(L, reading, "missing");
    lua_newtable(L);
    lua_setfield(L, reading, "running");
    for (int e = 0; e < handle->n_events; e++) {
        struct perf_reading sum = perf_group_reading(handle->group, e, -1);
        if (sum.state != PERF_REFUSED) {
            lua_getfield(L, reading, "running");
            push_name(L, names, e);
            lua_pushnumber(L, sum.running_share);
            lua_rawset(L, -3);
            lua_pop(L, 1);
        }
        if (sum.state == PERF_COUNTED) continue;
        perf_group_explain(handle->group, e, sum, &err);
        lua_getfield(L, reading, "missing");
        push_name(L, names, e);
        lua_pushstring(L, err.message);
        lua_rawset(L, -3);
        lua_pop(L, 1);
    }
    lua_createtable(L, n_threads, 0);
    for (int t = 0; t < n_threads; t++) {
        lua_createtable(L, 0, 2);
        lua_pushinteger(L, perf_group_tid(handle->group, t));
        lua_setfield(L, -2, "tid");
        push_values(L, handle, names, t);
        lua_setfield(L, -2, "values");
        lua_rawseti(L, -2, t + 1);
    }
    lua_setfield(L, reading, "threads");
    lua_pushboolean(L, perf_group_used_rdpmc(handle->group));
    lua_setfield(L, reading, "used_rdpmc");
    return 1;
}

/* Group:read_cost_ns(n) -> number | nil, message, code */
static int l_read_cost_ns(lua_State *L) {
    struct handle *handle = check_open(L);
    lua_Integer n = luaL_checkinteger(L, 2);
    luaL_argcheck(L, n >= 1 && n <= MOST_COST_READS, 2, "allowed 1..10000000");
    struct err err;
    int64_t start_ns = clock_now_ns();
    for (lua_Integer i = 0; i < n; i++) {
        if (!perf_group_touch(handle->group, &err)) return host_push_fail(L, &err);
    }
    int64_t ns = clock_now_ns() - start_ns;
    lua_pushnumber(L, (double)ns / (double)n / perf_group_threads(handle->group));
    return 1;
}

/* Group:close() */
static int l_close(lua_State *L) {
    struct handle *handle = luaL_checkudata(L, 1, GROUP_CLASS);
    perf_group_close(handle->group);
    handle->group = NULL;
    return 0;
}

void counters_open_group(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"start", l_start}, {"stop", l_stop},
        {"read", l_read},   {"read_cost_ns", l_read_cost_ns},
        {"close", l_close}, {NULL, NULL},
    };
    host_new_class(L, GROUP_CLASS, methods, l_close);
}
