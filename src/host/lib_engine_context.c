/* lib_engine_context.c - class woolly.engine.Context. Checks and converts; computes nothing.
 *
 * Every timed window lies inside one engine call; results become Lua tables after it. */
#include "host/lib_engine.h"

#include "base/path.h"

#define MAX_TOKENS (1 << 24)
#define MAX_THREADS 1024

struct context_handle *engine_check_context(lua_State *L, int arg) {
    struct context_handle *handle = luaL_checkudata(L, arg, CONTEXT_CLASS);
    luaL_argcheck(L, handle->context != NULL, arg, "context is closed");
    luaL_argcheck(L, !handle->is_busy, arg, "context is in the middle of a call; wait for its end");
    return handle;
}

/* ---- making one ---- */

struct context_request {
    const char *preset, *backend;
    const char *kv_type, *key_type, *value_type; /* kv_type: both */
    double weight_cache_mb; /* below 0: not given */
    bool on_progress;
    struct context_options options;
};

static void read_request(lua_State *L, int arg, struct context_request *request) {
    static const struct opt_spec spec[] = {
        OPT_STRING(context_request, preset),
        OPT_STRING(context_request, backend),
        OPT_DOUBLE(context_request, weight_cache_mb, 0.0, 1e9),
        OPT_INT64_AS("n_ctx", context_request, options.n_ctx, 1, MAX_TOKENS),
        OPT_INT64_AS("n_batch", context_request, options.n_batch, 1, MAX_TOKENS),
        OPT_BOOL_AS("simd", context_request, options.switches.simd),
        OPT_BOOL_AS("weight_cache", context_request, options.switches.weight_cache),
        OPT_BOOL_AS("pool", context_request, options.switches.pool),
        OPT_BOOL_AS("fused_matmul", context_request, options.switches.fused_matmul),
        OPT_BOOL_AS("fused_attention", context_request, options.switches.fused_attention),
        OPT_BOOL_AS("repack", context_request, options.switches.repack),
        OPT_BOOL_AS("huge_pages", context_request, options.switches.huge_pages),
        OPT_STRING(context_request, kv_type),
        OPT_STRING(context_request, key_type),
        OPT_STRING(context_request, value_type),
        OPT_INT_AS("threads", context_request, options.switches.n_threads, 1, MAX_THREADS),
        OPT_BOOL_AS("keep_packed", context_request, options.keep_packed),
        OPT_FUNCTION(context_request, on_progress),
        OPT_BOOL_AS("tune", context_request, options.switches.tune),
        OPT_INT_AS("lookup", context_request, options.switches.lookup, 0, 1000),
        OPT_BOOL_AS("beyond_trained", context_request, options.beyond_trained),
        OPT_STRING_AS("faults", context_request, options.faults),
        OPT_END,
    };
    host_read_options(L, arg, spec, request);
}

static bool read_kv_type(const char *name, enum kv_type *type, struct err *err) {
    if (name == NULL || kv_type_from_name(name, type)) return true;
    return err_set(err, ERR_INPUT, "context: type \"%.40s\" of keys or values, allowed f32, f16, q8_0, q4_0",
                   name);
}

static void on_packed(void *user, uint64_t done, uint64_t total) {
    host_callback_call(user, (int64_t)done, (int64_t)total);
}

int engine_l_context(lua_State *L) {
    struct model_handle *model = engine_check_model(L, 1);
    struct context_request request = {.weight_cache_mb = -1};
    struct err err;
    if (lua_isnoneornil(L, 2)) {
        lua_settop(L, 1);
        lua_newtable(L);
    }
    read_request(L, 2, &request); /* first for the preset, on which the others build */
    const char *preset = request.preset;
    request.options = context_options_default();
    if (preset != NULL && !engine_preset(preset, &request.options.switches, &err)) {
        return host_push_fail(L, &err);
    }
    read_request(L, 2, &request);
    struct engine_switches *switches = &request.options.switches;
    if (request.backend != NULL &&
        !engine_isa("backend", request.backend, &switches->isa, &err)) {
        return host_push_fail(L, &err);
    }
    if (!read_kv_type(request.kv_type, &switches->key_type, &err) ||
        !read_kv_type(request.kv_type, &switches->value_type, &err) ||
        !read_kv_type(request.key_type, &switches->key_type, &err) ||
        !read_kv_type(request.value_type, &switches->value_type, &err)) {
        return host_push_fail(L, &err);
    }
    if (request.weight_cache_mb >= 0) {
        switches->weight_cache_bytes = (int64_t)(request.weight_cache_mb * 1e6);
    }
    request.options.cancel = host_cancel(L);
    struct host_callback callback = host_callback_begin(L, 2, "on_progress");
    struct context_handle *handle = lua_newuserdatauv(L, sizeof *handle, 1);
    *handle = (struct context_handle){
        .model = model, .n_vocab = model_info(model->model).n_vocab};
    luaL_setmetatable(L, CONTEXT_CLASS);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, 1);
    request.options.progress = on_packed;
    request.options.progress_user = &callback;
    handle->context = context_new(model->model, &request.options, &err);
    host_callback_end(&callback);
    if (handle->context == NULL) return host_push_fail(L, &err);
    model->n_contexts++;
    return 1;
}

