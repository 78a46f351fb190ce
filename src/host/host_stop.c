/* host_stop.c - how Ctrl-C, SIGTERM and a deadline stop Lua code and engine calls.
 *
 * A handler raises the cancel flag and sets a debug hook on the running coroutine, so that an
 * undisturbed script pays nothing: a hook that is always there would halve Lua's speed. Hooks
 * belong to one coroutine each, hence our own coroutine.resume, wrap and close, which note the one
 * that runs. A 50 ms timer repeats until somebody acknowledges:
 *  1. at once      the hook raises one error, so that clean-up code still runs;
 *  2. from 100 ms  it raises at every instruction: a pcall in a loop cannot swallow that;
 *  3. at 2 s       what no hook reaches (a pattern match, a finaliser) ends with the program.
 * A second signal ends the program at once, unless it comes on the heels of the first: timeout(1) sends
 * its signal to the program and to the group, a terminal and a dying parent send one each. */
#include "base/clock.h"
#include "host/host_private.h"

#include <errno.h>
#include <lualib.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define TICK_NS 50000000L
#define TICKS_TO_INSIST 2
#define TICKS_TO_EXIT 40
#define SAME_STOP_NS 200000000
#define HOOK_MASK (LUA_MASKCALL | LUA_MASKRET | LUA_MASKCOUNT)
#define STATUS_INPUT 3

static struct host *the_host; /* for the handlers */
static pthread_t main_thread;

/* ---- raising ---- */

/* "phase1.lua:12: ", of the innermost Lua function. */
static void push_where(lua_State *L) {
    lua_Debug at;
    for (int level = 0; lua_getstack(L, level, &at); level++) {
        lua_getinfo(L, "Sl", &at);
        if (at.currentline > 0) {
            lua_pushfstring(L, "%s:%d: ", at.short_src, at.currentline);
            return;
        }
    }
    lua_pushliteral(L, "");
}

static void stop_hook(lua_State *L, lua_Debug *event) {
    (void)event;
    struct host *host = host_of(L);
    if (host->stage != STOP_INSISTS) lua_sethook(L, NULL, 0, 0);
    if (host->stage == STOP_NONE) return; /* set on a coroutine that slept meanwhile */
    push_where(L);
    if (host->signal != 0) {
        lua_pushliteral(L, "interrupted");
    } else {
        char text[64];
        snprintf(text, sizeof text, "stopped after %.1f s", host->deadline_s);
        lua_pushstring(L, text);
    }
    lua_concat(L, 2);
    lua_error(L);
}

static void set_hook(lua_State *L) {
    lua_sethook(L, stop_hook, HOOK_MASK, 1);
}

/* ---- handlers: async-signal-safe calls only; lua_sethook is made for this ---- */

static void set_timer(struct host *host, double first_s) {
    if (!host->has_timer) return;
    struct itimerspec when = {.it_interval.tv_nsec = TICK_NS};
    when.it_value.tv_sec = (time_t)first_s;
    when.it_value.tv_nsec = (long)((first_s - (double)when.it_value.tv_sec) * 1e9);
    if (first_s <= 0) when = (struct itimerspec){0};
    timer_settime(host->timer, 0, &when, NULL);
}

static void exit_hard(const struct host *host) {
    static const char text[] =
        "woolly: stopped: a call did not return within 2 s of the stop; the program ends here\n";
    ssize_t ignored = write(STDERR_FILENO, text, sizeof text - 1);
    (void)ignored;
    _exit(host->signal != 0 ? 128 + (int)host->signal : STATUS_INPUT);
}

static void on_signal(int number) {
    struct host *host = the_host;
    if (host == NULL) return;
    if (!pthread_equal(pthread_self(), main_thread)) {
        pthread_kill(main_thread, number);
        return;
    }
    int kept_errno = errno;
    if (number != SIGALRM) {
        const int64_t now = clock_now_ns();
        if (host->signal != 0) {
            if (now - host->signal_ns > SAME_STOP_NS) _exit(128 + number);
            errno = kept_errno;
            return;
        }
        host->signal = number;
        host->signal_ns = now;
        host->stage = STOP_ASKED;
        host->ticks = 0;
        set_timer(host, (double)TICK_NS / 1e9);
    } else if (host->stage == STOP_NONE) {
        host->timed_out = 1;
        host->stage = STOP_ASKED;
        host->ticks = 0;
    } else {
        host->ticks = host->ticks + 1;
        if (host->ticks >= TICKS_TO_INSIST) host->stage = STOP_INSISTS;
        if (host->ticks >= TICKS_TO_EXIT) exit_hard(host);
    }
    host->cancel = 1;
    lua_State *current = host->current;
    if (current != NULL) set_hook(current);
    errno = kept_errno;
}

static void block_signals(sigset_t *before) {
    sigset_t ours;
    sigemptyset(&ours);
    sigaddset(&ours, SIGINT);
    sigaddset(&ours, SIGTERM);
    sigaddset(&ours, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &ours, before);
}

