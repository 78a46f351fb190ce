/* lib_counters_sampler.c - class Sampler of the module "woolly.counters". */
#include "base/clock.h"
#include "counters/sampling.h"
#include "counters/simd_share.h"
#include "host/lib_counters.h"

#include <limits.h>
#include <stdio.h>

#define SAMPLER_CLASS "woolly.counters.Sampler"
#define MOST_SECONDS 86400.0
#define SLICE_NS 100000000LL /* between two looks at the rings */

struct handle {
    struct ip_sampling *sampling; /* NULL once closed */
    int pid, hz;
    int64_t start_ns;
    bool is_running;
};

struct request {
    int pid, hz;
    double seconds;
};

static struct handle *check_open(lua_State *L) {
    struct handle *handle = luaL_checkudata(L, 1, SAMPLER_CLASS);
    luaL_argcheck(L, handle->sampling != NULL, 1, "sampler is closed");
    return handle;
}

/* Opens into a handle at the top of the stack; false: the three results of a failure are. */
static bool open_sampler(lua_State *L, const struct request *request, struct handle **out) {
    struct ip_sampling_options options = {.pid = request->pid, .hz = request->hz};
    struct err err;
    struct handle *handle = lua_newuserdatauv(L, sizeof *handle, 0);
    *handle = (struct handle){.pid = request->pid, .hz = request->hz};
    luaL_setmetatable(L, SAMPLER_CLASS);
    /* First what this build cannot do at all. */
    if (code_decoder(&err) != NULL) handle->sampling = ip_sampling_open(&options, &err);
    *out = handle;
    if (handle->sampling != NULL) return true;
    host_push_fail(L, &err);
    return false;
}

/* counters.sampler([options]) -> Sampler | nil, message, code */
int counters_l_sampler(lua_State *L) {
    static const struct opt_spec spec[] = {OPT_INT(request, pid, 0, INT_MAX),
                                           OPT_INT(request, hz, 1, IP_SAMPLING_MOST_HZ), OPT_END};
    struct request request = {.hz = IP_SAMPLING_HZ};
    struct handle *handle;
    host_read_options(L, 1, spec, &request);
    return open_sampler(L, &request, &handle) ? 1 : 3;
}

/* Sampler:start() -> true | nil, message, code */
static int l_start(lua_State *L) {
    struct handle *handle = check_open(L);
    struct err err;
    handle->start_ns = clock_now_ns();
    handle->is_running = true;
    return host_push_result(L, ip_sampling_start(handle->sampling, &err), &err);
}

/* t[key] = value, t at the top. */
static void set_number(lua_State *L, const char *key, double value) {
    lua_pushnumber(L, value);
    lua_setfield(L, -2, key);
}
static void set_integer(lua_State *L, const char *key, int64_t value) {
    lua_pushinteger(L, value);
    lua_setfield(L, -2, key);
}

/* {share, low, high} under key. */
static void set_share(lua_State *L, const char *key, double share, int64_t n) {
    double low, high;
    simd_interval(share, n, &low, &high);
    lua_createtable(L, 0, 3);
    set_number(L, "share", share);
    set_number(L, "low", low);
    set_number(L, "high", high);
    lua_setfield(L, -2, key);
}

static void set_shares(lua_State *L, const char *key, const double shares[CODE_CLASSES],
                       int64_t n) {
    lua_createtable(L, 0, CODE_CLASSES + 1);
    for (int c = 0; c < CODE_CLASSES; c++) {
        set_share(L, code_class_name((enum code_class)c), shares[c], n);
    }
    set_share(L, "packed", simd_packed(shares), n);
    lua_setfield(L, -2, key);
}

static void push_functions(lua_State *L, const struct simd_profile *profile) {
    lua_createtable(L, profile->n_functions, 0);
    for (int i = 0; i < profile->n_functions; i++) {
        const struct simd_function *f = &profile->functions[i];
        lua_createtable(L, 0, 5);
        lua_pushstring(L, f->function.name);
        lua_setfield(L, -2, "name");
        lua_pushstring(L, f->function.object);
        lua_setfield(L, -2, "object");
        set_integer(L, "n_samples", f->n_samples);
        set_number(L, "share", (double)f->n_samples / (double)profile->n_samples);
        set_number(L, "packed", f->packed);
        lua_rawseti(L, -2, i + 1);
    }
}

