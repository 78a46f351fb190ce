/* lib_engine_pass.c - several sequences in one pass, and where the time of passes goes. */
#include "host/lib_engine.h"

#define MAX_SEQUENCES 4096
#define MAX_ENTRIES (256 * 16) /* threads x operations */

/* The contexts of the array at arg. */
static struct context **check_contexts(lua_State *L, int arg, int64_t *n) {
    luaL_checktype(L, arg, LUA_TTABLE);
    *n = (int64_t)lua_rawlen(L, arg);
    luaL_argcheck(L, *n >= 1 && *n <= MAX_SEQUENCES, arg, "1 to 4096 contexts are required");
    struct context **contexts = host_block(L, (uint64_t)*n, sizeof *contexts);
    for (int64_t i = 0; contexts != NULL && i < *n; i++) {
        lua_rawgeti(L, arg, i + 1);
        contexts[i] = engine_check_context(L, -1)->context;
        lua_pop(L, 1);
    }
    return contexts;
}

/* engine.decode_together(contexts, options) -> result | nil, message, code */
int engine_l_decode_together(lua_State *L) {
    struct decode_options options = engine_read_decode_options(L, 2);
    int64_t n = 0, n_rounds = 0, start_ns = 0;
    struct context **contexts = check_contexts(L, 1, &n);
    if (contexts == NULL) return host_fail_memory(L, "contexts", (uint64_t)n, sizeof *contexts);
    /* At most 2^12 * 2^24 */
    uint64_t n_tokens = (uint64_t)n * (uint64_t)options.n_tokens;
    struct decode_arrays arrays;
    if (!engine_decode_arrays(L, (int64_t)n_tokens, &arrays)) {
        return host_fail_memory(L, "tokens", n_tokens, 12);
    }
    enum finish_reason reason = FINISH_LENGTH;
    struct err err;
    if (!context_decode_together(contexts, n, &options, arrays.tokens, arrays.times_ns, &n_rounds,
                                 &reason, &start_ns, &err)) {
        return host_push_fail(L, &err);
    }
    engine_push_decoded(L, &arrays, n_rounds, start_ns, reason);
    lua_createtable(L, (int)n, 0);
    for (int64_t i = 0; i < n; i++) {
        lua_createtable(L, (int)n_rounds, 0);
        for (int64_t t = 0; t < n_rounds; t++) {
            lua_pushinteger(L, arrays.tokens[i * options.n_tokens + t]);
            lua_rawseti(L, -2, t + 1);
        }
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "tokens");
    return 1;
}

/* context:set_profile(on) -> true | nil, message, code */
int engine_l_set_profile(lua_State *L) {
    struct context_handle *handle = engine_check_context(L, 1);
    luaL_checktype(L, 2, LUA_TBOOLEAN);
    if (!context_set_profile(handle->context, lua_toboolean(L, 2))) {
        return host_fail(L, ERR_UNAVAILABLE,
                         "profile: it needs the switch fused_matmul, which presets from p2 have");
    }
    lua_pushboolean(L, 1);
    return 1;
}

/* context:profile() -> entries */
int engine_l_profile(lua_State *L) {
    struct context_handle *handle = engine_check_context(L, 1);
    int n = context_profile(handle->context, NULL, 0);
    if (n > MAX_ENTRIES) n = MAX_ENTRIES;
    struct profile_entry *entries = host_block(L, (uint64_t)n + 1, sizeof *entries);
    if (entries == NULL) return host_fail_memory(L, "profile", (uint64_t)n, sizeof *entries);
    context_profile(handle->context, entries, n);
    lua_createtable(L, n, 0);
    for (int i = 0; i < n; i++) {
        lua_createtable(L, 0, 5);
        engine_set_string(L, "operation", entries[i].operation);
        engine_set_integer(L, "thread", entries[i].thread);
        engine_set_integer(L, "ns", entries[i].ns);
        engine_set_integer(L, "calls", (int64_t)entries[i].calls);
        engine_set_integer(L, "bytes", (int64_t)entries[i].bytes);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}
