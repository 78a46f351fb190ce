/* lib_counters_memory.c - woolly.counters: heap requests, what they cost to count, memory by kind. */
#include "base/alloc.h"
#include "base/alloc_count.h"
#include "counters/heap_probe.h"
#include "counters/memory_map.h"
#include "host/lib_counters.h"

#include <stddef.h>

static void set(lua_State *L, const char *name, int64_t value) {
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

/* counters.allocations() -> table */
int counters_l_allocations(lua_State *L) {
    lua_createtable(L, 0, 5); /* first, so that the reading does not count it later */
    struct mem_stats own = mem_thread_stats();
    struct alloc_counts all = alloc_count_process();
    set(L, "thread_requests", (int64_t)own.allocations);
    set(L, "thread_bytes", (int64_t)own.bytes);
    if (ALLOC_COUNT_WORKS) {
        set(L, "requests", (int64_t)all.requests);
        set(L, "bytes", (int64_t)all.bytes);
    }
    lua_pushboolean(L, ALLOC_COUNT_WORKS);
    lua_setfield(L, -2, "exact");
    return 1;
}

struct cost_options {
    int64_t size, n;
};

/* counters.allocation_cost(options) -> plain_ns, counted_ns | nil, message, code */
int counters_l_allocation_cost(lua_State *L) {
    static const struct opt_spec spec[] = {
        OPT_INT64(cost_options, size, 1, 1 << 30),
        OPT_INT64(cost_options, n, 1, 1 << 30),
        OPT_END,
    };
    struct cost_options options = {.size = 64, .n = 100000};
    host_read_options(L, 1, spec, &options);
    double plain = 0, counted = 0;
    if (!alloc_count_cost((size_t)options.size, options.n, &plain, &counted)) {
        struct err err;
        err_set(&err, ERR_UNAVAILABLE, "allocations: not counted in a build with a sanitizer, which owns "
                                       "malloc, nor without glibc");
        return host_push_fail(L, &err);
    }
    lua_pushnumber(L, plain);
    lua_pushnumber(L, counted);
    return 2;
}

/* counters.memory([pid]) -> table | nil, message, code */
int counters_l_memory(lua_State *L) {
    int64_t pid = luaL_optinteger(L, 1, 0);
    luaL_argcheck(L, pid >= 0, 1, "a process id is required");
    struct memory_map map;
    struct err err;
    if (!memory_map_read(pid, &map, &err)) return host_push_fail(L, &err);
    lua_createtable(L, 0, 8);
    set(L, "rss_bytes", map.rss_bytes);
    set(L, "pss_bytes", map.pss_bytes);
    set(L, "pss_anon_bytes", map.pss_anon_bytes);
    set(L, "pss_file_bytes", map.pss_file_bytes);
    set(L, "private_bytes", map.private_bytes);
    set(L, "shared_bytes", map.shared_bytes);
    set(L, "huge_page_bytes", map.huge_page_bytes);
    set(L, "swap_bytes", map.swap_bytes);
    return 1;
}

struct probe_options {
    int64_t pid;
    double seconds;
};

/* counters.heap_probe(options) -> table | nil, message, code */
int counters_l_heap_probe(lua_State *L) {
    static const struct opt_spec spec[] = {
        OPT_INT64(probe_options, pid, 1, INT32_MAX),
        OPT_DOUBLE(probe_options, seconds, 0.001, 1e6),
        OPT_END,
    };
    struct probe_options options = {.seconds = 2};
    host_read_options(L, 1, spec, &options);
    luaL_argcheck(L, options.pid > 0, 1, "option 'pid' is required");
    struct heap_probe_counts counts;
    struct err err;
    if (!heap_probe_run(&perf_system_linux, (pid_t)options.pid, (int64_t)(options.seconds * 1e9), host_cancel(L),
                        &counts, &err)) {
        return host_push_fail(L, &err);
    }
    lua_createtable(L, 0, 5);
    lua_createtable(L, 0, HEAP_PROBE_FUNCTIONS);
    uint64_t sum = 0;
    for (int i = 0; i < HEAP_PROBE_FUNCTIONS; i++) {
        set(L, heap_probe_function(i), (int64_t)counts.requests[i]);
        sum += counts.requests[i];
    }
    lua_setfield(L, -2, "functions");
    set(L, "requests", (int64_t)sum);
    set(L, "n_threads", counts.n_threads);
    lua_pushnumber(L, (double)counts.ns / 1e9);
    lua_setfield(L, -2, "seconds");
    lua_pushstring(L, counts.object);
    lua_setfield(L, -2, "object");
    return 1;
}
