/* Options, handles, blocks, callbacks and error texts of host_util.h, in a bare Lua state. */
#include "base/alloc.h"
#include "host/host_private.h"
#include "support/check.h"

#include <lualib.h>

static struct host host;

static lua_State *new_state(void) {
    struct host *pointer = &host;
    lua_State *L = luaL_newstate();
    memcpy(lua_getextraspace(L), &pointer, sizeof pointer);
    host_util_open(L);
    return L;
}

/* ---- options ---- */

struct sample {
    bool on;
    int n;
    int64_t big;
    uint64_t seed;
    float ratio;
    double seconds;
    const char *name;
    bool has_callback;
};

static const struct opt_spec sample_spec[] = {
    OPT_BOOL(sample, on),
    OPT_INT(sample, n, 1, 256),
    OPT_INT64(sample, big, -10, INT64_MAX),
    OPT_UINT64(sample, seed),
    OPT_FLOAT(sample, ratio, 0.0, 1.0),
    OPT_DOUBLE_AS("duration", sample, seconds, 0.5, 1e9),
    OPT_STRING(sample, name),
    OPT_FUNCTION_AS("on_progress", sample, has_callback),
    OPT_END,
};

static struct sample sample;

static int l_read(lua_State *L) {
    sample = (struct sample){.n = 7, .name = "default"};
    host_read_options(L, 1, sample_spec, &sample);
    return 0;
}

/* Runs `return TEXT` and reads the result as options: "" or the error message. */
static const char *read_options(lua_State *L, const char *text) {
    static char message[512];
    lua_settop(L, 0);
    lua_pushcfunction(L, l_read);
    if (luaL_dostring(L, lua_pushfstring(L, "return %s", text)) != LUA_OK) return "bad test";
    lua_remove(L, 2);
    if (lua_pcall(L, 1, 0, 0) == LUA_OK) return "";
    host_error_text(L, -1, message, sizeof message);
    return message;
}

static void test_options(void) {
    lua_State *L = new_state();
    CHECK_STR(read_options(L, "nil"), "");
    CHECK_INT(sample.n, 7);
    CHECK_STR(sample.name, "default");
    CHECK_STR(read_options(L, "{on = true, n = 256, big = 9007199254740993, seed = -1, ratio = 0.5,"
                              " duration = 2, name = 'x', on_progress = function() end}"),
              "");
    CHECK(sample.on && sample.has_callback);
    CHECK_INT(sample.n, 256);
    CHECK_INT(sample.big, 9007199254740993);
    CHECK(sample.seed == UINT64_MAX);
    CHECK_NEAR(sample.ratio, 0.5, 0);
    CHECK_NEAR(sample.seconds, 2, 0);
    CHECK_STR(read_options(L, "{n = 2.0}"), "");
    CHECK_INT(sample.n, 2);
    CHECK_CONTAINS(read_options(L, "{n = 0}"), "option 'n': 0, allowed 1..256");
    CHECK_CONTAINS(read_options(L, "{n = 257}"), "allowed 1..256");
    CHECK_CONTAINS(read_options(L, "{n = 1.5}"), "1.5, an integer is required");
    CHECK_CONTAINS(read_options(L, "{n = 1e300}"), "an integer is required");
    CHECK_CONTAINS(read_options(L, "{n = '5'}"), "\"5\" is a string, an integer is required");
    CHECK_CONTAINS(read_options(L, "{on = 1}"), "true or false is required");
    CHECK_CONTAINS(read_options(L, "{ratio = 0/0}"), "allowed 0..1");
    CHECK_CONTAINS(read_options(L, "{ratio = '0.5'}"), "a number is required");
    CHECK_CONTAINS(read_options(L, "{duration = 1/0}"), "allowed 0.5..1e+09");
    CHECK_CONTAINS(read_options(L, "{name = 5}"), "a string is required");
    CHECK_CONTAINS(read_options(L, "{name = 'a\\0b'}"), "may be 0");
    CHECK_CONTAINS(read_options(L, "{name = true}"), "true is a boolean");
    CHECK_CONTAINS(read_options(L, "{on_progress = {}}"), "found a table, a function is required");
    CHECK_CONTAINS(read_options(L, "{nmae = 'x'}"), "unknown option 'nmae' (did you mean 'name'?)");
    CHECK_CONTAINS(read_options(L, "{completely_else = 1}"), "known: on n big seed ratio");
    CHECK_CONTAINS(read_options(L, "{1}"), "options are named");
    CHECK_CONTAINS(read_options(L, "{[true] = 1}"), "a key that is a boolean");
    CHECK_CONTAINS(read_options(L, "5"), "table expected");
    lua_close(L);
}

