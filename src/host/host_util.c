/* host_util.c - see host_util.h. */
#include "host/host_util.h"

#include "base/alloc.h"
#include "host/host_private.h"

#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define BLOCK_CLASS "woolly.block"
#define MAX_ARRAY (1 << 24)

struct host *host_of(lua_State *L) {
    struct host *host;
    memcpy(&host, lua_getextraspace(L), sizeof host);
    return host;
}

const volatile int *host_cancel(lua_State *L) {
    return &host_of(L)->cancel;
}

const volatile int *host_new_stop(lua_State *L) {
    static const volatile int never;
    return host_of(L)->stage == STOP_NONE && host_of(L)->cancel ? &never : host_cancel(L);
}

/* ---- failures ---- */

int host_push_fail(lua_State *L, const struct err *err) {
    lua_pushnil(L);
    lua_pushstring(L, err->message);
    lua_pushstring(L, err_code_name(err->code));
    return 3;
}

int host_fail(lua_State *L, enum err_code code, const char *format, ...) {
    struct err err;
    char text[sizeof err.message];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    err_set(&err, code, "%s", text);
    return host_push_fail(L, &err);
}

int host_push_result(lua_State *L, bool ok, const struct err *err) {
    if (!ok) return host_push_fail(L, err);
    lua_pushboolean(L, 1);
    return 1;
}

int host_fail_memory(lua_State *L, const char *what, uint64_t n, size_t size) {
    uint64_t bytes = 0;
    if (__builtin_mul_overflow(n, (uint64_t)size, &bytes)) bytes = UINT64_MAX;
    return host_fail(L, ERR_ENVIRONMENT, "out of memory for %s (%llu bytes)", what,
                     (unsigned long long)bytes);
}

/* ---- text ---- */

/* Levenshtein distance, rows of at most 64 letters; longer words are never near. */
static size_t distance(const char *a, const char *b) {
    enum { LONGEST = 64 };
    size_t n = strlen(a), m = strlen(b);
    if (n > LONGEST || m > LONGEST) return SIZE_MAX;
    size_t row[LONGEST + 1];
    for (size_t j = 0; j <= m; j++) row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best) best = row[j] + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[m];
}

const char *host_nearest(const char *word, const char *const *names) {
    const char *nearest = NULL;
    size_t fewest = SIZE_MAX;
    for (; *names != NULL; names++) {
        size_t d = distance(word, *names);
        size_t longer = strlen(word) > strlen(*names) ? strlen(word) : strlen(*names);
        size_t allowed = longer < 6 ? 2 : longer / 3;
        if (d <= allowed && d < longer && d < fewest) {
            fewest = d;
            nearest = *names;
        }
    }
    return nearest;
}

static int tolstring(lua_State *L) {
    luaL_tolstring(L, 1, NULL);
    return 1;
}

void host_error_text(lua_State *L, int index, char *out, size_t size) {
    index = lua_absindex(L, index);
    const char *text = NULL;
    int pushed = 0;
    if (lua_type(L, index) == LUA_TSTRING) {
        text = lua_tostring(L, index);
    } else if (lua_checkstack(L, 4)) {
        lua_pushcfunction(L, tolstring);
        lua_pushvalue(L, index);
        pushed = 1;
        if (lua_pcall(L, 1, 1, 0) == LUA_OK) text = lua_tostring(L, -1);
    }
    if (text != NULL) {
        snprintf(out, size, "%s", text);
    } else {
        snprintf(out, size, "(error value is a %s)", luaL_typename(L, index));
    }
    for (char *c = out; *c != '\0'; c++) {
        if (*c == '\n' || *c == '\t') *c = ' ';
        if ((unsigned char)*c < 0x20 || *c == 0x7f) *c = '?';
    }
    lua_pop(L, pushed);
}

bool host_is_memory_error(lua_State *L, int status, int index) {
    if (status == LUA_ERRMEM) return true;
    if (status != LUA_ERRRUN || lua_type(L, index) != LUA_TSTRING) return false;
    static const char end[] = "not enough memory";
    size_t size = 0;
    const char *text = lua_tolstring(L, index, &size);
    return size >= sizeof end - 1 && strcmp(text + size - (sizeof end - 1), end) == 0;
}

/* ---- option tables ---- */

/* "5" is a string: the value at the top, for messages. */
static void describe(lua_State *L, char *out, size_t size) {
    switch (lua_type(L, -1)) {
    case LUA_TSTRING:
        snprintf(out, size, "\"%.60s\" is a string", lua_tostring(L, -1));
        break;
    case LUA_TNUMBER:
        if (lua_isinteger(L, -1)) {
            snprintf(out, size, "%lld", (long long)lua_tointeger(L, -1));
        } else {
            snprintf(out, size, "%.14g", (double)lua_tonumber(L, -1));
        }
        break;
    case LUA_TBOOLEAN:
        snprintf(out, size, "%s is a boolean", lua_toboolean(L, -1) ? "true" : "false");
        break;
    default:
        snprintf(out, size, "found a %s", luaL_typename(L, -1));
    }
}