/* context:close() */
static int l_close(lua_State *L) {
    struct context_handle *handle = luaL_checkudata(L, 1, CONTEXT_CLASS);
    if (handle->context == NULL) return 0;
    luaL_argcheck(L, !handle->is_busy, 1, "context is in the middle of a call; wait for its end");
    context_free(handle->context);
    handle->context = NULL;
    engine_context_closed(handle->model);
    return 0;
}

/* ---- running tokens ---- */

/* The ids at arg, at least one; NULL when memory is short. */
static int32_t *check_prompt(lua_State *L, int arg, const struct context_handle *handle,
                             int64_t *n) {
    int32_t *ids = host_check_ids(L, arg, handle->n_vocab, n);
    luaL_argcheck(L, *n > 0, arg, "at least one token is required");
    return ids;
}

static uint64_t count_logits(const struct context_handle *handle, int64_t n) {
    return (uint64_t)n * (uint64_t)handle->n_vocab; /* at most 2^24 * 2^20 */
}

struct prefill_options {
    const char *logits_file;
};

/* context:prefill(ids [, options]) -> result | nil, message, code */
static int l_prefill(lua_State *L) {
    static const struct opt_spec spec[] = {OPT_STRING(prefill_options, logits_file), OPT_END};
    struct context_handle *handle = engine_check_context(L, 1);
    struct prefill_options options = {.logits_file = NULL};
    host_read_options(L, 3, spec, &options);
    int64_t n = 0, start_ns = 0, end_ns = 0;
    int32_t *ids = check_prompt(L, 2, handle, &n);
    if (ids == NULL) return host_fail_memory(L, "token ids", (uint64_t)n, sizeof *ids);
    uint64_t n_logits = options.logits_file != NULL ? count_logits(handle, n) : 0;
    float *rows = NULL;
    if (options.logits_file != NULL) {
        rows = host_block(L, n_logits, sizeof *rows);
        if (rows == NULL) return host_fail_memory(L, "logits", n_logits, sizeof *rows);
    }
    struct err err;
    if (!context_prefill(handle->context, ids, n, rows, &start_ns, &end_ns, &err)) {
        return host_push_fail(L, &err);
    }
    if (rows != NULL && !path_write_file(options.logits_file, rows, n_logits * sizeof *rows, &err)) {
        return host_push_fail(L, &err);
    }
    lua_createtable(L, 0, 3);
    engine_set_integer(L, "n_tokens", n);
    engine_set_integer(L, "start_ns", start_ns);
    engine_set_integer(L, "end_ns", end_ns);
    return 1;
}

struct decode_options engine_read_decode_options(lua_State *L, int arg) {
    static const struct opt_spec spec[] = {
        OPT_INT64(decode_options, n_tokens, 1, MAX_TOKENS),
        OPT_BOOL(decode_options, stop_at_end),
        OPT_FLOAT_AS("temperature", decode_options, sampling.temperature, 0.0, 100.0),
        OPT_INT_AS("top_k", decode_options, sampling.top_k, 0, MAX_TOKENS),
        OPT_FLOAT_AS("top_p", decode_options, sampling.top_p, 0.0, 1.0),
        OPT_FLOAT_AS("min_p", decode_options, sampling.min_p, 0.0, 1.0),
        OPT_FLOAT_AS("repetition_penalty", decode_options, sampling.repetition_penalty, 0.001,
                     1000.0),
        OPT_UINT64_AS("seed", decode_options, sampling.seed),
        OPT_END,
    };
    struct decode_options options = {.n_tokens = 0, .sampling = sampling_default()};
    luaL_checktype(L, arg, LUA_TTABLE);
    host_read_options(L, arg, spec, &options);
    luaL_argcheck(L, options.n_tokens > 0, arg, "option 'n_tokens' is required");
    return options;
}

/* context:decode(options) -> result | nil, message, code */
static int l_decode(lua_State *L) {
    struct context_handle *handle = engine_check_context(L, 1);
    struct decode_options options = engine_read_decode_options(L, 2);
    struct decode_arrays arrays;
    if (!engine_decode_arrays(L, options.n_tokens, &arrays)) {
        return host_fail_memory(L, "tokens", (uint64_t)options.n_tokens, 12);
    }
    int64_t n = 0, start_ns = 0;
    enum finish_reason reason = FINISH_LENGTH;
    struct err err;
    if (!context_decode(handle->context, &options, arrays.tokens, arrays.times_ns, NULL, &n, &reason,
                        &start_ns, &err)) {
        return host_push_fail(L, &err);
    }
    engine_push_decoded(L, &arrays, n, start_ns, reason);
    return 1;
}

