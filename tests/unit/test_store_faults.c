/* The store under faults: killed at every write of a commit, a disk that fills up at every write,
 * several writers at once. A run is there as a whole or not at all, earlier runs always are. */
#include "support/check.h"
#include "support/store_run.h"

#include "base/alloc.h"
#include "base/path.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64] = "/dev/shm/woolly-faults-XXXXXX"; /* thousands of syncs: no disk */
static char path[128];

/* ---- SQLite's own system calls, counted; the nth goes wrong ---- */

enum fault { FAULT_NONE, FAULT_KILL, FAULT_TEAR, FAULT_FULL, FAULT_ALWAYS_FULL };
static enum fault fault;
static int countdown;

static void arm(enum fault what, int n) {
    fault = what;
    countdown = n;
}

/* True when this call is to fail as on a full disk. */
static bool strikes(int fd, const void *bytes, size_t size, off_t at) {
    if (fault == FAULT_NONE) return false;
    countdown--;
    if (countdown > 0) return false;
    if (fault == FAULT_ALWAYS_FULL) return true;
    if (countdown < 0) return false;
    if (fault == FAULT_TEAR && bytes != NULL && pwrite(fd, bytes, size / 2, at) < 0) _exit(9);
    if (fault != FAULT_FULL) kill(getpid(), SIGKILL);
    return true;
}

static ssize_t faulty_write(int fd, const void *bytes, size_t size) {
    errno = ENOSPC;
    return strikes(fd, NULL, 0, 0) ? -1 : write(fd, bytes, size);
}

static ssize_t faulty_pwrite(int fd, const void *bytes, size_t size, off_t at) {
    errno = ENOSPC;
    return strikes(fd, bytes, size, at) ? -1 : pwrite(fd, bytes, size, at);
}

static int faulty_truncate(int fd, off_t size) {
    errno = EIO;
    return strikes(fd, NULL, 0, 0) ? -1 : ftruncate(fd, size);
}

static int faulty_unlink(const char *name) {
    errno = EIO;
    return strikes(-1, NULL, 0, 0) ? -1 : unlink(name);
}

static void hook_system_calls(void) {
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    static const struct {
        const char *name;
        sqlite3_syscall_ptr call;
    } hooks[] = {{"write", (sqlite3_syscall_ptr)faulty_write},
                 {"pwrite", (sqlite3_syscall_ptr)faulty_pwrite},
                 {"pwrite64", (sqlite3_syscall_ptr)faulty_pwrite},
                 {"ftruncate", (sqlite3_syscall_ptr)faulty_truncate},
                 {"unlink", (sqlite3_syscall_ptr)faulty_unlink}};
    for (size_t i = 0; i < sizeof hooks / sizeof *hooks; i++) {
        vfs->xSetSystemCall(vfs, hooks[i].name, hooks[i].call);
    }
}

/* ---- helpers ---- */

static bool save_one(const char *id, struct err *err) {
    struct made_run made;
    struct store *store = store_open(path, false, err);
    bool ok = store != NULL && store_save(store, make_run(&made, id), err);
    store_close(store);
    return ok;
}

static void must_save(const char *id) {
    struct err err = {.message = ""};
    bool ok = save_one(id, &err);
    check_report(ok, __FILE__, __LINE__, id, err.message);
}

/* A reader that may not write comes first, as `runs.lua list` would; then the store goes on. */
static void check_sound(void) {
    struct err err = {.message = ""};
    struct store *store = store_open(path, true, &err);
    check_report(store != NULL, __FILE__, __LINE__, "opened to read", err.message);
    if (store != NULL) {
        char *report = store_report(store, "01FIRST", &err);
        CHECK(report != NULL);
        mem_free(report);
    }
    store_close(store);
    CHECK_INT(run_state(path, "01FIRST"), RUN_WHOLE);
    CHECK_INT(query_int(path,
                        "SELECT count(*) FROM pragma_integrity_check WHERE"
                        " integrity_check='ok'",
                        ""),
              1);
}

static void remove_store(void) {
    char journal[160];
    snprintf(journal, sizeof journal, "%s-journal", path);
    unlink(path);
    unlink(journal);
}

/* ---- kill -9 ---- */

