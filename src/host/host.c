/* host.c - one Lua state around the rooms in C: modules, limits, one protected call, exit status.
 */
#include "host/host.h"

#include "base/alloc.h"
#include "base/path.h"
#include "host/embedded_lua.h"
#include "host/host_private.h"

#include <errno.h>
#include <lualib.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Exit status: DESIGN section 5. */
enum { STATUS_INPUT = 3, STATUS_ENVIRONMENT = 4, STATUS_BUG = 5 };

#define DEFAULT_MEMORY_MB 1024
#define MB 1000000u

/* ---- modules in C ---- */

int luaopen_woolly_clock(lua_State *L);
int luaopen_woolly_counters(lua_State *L);
int luaopen_woolly_data(lua_State *L);
int luaopen_woolly_engine(lua_State *L);
int luaopen_woolly_http(lua_State *L);
int luaopen_woolly_json(lua_State *L);
int luaopen_woolly_kernels(lua_State *L);
int luaopen_woolly_machine(lua_State *L);
int luaopen_woolly_numeric(lua_State *L);
int luaopen_woolly_process(lua_State *L);
int luaopen_woolly_roofline(lua_State *L);
int luaopen_woolly_server(lua_State *L);
int luaopen_woolly_store(lua_State *L);

static const luaL_Reg modules[] = {
#if __has_include("host/lib_clock.c")
    {"woolly.clock", luaopen_woolly_clock},
#endif
#if __has_include("host/lib_counters.c")
    {"woolly.counters", luaopen_woolly_counters},
#endif
#if __has_include("host/lib_data.c")
    {"woolly.data", luaopen_woolly_data},
#endif
#if __has_include("host/lib_engine.c")
    {"woolly.engine", luaopen_woolly_engine},
#endif
#if __has_include("host/lib_http.c")
    {"woolly.http", luaopen_woolly_http},
#endif
#if __has_include("host/lib_json.c")
    {"woolly.json", luaopen_woolly_json},
#endif
#if __has_include("host/lib_kernels.c")
    {"woolly.kernels", luaopen_woolly_kernels},
#endif
#if __has_include("host/lib_machine.c")
    {"woolly.machine", luaopen_woolly_machine},
#endif
#if __has_include("host/lib_numeric.c")
    {"woolly.numeric", luaopen_woolly_numeric},
#endif
#if __has_include("host/lib_process.c")
    {"woolly.process", luaopen_woolly_process},
#endif
#if __has_include("host/lib_roofline.c")
    {"woolly.roofline", luaopen_woolly_roofline},
#endif
#if __has_include("host/lib_server.c")
    {"woolly.server", luaopen_woolly_server},
#endif
#if __has_include("host/lib_store.c")
    {"woolly.store", luaopen_woolly_store},
#endif
    {NULL, NULL},
};

static void preload_modules(lua_State *L) {
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    luaL_setfuncs(L, modules, 0);
    lua_pop(L, 1);
}

/* ---- modules in Lua: compiled in, or read from --lua-dir ---- */

static int load_from_folder(lua_State *L, const char *folder, const char *name) {
    const char *relative = luaL_gsub(L, name, ".", "/");
    const char *path = lua_pushfstring(L, "%s/%s.lua", folder, relative);
    if (!path_exists(path)) path = lua_pushfstring(L, "%s/%s/init.lua", folder, relative);
    if (!path_exists(path)) return luaL_error(L, "module '%s' not found in %s", name, folder);
    if (luaL_loadfilex(L, path, "t") != LUA_OK) return lua_error(L);
    lua_pushstring(L, path);
    return 2;
}

/* package.searchers entry. Our names never reach package.path: a file of that name in the working
 * folder must not replace a part of the program. */
static int search_ours(lua_State *L) {
    const char *name = luaL_checkstring(L, 1);
    if (strcmp(name, "woolly") != 0 && strncmp(name, "woolly.", 7) != 0) return 0;
    const char *folder = host_of(L)->lua_dir;
    /* The page's assets are made by the build: no folder of sources has them. */
    if (folder != NULL && strcmp(name, "woolly.dashboard.assets") != 0)
        return load_from_folder(L, folder, name);
    for (const struct embedded_lua *m = embedded_lua; m->module != NULL; m++) {
        if (strcmp(m->module, name) != 0) continue;
        const char *chunk = lua_pushfstring(L, "@%s", m->file);
        if (luaL_loadbufferx(L, m->text, m->size, chunk, "t") != LUA_OK) return lua_error(L);
        lua_pushstring(L, m->file);
        return 2;
    }
    return luaL_error(L, "module '%s' is not part of this program", name);
}

static bool has_module(const struct host *host, const char *name, const char *file) {
    if (host->lua_dir != NULL) {
        char path[4096];
        int n = snprintf(path, sizeof path, "%s/%s", host->lua_dir, file);
        return n > 0 && (size_t)n < sizeof path && path_exists(path);
    }
    const struct embedded_lua *m = embedded_lua;
    while (m->module != NULL && strcmp(m->module, name) != 0)
        m++;
    return m->module != NULL;
}