static void push_profile(lua_State *L, const struct handle *handle,
                         const struct simd_profile *profile, double seconds) {
    lua_createtable(L, 0, 10);
    lua_pushfstring(L, "instruction pointers on the CPU clock at %d Hz, user mode, decoded by %s",
                    handle->hz, code_decoder(NULL));
    lua_setfield(L, -2, "method");
    set_integer(L, "hz", handle->hz);
    set_integer(L, "n_samples", profile->n_samples);
    set_integer(L, "n_unknown", profile->n_unknown);
    set_integer(L, "n_lost", ip_sampling_lost(handle->sampling));
    set_integer(L, "n_threads", ip_sampling_threads(handle->sampling));
    set_number(L, "seconds", seconds);
    set_shares(L, "time", profile->time, profile->n_samples);
    set_shares(L, "instructions", profile->instructions, profile->n_samples);
    push_functions(L, profile);
    lua_setfield(L, -2, "functions");
}

/* Ends the window; pushes its profile, or nil, message, code. */
static int finish(lua_State *L, struct handle *handle) {
    struct err err;
    int64_t n = 0;
    double seconds = (double)(clock_now_ns() - handle->start_ns) / 1e9;
    handle->is_running = false;
    if (!ip_sampling_stop(handle->sampling, &err)) return host_push_fail(L, &err);
    uint64_t *ips = ip_sampling_ips(handle->sampling, &n);
    struct simd_profile *profile = host_block(L, 1, sizeof *profile);
    if (profile == NULL) return host_fail_memory(L, "a profile", 1, sizeof *profile);
    struct code_map *map = code_map_open(handle->pid, &err);
    bool ok = map != NULL && simd_profile_make(map, ips, n, profile, &err);
    code_map_close(map);
    if (!ok) return host_push_fail(L, &err);
    if (profile->n_samples == 0) {
        return host_fail(L, ERR_UNAVAILABLE,
                         "no sample in %.3f s: the process did not run in user mode, or its code "
                         "cannot be read",
                         seconds);
    }
    push_profile(L, handle, profile, seconds);
    return 1;
}

/* Sampler:stop() -> Profile | nil, message, code */
static int l_stop(lua_State *L) {
    struct handle *handle = check_open(L);
    luaL_argcheck(L, handle->is_running, 1, "no window is open: start() comes first");
    return finish(L, handle);
}

/* counters.sample(options) -> Profile | nil, message, code */
int counters_l_sample(lua_State *L) {
    static const struct opt_spec spec[] = {
        OPT_INT(request, pid, 1, INT_MAX), OPT_INT(request, hz, 1, IP_SAMPLING_MOST_HZ),
        OPT_DOUBLE(request, seconds, 0.001, MOST_SECONDS), OPT_END};
    struct request request = {.hz = IP_SAMPLING_HZ, .seconds = 2};
    struct handle *handle;
    host_read_options(L, 1, spec, &request);
    luaL_argcheck(L, request.pid > 0, 1, "option 'pid': a process id is required");
    if (!open_sampler(L, &request, &handle)) return 3;
    struct err err;
    const volatile int *cancel = host_cancel(L);
    int64_t end_ns = clock_now_ns() + (int64_t)(request.seconds * 1e9);
    handle->start_ns = clock_now_ns();
    if (!ip_sampling_start(handle->sampling, &err)) return host_push_fail(L, &err);
    for (int64_t now; (now = clock_now_ns()) < end_ns && !*cancel;) {
        clock_sleep_ns(end_ns - now < SLICE_NS ? end_ns - now : SLICE_NS, cancel);
        if (!ip_sampling_drain(handle->sampling, &err)) return host_push_fail(L, &err);
    }
    if (*cancel) return host_fail(L, ERR_CANCELLED, "interrupted while sampling");
    return finish(L, handle);
}

/* Sampler:close() */
static int l_close(lua_State *L) {
    struct handle *handle = luaL_checkudata(L, 1, SAMPLER_CLASS);
    ip_sampling_close(handle->sampling);
    handle->sampling = NULL;
    return 0;
}

void counters_open_sampler(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"start", l_start}, {"stop", l_stop}, {"close", l_close}, {NULL, NULL}};
    host_new_class(L, SAMPLER_CLASS, methods, l_close);
}