/* ---- text ---- */

static void test_nearest(void) {
    static const char *const names[] = {"threads", "model", "n_ctx", "runs", NULL};
    CHECK_STR(host_nearest("thread", names), "threads");
    CHECK_STR(host_nearest("treads", names), "threads");
    CHECK_STR(host_nearest("n_ctxt", names), "n_ctx");
    CHECK_STR(host_nearest("run", names), "runs");
    CHECK(host_nearest("x", names) == NULL);
    CHECK(host_nearest("", names) == NULL);
    CHECK(host_nearest("temperature", names) == NULL);
    char longest[200];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    CHECK(host_nearest(longest, names) == NULL);
}

static const char *text_of(lua_State *L, const char *expression) {
    static char text[64];
    lua_settop(L, 0);
    CHECK_INT(luaL_dostring(L, expression), LUA_OK);
    host_error_text(L, -1, text, sizeof text);
    CHECK_INT(lua_gettop(L), 1);
    return text;
}

static void test_error_text(void) {
    lua_State *L = new_state();
    luaL_openlibs(L);
    CHECK_STR(text_of(L, "return 'line\\nnext\\27[31m\\1'"), "line next?[31m?");
    CHECK_STR(text_of(L, "return 5"), "5");
    CHECK_STR(text_of(L, "return nil"), "nil");
    CHECK_CONTAINS(text_of(L, "return {}"), "table: ");
    CHECK_STR(text_of(L, "return setmetatable({}, {__tostring = function() return 'mine' end})"),
              "mine");
    CHECK_STR(text_of(L, "return setmetatable({}, {__tostring = function() error('x') end})"),
              "(error value is a table)");
    CHECK_STR(text_of(L, "return setmetatable({}, {__tostring = function() return {} end})"),
              "(error value is a table)");
    CHECK_INT(strlen(text_of(L, "return ('x'):rep(1000)")), 63);
    lua_close(L);
}

/* ---- failures ---- */

static void test_failures(void) {
    lua_State *L = new_state();
    CHECK_INT(host_fail(L, ERR_INPUT, "%s at %d", "bad", 5), 3);
    CHECK(lua_isnil(L, 1));
    CHECK_STR(lua_tostring(L, 2), "bad at 5");
    CHECK_STR(lua_tostring(L, 3), "input");
    CHECK_INT(host_fail_memory(L, "logits", UINT64_MAX, 4), 3);
    CHECK_CONTAINS(lua_tostring(L, -2), "out of memory for logits (18446744073709551615 bytes)");
    CHECK_STR(lua_tostring(L, -1), "environment");
    CHECK_INT(host_push_result(L, true, NULL), 1);
    CHECK(lua_toboolean(L, -1));
    lua_close(L);
}

/* ---- blocks ---- */

static int l_block_then_return(lua_State *L) {
    unsigned char *block = host_block(L, 1000, 1);
    CHECK(block != NULL && block[0] == 0 && block[999] == 0);
    lua_pushinteger(L, 42);
    return 1;
}

static int l_block_then_raise(lua_State *L) {
    host_block(L, 1000, 8);
    char **adopted = host_adopt(L);
    *adopted = mem_strdup("text");
    return luaL_error(L, "on purpose");
}

static int l_ids(lua_State *L) {
    int64_t n = 0;
    const int32_t *ids = host_check_ids(L, 1, 100, &n);
    int64_t sum = 0;
    for (int64_t i = 0; i < n; i++) sum += ids[i];
    lua_pushinteger(L, sum);
    return 1;
}

static const char *call(lua_State *L, lua_CFunction f, const char *argument) {
    static char text[256];
    lua_settop(L, 0);
    lua_pushcfunction(L, f);
    CHECK_INT(luaL_dostring(L, argument), LUA_OK);
    lua_pcall(L, lua_gettop(L) - 1, 1, 0);
    host_error_text(L, -1, text, sizeof text);
    return text;
}

