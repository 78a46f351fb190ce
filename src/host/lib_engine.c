/* lib_engine.c - Lua module "woolly.engine": its functions. Checks and converts; computes nothing.
 *
 * Models are in lib_engine_model.c, contexts in lib_engine_context.c. */
#include "host/lib_engine.h"

#include "base/path.h"
#include "build_facts.h"

#include <string.h>

#define MAX_TOKENS (1 << 24)

/* ---- shared with the other two files ---- */

void engine_set_integer(lua_State *L, const char *key, int64_t value) {
    lua_pushinteger(L, value);
    lua_setfield(L, -2, key);
}

void engine_set_number(lua_State *L, const char *key, double value) {
    lua_pushnumber(L, value);
    lua_setfield(L, -2, key);
}

void engine_set_string(lua_State *L, const char *key, const char *value) {
    lua_pushstring(L, value);
    lua_setfield(L, -2, key);
}

void engine_set_boolean(lua_State *L, const char *key, bool value) {
    lua_pushboolean(L, value);
    lua_setfield(L, -2, key);
}

bool engine_isa(const char *option, const char *name, enum isa *isa, struct err *err) {
    if (name == NULL) name = "auto";
    if (!isa_from_name(name, isa)) {
        return err_set(err, ERR_INPUT, "%s \"%.40s\" is unknown; allowed are auto, %s", option, name,
                       isa_names(false));
    }
    if (kernels_get(*isa) == NULL) {
        return err_set(err, ERR_UNAVAILABLE,
                       "%s %s: this build or this machine does not have it; here there are %s", option,
                       name, isa_names(true));
    }
    return true;
}

void engine_push_switches(lua_State *L, const struct engine_switches *switches) {
    lua_createtable(L, 0, 12);
    engine_set_boolean(L, "simd", switches->simd);
    engine_set_boolean(L, "weight_cache", switches->weight_cache);
    engine_set_boolean(L, "pool", switches->pool);
    engine_set_string(L, "backend", isa_name(switches->isa));
    engine_set_number(L, "weight_cache_mb", (double)switches->weight_cache_bytes / 1e6);
    engine_set_boolean(L, "fused_matmul", switches->fused_matmul);
    engine_set_boolean(L, "fused_attention", switches->fused_attention);
    engine_set_boolean(L, "repack", switches->repack);
    engine_set_boolean(L, "huge_pages", switches->huge_pages);
    engine_set_string(L, "key_type", kv_type_name(switches->key_type));
    engine_set_string(L, "value_type", kv_type_name(switches->value_type));
    engine_set_integer(L, "threads", switches->n_threads);
    engine_set_boolean(L, "tune", switches->tune);
    engine_set_integer(L, "lookup", switches->lookup);
}

bool engine_decode_arrays(lua_State *L, int64_t n, struct decode_arrays *out) {
    out->tokens = host_block(L, (uint64_t)n, sizeof *out->tokens);
    out->times_ns = host_block(L, (uint64_t)n, sizeof *out->times_ns);
    if (out->tokens == NULL || out->times_ns == NULL) return false;
    /* Written once now: a page fault must not fall into the timed window. */
    memset(out->tokens, 0xff, (size_t)n * sizeof *out->tokens);
    memset(out->times_ns, 0xff, (size_t)n * sizeof *out->times_ns);
    return true;
}

