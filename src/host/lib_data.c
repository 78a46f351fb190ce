/* lib_data.c - Lua module "woolly.data": untrusted Lua that is only data, in a state of its own.
 *
 * The guest state has no library at all, so no pcall, no metatable, no string method: what is left
 * are loops, tables, arithmetic and `..`, which the time and the memory limit bound. Results are
 * copied value by value; the guest is closed before the caller sees them. */
#include "base/alloc.h"
#include "base/clock.h"
#include "host/host_util.h"

#include <stdio.h>
#include <string.h>

#define MB 1000000u
#define MAX_SOURCE (1u << 20)
#define MAX_DEPTH 64
#define MAX_ENTRIES 10000
#define GUEST_CLASS "woolly.data.Guest"
/* A hook at every few instructions: one `..` of large strings takes milliseconds. */
#define HOOK_EVERY 16

struct limits {
    double seconds;
    double memory_mb;
};

struct guest {
    lua_State *state; /* NULL once closed */
    size_t bytes, cap;
    bool cap_hit, timed_out;
    int64_t end_ns;
    double seconds;
    const volatile int *cancel;
    const char *text, *name; /* the caller's strings */
    size_t size;
    /* While results are copied: the tables being walked, and the entries so far. */
    const void *path[MAX_DEPTH];
    char key_path[256];
    int entries;
    char refusal[512]; /* why the copy ended early */
};

/* ---- the guest ---- */

static void *guest_memory(void *user, void *block, size_t old_size, size_t new_size) {
    struct guest *guest = user;
    if (block == NULL) old_size = 0; /* then it is a type tag */
    if (new_size == 0) {
        mem_free(block);
        guest->bytes -= old_size;
        return NULL;
    }
    if (new_size > old_size && new_size - old_size > guest->cap - guest->bytes) {
        guest->cap_hit = true;
        return NULL;
    }
    void *moved = mem_realloc(block, new_size);
    if (moved == NULL) {
        if (new_size > old_size) return NULL;
        moved = block; /* shrinking never fails */
    }
    guest->bytes += new_size - old_size;
    return moved;
}

static struct guest *guest_of(lua_State *G) {
    struct guest *guest;
    memcpy(&guest, lua_getextraspace(G), sizeof guest);
    return guest;
}

static void on_count(lua_State *G, lua_Debug *at) {
    struct guest *guest = guest_of(G);
    if (!*guest->cancel && clock_now_ns() < guest->end_ns) return;
    guest->timed_out = true;
    lua_getinfo(G, "Sl", at);
    lua_pushfstring(G, "%s:%d: ", at->short_src, at->currentline);
    lua_error(G);
}

/* Under pcall in the guest: compiles the chunk, gives it an empty environment, runs it. */
static int guest_main(lua_State *G) {
    struct guest *guest = guest_of(G);
    const char *chunk = lua_pushfstring(G, "@%s", guest->name);
    if (luaL_loadbufferx(G, guest->text, guest->size, chunk, "t") != LUA_OK) return lua_error(G);
    lua_newtable(G);
    lua_setupvalue(G, -2, 1);
    lua_sethook(G, on_count, LUA_MASKCOUNT, HOOK_EVERY);
    lua_call(G, 0, 1);
    lua_sethook(G, NULL, 0, 0);
    return 1;
}

/* nil, message, code for whatever ended guest_main. */
static int push_guest_failure(lua_State *L, const struct guest *guest, int status) {
    char text[512];
    host_error_text(guest->state, -1, text, sizeof text);
    if (*guest->cancel) return host_fail(L, ERR_CANCELLED, "%s: stopped", guest->name);
    if (status == LUA_ERRMEM && !guest->cap_hit) {
        return host_fail(L, ERR_ENVIRONMENT, "%s: out of memory", guest->name);
    }
    if (status == LUA_ERRMEM) {
        return host_fail(L, ERR_INPUT, "%s: needs more than %zu MB of memory, which is the limit",
                         guest->name, guest->cap / MB);
    }
    if (guest->timed_out) {
        return host_fail(L, ERR_INPUT,
                         "%sstopped after %.1f s; a data file may run that long. Write its values "
                         "out, or make its loops shorter",
                         text, guest->seconds);
    }
    /* Lua names chunk and line, except before it has read a line. */
    bool is_placed = strncmp(text, guest->name, strlen(guest->name)) == 0 || text[0] == '.';
    return host_fail(L, ERR_INPUT, "%s%s%s", is_placed ? "" : guest->name, is_placed ? "" : ": ",
                     text);
}

static int l_guest_close(lua_State *L) {
    struct guest *guest = lua_touserdata(L, 1);
    if (guest->state != NULL) lua_close(guest->state);
    guest->state = NULL;
    return 0;
}

/* ---- copying results ---- */

static bool refuse(struct guest *guest, const char *what) {
    snprintf(guest->refusal, sizeof guest->refusal, "%s: %s %s", guest->name,
             guest->key_path[0] == '\0' ? "the result" : guest->key_path, what);
    return false;
}

/* Adds ".key" or "[3]" of the key at index to the path; the length to cut it back to. */
static size_t enter_key(struct guest *guest, int index) {
    lua_State *G = guest->state;
    size_t used = strlen(guest->key_path), left = sizeof guest->key_path - used;
    char *end = guest->key_path + used;
    if (lua_type(G, index) == LUA_TSTRING) {
        snprintf(end, left, "%s%.60s", used == 0 ? "" : ".", lua_tostring(G, index));
    } else if (lua_isinteger(G, index)) {
        snprintf(end, left, "[%lld]", (long long)lua_tointeger(G, index));
    } else {
        snprintf(end, left, "[%g]", (double)lua_tonumber(G, index));
    }
    return used;
}

