/* lib_process_child.h - the parts of module "woolly.process" that other files hold. */
#ifndef WOOLLY_HOST_LIB_PROCESS_CHILD_H
#define WOOLLY_HOST_LIB_PROCESS_CHILD_H

#include <lua.h>

/* process.spawn(argv) -> Child | nil, message, code */
int process_spawn(lua_State *L);
/* Makes the metatable of Child; once per state. */
void process_open_child(lua_State *L);

/* process.lock(path) -> Lock | false | nil, message, code */
int process_lock(lua_State *L);
/* Makes the metatable of Lock; once per state. */
void process_open_lock(lua_State *L);

#endif