void engine_push_decoded(lua_State *L, const struct decode_arrays *arrays, int64_t n,
                         int64_t start_ns, enum finish_reason reason) {
    lua_createtable(L, 0, 4);
    lua_createtable(L, (int)n, 0);
    for (int64_t i = 0; i < n; i++) {
        lua_pushinteger(L, arrays->tokens[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "tokens");
    lua_createtable(L, (int)n, 0);
    for (int64_t i = 0; i < n; i++) {
        lua_pushinteger(L, arrays->times_ns[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "times_ns");
    engine_set_integer(L, "start_ns", start_ns);
    engine_set_string(L, "finish_reason", finish_reason_name(reason));
}

/* ---- models and presets ---- */

/* engine.load(path [, options]) -> Model | nil, message, code */
static int l_load(lua_State *L) {
    static const struct opt_spec spec[] = {
        OPT_BOOL_AS("mmap", model_options, use_mmap),
        OPT_END,
    };
    const char *path = luaL_checkstring(L, 1);
    struct model_options options = model_options_default();
    host_read_options(L, 2, spec, &options);
    options.cancel = host_cancel(L);
    struct model_handle *handle = lua_newuserdatauv(L, sizeof *handle, 0);
    *handle = (struct model_handle){.model = NULL};
    luaL_setmetatable(L, MODEL_CLASS);
    struct err err;
    handle->model = model_load(path, &options, &err);
    return handle->model != NULL ? 1 : host_push_fail(L, &err);
}

static void on_bytes(void *user, uint64_t done, uint64_t total) {
    host_callback_call(user, (int64_t)done, (int64_t)total);
}

struct synth_options {
    const char *folder;
    bool on_progress;
};

/* engine.synth(spec [, options]) -> path | nil, message, code */
static int l_synth(lua_State *L) {
    static const struct opt_spec spec[] = {
        OPT_STRING(synth_options, folder),
        OPT_FUNCTION(synth_options, on_progress),
        OPT_END,
    };
    const char *name = luaL_checkstring(L, 1);
    struct synth_options options = {.folder = NULL};
    host_read_options(L, 2, spec, &options);
    char cache[4096], path[4096];
    struct err err;
    if (options.folder == NULL) {
        if (!path_cache_folder(cache, sizeof cache, &err)) return host_push_fail(L, &err);
        options.folder = cache;
    }
    struct host_callback callback = host_callback_begin(L, 2, "on_progress");
    bool ok = synth_model(name, options.folder, on_bytes, &callback, host_cancel(L), path,
                          sizeof path, &err);
    host_callback_end(&callback);
    if (!ok) return host_push_fail(L, &err);
    lua_pushstring(L, path);
    return 1;
}

/* engine.synth_help() -> text */
static int l_synth_help(lua_State *L) {
    lua_pushstring(L, synth_describe());
    return 1;
}

/* engine.preset(name) -> switches | nil, message, code */
static int l_preset(lua_State *L) {
    struct engine_switches switches;
    struct err err;
    if (!engine_preset(luaL_checkstring(L, 1), &switches, &err)) return host_push_fail(L, &err);
    engine_push_switches(L, &switches);
    return 1;
}

/* engine.presets() -> names */
static int l_presets(lua_State *L) {
    const char *const *names = engine_preset_names();
    lua_newtable(L);
    for (int i = 0; names[i] != NULL; i++) {
        lua_pushstring(L, names[i]);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* ---- what this build and machine have ---- */

/* engine.isas() -> names */
static int l_isas(lua_State *L) {
    lua_Integer n = 0;
    lua_newtable(L);
    for (int isa = 0; isa < ISA_COUNT; isa++) {
        if (kernels_get((enum isa)isa) == NULL) continue;
        lua_pushstring(L, isa_name((enum isa)isa));
        lua_rawseti(L, -2, ++n);
    }
    return 1;
}

/* engine.best_isa() -> name */
static int l_best_isa(lua_State *L) {
    lua_pushstring(L, isa_name(kernels_best()));
    return 1;
}

/* Also of instruction sets that are absent here. */
static int lanes_of(enum isa isa) {
    static const int lanes[ISA_COUNT] = {
        [ISA_SCALAR] = 1, [ISA_SSE4] = 4,        [ISA_AVX2] = 8, [ISA_AVXVNNI] = 8,
        [ISA_AVX512] = 16, [ISA_AVX512VNNI] = 16, [ISA_NEON] = 4, [ISA_DOTPROD] = 4,
        [ISA_I8MM] = 4};
    const struct kernels *kernels = kernels_get(isa);
    return kernels != NULL ? kernels->lanes : lanes[isa];
}

/* engine.lanes(isa) -> integer */
static int l_lanes(lua_State *L) {
    enum isa isa = ISA_SCALAR;
    luaL_argcheck(L, isa_from_name(luaL_checkstring(L, 1), &isa), 1, "unknown isa");
    lua_pushinteger(L, lanes_of(isa));
    return 1;
}

/* engine.types() -> names */
static int l_types(lua_State *L) {
    lua_Integer n = 0;
    lua_newtable(L);
    for (uint32_t type = 0; type < TENSOR_TYPE_COUNT; type++) {
        const struct tensor_type_info *info = tensor_type_info(type);
        if (info == NULL) continue;
        lua_pushstring(L, info->name);
        lua_rawseti(L, -2, ++n);
    }
    return 1;
}

/* engine.build_info() -> table */
static int l_build_info(lua_State *L) {
    lua_createtable(L, 0, 6);
    engine_set_string(L, "version", WOOLLY_VERSION);
    engine_set_string(L, "commit", WOOLLY_COMMIT);
    engine_set_string(L, "compiler", WOOLLY_COMPILER);
    engine_set_string(L, "flags", WOOLLY_FLAGS);
    engine_set_string(L, "build_type", WOOLLY_BUILD_TYPE);
    engine_set_string(L, "sanitizers", WOOLLY_SANITIZE);
    return 1;
}

/* ---- kernels ---- */

/* A type by name whose values this build decodes. */
static bool find_type(const char *name, enum tensor_type *type, struct err *err) {
    if (tensor_type_from_name(name, type)) return true;
    return err_set(err, ERR_INPUT, "tensor type \"%.40s\" is unknown; allowed are %s", name,
                   tensor_type_list());
}

/* engine.dequantize(type, data [, isa]) -> f32 | nil, message, code */
static int l_dequantize(lua_State *L) {
    size_t size = 0;
    const char *name = luaL_checkstring(L, 1), *data = luaL_checklstring(L, 2, &size);
    enum tensor_type type = TENSOR_F32;
    enum isa isa = ISA_SCALAR;
    struct err err;
    if (!find_type(name, &type, &err)) return host_push_fail(L, &err);
    if (!engine_isa("isa", luaL_optstring(L, 3, NULL), &isa, &err)) return host_push_fail(L, &err);
    const struct tensor_type_info *info = tensor_type_info(type);
    size_t block_bytes = (size_t)info->block_bytes;
    if (size % block_bytes != 0) {
        return host_fail(L, ERR_INPUT, "%zu bytes are no whole %s blocks of %zu bytes", size,
                         info->name, block_bytes);
    }
    size_t n_values = size / block_bytes * (size_t)info->block_values;
    luaL_Buffer out;
    char *bytes = luaL_buffinitsize(L, &out, n_values * sizeof(float));
    if (n_values > 0) {
        kernels_get(isa)->dequantize[type]((float *)(void *)bytes, data, (int64_t)n_values);
    }
    luaL_pushresultsize(&out, n_values * sizeof(float));
    return 1;
}

struct bench_options {
    const char *type, *isa;
    int64_t n_values;
    double min_ms;
    int samples;
};

/* engine.bench_dequantize(options) -> result | nil, message, code */
static int l_bench_dequantize(lua_State *L) {
    static const struct opt_spec spec[] = {
        OPT_STRING(bench_options, type),
        OPT_STRING(bench_options, isa),
        OPT_INT64(bench_options, n_values, 1, 1 << 28),
        OPT_DOUBLE(bench_options, min_ms, 0.001, 60000.0),
        OPT_INT(bench_options, samples, 1, 100000),
        OPT_END,
    };
    struct bench_options options = {.n_values = 65536, .min_ms = 5, .samples = 9};
    luaL_checktype(L, 1, LUA_TTABLE);
    host_read_options(L, 1, spec, &options);
    luaL_argcheck(L, options.type != NULL, 1, "option 'type' is required");
    enum tensor_type type = TENSOR_F32;
    enum isa isa = ISA_SCALAR;
    struct err err;
    if (!find_type(options.type, &type, &err)) return host_push_fail(L, &err);
    if (!engine_isa("isa", options.isa, &isa, &err)) return host_push_fail(L, &err);
    int n = options.samples;
    double *samples = host_block(L, (uint64_t)n, sizeof *samples);
    if (samples == NULL) return host_fail_memory(L, "samples", (uint64_t)n, sizeof *samples);
    struct dequantize_bench bench = {
        .n_values = options.n_values,
        .min_ns = (int64_t)(options.min_ms * 1e6),
        .n_samples = n,
    };
    if (!bench_dequantize(type, isa, &bench, samples, &err)) return host_push_fail(L, &err);
    lua_createtable(L, 0, 4);
    lua_createtable(L, n, 0);
    lua_createtable(L, n, 0);
    for (int i = 0; i < n; i++) {
        lua_pushnumber(L, samples[i]);
        lua_rawseti(L, -3, i + 1);
        lua_pushnumber(L, (double)sizeof(float) / samples[i]); /* bytes per ns are GB/s */
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -3, "gb_per_second");
    lua_setfield(L, -2, "ns_per_value");
    engine_set_string(L, "isa", isa_name(isa));
    engine_set_integer(L, "lanes", lanes_of(isa));
    return 1;
}

struct null_options {
    int64_t n_tokens;
};

/* engine.null_decode(options) -> result */
static int l_null_decode(lua_State *L) {
    static const struct opt_spec spec[] = {OPT_INT64(null_options, n_tokens, 1, MAX_TOKENS),
                                           OPT_END};
    struct null_options options = {.n_tokens = 0};
    luaL_checktype(L, 1, LUA_TTABLE);
    host_read_options(L, 1, spec, &options);
    luaL_argcheck(L, options.n_tokens > 0, 1, "option 'n_tokens' is required");
    struct decode_arrays arrays;
    if (!engine_decode_arrays(L, options.n_tokens, &arrays)) {
        return host_fail_memory(L, "tokens", (uint64_t)options.n_tokens, 12);
    }
    int64_t start_ns = 0;
    engine_null_decode(options.n_tokens, arrays.tokens, arrays.times_ns, &start_ns);
    engine_push_decoded(L, &arrays, options.n_tokens, start_ns, FINISH_LENGTH);
    return 1;
}

int luaopen_woolly_engine(lua_State *L);

int luaopen_woolly_engine(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"load", l_load},
        {"synth", l_synth},
        {"synth_help", l_synth_help},
        {"preset", l_preset},
        {"presets", l_presets},
        {"isas", l_isas},
        {"best_isa", l_best_isa},
        {"lanes", l_lanes},
        {"types", l_types},
        {"build_info", l_build_info},
        {"dequantize", l_dequantize},
        {"bench_dequantize", l_bench_dequantize},
        {"null_decode", l_null_decode},
        {"decode_together", engine_l_decode_together},
        {NULL, NULL},
    };
    engine_open_model(L);
    engine_open_context(L);
    luaL_newlib(L, functions);
    return 1;
}
