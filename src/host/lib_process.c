/* lib_process.c - Lua module "woolly.process": files, environment, terminal, stops, programs. */
#include "base/alloc.h"
#include "base/path.h"
#include "build_facts.h"
#include "host/host_private.h"
#include "host/lib_process_child.h"
#include "host/run_program.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DEFAULT_MAX_BYTES (8 << 20)
#define DEFAULT_COLUMNS 80
#define MAX_DEADLINE_S 1e7
#define MAX_ARGUMENTS 1024

/* A string without a NUL inside: what the C library can be given. */
static const char *check_text(lua_State *L, int arg) {
    size_t size = 0;
    const char *text = luaL_checklstring(L, arg, &size);
    luaL_argcheck(L, strlen(text) == size, arg, "no byte of it may be 0");
    return text;
}

/* ---- this process ---- */

/* process.env(name) -> value | nil */
static int l_env(lua_State *L) {
    lua_pushstring(L, getenv(check_text(L, 1)));
    return 1;
}

/* process.cwd() -> path */
static int l_cwd(lua_State *L) {
    char path[4096];
    if (getcwd(path, sizeof path) == NULL) {
        return host_fail(L, ERR_ENVIRONMENT, "working folder: %s", strerror(errno));
    }
    lua_pushstring(L, path);
    return 1;
}

/* process.pid() -> integer */
static int l_pid(lua_State *L) {
    lua_pushinteger(L, getpid());
    return 1;
}

/* process.isatty(fd) -> boolean */
static int l_isatty(lua_State *L) {
    lua_Integer fd = luaL_checkinteger(L, 1);
    luaL_argcheck(L, fd >= 0 && fd <= 2, 1, "0, 1 or 2 is required");
    lua_pushboolean(L, isatty((int)fd));
    return 1;
}

/* process.columns() -> integer */
static int l_columns(lua_State *L) {
    struct winsize size = {0};
    bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    lua_pushinteger(L, known ? size.ws_col : DEFAULT_COLUMNS);
    return 1;
}

/* ---- stops ---- */

/* process.interrupted() -> boolean */
static int l_interrupted(lua_State *L) {
    bool is_interrupted = host_of(L)->signal != 0;
    if (is_interrupted) host_stop_acknowledge(L);
    lua_pushboolean(L, is_interrupted);
    return 1;
}

/* process.signal() -> integer | nil */
static int l_signal(lua_State *L) {
    int number = (int)host_of(L)->signal;
    if (number == 0) return 0;
    lua_pushinteger(L, number);
    return 1;
}

/* process.deadline([seconds]) */
static int l_deadline(lua_State *L) {
    lua_Number seconds = luaL_optnumber(L, 1, 0);
    luaL_argcheck(L, seconds >= 0 && seconds <= MAX_DEADLINE_S, 1, "allowed are 0..10^7 seconds");
    host_stop_deadline(L, seconds);
    return 0;
}

/* process.guard(f, ...) -> true, results... | false, error, reason */
static int l_guard(lua_State *L) {
    luaL_checkany(L, 1);
    lua_pushboolean(L, 1);
    lua_insert(L, 1);
    int status = lua_pcall(L, lua_gettop(L) - 2, LUA_MULTRET, 0);
    const char *reason = host_stop_reason(host_of(L));
    host_stop_acknowledge(L);
    if (status == LUA_OK) return lua_gettop(L);
    lua_pushboolean(L, 0);
    lua_replace(L, 1);
    if (host_is_memory_error(L, status, -1)) reason = "memory";
    if (reason == NULL) return lua_gettop(L);
    lua_pushstring(L, reason);
    return lua_gettop(L);
}

/* ---- files ---- */

/* process.read_file(path [, max_bytes]) -> text | nil, message, code */
static int l_read_file(lua_State *L) {
    const char *path = check_text(L, 1);
    lua_Integer max_bytes = luaL_optinteger(L, 2, DEFAULT_MAX_BYTES);
    luaL_argcheck(L, max_bytes >= 0, 2, "0 or more bytes are required");
    char **text = host_adopt(L);
    size_t size = 0;
    struct err err;
    *text = path_read_file(path, (uint64_t)max_bytes, &size, &err);
    if (*text == NULL) return host_push_fail(L, &err);
    lua_pushlstring(L, *text, size);
    return 1;
}

/* process.write_file(path, text) -> true | nil, message, code */
static int l_write_file(lua_State *L) {
    const char *path = check_text(L, 1);
    size_t size = 0;
    const char *text = luaL_checklstring(L, 2, &size);
    struct err err;
    bool ok = true;
    if (strcmp(path, "-") == 0) {
        ok = (size == 0 || fwrite(text, size, 1, stdout) == 1) && fflush(stdout) == 0;
        if (!ok) err_set_errno(&err, errno, "standard output cannot be written");
    } else {
        ok = path_write_file(path, text, size, &err);
    }
    return host_push_result(L, ok, &err);
}

/* process.exists(path) -> boolean */
static int l_exists(lua_State *L) {
    lua_pushboolean(L, path_exists(check_text(L, 1)));
    return 1;
}

static int l_folder_close(lua_State *L) {
    DIR **folder = lua_touserdata(L, 1);
    if (*folder != NULL) closedir(*folder);
    *folder = NULL;
    return 0;
}

/* Sorts the strings of the table at the top, by bytes. */
static void sort_names(lua_State *L) {
    lua_getglobal(L, "table");
    lua_getfield(L, -1, "sort");
    lua_pushvalue(L, -3);
    lua_call(L, 1, 0);
    lua_pop(L, 1);
}