/* ---- quality ---- */

/* Logits of every position from an empty cache, which is left empty. */
static bool run_rows(struct context_handle *handle, const int32_t *ids, int64_t n, float *rows,
                     struct err *err) {
    context_clear(handle->context);
    bool ok = context_prefill(handle->context, ids, n, rows, NULL, NULL, err);
    context_clear(handle->context);
    return ok;
}

static int push_difference(lua_State *L, const struct logits_difference *difference) {
    lua_createtable(L, 0, 9);
    engine_set_integer(L, "n_rows", difference->n_rows);
    engine_set_number(L, "max_abs", difference->max_abs);
    engine_set_number(L, "rms", difference->rms);
    engine_set_number(L, "nmse", difference->nmse);
    engine_set_number(L, "max_relative", difference->max_relative);
    engine_set_number(L, "kld_mean", difference->kld_mean);
    engine_set_number(L, "kld_p99", difference->kld_p99);
    engine_set_number(L, "top1", difference->top1);
    engine_set_boolean(L, "finite", difference->finite);
    return 1;
}

/* context:compare(reference, ids) -> difference | nil, message, code */
static int l_compare(lua_State *L) {
    struct context_handle *handle = engine_check_context(L, 1), *reference = engine_check_context(L, 2);
    luaL_argcheck(L, reference->n_vocab == handle->n_vocab, 2, "its vocabulary has another size");
    int64_t n = 0;
    int32_t *ids = check_prompt(L, 3, handle, &n);
    uint64_t n_logits = count_logits(handle, n);
    float *expected = host_block(L, n_logits, sizeof *expected);
    float *found = host_block(L, n_logits, sizeof *found);
    if (ids == NULL || expected == NULL || found == NULL) {
        return host_fail_memory(L, "logits", 2 * n_logits, sizeof *found);
    }
    struct err err;
    if (!run_rows(reference, ids, n, expected, &err) || !run_rows(handle, ids, n, found, &err)) {
        return host_push_fail(L, &err);
    }
    struct logits_difference difference = logits_compare(expected, found, n, handle->n_vocab);
    return push_difference(L, &difference);
}

/* context:compare_file(path, ids) -> difference | nil, message, code */
static int l_compare_file(lua_State *L) {
    struct context_handle *handle = engine_check_context(L, 1);
    const char *path = luaL_checkstring(L, 2);
    int64_t n = 0;
    int32_t *ids = check_prompt(L, 3, handle, &n);
    uint64_t n_logits = count_logits(handle, n), n_bytes = n_logits * sizeof(float);
    float **expected = host_adopt(L), *found = host_block(L, n_logits, sizeof *found);
    if (ids == NULL || found == NULL) {
        return host_fail_memory(L, "logits", n_logits, sizeof *found);
    }
    size_t size = 0;
    struct err err;
    *expected = (float *)(void *)path_read_file(path, n_bytes, &size, &err);
    if (*expected == NULL) return host_push_fail(L, &err);
    if (size != n_bytes) {
        return host_fail(L, ERR_INPUT,
                         "%s: %zu bytes, %llu are required (%lld tokens x %lld logits, float32)",
                         path, size, (unsigned long long)n_bytes, (long long)n,
                         (long long)handle->n_vocab);
    }
    if (!run_rows(handle, ids, n, found, &err)) return host_push_fail(L, &err);
    struct logits_difference difference = logits_compare(*expected, found, n, handle->n_vocab);
    return push_difference(L, &difference);
}

static void on_chunk(void *user, int64_t done, int64_t total) {
    host_callback_call(user, done, total);
}

struct perplexity_options {
    int64_t n_ctx;
    bool on_progress;
};

