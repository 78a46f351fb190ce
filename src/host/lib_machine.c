/* lib_machine.c - Lua module "woolly.machine": the facts of machine.h as a table. */
#include "counters/machine.h"
#include "host/host_util.h"

static void set_text(lua_State *L, const char *name, const char *text) {
    if (text[0] == '\0') return;
    lua_pushstring(L, text);
    lua_setfield(L, -2, name);
}

/* Counts and sizes: 0 was not told. */
static void set_integer(lua_State *L, const char *name, int64_t value) {
    if (value < 1) return;
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

/* machine.info() -> table */
static int l_info(lua_State *L) {
    struct machine_info info;
    machine_read(&info);
    lua_createtable(L, 0, 22);
    set_text(L, "cpu", info.cpu);
    set_text(L, "arch", info.arch);
    set_text(L, "isa", info.isa);
    set_integer(L, "n_cores", info.n_cores);
    set_integer(L, "n_online", info.n_online);
    set_integer(L, "l1d_bytes", info.l1d_bytes);
    set_integer(L, "l2_bytes", info.l2_bytes);
    set_integer(L, "l3_bytes", info.l3_bytes);
    set_integer(L, "memory_bytes", info.memory_bytes);
    set_text(L, "kernel", info.kernel);
    set_text(L, "os", info.os);
    set_text(L, "hypervisor", info.hypervisor);
    set_text(L, "governor", info.governor);
    set_text(L, "turbo", info.turbo);
    set_text(L, "smt", info.smt);
    set_text(L, "microcode", info.microcode);
    set_integer(L, "n_numa_nodes", info.n_numa_nodes);
    set_text(L, "hostname", info.hostname);
    set_text(L, "fingerprint", info.fingerprint);
    if (info.load_1m >= 0) {
        lua_pushnumber(L, info.load_1m);
        lua_setfield(L, -2, "load_1m");
    }
    return 1;
}

int luaopen_woolly_machine(lua_State *L);

int luaopen_woolly_machine(lua_State *L) {
    static const luaL_Reg functions[] = {{"info", l_info}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