static void test_blocks(void) {
    lua_State *L = new_state();
    int64_t live = mem_live_bytes();
    CHECK_STR(call(L, l_block_then_return, ""), "42");
    CHECK_INT(mem_live_bytes(), live);
    CHECK_CONTAINS(call(L, l_block_then_raise, ""), "on purpose");
    CHECK_INT(mem_live_bytes(), live);
    CHECK(host_block(L, UINT64_MAX, 8) == NULL);
    CHECK(host_block(L, UINT64_MAX / 8 + 1, 8) == NULL);
    mem_fail_at(1, 0);
    CHECK(host_block(L, 1, 1) == NULL);
    CHECK(host_block(L, 1, 1) != NULL);
    CHECK_STR(call(L, l_ids, "return {0, 99, 3.0}"), "102");
    CHECK_STR(call(L, l_ids, "return {}"), "0");
    CHECK_CONTAINS(call(L, l_ids, "return {1, -1}"), "element 2: -1, token ids are 0..99");
    CHECK_CONTAINS(call(L, l_ids, "return {100}"), "element 1: 100");
    CHECK_CONTAINS(call(L, l_ids, "return {1.5}"), "a token id is an integer");
    CHECK_CONTAINS(call(L, l_ids, "return {'1'}"), "\"1\" is a string");
    CHECK_CONTAINS(call(L, l_ids, "return 5"), "table expected");
    CHECK_INT(mem_live_bytes(), live);
    lua_close(L);
    CHECK_INT(mem_live_bytes(), live);
}

/* ---- classes ---- */

static int n_closed;

static int l_close(lua_State *L) {
    luaL_checkudata(L, 1, "test.Thing");
    n_closed++;
    return 0;
}

static void test_class(void) {
    static const luaL_Reg methods[] = {{"close", l_close}, {NULL, NULL}};
    lua_State *L = new_state();
    luaL_openlibs(L);
    host_new_class(L, "test.Thing", methods, l_close);
    CHECK_INT(lua_gettop(L), 0);
    lua_newuserdatauv(L, 1, 0);
    luaL_setmetatable(L, "test.Thing");
    lua_setglobal(L, "thing");
    CHECK_INT(luaL_dostring(L, "thing:close() do local t <close> = thing end\n"
                               "assert(getmetatable(thing) == false)\n"
                               "assert(thing.__gc == nil and thing.nothing == nil)\n"
                               "assert(tostring(thing):find('test.Thing', 1, true))"),
              LUA_OK);
    CHECK_INT(n_closed, 2);
    lua_close(L);
    CHECK_INT(n_closed, 3);
}

/* ---- callbacks ---- */

static int n_calls;

static int l_with_callback(lua_State *L) {
    struct host_callback callback = host_callback_begin(L, 1, "on_progress");
    for (n_calls = 0; n_calls < 5 && !*host_cancel(L); n_calls++) {
        host_callback_call(&callback, n_calls, 5);
    }
    host_callback_end(&callback);
    lua_pushinteger(L, n_calls);
    return 1;
}

static void test_callbacks(void) {
    lua_State *L = new_state();
    luaL_openlibs(L);
    CHECK_STR(call(L, l_with_callback, "return nil"), "5");
    CHECK_STR(call(L, l_with_callback, "return {}"), "5");
    CHECK_STR(call(L, l_with_callback, "sum = 0 return {on_progress = function(a, b) sum = sum + a "
                                       "assert(b == 5) end}"),
              "5");
    lua_getglobal(L, "sum");
    CHECK_INT(lua_tointeger(L, -1), 10);
    CHECK_CONTAINS(call(L, l_with_callback,
                        "return {on_progress = function(a) if a == 2 then error('stop here') end "
                        "end}"),
                   "stop here");
    CHECK_INT(n_calls, 3); /* the flag ended the loop */
    CHECK_INT(host.cancel, 0);
    CHECK_STR(call(L, l_with_callback, "return {on_progress = function() error(nil) end}"), "nil");
    CHECK_CONTAINS(call(L, l_with_callback, "return {on_progress = coroutine.yield}"), "yield");
    host.signal = SIGINT; /* a real stop stays */
    call(L, l_with_callback, "return {on_progress = error}");
    CHECK_INT(host.cancel, 1);
    CHECK(host_new_stop(L) != host_cancel(L)); /* acknowledged: judging goes on */
    host.stage = STOP_ASKED;
    CHECK(host_new_stop(L) == host_cancel(L));
    lua_close(L);
}

int main(void) {
    test_options();
    test_nearest();
    test_error_text();
    test_failures();
    test_blocks();
    test_class();
    test_callbacks();
    return check_done();
}