static int refuse_value(lua_State *L, int arg, const struct opt_spec *spec, const char *allowed) {
    char found[96], text[256];
    describe(L, found, sizeof found);
    snprintf(text, sizeof text, "option '%s': %s, %s", spec->name, found, allowed);
    return luaL_argerror(L, arg, lua_pushstring(L, text));
}

static int64_t check_integer(lua_State *L, int arg, const struct opt_spec *spec) {
    int is_integer = 0;
    lua_Integer value = lua_tointegerx(L, -1, &is_integer);
    if (lua_type(L, -1) != LUA_TNUMBER || !is_integer) {
        refuse_value(L, arg, spec, "an integer is required");
    }
    if (spec->kind != OPT_KIND_UINT64 && (value < spec->low || value > spec->high)) {
        char allowed[64];
        snprintf(allowed, sizeof allowed, "allowed %lld..%lld", (long long)spec->low,
                 (long long)spec->high);
        refuse_value(L, arg, spec, allowed);
    }
    return value;
}

static double check_number(lua_State *L, int arg, const struct opt_spec *spec) {
    if (lua_type(L, -1) != LUA_TNUMBER) refuse_value(L, arg, spec, "a number is required");
    double value = lua_tonumber(L, -1);
    if (!(value >= spec->least && value <= spec->most)) { /* also NaN */
        char allowed[64];
        snprintf(allowed, sizeof allowed, "allowed %g..%g", spec->least, spec->most);
        refuse_value(L, arg, spec, allowed);
    }
    return value;
}

/* Value at the top of the stack into its field. */
static void read_option(lua_State *L, int arg, const struct opt_spec *spec, void *out) {
    char *field = (char *)out + spec->offset;
    switch (spec->kind) {
    case OPT_KIND_BOOL:
    case OPT_KIND_FUNCTION: {
        bool is_bool = spec->kind == OPT_KIND_BOOL;
        if (lua_type(L, -1) != (is_bool ? LUA_TBOOLEAN : LUA_TFUNCTION)) {
            refuse_value(L, arg, spec, is_bool ? "true or false is required"
                                               : "a function is required");
        }
        *(bool *)field = is_bool ? lua_toboolean(L, -1) != 0 : true;
        break;
    }
    case OPT_KIND_INT:
        *(int *)(void *)field = (int)check_integer(L, arg, spec);
        break;
    case OPT_KIND_INT64:
        *(int64_t *)(void *)field = check_integer(L, arg, spec);
        break;
    case OPT_KIND_UINT64:
        *(uint64_t *)(void *)field = (uint64_t)check_integer(L, arg, spec);
        break;
    case OPT_KIND_FLOAT:
        *(float *)(void *)field = (float)check_number(L, arg, spec);
        break;
    case OPT_KIND_DOUBLE:
        *(double *)(void *)field = check_number(L, arg, spec);
        break;
    case OPT_KIND_STRING: {
        size_t size = 0;
        if (lua_type(L, -1) != LUA_TSTRING) refuse_value(L, arg, spec, "a string is required");
        const char *text = lua_tolstring(L, -1, &size);
        if (strlen(text) != size) refuse_value(L, arg, spec, "no byte of it may be 0");
        *(const char **)(void *)field = text;
        break;
    }
    }
}

static int refuse_key(lua_State *L, int arg, const struct opt_spec *spec) {
    enum { MOST = 31 };
    const char *names[MOST + 1];
    char text[512];
    int n = 0;
    for (; n < MOST && spec[n].name != NULL; n++) names[n] = spec[n].name;
    names[n] = NULL;
    if (lua_type(L, -2) != LUA_TSTRING) {
        snprintf(text, sizeof text, "options are named; found a key that is a %s",
                 luaL_typename(L, -2));
        return luaL_argerror(L, arg, lua_pushstring(L, text));
    }
    const char *key = lua_tostring(L, -2), *nearest = host_nearest(key, names);
    if (nearest != NULL) {
        snprintf(text, sizeof text, "unknown option '%.60s' (did you mean '%s'?)", key, nearest);
    } else {
        size_t used = (size_t)snprintf(text, sizeof text, "unknown option '%.60s'; known:", key);
        for (int i = 0; i < n && used < sizeof text; i++) {
            int more = snprintf(text + used, sizeof text - used, " %s", names[i]);
            used += (size_t)more;
        }
    }
    return luaL_argerror(L, arg, lua_pushstring(L, text));
}

void host_read_options(lua_State *L, int arg, const struct opt_spec *spec, void *out) {
    if (lua_isnoneornil(L, arg)) return;
    luaL_checktype(L, arg, LUA_TTABLE);
    luaL_checkstack(L, 4, NULL);
    for (lua_pushnil(L); lua_next(L, arg) != 0; lua_pop(L, 1)) {
        const struct opt_spec *found = spec;
        const char *key = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
        while (found->name != NULL && strcmp(found->name, key) != 0) found++;
        if (found->name == NULL) refuse_key(L, arg, spec);
        read_option(L, arg, found, out);
    }
}

