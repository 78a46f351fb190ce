/* lib_kernels.c - Lua module "woolly.kernels": single kernels on random data, timed (bench.h). */
#include "host/lib_engine.h"

static void push_samples(lua_State *L, const char *key, const double *samples, int n) {
    host_push_numbers(L, samples, n);
    lua_setfield(L, -2, key);
}

/* A type by name that this build reads. */
static bool find_type(const char *name, enum tensor_type *type, struct err *err) {
    if (tensor_type_from_name(name, type)) return true;
    return err_set(err, ERR_INPUT, "tensor type \"%.40s\" is unknown; allowed are %s", name,
                   tensor_type_list());
}

/* kernels.forms(type) -> names | nil, message, code */
static int l_forms(lua_State *L) {
    enum tensor_type type = TENSOR_F32;
    struct err err;
    if (!find_type(luaL_checkstring(L, 1), &type, &err)) return host_push_fail(L, &err);
    lua_Integer n = 0;
    lua_newtable(L);
    for (int form = 0; form < MATMUL_FORM_COUNT; form++) {
        if (!matmul_form_supported((enum matmul_form)form, type)) continue;
        lua_pushstring(L, matmul_form_name((enum matmul_form)form));
        lua_rawseti(L, -2, ++n);
    }
    return 1;
}

struct matmul_options {
    const char *type, *form, *isa;
    int64_t rows, cols, n_tokens, footprint;
    int threads, samples;
    double min_ms;
};

/* kernels.matmul(options) -> result | nil, message, code */
static int l_matmul(lua_State *L) {
    static const struct opt_spec spec[] = {
        OPT_STRING(matmul_options, type),
        OPT_STRING(matmul_options, form),
        OPT_STRING(matmul_options, isa),
        OPT_INT64(matmul_options, rows, 1, 1 << 24),
        OPT_INT64(matmul_options, cols, 1, 1 << 24),
        OPT_INT64(matmul_options, n_tokens, 1, 1 << 16),
        OPT_INT64(matmul_options, footprint, 0, (int64_t)1 << 40),
        OPT_INT(matmul_options, threads, 1, 256),
        OPT_INT(matmul_options, samples, 1, 100000),
        OPT_DOUBLE(matmul_options, min_ms, 0.001, 60000.0),
        OPT_END,
    };
    struct matmul_options o = {
        .form = "packed", .n_tokens = 1, .threads = 1, .samples = 9, .min_ms = 5};
    luaL_checktype(L, 1, LUA_TTABLE);
    host_read_options(L, 1, spec, &o);
    luaL_argcheck(L, o.type != NULL, 1, "option 'type' is required");
    luaL_argcheck(L, o.rows > 0 && o.cols > 0, 1, "options 'rows' and 'cols' are required");
    struct matmul_bench bench = {
        .rows = o.rows, .cols = o.cols, .n_tokens = o.n_tokens, .footprint = (uint64_t)o.footprint,
        .window = {.n_threads = o.threads, .n_samples = o.samples,
                   .min_ns = (int64_t)(o.min_ms * 1e6), .cancel = host_cancel(L)}};
    luaL_argcheck(L, matmul_form_from_name(o.form, &bench.form), 1,
                  "option 'form': allowed are float, rows, packed");
    struct err err;
    if (!find_type(o.type, &bench.type, &err)) return host_push_fail(L, &err);
    if (!engine_isa("isa", o.isa, &bench.isa, &err)) return host_push_fail(L, &err);
    double *samples = host_block(L, (uint64_t)o.samples, sizeof *samples);
    if (samples == NULL) {
        return host_fail_memory(L, "samples", (uint64_t)o.samples, sizeof *samples);
    }
    struct matmul_bench_result result = {.nmse = 0};
    if (!bench_matmul(&bench, samples, &result, &err)) return host_push_fail(L, &err);
    lua_createtable(L, 0, 6);
    push_samples(L, "ns", samples, o.samples);
    engine_set_integer(L, "weight_bytes", (int64_t)result.weight_bytes);
    engine_set_integer(L, "footprint", (int64_t)result.footprint);
    engine_set_integer(L, "macs", o.rows * o.cols * o.n_tokens);
    engine_set_number(L, "nmse", result.nmse);
    engine_set_string(L, "isa", isa_name(bench.isa));
    return 1;
}

