/* lib_json.c - Lua module "woolly.json": Lua values to JSON and back. */
#include "base/alloc.h"
#include "base/json.h"
#include "host/host_json.h"
#include "host/host_util.h"

#include <lualib.h>
#include <math.h>
#include <string.h>

#define MAX_DEPTH 64
#define MAX_EXACT 9007199254740992.0 /* 2^53 */
#define DOCUMENT_CLASS "woolly.json.Document"

static const char array_mt_key = 0; /* its address is the registry key */

/* ---- JSON to Lua ---- */

static void push_array_mt(lua_State *L) {
    lua_rawgetp(L, LUA_REGISTRYINDEX, &array_mt_key);
}

static void push_number(lua_State *L, double value) {
    if (fabs(value) <= MAX_EXACT && value == floor(value) && !(value == 0 && signbit(value))) {
        lua_pushinteger(L, (lua_Integer)value);
    } else {
        lua_pushnumber(L, value);
    }
}

/* Depth is bounded by the parser. */
void host_push_json(lua_State *L, const struct json *value) {
    luaL_checkstack(L, 4, NULL);
    switch (json_kind_of(value)) {
    case JSON_NULL:
        lua_pushlightuserdata(L, NULL);
        break;
    case JSON_BOOL:
        lua_pushboolean(L, json_bool(value));
        break;
    case JSON_NUMBER:
        push_number(L, json_number(value));
        break;
    case JSON_STRING:
        lua_pushstring(L, json_string(value));
        break;
    case JSON_ARRAY:
        lua_newtable(L);
        push_array_mt(L);
        lua_setmetatable(L, -2);
        lua_Integer i = 0;
        for (const struct json *item = json_first(value); item != NULL; item = json_next(item)) {
            host_push_json(L, item);
            lua_rawseti(L, -2, ++i);
        }
        break;
    case JSON_OBJECT:
        lua_newtable(L);
        for (const struct json *item = json_first(value); item != NULL; item = json_next(item)) {
            lua_pushstring(L, json_key(item));
            host_push_json(L, item);
            lua_rawset(L, -3);
        }
        break;
    }
}

/* ---- Lua to JSON ---- */

static bool is_array(lua_State *L, int index) {
    if (lua_rawlen(L, index) > 0) return true;
    if (!lua_getmetatable(L, index)) return false;
    push_array_mt(L);
    bool marked = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return marked;
}

static struct json *from_value(lua_State *L, int depth);

/* Owned by the document on the stack at once, so that an error leaks nothing. */
static struct json *array_from(lua_State *L, int depth, struct json *array) {
    lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
    lua_Integer entries = 0;
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
        if (!lua_isinteger(L, -2))
            luaL_error(L, "json.encode: an array with a key that is no index");
        entries++;
    }
    if (entries != n) luaL_error(L, "json.encode: an array with holes");
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, -1, i);
        bool ok = json_append(array, from_value(L, depth + 1));
        lua_pop(L, 1);
        if (!ok) return NULL;
    }
    return array;
}

/* The sorted keys of the table at the top, as a new Lua array on top. */
static lua_Integer push_sorted_keys(lua_State *L) {
    lua_Integer n = 0;
    lua_newtable(L);
    for (lua_pushnil(L); lua_next(L, -3) != 0;) {
        lua_pop(L, 1); /* the value */
        if (lua_type(L, -1) != LUA_TSTRING) {
            luaL_error(L, "json.encode: a key that is a %s, keys are strings",
                       luaL_typename(L, -1));
        }
        lua_pushvalue(L, -1);
        lua_rawseti(L, -3, ++n);
    }
    if (n > 1) {
        lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
        lua_getfield(L, -1, LUA_TABLIBNAME);
        lua_getfield(L, -1, "sort");
        lua_pushvalue(L, -4);
        lua_call(L, 1, 0);
        lua_pop(L, 2);
    }
    return n;
}

static struct json *object_from(lua_State *L, int depth, struct json *object) {
    lua_Integer n = push_sorted_keys(L);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, -1, i);
        const char *key = lua_tostring(L, -1);
        if (strlen(key) != lua_rawlen(L, -1)) luaL_error(L, "json.encode: a NUL byte in a key");
        lua_pushvalue(L, -1);
        lua_rawget(L, -4);
        bool ok = json_set(object, key, from_value(L, depth + 1));
        lua_pop(L, 2);
        if (!ok) return NULL;
    }
    lua_pop(L, 1);
    return object;
}

/* A document under construction sits in a userdata until it is attached to its parent. */
static int l_document_close(lua_State *L) {
    struct json **slot = lua_touserdata(L, 1);
    json_free(*slot);
    *slot = NULL;
    return 0;
}