static void add_searcher(lua_State *L) {
    lua_getglobal(L, LUA_LOADLIBNAME);
    lua_getfield(L, -1, "searchers");
    for (lua_Integer i = (lua_Integer)lua_rawlen(L, -1); i >= 2; i--) {
        lua_rawgeti(L, -1, i);
        lua_rawseti(L, -2, i + 1);
    }
    lua_pushcfunction(L, search_ours); /* second: behind the preloaded ones */
    lua_rawseti(L, -2, 2);
    lua_pop(L, 2);
}

/* ---- the Lua state's memory ---- */

static void *lua_memory(void *user, void *block, size_t old_size, size_t new_size) {
    struct host *host = user;
    if (block == NULL) old_size = 0; /* then it is a type tag */
    if (new_size == 0) {
        if (block != NULL) host->lua_usable -= (int64_t)mem_size(block);
        mem_free(block);
        host->lua_bytes -= old_size;
        return NULL;
    }
    if (new_size > old_size && new_size - old_size > host->lua_cap - host->lua_bytes) {
        host->cap_hit = true;
        return NULL;
    }
    int64_t before = block == NULL ? 0 : (int64_t)mem_size(block);
    void *moved = mem_realloc(block, new_size);
    if (moved == NULL) {
        if (new_size > old_size) return NULL;
        moved = block; /* shrinking never fails: the old block is large enough */
    }
    host->lua_bytes += new_size - old_size;
    host->lua_usable += (int64_t)mem_size(moved) - before;
    return moved;
}

int64_t host_script_bytes(lua_State *L) {
    return host_of(L)->lua_usable;
}

/* Reached only by an error outside every protected call, which would be our bug. */
static int on_panic(lua_State *L) {
    char text[512];
    host_error_text(L, -1, text, sizeof text);
    fprintf(stderr, "woolly: internal error: %s\n", text);
    _exit(STATUS_BUG);
}

/* ---- the protected part ---- */

struct command {
    int argc;
    char **argv; /* argv[0] the program, then what is left behind the host options */
};

/* argv with [0] = program, [1..] = arguments */
static void push_arguments(lua_State *L, const struct command *command) {
    lua_createtable(L, command->argc, 1);
    for (int i = 0; i < command->argc; i++) {
        lua_pushstring(L, command->argv[i]);
        lua_rawseti(L, -2, i);
    }
}

/* Without woolly.cli: runs the script named, as a plain interpreter does. */
static int run_script(lua_State *L, const struct command *command) {
    if (command->argc < 2) return luaL_error(L, "name a script: woolly-lua SCRIPT [options]");
    lua_createtable(L, command->argc, 1);
    for (int i = 0; i < command->argc; i++) {
        lua_pushstring(L, command->argv[i]);
        lua_rawseti(L, -2, i - 1);
    }
    lua_setglobal(L, "arg");
    if (luaL_loadfilex(L, command->argv[1], "t") != LUA_OK) return lua_error(L);
    lua_call(L, 0, 0);
    lua_pushinteger(L, 0);
    return 1;
}

static int protected_main(lua_State *L) {
    const struct command *command = lua_touserdata(L, 1);
    lua_gc(L, LUA_GCSTOP); /* nothing of what start-up makes is garbage */
    luaL_openlibs(L);
    host_util_open(L);
    host_stop_open(L);
    preload_modules(L);
    add_searcher(L);
    bool has_cli = has_module(host_of(L), "woolly.cli", "woolly/cli.lua");
    if (has_cli) {
        lua_getglobal(L, "require");
        lua_pushliteral(L, "woolly.cli");
        lua_call(L, 1, 1);
        lua_getfield(L, -1, "main");
        push_arguments(L, command);
    }
    lua_gc(L, LUA_GCRESTART);
    if (!has_cli) return run_script(L, command);
    lua_call(L, 1, 1);
    if (!lua_isinteger(L, -1)) {
        return luaL_error(L, "woolly.cli.main returned a %s, an exit status is required",
                          luaL_typename(L, -1));
    }
    return 1;
}

/* Message handler: with WOOLLY_TRACE=1 the traceback joins the message. */
static int on_error(lua_State *L) {
    const char *trace = getenv("WOOLLY_TRACE");
    if (trace == NULL || strcmp(trace, "1") != 0 || host_stop_reason(host_of(L)) != NULL) return 1;
    char text[1024];
    host_error_text(L, 1, text, sizeof text);
    luaL_traceback(L, L, text, 1);
    return 1;
}