static bool copy_value(lua_State *L, struct guest *guest, int depth);

/* The table at the guest's top becomes one at L's top. */
static bool copy_table(lua_State *L, struct guest *guest, int depth) {
    lua_State *G = guest->state;
    const void *table = lua_topointer(G, -1);
    for (int i = 0; i < depth; i++) {
        if (guest->path[i] == table) return refuse(guest, "is a table that contains itself");
    }
    if (depth >= MAX_DEPTH || !lua_checkstack(G, 4)) {
        return refuse(guest, "lies deeper than 64 tables, which is the limit");
    }
    guest->path[depth] = table;
    luaL_checkstack(L, 4, NULL);
    lua_createtable(L, (int)lua_rawlen(G, -1) > MAX_ENTRIES ? 0 : (int)lua_rawlen(G, -1), 0);
    for (lua_pushnil(G); lua_next(G, -2) != 0; lua_pop(G, 1)) {
        int kind = lua_type(G, -2);
        if (kind != LUA_TSTRING && kind != LUA_TNUMBER) {
            return refuse(guest, "has a key that is neither a string nor a number");
        }
        size_t used = enter_key(guest, -2);
        if (++guest->entries > MAX_ENTRIES) {
            return refuse(guest, "is one entry too many, allowed are 10000");
        }
        lua_pushvalue(G, -2); /* the key, copied like a value */
        copy_value(L, guest, depth);
        lua_pop(G, 1);
        if (!copy_value(L, guest, depth + 1)) return false;
        lua_rawset(L, -3);
        guest->key_path[used] = '\0';
    }
    return true;
}

/* The value at the guest's top, pushed on L. */
static bool copy_value(lua_State *L, struct guest *guest, int depth) {
    lua_State *G = guest->state;
    size_t size = 0;
    const char *text = NULL;
    switch (lua_type(G, -1)) {
    case LUA_TNIL:
        lua_pushnil(L);
        return true;
    case LUA_TBOOLEAN:
        lua_pushboolean(L, lua_toboolean(G, -1));
        return true;
    case LUA_TNUMBER:
        if (lua_isinteger(G, -1)) {
            lua_pushinteger(L, lua_tointeger(G, -1));
        } else {
            lua_pushnumber(L, lua_tonumber(G, -1));
        }
        return true;
    case LUA_TSTRING:
        text = lua_tolstring(G, -1, &size);
        lua_pushlstring(L, text, size);
        return true;
    case LUA_TTABLE:
        return copy_table(L, guest, depth);
    default:
        return refuse(guest, "is a function; only values and tables of them are data");
    }
}

/* ---- the module ---- */

/* The new guest at the top of the stack, closed when the C function ends; NULL: no memory. */
static struct guest *guest_new(lua_State *L, const struct limits *limits) {
    struct guest *guest = lua_newuserdatauv(L, sizeof *guest, 0);
    *guest = (struct guest){
        .cap = (size_t)(limits->memory_mb * MB),
        .seconds = limits->seconds,
        .cancel = host_new_stop(L),
    };
    luaL_setmetatable(L, GUEST_CLASS);
    lua_toclose(L, -1);
    guest->state = lua_newstate(guest_memory, guest);
    if (guest->state == NULL) return NULL;
    memcpy(lua_getextraspace(guest->state), &guest, sizeof guest);
    return guest;
}

/* data.load(text, name [, limits]) -> value | nil, message, code */
static int l_load(lua_State *L) {
    static const struct opt_spec spec[] = {
        OPT_DOUBLE(limits, seconds, 0.001, 3600.0),
        OPT_DOUBLE(limits, memory_mb, 0.1, 65536.0),
        OPT_END,
    };
    size_t size = 0;
    const char *text = luaL_checklstring(L, 1, &size);
    const char *name = luaL_checkstring(L, 2);
    struct limits limits = {.seconds = 5, .memory_mb = 64};
    host_read_options(L, 3, spec, &limits);
    if (size > MAX_SOURCE) {
        return host_fail(L, ERR_INPUT, "%s: %zu bytes, allowed are 1048576", name, size);
    }
    if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) {
        return host_fail(L, ERR_INPUT, "%s:1: starts with a byte order mark (BOM). Save it as "
                                       "UTF-8 without one",
                         name);
    }
    struct guest *guest = guest_new(L, &limits);
    if (guest == NULL) return host_fail(L, ERR_ENVIRONMENT, "%s: out of memory", name);
    guest->text = text;
    guest->size = size;
    guest->name = name;
    guest->end_ns = clock_now_ns() + (int64_t)(limits.seconds * 1e9);
    lua_pushcfunction(guest->state, guest_main);
    int status = lua_pcall(guest->state, 0, 1, 0);
    if (status != LUA_OK) return push_guest_failure(L, guest, status);
    if (!copy_value(L, guest, 0)) return host_fail(L, ERR_INPUT, "%s", guest->refusal);
    return 1;
}

int luaopen_woolly_data(lua_State *L);

int luaopen_woolly_data(lua_State *L) {
    static const luaL_Reg functions[] = {{"load", l_load}, {NULL, NULL}};
    static const luaL_Reg none[] = {{NULL, NULL}};
    host_new_class(L, GUEST_CLASS, none, l_guest_close);
    luaL_newlib(L, functions);
    return 1;
}