/* Saves in a child that dies at the nth call. True when it was not reached. */
static bool save_and_die(enum fault how, int n, const char *id) {
    pid_t child = fork();
    if (child == 0) {
        struct err err;
        arm(how, n);
        _exit(save_one(id, &err) ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFEXITED(status)) {
        CHECK_INT(WEXITSTATUS(status), 0);
        return true;
    }
    CHECK_INT(WTERMSIG(status), SIGKILL);
    return false;
}

static void test_killed_at_every_call(enum fault how) {
    remove_store();
    must_save("01FIRST");
    bool survived = false;
    int n = 1, n_whole = 0;
    for (; !survived && n < 500; n++) {
        char id[27];
        snprintf(id, sizeof id, "01KILLED%d", n);
        survived = save_and_die(how, n, id);
        check_sound();
        int state = run_state(path, id);
        CHECK(state == RUN_ABSENT || state == RUN_WHOLE);
        n_whole += state == RUN_WHOLE;
        if (survived) CHECK_INT(state, RUN_WHOLE); /* acknowledged */
        if (state == RUN_ABSENT) must_save(id);    /* saved once more, it is there once */
        CHECK_INT(run_state(path, id), RUN_WHOLE);
    }
    CHECK(survived && n > 10 && n_whole >= 1);
}

static void test_killed_while_the_store_is_made(void) {
    bool survived = false;
    for (int n = 1; !survived && n < 500; n++) {
        remove_store();
        survived = save_and_die(FAULT_KILL, n, "01FIRST");
        if (!survived) must_save("01FIRST");
        check_sound();
    }
    CHECK(survived);
}

/* ---- a full disk ---- */

static void check_spooled(const char *id, const struct err *err) {
    char name[160];
    struct made_run made;
    struct err ignored;
    size_t size = 0;
    snprintf(name, sizeof name, "%s.spool-%s", path, id);
    CHECK_INT(err->code, ERR_ENVIRONMENT);
    CHECK_CONTAINS(err->message, "The run is kept as ");
    CHECK_CONTAINS(err->message, name);
    char *text = path_read_file(name, 1u << 20, &size, &ignored);
    CHECK(text != NULL);
    if (text != NULL) CHECK_STR(text, make_run(&made, id)->report_json);
    mem_free(text);
    unlink(name);
}

static void test_full_at_every_call(enum fault how) {
    remove_store();
    must_save("01FIRST");
    bool saved = false;
    for (int n = 1; !saved && n < 500; n++) {
        char id[27];
        struct err err = {.message = ""};
        struct made_run made;
        snprintf(id, sizeof id, "01FULL%d", n);
        struct store *store = store_open(path, false, &err);
        CHECK(store != NULL);
        arm(how, n);
        saved = store != NULL && store_save(store, make_run(&made, id), &err);
        arm(FAULT_NONE, 0);
        if (!saved) check_spooled(id, &err);
        /* the same handle goes on once there is room; a COMMIT that failed late may have held */
        CHECK(store_save(store, make_run(&made, id), &err));
        store_close(store);
        CHECK_INT(run_state(path, id), RUN_WHOLE);
        check_sound();
    }
    CHECK(saved);
}

static void test_full_while_opening(void) {
    remove_store();
    must_save("01FIRST");
    bool opened = false;
    for (int n = 1; !opened && n < 100; n++) {
        struct err err = {.message = ""};
        arm(FAULT_ALWAYS_FULL, n);
        struct store *store = store_open(path, false, &err);
        arm(FAULT_NONE, 0);
        opened = store != NULL;
        if (!opened) CHECK_INT(err.code, ERR_ENVIRONMENT);
        store_close(store);
        check_sound();
    }
    CHECK(opened);
}

/* The kernel's own refusal: the file may not grow beyond what it has. */
static void test_file_size_limit(void) {
    remove_store();
    must_save("01FIRST");
    pid_t child = fork();
    if (child == 0) {
        struct rlimit limit = {.rlim_cur = 160 << 10, .rlim_max = 160 << 10};
        struct err err = {.message = ""};
        struct made_run made;
        signal(SIGXFSZ, SIG_IGN);
        struct store *store = store_open(path, false, &err);
        setrlimit(RLIMIT_FSIZE, &limit);
        int n = 0;
        char id[27] = "";
        for (bool ok = true; ok && n < 1000; n++) {
            snprintf(id, sizeof id, "01LIMIT%d", n);
            ok = store != NULL && store_save(store, make_run(&made, id), &err);
        }
        CHECK(n > 3 && n < 1000);
        CHECK_CONTAINS(err.message, "The disk may be full");
        check_spooled(id, &err);
        for (int i = 0; i + 1 < n; i++) { /* all that were acknowledged */
            snprintf(id, sizeof id, "01LIMIT%d", i);
            CHECK_INT(run_state(path, id), RUN_WHOLE);
        }
        _exit(check_failures == 0 ? 0 : 1);
    }
    int status = 0;
    waitpid(child, &status, 0);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    check_sound();
}

/* ---- several at once ---- */

enum { N_WRITERS = 3, N_RUNS = 15 };

static void write_many(int writer) {
    for (int i = 0; i < N_RUNS; i++) {
        char id[27];
        struct err err;
        snprintf(id, sizeof id, "01W%dR%d", writer, i);
        if (!save_one(id, &err)) _exit(1);
        if (!save_one("01SHARED", &err)) _exit(1); /* all of them: one row */
    }
    _exit(0);
}

static void test_writers_and_a_reader(void) {
    remove_store(); /* so that making the schema is raced for as well */
    pid_t children[N_WRITERS];
    for (int i = 0; i < N_WRITERS; i++) {
        children[i] = fork();
        if (children[i] == 0) write_many(i);
    }
    int64_t last = 0;
    for (int n_left = N_WRITERS; n_left > 0;) {
        int status = 0;
        if (waitpid(-1, &status, WNOHANG) > 0) {
            CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
            n_left--;
        }
        int64_t n = query_int(path, "SELECT count(*) FROM runs", "");
        if (n >= 0) CHECK(n >= last);
        if (n >= 0) last = n;
        usleep(2000);
    }
    CHECK_INT(query_int(path, "SELECT count(*) FROM runs", ""), N_WRITERS * N_RUNS + 1);
    for (int writer = 0; writer < N_WRITERS; writer++) {
        for (int i = 0; i < N_RUNS; i++) {
            char id[27];
            snprintf(id, sizeof id, "01W%dR%d", writer, i);
            CHECK_INT(run_state(path, id), RUN_WHOLE);
        }
    }
    CHECK_INT(run_state(path, "01SHARED"), RUN_WHOLE);
}

/* Making the schema is raced for: none of them may take a half seen file for a foreign one. */
static void test_makers_of_the_schema(void) {
    enum { N_ROUNDS = 30, N_MAKERS = 4 };
    for (int round = 0; round < N_ROUNDS; round++) {
        remove_store();
        int gate[2];
        if (pipe(gate) != 0) check_skip("no pipe");
        pid_t children[N_MAKERS];
        for (int i = 0; i < N_MAKERS; i++) {
            children[i] = fork();
            if (children[i] == 0) {
                char id[27], go;
                check_failures = 0; /* its own, not the parent's */
                snprintf(id, sizeof id, "01M%d", i);
                close(gate[1]);
                if (read(gate[0], &go, 1) != 0) _exit(2); /* closed: all start at once */
                must_save(id);
                _exit(check_failures == 0 ? 0 : 1);
            }
        }
        close(gate[0]);
        close(gate[1]);
        for (int i = 0; i < N_MAKERS; i++) {
            int status = 0;
            waitpid(children[i], &status, 0);
            CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        }
        CHECK_INT(query_int(path, "SELECT count(*) FROM runs", ""), N_MAKERS);
    }
}

int main(void) {
    if (mkdtemp(folder) == NULL) {
        strcpy(folder, "/tmp/woolly-faults-XXXXXX");
        if (mkdtemp(folder) == NULL) check_skip("no folder can be made in /tmp");
    }
    snprintf(path, sizeof path, "%s/runs.db", folder);
    struct err err;
    store_close(store_open(path, false, &err)); /* SQLite takes our allocator, then starts */
    hook_system_calls();
    test_killed_at_every_call(FAULT_KILL);
    test_killed_at_every_call(FAULT_TEAR);
    test_killed_while_the_store_is_made();
    test_full_at_every_call(FAULT_FULL);
    test_full_at_every_call(FAULT_ALWAYS_FULL);
    test_full_while_opening();
    test_file_size_limit();
    test_writers_and_a_reader();
    test_makers_of_the_schema();
    char command[96];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    CHECK_INT(system(command), 0);
    return check_done();
}
