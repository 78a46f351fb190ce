/* lib_process_child.c - class Child of the Lua module "woolly.process": programs that run beside us
 * and are talked to line by line. */
#include "host/lib_process_child.h"
#include "host/child.h"
#include "host/host_private.h"

#include <string.h>

#define CHILD_CLASS "woolly.process.Child"
#define MAX_ARGUMENTS 1024
#define DEFAULT_ANSWER_S 60.0
#define MAX_ANSWER_S 1e7

struct handle {
    struct child child;
    bool is_open;
};

static struct child *check_open(lua_State *L) {
    struct handle *handle = luaL_checkudata(L, 1, CHILD_CLASS);
    luaL_argcheck(L, handle->is_open, 1, "child is closed");
    return &handle->child;
}

int process_spawn(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_Unsigned n = lua_rawlen(L, 1);
    luaL_argcheck(L, n >= 1 && n <= MAX_ARGUMENTS, 1, "1..1024 strings are required");
    luaL_checkstack(L, (int)n + 8, NULL); /* the strings stay here until the program has started */
    char **argv = host_block(L, n + 1, sizeof *argv);
    if (argv == NULL) return host_fail_memory(L, "a program's arguments", n + 1, sizeof *argv);
    for (lua_Unsigned i = 0; i < n; i++) {
        size_t size = 0;
        lua_rawgeti(L, 1, (lua_Integer)i + 1);
        luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, 1, "every element must be a string");
        argv[i] = (char *)lua_tolstring(L, -1, &size);
        luaL_argcheck(L, strlen(argv[i]) == size, 1, "no byte of an argument may be 0");
    }
    struct handle *handle = lua_newuserdatauv(L, sizeof *handle, 0);
    memset(handle, 0, sizeof *handle);
    luaL_setmetatable(L, CHILD_CLASS);
    struct err err;
    if (!child_start(&handle->child, argv, &err)) return host_push_fail(L, &err);
    handle->is_open = true;
    return 1;
}

/* Child:write_line(text) -> true | nil, message, code */
static int l_write_line(lua_State *L) {
    struct child *child = check_open(L);
    size_t size = 0;
    const char *text = luaL_checklstring(L, 2, &size);
    luaL_argcheck(L, memchr(text, '\n', size) == NULL, 2, "one line is required");
    struct err err;
    const volatile int *cancel = host_new_stop(L);
    bool ok =
        child_write(child, text, size, cancel, &err) && child_write(child, "\n", 1, cancel, &err);
    return host_push_result(L, ok, &err);
}

/* Child:read_line([seconds]) -> line | nil, message, code */
static int l_read_line(lua_State *L) {
    struct child *child = check_open(L);
    lua_Number seconds = luaL_optnumber(L, 2, DEFAULT_ANSWER_S);
    luaL_argcheck(L, seconds > 0 && seconds <= MAX_ANSWER_S, 2,
                  "more than 0 and at most 10^7 seconds are allowed");
    const char *line = NULL;
    size_t size = 0;
    struct err err;
    if (!child_read_line(child, (int64_t)(seconds * 1e9), host_new_stop(L), &line, &size, &err)) {
        return host_push_fail(L, &err);
    }
    lua_pushlstring(L, line, size);
    return 1;
}

/* Child:pid() -> integer | nil */
static int l_pid(lua_State *L) {
    struct child *child = check_open(L);
    if (child->pid == 0) return 0;
    lua_pushinteger(L, child->pid);
    return 1;
}

/* Child:close() -> status */
static int l_close(lua_State *L) {
    struct handle *handle = luaL_checkudata(L, 1, CHILD_CLASS);
    if (handle->is_open) child_end(&handle->child);
    handle->is_open = false;
    lua_pushinteger(L, handle->child.status);
    return 1;
}

void process_open_child(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"write_line", l_write_line},
        {"read_line", l_read_line},
        {"pid", l_pid},
        {"close", l_close},
        {NULL, NULL},
    };
    host_new_class(L, CHILD_CLASS, methods, l_close);
}