static struct json **new_document(lua_State *L) {
    struct json **slot = lua_newuserdatauv(L, sizeof *slot, 0);
    *slot = NULL;
    luaL_setmetatable(L, DOCUMENT_CLASS);
    return slot;
}

static struct json *table_from(lua_State *L, int depth) {
    if (depth >= MAX_DEPTH) luaL_error(L, "json.encode: nested deeper than %d tables", MAX_DEPTH);
    luaL_checkstack(L, 10, NULL);
    int top = lua_gettop(L);
    struct json **slot = new_document(L);
    lua_insert(L, -2); /* below the table */
    struct json *made = NULL;
    if (is_array(L, -1)) {
        *slot = json_new_array();
        if (*slot != NULL) made = array_from(L, depth, *slot);
    } else {
        *slot = json_new_object();
        if (*slot != NULL) made = object_from(L, depth, *slot);
    }
    if (made != NULL) *slot = NULL; /* the caller's from here on */
    lua_settop(L, top + 1);         /* after a failure more may be left */
    lua_remove(L, top);
    return made;
}

/* The value at the top of the stack; NULL when memory is short. Raises on what JSON cannot hold. */
static struct json *from_value(lua_State *L, int depth) {
    size_t size = 0;
    double number = 0;
    switch (lua_type(L, -1)) {
    case LUA_TNIL:
        return json_new_null();
    case LUA_TLIGHTUSERDATA:
        if (lua_touserdata(L, -1) == NULL) return json_new_null();
        break;
    case LUA_TBOOLEAN:
        return json_new_bool(lua_toboolean(L, -1));
    case LUA_TNUMBER:
        number = (double)lua_tonumber(L, -1);
        if (!isfinite(number)) luaL_error(L, "json.encode: %f is no JSON", number);
        if (lua_isinteger(L, -1) && fabs(number) > MAX_EXACT) {
            luaL_error(L, "json.encode: the integer %I is not exact as a double",
                       (LUAI_UACINT)lua_tointeger(L, -1));
        }
        return json_new_number(number);
    case LUA_TSTRING: {
        const char *text = lua_tolstring(L, -1, &size);
        return json_new_string(text, size);
    }
    case LUA_TTABLE:
        return table_from(L, depth);
    default:
        break;
    }
    luaL_error(L, "json.encode: a %s is no JSON", luaL_typename(L, -1));
    return NULL;
}

char **host_encode_json(lua_State *L, int index, bool indent) {
    index = lua_absindex(L, index);
    char **text = host_adopt(L);
    int top = lua_gettop(L);
    struct json **slot = new_document(L);
    lua_pushvalue(L, index);
    *slot = from_value(L, 0);
    if (*slot != NULL) *text = json_print(*slot, indent);
    json_free(*slot);
    *slot = NULL;
    lua_settop(L, top);
    return text;
}

/* ---- the module ---- */

/* json.decode(text [, name]) -> value | nil, message, code */
static int l_decode(lua_State *L) {
    size_t size = 0;
    const char *text = luaL_checklstring(L, 1, &size);
    const char *name = luaL_optstring(L, 2, "JSON");
    struct json **slot = new_document(L);
    lua_toclose(L, -1);
    struct err err;
    *slot = json_parse(text, size, name, NULL, &err);
    if (*slot == NULL) return host_push_fail(L, &err);
    host_push_json(L, *slot);
    return 1;
}

/* json.encode(value [, options]) -> text */
static int l_encode(lua_State *L) {
    struct encode_options {
        bool indent;
    } options = {.indent = false};
    static const struct opt_spec spec[] = {OPT_BOOL(encode_options, indent), OPT_END};
    luaL_checkany(L, 1);
    host_read_options(L, 2, spec, &options);
    char **text = host_encode_json(L, 1, options.indent);
    if (*text == NULL) return luaL_error(L, "json.encode: not enough memory");
    lua_pushstring(L, *text);
    return 1;
}

/* json.array([t]) -> t */
static int l_array(lua_State *L) {
    if (lua_isnoneornil(L, 1)) {
        lua_settop(L, 0);
        lua_newtable(L);
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    push_array_mt(L);
    lua_setmetatable(L, 1);
    return 1;
}

int luaopen_woolly_json(lua_State *L);

int luaopen_woolly_json(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"decode", l_decode}, {"encode", l_encode}, {"array", l_array}, {NULL, NULL}};
    static const luaL_Reg none[] = {{NULL, NULL}};
    host_new_class(L, DOCUMENT_CLASS, none, l_document_close);
    lua_newtable(L);
    lua_pushliteral(L, "woolly.json.array");
    lua_setfield(L, -2, "__name");
    lua_rawsetp(L, LUA_REGISTRYINDEX, &array_mt_key);
    luaL_newlib(L, functions);
    push_array_mt(L);
    lua_setfield(L, -2, "array_mt");
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    return 1;
}