bool host_stop_begin(struct host *host, struct err *err) {
    main_thread = pthread_self();
    the_host = host;
    struct sigevent by_signal = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
    if (timer_create(CLOCK_MONOTONIC, &by_signal, &host->timer) != 0) {
        return err_set_errno(err, errno, "timer: cannot be made");
    }
    host->has_timer = true;
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGINT);
    sigaddset(&action.sa_mask, SIGTERM);
    sigaddset(&action.sa_mask, SIGALRM);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGALRM, &action, NULL);
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is a failed write, not a death */
    return true;
}

void host_stop_end(struct host *host) {
    if (host->has_timer) timer_delete(host->timer);
    host->has_timer = false;
    host->current = NULL;
}

/* ---- from the host's side ---- */

const char *host_stop_reason(const struct host *host) {
    if (host->signal != 0) return "interrupted";
    return host->timed_out ? "timeout" : NULL;
}

void host_stop_restore(struct host *host) {
    host->cancel = 0;
    if (host->signal != 0 || host->timed_out) host->cancel = 1;
}

void host_stop_acknowledge(lua_State *L) {
    struct host *host = host_of(L);
    if (host->stage == STOP_NONE) return;
    sigset_t before;
    block_signals(&before);
    set_timer(host, 0);
    host->stage = STOP_NONE;
    host->timed_out = 0;
    host_stop_restore(host);
    lua_sethook(L, NULL, 0, 0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void host_stop_deadline(lua_State *L, double seconds) {
    struct host *host = host_of(L);
    if (host->timed_out) host_stop_acknowledge(L);
    if (host->signal != 0) return; /* the stop under way has the timer */
    host->deadline_s = seconds;
    set_timer(host, seconds);
}

/* ---- coroutines that say which of them runs ---- */

static lua_State *check_coroutine(lua_State *L) {
    lua_State *co = lua_tothread(L, 1);
    luaL_argexpected(L, co != NULL, 1, "coroutine");
    return co;
}

/* Back in L after co ran: a stop that insists goes on here, without waiting for the next tick. */
static void back_to(lua_State *L) {
    struct host *host = host_of(L);
    host->current = L;
    if (host->stage == STOP_INSISTS) set_hook(L);
}

/* Resumes co with the n_args values at the top of L. Results (their number) or, for -1, the error
 * value are moved to L. */
static int resume(lua_State *L, lua_State *co, int n_args) {
    if (!lua_checkstack(co, n_args)) {
        lua_pushliteral(L, "too many arguments to resume");
        return -1;
    }
    lua_xmove(L, co, n_args);
    int n_results = 0;
    host_of(L)->current = co;
    int status = lua_resume(co, L, n_args, &n_results);
    back_to(L);
    if (status != LUA_OK && status != LUA_YIELD) {
        lua_xmove(co, L, 1);
        return -1;
    }
    if (!lua_checkstack(L, n_results + 1)) {
        lua_pop(co, n_results);
        lua_pushliteral(L, "too many results to resume");
        return -1;
    }
    lua_xmove(co, L, n_results);
    return n_results;
}

static int close_coroutine(lua_State *L, lua_State *co) {
    host_of(L)->current = co;
#if LUA_VERSION_RELEASE_NUM >= 50406
    int status = lua_closethread(co, L);
#else
    int status = lua_resetthread(co);
#endif
    back_to(L);
    return status;
}

static int l_resume(lua_State *L) {
    lua_State *co = check_coroutine(L);
    int n = resume(L, co, lua_gettop(L) - 1);
    lua_pushboolean(L, n >= 0);
    lua_insert(L, n >= 0 ? -(n + 1) : -2);
    return n >= 0 ? n + 1 : 2;
}

static int wrapped(lua_State *L) {
    lua_State *co = lua_tothread(L, lua_upvalueindex(1));
    int n = resume(L, co, lua_gettop(L));
    if (n >= 0) return n;
    int status = lua_status(co);
    if (status != LUA_OK && status != LUA_YIELD) { /* it failed: run its <close> variables */
        status = close_coroutine(L, co);
        lua_xmove(co, L, 1);
    }
    if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

static int l_wrap(lua_State *L) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_State *co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    lua_pushcclosure(L, wrapped, 1);
    return 1;
}

static int l_close(lua_State *L) {
    lua_State *co = check_coroutine(L);
    lua_Debug frame;
    bool runs = co == L;
    bool resumes_another = lua_status(co) == LUA_OK && lua_getstack(co, 0, &frame) != 0;
    if (runs || resumes_another) {
        return luaL_error(L, "cannot close a %s coroutine", runs ? "running" : "normal");
    }
    if (close_coroutine(L, co) == LUA_OK) {
        lua_pushboolean(L, 1);
        return 1;
    }
    lua_pushboolean(L, 0);
    lua_xmove(co, L, 1);
    return 2;
}

void host_stop_open(lua_State *L) {
    static const luaL_Reg replaced[] = {
        {"resume", l_resume}, {"wrap", l_wrap}, {"close", l_close}, {NULL, NULL}};
    lua_getglobal(L, LUA_COLIBNAME);
    luaL_setfuncs(L, replaced, 0);
    lua_pop(L, 1);
    host_of(L)->current = L;
}
