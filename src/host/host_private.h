/* host_private.h - the host's own state, shared by host.c, host_util.c and host_stop.c. */
#ifndef WOOLLY_HOST_PRIVATE_H
#define WOOLLY_HOST_PRIVATE_H

#include "host/host_util.h"

#include <signal.h>
#include <time.h>

/* One per process: signal handlers reach it by a static pointer. */
struct host {
    /* What long calls poll. Written by the signal handler too. */
    volatile int cancel;
    volatile sig_atomic_t signal;    /* SIGINT, SIGTERM or 0 */
    volatile int64_t signal_ns;      /* when it came; the handler's own */
    volatile sig_atomic_t timed_out; /* the deadline passed */
    volatile sig_atomic_t stage;     /* enum stop_stage */
    volatile sig_atomic_t ticks;     /* timer ticks since the stop was asked for */
    lua_State *volatile current;     /* the coroutine that runs: hooks are per coroutine */
    double deadline_s;
    timer_t timer;
    bool has_timer;

    size_t lua_bytes, lua_cap; /* of the Lua state's memory, as Lua asked for it */
    int64_t lua_usable;        /* the same as the allocator seam counts it */
    bool cap_hit;
    const char *lua_dir; /* --lua-dir, or NULL: the embedded modules */
};

/* Classes that host_util.c itself needs; once per state, before any module opens. */
void host_util_open(lua_State *L);

/* ---- host_stop.c: signals, the deadline, and how they reach Lua code ---- */

enum stop_stage {
    STOP_NONE,
    STOP_ASKED,   /* raised once, so that clean-up code can run */
    STOP_INSISTS, /* raised at every instruction until someone acknowledges */
};

/* Installs the handlers and the timer. False when the machine refuses. */
bool host_stop_begin(struct host *host, struct err *err);
void host_stop_end(struct host *host);
/* Replaces coroutine.resume, wrap and close by versions that keep host->current. */
void host_stop_open(lua_State *L);
/* Seconds from now; 0 disarms and forgets a deadline that passed. */
void host_stop_deadline(lua_State *L, double seconds);
/* The stop has been noticed: nothing is raised any more. The cancel flag stays for signals. */
void host_stop_acknowledge(lua_State *L);
/* "interrupted", "timeout" or NULL. */
const char *host_stop_reason(const struct host *host);
/* cancel = whether a stop was asked for: after a callback raised it for its own purpose. */
void host_stop_restore(struct host *host);

#endif
