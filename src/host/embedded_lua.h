/* embedded_lua.h - the modules of lua/, compiled in by embed.cmake. */
#ifndef WOOLLY_HOST_EMBEDDED_LUA_H
#define WOOLLY_HOST_EMBEDDED_LUA_H

#include <stddef.h>

struct embedded_lua {
    const char *module; /* "woolly.report.text"; NULL ends the list */
    const char *file;   /* "lua/woolly/report/text.lua": the chunk name in messages */
    const char *text;
    size_t size;
};
extern const struct embedded_lua embedded_lua[];

#endif
