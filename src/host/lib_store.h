/* lib_store.h - what the files of the Lua module "woolly.store" share. */
#ifndef WOOLLY_HOST_LIB_STORE_H
#define WOOLLY_HOST_LIB_STORE_H

#include "host/host_util.h"
#include "store/store.h"

/* The open store at arg; raises when it is none or closed. */
struct store *store_check_open(lua_State *L, int arg);
/* Pushes a row as a table. Raises when memory is short. */
void store_push_row(lua_State *L, const struct store_row *row);

/* Methods of Store. */
int store_l_list(lua_State *L);
int store_l_history(lua_State *L);
int store_l_tags(lua_State *L);

#endif