/* context:perplexity(ids, options) -> result | nil, message, code */
static int l_perplexity(lua_State *L) {
    static const struct opt_spec spec[] = {
        OPT_INT64(perplexity_options, n_ctx, 4, MAX_TOKENS),
        OPT_FUNCTION(perplexity_options, on_progress),
        OPT_END,
    };
    struct context_handle *handle = engine_check_context(L, 1);
    struct perplexity_options options = {.n_ctx = 0};
    luaL_checktype(L, 3, LUA_TTABLE);
    host_read_options(L, 3, spec, &options);
    luaL_argcheck(L, options.n_ctx > 0, 3, "option 'n_ctx' is required");
    int64_t n = 0;
    int32_t *ids = check_prompt(L, 2, handle, &n);
    if (ids == NULL) return host_fail_memory(L, "token ids", (uint64_t)n, sizeof *ids);
    struct host_callback callback = host_callback_begin(L, 3, "on_progress");
    struct perplexity result;
    struct err err;
    handle->is_busy = true; /* a callback must not touch, let alone close, this context */
    bool ok = context_perplexity(handle->context, ids, n, options.n_ctx, on_chunk, &callback,
                                 &result, &err);
    handle->is_busy = false;
    host_callback_end(&callback);
    if (!ok) return host_push_fail(L, &err);
    lua_createtable(L, 0, 4);
    engine_set_number(L, "perplexity", result.perplexity);
    engine_set_number(L, "nll_mean", result.nll_mean);
    engine_set_integer(L, "n_scored", result.n_scored);
    engine_set_integer(L, "n_chunks", result.n_chunks);
    return 1;
}

/* ---- counters and state ---- */

/* context:counters() -> table */
static int l_counters(lua_State *L) {
    struct context_counters counters = context_counters(engine_check_context(L, 1)->context);
#define COUNTER(name)                                                                              \
    { #name, offsetof(struct context_counters, name) }
    static const struct {
        const char *name;
        size_t offset;
    } fields[] = {
        COUNTER(tokens),
        COUNTER(allocations),
        COUNTER(allocated_bytes),
        COUNTER(cache_hits),
        COUNTER(cache_misses),
        COUNTER(cache_evictions),
        COUNTER(cache_hit_bytes),
        COUNTER(cache_lookup_bytes),
        COUNTER(cache_bytes),
        COUNTER(weight_bytes_read),
        COUNTER(kv_bytes_read),
        COUNTER(dequantized_values),
        COUNTER(minor_faults),
        COUNTER(major_faults),
        COUNTER(guessed_tokens),
        COUNTER(accepted_tokens),
        COUNTER(kernel_calls),
        COUNTER(scalar_fallbacks),
    };
#undef COUNTER
    enum { N_FIELDS = sizeof fields / sizeof fields[0] };
    _Static_assert(sizeof counters == N_FIELDS * sizeof(uint64_t), "a counter is not listed");
    lua_createtable(L, 0, N_FIELDS);
    for (int i = 0; i < N_FIELDS; i++) {
        const char *at = (const char *)&counters + fields[i].offset;
        engine_set_integer(L, fields[i].name, (int64_t)*(const uint64_t *)(const void *)at);
    }
    return 1;
}

/* context:reset_counters() */
static int l_reset_counters(lua_State *L) {
    context_reset_counters(engine_check_context(L, 1)->context);
    return 0;
}

/* context:memory() -> table */
static int l_memory(lua_State *L) {
    struct context_memory memory = context_memory(engine_check_context(L, 1)->context);
    lua_createtable(L, 0, 4);
    engine_set_integer(L, "kv_bytes", (int64_t)memory.kv_bytes);
    engine_set_integer(L, "kv_used_bytes", (int64_t)memory.kv_used_bytes);
    engine_set_integer(L, "scratch_bytes", (int64_t)memory.scratch_bytes);
    engine_set_integer(L, "packed_bytes", (int64_t)memory.packed_bytes);
    engine_set_integer(L, "cache_bytes", (int64_t)memory.cache_bytes);
    return 1;
}

/* context:switches() -> table */
static int l_switches(lua_State *L) {
    struct engine_switches switches = context_switches(engine_check_context(L, 1)->context);
    engine_push_switches(L, &switches);
    return 1;
}

/* context:n_past() -> integer */
static int l_n_past(lua_State *L) {
    lua_pushinteger(L, context_n_past(engine_check_context(L, 1)->context));
    return 1;
}

/* context:n_ctx() -> integer */
static int l_n_ctx(lua_State *L) {
    lua_pushinteger(L, context_n_ctx(engine_check_context(L, 1)->context));
    return 1;
}

/* context:clear() */
static int l_clear(lua_State *L) {
    context_clear(engine_check_context(L, 1)->context);
    return 0;
}

void engine_open_context(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"prefill", l_prefill},
        {"decode", l_decode},
        {"compare", l_compare},
        {"compare_file", l_compare_file},
        {"perplexity", l_perplexity},
        {"profile", engine_l_profile},
        {"set_profile", engine_l_set_profile},
        {"counters", l_counters},
        {"reset_counters", l_reset_counters},
        {"memory", l_memory},
        {"switches", l_switches},
        {"n_past", l_n_past},
        {"n_ctx", l_n_ctx},
        {"clear", l_clear},
        {"close", l_close},
        {NULL, NULL},
    };
    host_new_class(L, CONTEXT_CLASS, methods, l_close);
}
