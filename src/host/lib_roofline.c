/* lib_roofline.c - Lua module "woolly.roofline": the measurements of roofline.h. */
#include "counters/roofline.h"
#include "host/host_util.h"

static void set_number(lua_State *L, const char *key, double value) {
    lua_pushnumber(L, value);
    lua_setfield(L, -2, key);
}

static void set_integer(lua_State *L, const char *key, int64_t value) {
    lua_pushinteger(L, value);
    lua_setfield(L, -2, key);
}

/* roofline.isas() -> names */
static int l_isas(lua_State *L) {
    const char *const *names = roofline_isas();
    lua_newtable(L);
    for (int i = 0; names[i] != NULL; i++) {
        lua_pushstring(L, names[i]);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* roofline.method() -> integer */
static int l_method(lua_State *L) {
    lua_pushinteger(L, ROOFLINE_METHOD);
    return 1;
}

/* roofline.sets(n_threads) -> { l1 = {bytes, capacity}, ... } */
static int l_sets(lua_State *L) {
    lua_Integer threads = luaL_checkinteger(L, 1);
    luaL_argcheck(L, threads >= 1 && threads <= 65536, 1, "threads are 1..65536");
    struct machine_info machine;
    machine_read(&machine);
    lua_createtable(L, 0, ROOFLINE_LEVELS);
    for (int i = 0; i < ROOFLINE_LEVELS; i++) {
        struct roofline_set set = roofline_set(&machine, (enum roofline_level)i, (int)threads);
        if (set.bytes == 0) continue;
        lua_createtable(L, 0, 2);
        set_integer(L, "bytes", set.bytes);
        if (set.capacity > 0) set_integer(L, "capacity", set.capacity);
        lua_setfield(L, -2, roofline_level_name((enum roofline_level)i));
    }
    return 1;
}

struct measure_options {
    const char *what;
    const char *isa;
    int threads;
    int64_t bytes;
    int samples;
    double sample_ms;
};

/* roofline.measure(options) -> { samples, best } | nil, message, code */
static int l_measure(lua_State *L) {
    static const struct opt_spec spec[] = {
        OPT_STRING(measure_options, what),
        OPT_STRING(measure_options, isa),
        OPT_INT(measure_options, threads, 1, 65536),
        OPT_INT64(measure_options, bytes, 4096, (int64_t)1 << 40),
        OPT_INT(measure_options, samples, 1, 100000),
        OPT_DOUBLE(measure_options, sample_ms, 0.001, 60000.0),
        OPT_END,
    };
    struct measure_options options = {.threads = 1, .bytes = 0, .samples = 9, .sample_ms = 10};
    enum roofline_what what = ROOFLINE_READ;
    luaL_checktype(L, 1, LUA_TTABLE);
    host_read_options(L, 1, spec, &options);
    luaL_argcheck(L, options.what != NULL, 1, "option 'what' is required");
    luaL_argcheck(L, roofline_what_from_name(options.what, &what), 1,
                  "option 'what': allowed are read, f32, int8, int4");
    luaL_argcheck(L, what != ROOFLINE_READ || options.bytes > 0, 1,
                  "option 'bytes' is required to read");
    double *samples = host_block(L, (uint64_t)options.samples, sizeof *samples);
    if (samples == NULL) {
        return host_fail_memory(L, "samples", (uint64_t)options.samples, sizeof *samples);
    }
    struct roofline_options run = {
        .isa = options.isa,
        .n_threads = options.threads,
        .bytes = options.bytes,
        .n_samples = options.samples,
        .sample_ns = (int64_t)(options.sample_ms * 1e6),
        .cancel = host_cancel(L),
    };
    struct err err;
    if (!roofline_measure(what, &run, samples, &err)) return host_push_fail(L, &err);
    lua_createtable(L, 0, 2);
    host_push_numbers(L, samples, options.samples);
    double best = 0;
    for (int i = 0; i < options.samples; i++) {
        if (samples[i] > best) best = samples[i];
    }
    lua_setfield(L, -2, "samples");
    set_number(L, "best", best);
    return 1;
}

int luaopen_woolly_roofline(lua_State *L);

int luaopen_woolly_roofline(lua_State *L) {
    static const luaL_Reg functions[] = {{"isas", l_isas},
                                         {"method", l_method},
                                         {"sets", l_sets},
                                         {"measure", l_measure},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
