/* host_util.h - what every Lua binding file shares: failures, options, handles, blocks, the host.
 *
 * Order in a binding: check arguments, make the closed handle, act, push (STYLE section 5).
 * "Raises" below means a Lua error, so nothing that C alone owns may be live at that point. */
#ifndef WOOLLY_HOST_UTIL_H
#define WOOLLY_HOST_UTIL_H

#include "base/err.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- the host of a Lua state ---- */

struct host; /* private to host.c and host_stop.c */

/* The one host of this state, kept in its extra space; coroutines share it. */
struct host *host_of(lua_State *L);
/* Heap bytes that the Lua state holds, as mem_live_bytes counts them. */
int64_t host_script_bytes(lua_State *L);
/* What long calls poll: nonzero after Ctrl-C, SIGTERM, a deadline, or a failed callback. */
const volatile int *host_cancel(lua_State *L);
/* The same for calls that saving and judging need: a stop that the script has acknowledged does not
 * stop them, so that partial results can be worked up after Ctrl-C. */
const volatile int *host_new_stop(lua_State *L);

/* ---- failures: the world's refusal is a result, not an error ---- */

/* Pushes nil, message, code name ("input", "environment", ...) and returns 3. */
int host_push_fail(lua_State *L, const struct err *err);
/* The same from parts: `return host_fail(L, ERR_INPUT, "...", ...)`. */
int host_fail(lua_State *L, enum err_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* For calls without a value: true, or nil, message, code. */
int host_push_result(lua_State *L, bool ok, const struct err *err);

/* ---- option tables ---- */

enum opt_kind {
    OPT_KIND_BOOL,     /* bool */
    OPT_KIND_INT,      /* int */
    OPT_KIND_INT64,    /* int64_t */
    OPT_KIND_UINT64,   /* uint64_t: any Lua integer, by its bits (seeds) */
    OPT_KIND_FLOAT,    /* float, finite */
    OPT_KIND_DOUBLE,   /* double, finite */
    OPT_KIND_STRING,   /* const char *: the Lua string, alive while the table holds it; no NUL inside */
    OPT_KIND_FUNCTION, /* bool: true when given; fetch it with lua_getfield */
};

struct opt_spec {
    const char *name; /* NULL ends the list */
    enum opt_kind kind;
    size_t offset;
    int64_t low, high;   /* integers */
    double least, most;  /* numbers */
};

/* OPT_x(struct tag, field, ...) names the option after the field, OPT_x_AS gives another name. */
#define OPT_BOOL_AS(option, tag, field)                                                            \
    {.name = option, .kind = OPT_KIND_BOOL, .offset = offsetof(struct tag, field)}
#define OPT_INT_AS(option, tag, field, min, max)                                                   \
    {.name = option, .kind = OPT_KIND_INT, .offset = offsetof(struct tag, field), .low = (min),    \
     .high = (max)}
#define OPT_INT64_AS(option, tag, field, min, max)                                                 \
    {.name = option, .kind = OPT_KIND_INT64, .offset = offsetof(struct tag, field), .low = (min),  \
     .high = (max)}
#define OPT_UINT64_AS(option, tag, field)                                                          \
    {.name = option, .kind = OPT_KIND_UINT64, .offset = offsetof(struct tag, field)}
#define OPT_FLOAT_AS(option, tag, field, min, max)                                                 \
    {.name = option, .kind = OPT_KIND_FLOAT, .offset = offsetof(struct tag, field),                \
     .least = (min), .most = (max)}
#define OPT_DOUBLE_AS(option, tag, field, min, max)                                                \
    {.name = option, .kind = OPT_KIND_DOUBLE, .offset = offsetof(struct tag, field),               \
     .least = (min), .most = (max)}
#define OPT_STRING_AS(option, tag, field)                                                          \
    {.name = option, .kind = OPT_KIND_STRING, .offset = offsetof(struct tag, field)}
#define OPT_FUNCTION_AS(option, tag, field)                                                        \
    {.name = option, .kind = OPT_KIND_FUNCTION, .offset = offsetof(struct tag, field)}
#define OPT_BOOL(tag, field) OPT_BOOL_AS(#field, tag, field)
#define OPT_INT(tag, field, min, max) OPT_INT_AS(#field, tag, field, min, max)
#define OPT_INT64(tag, field, min, max) OPT_INT64_AS(#field, tag, field, min, max)
#define OPT_UINT64(tag, field) OPT_UINT64_AS(#field, tag, field)
#define OPT_FLOAT(tag, field, min, max) OPT_FLOAT_AS(#field, tag, field, min, max)
#define OPT_DOUBLE(tag, field, min, max) OPT_DOUBLE_AS(#field, tag, field, min, max)
#define OPT_STRING(tag, field) OPT_STRING_AS(#field, tag, field)
#define OPT_FUNCTION(tag, field) OPT_FUNCTION_AS(#field, tag, field)
#define OPT_END {.name = NULL}

/* Reads the table at arg into *out, which holds the defaults; none or nil reads nothing. Raises
 * on a wrong type ("5" is no number), a value out of range, and an unknown key, naming the key,
 * what was found, what is allowed and the nearest known key. Calls no metamethod. */
void host_read_options(lua_State *L, int arg, const struct opt_spec *spec, void *out);

/* ---- handles ---- */

/* Makes the metatable `name`: its methods, and close as __gc and __close. close may run twice.
 * List "close" among the methods too. Leaves nothing on the stack. */
void host_new_class(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction close);

/* ---- scratch memory ---- */

/* Zeroed memory for n elements of size, outside Lua's memory cap, pushed as a userdata that is
 * freed when the C function returns or raises. NULL when memory is short or n * size overflows;
 * the userdata is pushed all the same. */
void *host_block(lua_State *L, uint64_t n, size_t size);
/* The same slot, empty, for a block that another room allocates (to mem_free): assign to it. */
void *host_adopt(lua_State *L);
/* The ids of the array at arg as such a block (pushed), count in *n. Raises unless each is an
 * integer in 0..n_vocab-1 (at most 2^24 of them); NULL when memory is short. */
int32_t *host_check_ids(lua_State *L, int arg, int64_t n_vocab, int64_t *n);
/* Likewise an array of finite numbers. */
double *host_check_numbers(lua_State *L, int arg, int64_t *n);
/* Pushes an array of n numbers. Raises when memory is short. */
void host_push_numbers(lua_State *L, const double *values, int64_t n);
/* nil, "out of memory for WHAT (N bytes)", "environment". */
int host_fail_memory(lua_State *L, const char *what, uint64_t n, size_t size);

/* ---- callbacks from inside a C call ---- */

/* A Lua function that C code calls back, protected. The first error is kept, raises the cancel
 * flag so that the call under way ends soon, and comes out of host_callback_end. */
struct host_callback {
    lua_State *L;
    int function; /* stack index; 0: none, calls do nothing */
    int error;    /* stack index of the reserved slot for the error value */
    bool failed;
};
/* Pushes two slots: field `name` of the options table at arg (or nil) and the error slot. */
struct host_callback host_callback_begin(lua_State *L, int arg, const char *name);
/* callback(a, b) with two integers. */
void host_callback_call(struct host_callback *callback, int64_t a, int64_t b);
/* Raises the kept error, if any: call it when C owns nothing any more. */
void host_callback_end(struct host_callback *callback);

/* ---- text ---- */

/* The name in names (NULL-terminated) nearest to word, or NULL when none is near: at most a third
 * of the letters differ. */
const char *host_nearest(const char *word, const char *const *names);
/* Copies an error value's text to out: strings, numbers, __tostring under protection, else the
 * type's name; control characters become '?', or spaces for line ends. Never raises. */
void host_error_text(lua_State *L, int index, char *out, size_t size);
/* Whether a protected call that ended with status and this error value ran out of memory; the
 * string buffers of Lua's library raise that as an ordinary error. */
bool host_is_memory_error(lua_State *L, int status, int index);

#endif