/* One line on stderr and the exit status for what protected_main ended with. */
static int conclude(lua_State *L, int lua_status) {
    const struct host *host = host_of(L);
    if (lua_status == LUA_OK) return (int)lua_tointeger(L, -1);
    if (host_is_memory_error(L, lua_status, -1)) {
        if (host->cap_hit) {
            fprintf(stderr,
                    "woolly: out of memory: the script needs more than %zu MB. Raise the cap "
                    "with --memory-mb N in front of the script's name\n",
                    host->lua_cap / MB);
        } else {
            fprintf(stderr, "woolly: out of memory\n");
        }
        return STATUS_ENVIRONMENT;
    }
    const char *trace = getenv("WOOLLY_TRACE");
    if (trace != NULL && strcmp(trace, "1") == 0 && lua_type(L, -1) == LUA_TSTRING) {
        fprintf(stderr, "woolly: %s\n", lua_tostring(L, -1));
    } else {
        char text[1024];
        host_error_text(L, -1, text, sizeof text);
        fprintf(stderr, "woolly: %s\n", text);
    }
    if (host->signal != 0) return 128 + (int)host->signal;
    return host->timed_out ? STATUS_INPUT : STATUS_BUG;
}

static int run_state(struct host *host, const struct command *command) {
    lua_State *L = lua_newstate(lua_memory, host);
    if (L == NULL) {
        fprintf(stderr, "woolly: out of memory\n");
        return STATUS_ENVIRONMENT;
    }
    memcpy(lua_getextraspace(L), &host, sizeof host);
    lua_atpanic(L, on_panic);
    lua_pushcfunction(L, on_error);
    lua_pushcfunction(L, protected_main);
    lua_pushlightuserdata(L, (void *)command);
    int status = conclude(L, lua_pcall(L, 1, 1, 1));
    /* Finalisers run in lua_close; after a stop they get two seconds, like everything else. */
    bool was_stopped = host_stop_reason(host) != NULL;
    host_stop_acknowledge(L);
    if (was_stopped) host_stop_deadline(L, 2);
    lua_close(L);
    return status;
}

/* ---- the command line in front of the script ---- */

/* `--name VALUE` or `--name=VALUE` at argv[*i]: the value, or NULL when it is another option. */
static const char *host_option(int argc, char **argv, int *i, const char *name, bool *is_missing) {
    size_t length = strlen(name);
    if (strncmp(argv[*i], name, length) != 0) return NULL;
    if (argv[*i][length] == '=') return argv[*i] + length + 1;
    if (argv[*i][length] != '\0') return NULL;
    if (*i + 1 >= argc) {
        *is_missing = true;
        return NULL;
    }
    return argv[++*i];
}

static bool read_host_options(struct host *host, int argc, char **argv, int *used) {
    int i = 1;
    for (; i < argc; i++) {
        bool is_missing = false;
        const char *value = host_option(argc, argv, &i, "--lua-dir", &is_missing);
        if (value != NULL) {
            host->lua_dir = value;
            continue;
        }
        value = host_option(argc, argv, &i, "--memory-mb", &is_missing);
        if (is_missing) {
            fprintf(stderr, "woolly: command line: %s needs a value\n", argv[i]);
            return false;
        }
        if (value == NULL) break;
        char *end = NULL;
        errno = 0;
        unsigned long long megabytes = strtoull(value, &end, 10);
        if (errno != 0 || *end != '\0' || value[0] < '0' || value[0] > '9' || megabytes < 1 ||
            megabytes > 1000000) {
            fprintf(stderr, "woolly: command line: --memory-mb: %.40s, allowed 1..1000000\n",
                    value);
            return false;
        }
        host->lua_cap = (size_t)megabytes * MB;
    }
    *used = i;
    return true;
}

/* A program of ours that another of ours started ends with it, even where that one is killed: a
 * server or a measurement must not go on beside the next. posix_spawn cannot ask for this, so the
 * child does, by the parent's id in the environment. */
static void follow_parent(void) {
    char id[24];
    const char *parent = getenv("WOOLLY_PARENT");
    if (parent != NULL && strtol(parent, NULL, 10) == (long)getppid()) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
    }
    snprintf(id, sizeof id, "%ld", (long)getpid());
    setenv("WOOLLY_PARENT", id, 1);
}

int host_main(int argc, char **argv) {
    static struct host host; /* static: handlers may look at it until the very end */
    host = (struct host){.lua_cap = (size_t)DEFAULT_MEMORY_MB * MB};
    int used = 1;
    if (argc < 1) return STATUS_INPUT;
    follow_parent();
    if (!read_host_options(&host, argc, argv, &used)) return STATUS_INPUT;
    struct err err;
    if (!host_stop_begin(&host, &err)) {
        fprintf(stderr, "woolly: %s\n", err.message);
        return STATUS_ENVIRONMENT;
    }
    char *program = argv[0];
    argv += used - 1; /* the slot in front of the script becomes the program's name */
    argv[0] = program;
    struct command command = {.argc = argc - (used - 1), .argv = argv};
    int status = run_state(&host, &command);
    host_stop_end(&host);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "woolly: standard output cannot be written: %s\n", strerror(errno));
        if (status == 0) status = STATUS_ENVIRONMENT;
    }
    return status;
}
