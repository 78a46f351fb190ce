/* lib_engine.h - what the files of the Lua module "woolly.engine" share. */
#ifndef WOOLLY_HOST_LIB_ENGINE_H
#define WOOLLY_HOST_LIB_ENGINE_H

#include "engine/engine.h"
#include "host/host_util.h"

#define MODEL_CLASS "woolly.engine.Model" /* metatable keys; they appear in type errors */
#define CONTEXT_CLASS "woolly.engine.Context"

struct model_handle {
    struct model *model; /* NULL once closed */
    int n_contexts;      /* open ones: close() is refused while there are any */
    bool is_collected;   /* by the collector, with contexts open: the last of them frees the model */
};

struct context_handle { /* its Model is user value 1 */
    struct context *context; /* NULL once closed */
    struct model_handle *model;
    int64_t n_vocab;
    bool is_busy; /* a callback runs inside a call on it */
};

/* Make the metatables. */
void engine_open_model(lua_State *L);
void engine_open_context(lua_State *L);

/* Raise when the handle is closed (a context: or in the middle of a call). */
struct context_handle *engine_check_context(lua_State *L, int arg);
struct model_handle *engine_check_model(lua_State *L, int arg);
/* model:context([options]) -> Context | nil, message, code */
int engine_l_context(lua_State *L);
/* The options table of a decode; raises where one is wrong. */
struct decode_options engine_read_decode_options(lua_State *L, int arg);
/* Methods and functions of lib_engine_pass.c. */
int engine_l_decode_together(lua_State *L);
int engine_l_profile(lua_State *L);
int engine_l_set_profile(lua_State *L);
/* Called by a context's close. */
void engine_context_closed(struct model_handle *model);

/* "avx2" or "best" or NULL (best) to an ISA that runs here; false and err when unknown or absent. */
bool engine_isa(const char *option, const char *name, enum isa *isa, struct err *err);
/* Every switch as a new table. */
void engine_push_switches(lua_State *L, const struct engine_switches *switches);

/* Scratch of a decode call, its pages touched: {tokens, times}. False when memory is short. */
struct decode_arrays {
    int32_t *tokens;
    int64_t *times_ns;
};
bool engine_decode_arrays(lua_State *L, int64_t n, struct decode_arrays *out);
/* {tokens, times_ns, start_ns, finish_reason} */
void engine_push_decoded(lua_State *L, const struct decode_arrays *arrays, int64_t n,
                         int64_t start_ns, enum finish_reason reason);

/* t[key] = value, t at the top. */
void engine_set_integer(lua_State *L, const char *key, int64_t value);
void engine_set_number(lua_State *L, const char *key, double value);
void engine_set_string(lua_State *L, const char *key, const char *value);
void engine_set_boolean(lua_State *L, const char *key, bool value);

#endif