/* ---- handles ---- */

void host_new_class(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction close) {
    luaL_newmetatable(L, name);
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, close);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, close);
    lua_setfield(L, -2, "__close");
    lua_pushboolean(L, 0); /* getmetatable() shows nothing to change */
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
}

/* ---- scratch memory ---- */

static int l_block_free(lua_State *L) {
    void **block = lua_touserdata(L, 1);
    mem_free(*block);
    *block = NULL;
    return 0;
}

void host_util_open(lua_State *L) {
    static const luaL_Reg none[] = {{NULL, NULL}};
    host_new_class(L, BLOCK_CLASS, none, l_block_free);
}

void *host_adopt(lua_State *L) {
    luaL_checkstack(L, 6, NULL);
    void **block = lua_newuserdatauv(L, sizeof *block, 0);
    *block = NULL;
    luaL_setmetatable(L, BLOCK_CLASS);
    lua_toclose(L, -1);
    return block;
}

void *host_block(lua_State *L, uint64_t n, size_t size) {
    void **block = host_adopt(L);
    *block = mem_new_array(n, size);
    return *block;
}

static int refuse_element(lua_State *L, int arg, int64_t i, const char *allowed) {
    char found[96], text[224];
    describe(L, found, sizeof found);
    snprintf(text, sizeof text, "element %lld: %s, %s", (long long)i, found, allowed);
    return luaL_argerror(L, arg, lua_pushstring(L, text));
}

static int64_t check_length(lua_State *L, int arg) {
    luaL_checktype(L, arg, LUA_TTABLE);
    lua_Unsigned n = lua_rawlen(L, arg);
    luaL_argcheck(L, n <= MAX_ARRAY, arg, "too many elements, allowed are 2^24");
    return (int64_t)n;
}

int32_t *host_check_ids(lua_State *L, int arg, int64_t n_vocab, int64_t *n) {
    *n = check_length(L, arg);
    int32_t *ids = host_block(L, (uint64_t)*n, sizeof *ids);
    if (ids == NULL) return NULL;
    for (int64_t i = 1; i <= *n; i++) {
        int is_integer = 0;
        lua_rawgeti(L, arg, i);
        lua_Integer id = lua_tointegerx(L, -1, &is_integer);
        if (lua_type(L, -1) != LUA_TNUMBER || !is_integer) {
            refuse_element(L, arg, i, "a token id is an integer");
        }
        if (id < 0 || id >= n_vocab) {
            char allowed[64];
            snprintf(allowed, sizeof allowed, "token ids are 0..%lld", (long long)n_vocab - 1);
            refuse_element(L, arg, i, allowed);
        }
        ids[i - 1] = (int32_t)id;
        lua_pop(L, 1);
    }
    return ids;
}

double *host_check_numbers(lua_State *L, int arg, int64_t *n) {
    *n = check_length(L, arg);
    double *values = host_block(L, (uint64_t)*n, sizeof *values);
    if (values == NULL) return NULL;
    for (int64_t i = 1; i <= *n; i++) {
        lua_rawgeti(L, arg, i);
        double value = lua_tonumber(L, -1);
        if (lua_type(L, -1) != LUA_TNUMBER) refuse_element(L, arg, i, "a number is required");
        if (!isfinite(value)) refuse_element(L, arg, i, "a finite number is required");
        values[i - 1] = value;
        lua_pop(L, 1);
    }
    return values;
}

void host_push_numbers(lua_State *L, const double *values, int64_t n) {
    lua_createtable(L, n < INT_MAX ? (int)n : 0, 0);
    for (int64_t i = 0; i < n; i++) {
        lua_pushnumber(L, values[i]);
        lua_rawseti(L, -2, i + 1);
    }
}

/* ---- callbacks ---- */

struct host_callback host_callback_begin(lua_State *L, int arg, const char *name) {
    luaL_checkstack(L, 8, NULL);
    if (lua_istable(L, arg)) {
        lua_pushstring(L, name);
        lua_rawget(L, arg);
    } else {
        lua_pushnil(L);
    }
    lua_pushnil(L);
    int top = lua_gettop(L);
    return (struct host_callback){
        .L = L, .function = lua_isnil(L, top - 1) ? 0 : top - 1, .error = top};
}

void host_callback_call(struct host_callback *callback, int64_t a, int64_t b) {
    lua_State *L = callback->L;
    if (callback->function == 0 || callback->failed) return;
    lua_pushvalue(L, callback->function);
    lua_pushinteger(L, a);
    lua_pushinteger(L, b);
    if (lua_pcall(L, 2, 0, 0) == LUA_OK) return;
    lua_replace(L, callback->error);
    callback->failed = true;
    host_of(L)->cancel = 1;
}

void host_callback_end(struct host_callback *callback) {
    if (!callback->failed) return;
    host_stop_restore(host_of(callback->L));
    lua_pushvalue(callback->L, callback->error);
    lua_error(callback->L);
}
