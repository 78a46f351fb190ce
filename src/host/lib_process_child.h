/* lib_process_child.h - the part of module "woolly.process" that lib_process_child.c holds. */
#ifndef WOOLLY_HOST_LIB_PROCESS_CHILD_H
#define WOOLLY_HOST_LIB_PROCESS_CHILD_H

#include <lua.h>

/* process.spawn(argv) -> Child | nil, message, code */
int process_spawn(lua_State *L);
/* Makes the metatable of Child; once per state. */
void process_open_child(lua_State *L);

#endif
