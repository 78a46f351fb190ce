/* lib_process_lock.c - Lua module "woolly.process": a lock file that ends with its process. */
#include "host/host_util.h"
#include "host/lib_process_child.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define LOCK_CLASS "woolly.process.Lock"

struct lock {
    int fd; /* -1 once given up */
};

/* process.lock(path) -> Lock | false | nil, message, code
 * The kernel gives a lock up with the process that holds it, however that ends: none is ever stale.
 * The file stays, since a name that is removed while another opens it would be locked twice. */
int process_lock(lua_State *L) {
    size_t size = 0;
    const char *path = luaL_checklstring(L, 1, &size);
    luaL_argcheck(L, strlen(path) == size, 1, "no byte of it may be 0");
    struct lock *lock = lua_newuserdatauv(L, sizeof *lock, 0);
    lock->fd = -1;
    luaL_setmetatable(L, LOCK_CLASS);
    struct err err;
    lock->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (lock->fd < 0) {
        err_set_errno(&err, errno, "%s: cannot be opened as a lock", path);
        return host_push_fail(L, &err);
    }
    if (flock(lock->fd, LOCK_EX | LOCK_NB) == 0) return 1;
    int number = errno;
    close(lock->fd);
    lock->fd = -1;
    if (number == EWOULDBLOCK) {
        lua_pushboolean(L, 0);
        return 1;
    }
    err_set_errno(&err, number, "%s: cannot be locked", path);
    return host_push_fail(L, &err);
}

static int l_close(lua_State *L) {
    struct lock *lock = luaL_checkudata(L, 1, LOCK_CLASS);
    if (lock->fd >= 0) close(lock->fd);
    lock->fd = -1;
    return 0;
}

void process_open_lock(lua_State *L) {
    static const luaL_Reg methods[] = {{"close", l_close}, {NULL, NULL}};
    host_new_class(L, LOCK_CLASS, methods, l_close);
}