struct attention_options {
    const char *isa, *key_type, *value_type;
    int64_t n_head, n_head_kv, head_dim, n_past, n_tokens, footprint;
    int threads, samples;
    double min_ms;
};

static bool find_kv_type(const char *name, enum kv_type *type, struct err *err) {
    if (kv_type_from_name(name, type)) return true;
    return err_set(err, ERR_INPUT,
                   "KV type \"%.40s\" is unknown; allowed are f32, f16, q8_0, q4_0", name);
}

/* kernels.attention(options) -> result | nil, message, code */
static int l_attention(lua_State *L) {
    static const struct opt_spec spec[] = {
        OPT_STRING(attention_options, isa),
        OPT_STRING(attention_options, key_type),
        OPT_STRING(attention_options, value_type),
        OPT_INT64(attention_options, n_head, 1, 1024),
        OPT_INT64(attention_options, n_head_kv, 1, 1024),
        OPT_INT64(attention_options, head_dim, 1, 1024),
        OPT_INT64(attention_options, n_past, 0, 1 << 24),
        OPT_INT64(attention_options, n_tokens, 1, 1 << 16),
        OPT_INT64(attention_options, footprint, 0, (int64_t)1 << 40),
        OPT_INT(attention_options, threads, 1, 256),
        OPT_INT(attention_options, samples, 1, 100000),
        OPT_DOUBLE(attention_options, min_ms, 0.001, 60000.0),
        OPT_END,
    };
    struct attention_options o = {.key_type = "f32", .value_type = "f32", .n_tokens = 1,
                                  .threads = 1, .samples = 9, .min_ms = 5};
    luaL_checktype(L, 1, LUA_TTABLE);
    host_read_options(L, 1, spec, &o);
    luaL_argcheck(L, o.n_head > 0 && o.n_head_kv > 0 && o.head_dim > 0, 1,
                  "options 'n_head', 'n_head_kv' and 'head_dim' are required");
    struct attention_bench bench = {
        .n_head = o.n_head, .n_head_kv = o.n_head_kv, .head_dim = o.head_dim, .n_past = o.n_past,
        .n_tokens = o.n_tokens, .footprint = (uint64_t)o.footprint,
        .window = {.n_threads = o.threads, .n_samples = o.samples,
                   .min_ns = (int64_t)(o.min_ms * 1e6), .cancel = host_cancel(L)}};
    struct err err;
    if (!find_kv_type(o.key_type, &bench.key_type, &err) ||
        !find_kv_type(o.value_type, &bench.value_type, &err) ||
        !engine_isa("isa", o.isa, &bench.isa, &err)) {
        return host_push_fail(L, &err);
    }
    double *naive = host_block(L, (uint64_t)o.samples, 2 * sizeof *naive);
    if (naive == NULL) {
        return host_fail_memory(L, "samples", (uint64_t)o.samples, 2 * sizeof *naive);
    }
    double *fused = naive + o.samples;
    struct attention_bench_result result = {.nmse = 0};
    if (!bench_attention(&bench, naive, fused, &result, &err)) return host_push_fail(L, &err);
    lua_createtable(L, 0, 6);
    push_samples(L, "naive_ns", naive, o.samples);
    push_samples(L, "fused_ns", fused, o.samples);
    engine_set_integer(L, "naive_bytes", (int64_t)result.naive_bytes);
    engine_set_integer(L, "fused_bytes", (int64_t)result.fused_bytes);
    engine_set_number(L, "nmse", result.nmse);
    engine_set_string(L, "isa", isa_name(bench.isa));
    return 1;
}

int luaopen_woolly_kernels(lua_State *L);

int luaopen_woolly_kernels(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"forms", l_forms}, {"matmul", l_matmul}, {"attention", l_attention}, {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}