/* process.list_folder(path) -> names | nil, message, code */
static int l_list_folder(lua_State *L) {
    const char *path = check_text(L, 1);
    DIR **folder = lua_newuserdatauv(L, sizeof *folder, 0);
    *folder = NULL;
    luaL_setmetatable(L, "woolly.process.Folder");
    lua_toclose(L, -1);
    *folder = opendir(path);
    if (*folder == NULL) {
        int number = errno;
        bool is_slip = number == ENOENT || number == ENOTDIR;
        return host_fail(L, is_slip ? ERR_INPUT : ERR_ENVIRONMENT, "%s: cannot be listed: %s", path,
                         strerror(number));
    }
    lua_newtable(L);
    lua_Integer n = 0;
    for (struct dirent *entry; (entry = readdir(*folder)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        lua_pushstring(L, entry->d_name);
        lua_rawseti(L, -2, ++n);
    }
    sort_names(L);
    return 1;
}

/* process.make_folders(path) -> true | nil, message, code */
static int l_make_folders(lua_State *L) {
    struct err err;
    return host_push_result(L, path_make_folders(check_text(L, 1), &err), &err);
}

/* process.cache_folder() -> path | nil, message, code */
static int l_cache_folder(lua_State *L) {
    char path[4096];
    struct err err;
    if (!path_cache_folder(path, sizeof path, &err)) return host_push_fail(L, &err);
    lua_pushstring(L, path);
    return 1;
}

/* process.stderr(text) */
static int l_stderr(lua_State *L) {
    size_t size = 0;
    const char *text = luaL_checklstring(L, 1, &size);
    if (size > 0) fwrite(text, size, 1, stderr);
    fflush(stderr);
    return 0;
}

/* ---- programs ---- */

/* process.run(argv) -> {status, out, err} | nil, message, code */
static int l_run(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_Unsigned n = lua_rawlen(L, 1);
    luaL_argcheck(L, n >= 1 && n <= MAX_ARGUMENTS, 1, "1..1024 strings are required");
    luaL_checkstack(L, (int)n + 8, NULL); /* the strings stay here while the program runs */
    char **argv = host_block(L, n + 1, sizeof *argv);
    struct program_output output = {.out = host_block(L, 2, RUN_PROGRAM_MOST)};
    if (argv == NULL || output.out == NULL) {
        return host_fail_memory(L, "a program's output", 2, RUN_PROGRAM_MOST);
    }
    output.error = output.out + RUN_PROGRAM_MOST;
    for (lua_Unsigned i = 0; i < n; i++) {
        size_t size = 0;
        lua_rawgeti(L, 1, (lua_Integer)i + 1);
        luaL_argcheck(L, lua_type(L, -1) == LUA_TSTRING, 1, "every element must be a string");
        argv[i] = (char *)lua_tolstring(L, -1, &size);
        luaL_argcheck(L, strlen(argv[i]) == size, 1, "no byte of an argument may be 0");
    }
    fflush(stdout);
    struct err err;
    if (!run_program(argv, host_new_stop(L), &output, &err)) return host_push_fail(L, &err);
    lua_createtable(L, 0, 3);
    lua_pushinteger(L, output.status);
    lua_setfield(L, -2, "status");
    lua_pushlstring(L, output.out, output.out_size);
    lua_setfield(L, -2, "out");
    lua_pushlstring(L, output.error, output.error_size);
    lua_setfield(L, -2, "err");
    return 1;
}

/* ---- where our files lie ---- */

static void push_source_folder(lua_State *L) {
    lua_pushstring(L, path_exists(WOOLLY_SOURCE_FOLDER "/lua/woolly") ? WOOLLY_SOURCE_FOLDER : "");
}

static void find_program(char *program, size_t size) {
    ssize_t n = readlink("/proc/self/exe", program, size - 1);
    program[n > 0 ? n : 0] = '\0';
}

static void push_program(lua_State *L) {
    char program[4096];
    find_program(program, sizeof program);
    lua_pushstring(L, program);
}

/* PREFIX/bin/woolly-lua -> PREFIX/share/woolly-lua */
static void push_share_folder(lua_State *L) {
    char program[4096];
    find_program(program, sizeof program);
    for (int i = 0; i < 2; i++) {
        char *slash = strrchr(program, '/');
        if (slash != NULL) *slash = '\0';
    }
    lua_pushfstring(L, "%s/share/woolly-lua", program);
}

int luaopen_woolly_process(lua_State *L);

int luaopen_woolly_process(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"env", l_env},
        {"cwd", l_cwd},
        {"pid", l_pid},
        {"isatty", l_isatty},
        {"columns", l_columns},
        {"interrupted", l_interrupted},
        {"signal", l_signal},
        {"deadline", l_deadline},
        {"guard", l_guard},
        {"read_file", l_read_file},
        {"write_file", l_write_file},
        {"exists", l_exists},
        {"list_folder", l_list_folder},
        {"make_folders", l_make_folders},
        {"cache_folder", l_cache_folder},
        {"run", l_run},
        {"spawn", process_spawn},
        {"lock", process_lock},
        {"stderr", l_stderr},
        {NULL, NULL},
    };
    static const luaL_Reg none[] = {{NULL, NULL}};
    host_new_class(L, "woolly.process.Folder", none, l_folder_close);
    process_open_child(L);
    process_open_lock(L);
    luaL_newlib(L, functions);
    push_source_folder(L);
    lua_setfield(L, -2, "source_folder");
    push_share_folder(L);
    lua_setfield(L, -2, "share_folder");
    push_program(L);
    lua_setfield(L, -2, "program");
    return 1;
}
