/* lib_counters.c - Lua module "woolly.counters": the process's counters as a table; events, samples and
 * memory are in files of their own. */
#include "counters/process_counters.h"
#include "host/lib_counters.h"

#include <stddef.h>

#define FIELD(name)                                                                                \
    { #name, offsetof(struct process_counters, name) }
static const struct {
    const char *name;
    size_t offset;
} fields[] = {
    FIELD(cpu_ns),
    FIELD(thread_cpu_ns),
    FIELD(wall_ns),
    FIELD(minor_faults),
    FIELD(major_faults),
    FIELD(voluntary_switches),
    FIELD(involuntary_switches),
    FIELD(rss_bytes),
    FIELD(peak_rss_bytes),
    FIELD(rss_anon_bytes),
    FIELD(rss_file_bytes),
    FIELD(steal_ns),
    FIELD(allocations),
    FIELD(allocated_bytes),
    FIELD(live_bytes),
};
#define N_FIELDS (sizeof fields / sizeof *fields)

/* counters.read() -> table */
static int l_read(lua_State *L) {
    lua_createtable(L, 0, N_FIELDS + 1); /* first, so that the readings do not count it later */
    struct process_counters counters;
    process_counters_read(&counters);
    int64_t script_bytes = host_script_bytes(L);
    for (size_t i = 0; i < N_FIELDS; i++) {
        int64_t value =
            *(const int64_t *)(const void *)((const char *)&counters + fields[i].offset);
        if (value < 0) continue; /* not readable here */
        lua_pushinteger(L, value);
        lua_setfield(L, -2, fields[i].name);
    }
    lua_pushinteger(L, script_bytes);
    lua_setfield(L, -2, "script_bytes");
    return 1;
}

/* counters.reset_peak() -> true | nil, message, code */
static int l_reset_peak(lua_State *L) {
    struct err err;
    return host_push_result(L, process_counters_reset_peak(&err), &err);
}

int luaopen_woolly_counters(lua_State *L);

int luaopen_woolly_counters(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"read", l_read},
        {"reset_peak", l_reset_peak},
        {"available", counters_l_available},
        {"list", counters_l_list},
        {"open", counters_l_open},
        {"sampler", counters_l_sampler},
        {"sample", counters_l_sample},
        {"allocations", counters_l_allocations},
        {"allocation_cost", counters_l_allocation_cost},
        {"memory", counters_l_memory},
        {"noise", counters_l_noise},
        {"heap_probe", counters_l_heap_probe},
        {NULL, NULL},
    };
    counters_open_group(L);
    counters_open_sampler(L);
    luaL_newlib(L, functions);
    return 1;
}
