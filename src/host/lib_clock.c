/* lib_clock.c - Lua module "woolly.clock". Checks and converts; computes nothing. */
#include "base/clock.h"
#include "host/host_util.h"

/* clock.now_ns() -> ns */
static int l_now_ns(lua_State *L) {
    lua_pushinteger(L, clock_now_ns());
    return 1;
}

/* clock.cpu_ns() -> ns */
static int l_cpu_ns(lua_State *L) {
    lua_pushinteger(L, clock_process_cpu_ns());
    return 1;
}

/* clock.wall_ns() -> ns */
static int l_wall_ns(lua_State *L) {
    lua_pushinteger(L, clock_wall_ns());
    return 1;
}

/* clock.utc([wall_ns]) -> text */
static int l_utc(lua_State *L) {
    char text[32];
    int64_t wall_ns = luaL_opt(L, luaL_checkinteger, 1, clock_wall_ns());
    luaL_argcheck(L, wall_ns >= 0, 1, "a time since 1970 is required");
    clock_format_utc(wall_ns, text, sizeof text);
    lua_pushstring(L, text);
    return 1;
}

/* clock.resolution_ns() -> ns */
static int l_resolution_ns(lua_State *L) {
    lua_pushinteger(L, clock_resolution_ns());
    return 1;
}

/* clock.sleep_ns(ns) */
static int l_sleep_ns(lua_State *L) {
    lua_Integer ns = luaL_checkinteger(L, 1);
    luaL_argcheck(L, ns >= 0, 1, "a duration of 0 or more is required");
    if (*host_cancel(L) == 0) clock_sleep_ns(ns, host_cancel(L));
    return 0;
}

int luaopen_woolly_clock(lua_State *L);

int luaopen_woolly_clock(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"now_ns", l_now_ns},
        {"cpu_ns", l_cpu_ns},
        {"wall_ns", l_wall_ns},
        {"utc", l_utc},
        {"resolution_ns", l_resolution_ns},
        {"sleep_ns", l_sleep_ns},
        {NULL, NULL},
    };
    luaL_newlib(L, functions);
    return 1;
}
