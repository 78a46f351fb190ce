/* host_json.h - Lua values as JSON, for the bindings that store or read documents. */
#ifndef WOOLLY_HOST_JSON_H
#define WOOLLY_HOST_JSON_H

#include "base/json.h"

#include <lua.h>
#include <stdbool.h>

/* Pushes a document's value: objects and arrays as tables, null as json.null. */
void host_push_json(lua_State *L, const struct json *value);
/* The value at index as text in a block that Lua frees (pushed); *text is NULL when memory is
 * short. Raises on what JSON cannot hold. */
char **host_encode_json(lua_State *L, int index, bool indent);

#endif
