/* lib_counters.h - what the files of the Lua module "woolly.counters" share. */
#ifndef WOOLLY_HOST_LIB_COUNTERS_H
#define WOOLLY_HOST_LIB_COUNTERS_H

#include "host/host_util.h"

/* Make the metatables of Group and Sampler; once per state. */
void counters_open_group(lua_State *L);
void counters_open_sampler(lua_State *L);

/* Functions of the module. */
int counters_l_open(lua_State *L);
int counters_l_available(lua_State *L);
int counters_l_list(lua_State *L);
int counters_l_sampler(lua_State *L);
int counters_l_sample(lua_State *L);
int counters_l_allocations(lua_State *L);
int counters_l_allocation_cost(lua_State *L);
int counters_l_memory(lua_State *L);
int counters_l_noise(lua_State *L);
int counters_l_heap_probe(lua_State *L);

#endif
