/* sqlite.c - the store in one SQLite file: its schema, its failures, opening it safely. */
#include "store/sqlite_private.h"

#include "base/alloc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define SCHEMA_VERSION 1
#define APPLICATION_ID 0x574C4C59 /* "WLLY" */
#define BUSY_MS 30000
#define LEAST_PAGE 512 /* bytes, of any SQLite file */

static const char schema[] =
    "CREATE TABLE machines(fingerprint TEXT PRIMARY KEY, facts TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE models(sha256 TEXT PRIMARY KEY, name TEXT NOT NULL, facts TEXT NOT NULL)"
    " WITHOUT ROWID;"
    "CREATE TABLE runs("
    " seq INTEGER PRIMARY KEY AUTOINCREMENT," /* the order of saving, whatever the clock says */
    " id TEXT NOT NULL UNIQUE, scenario TEXT NOT NULL, target TEXT NOT NULL, preset TEXT,"
    " switches TEXT, git_commit TEXT, dirty INTEGER NOT NULL, seed INTEGER NOT NULL,"
    " started_ns INTEGER NOT NULL, status TEXT NOT NULL, exit_status INTEGER NOT NULL,"
    " verdict TEXT, machine TEXT NOT NULL REFERENCES machines(fingerprint),"
    " model TEXT REFERENCES models(sha256), model_name TEXT, report TEXT NOT NULL);"
    "CREATE INDEX runs_by_what ON runs(scenario, machine, model, seq);"
    "CREATE TABLE metrics(run INTEGER NOT NULL REFERENCES runs(seq) ON DELETE CASCADE,"
    " metric TEXT NOT NULL, unit TEXT NOT NULL, reason TEXT, PRIMARY KEY(run, metric))"
    " WITHOUT ROWID;"
    "CREATE INDEX metrics_by_name ON metrics(metric, run);" /* then samples by run and metric */
    "CREATE TABLE samples(run INTEGER NOT NULL REFERENCES runs(seq) ON DELETE CASCADE,"
    " metric TEXT NOT NULL, i INTEGER NOT NULL, value REAL NOT NULL,"
    " PRIMARY KEY(run, metric, i)) WITHOUT ROWID;"
    "CREATE TABLE verdicts(run INTEGER NOT NULL REFERENCES runs(seq) ON DELETE CASCADE,"
    " gate TEXT NOT NULL, metric TEXT NOT NULL, bound TEXT NOT NULL, stat TEXT NOT NULL,"
    " bound_value REAL, verdict TEXT NOT NULL, reason TEXT);"
    "CREATE INDEX verdicts_by_run ON verdicts(run);"
    "CREATE TABLE tags(run INTEGER NOT NULL REFERENCES runs(seq) ON DELETE CASCADE,"
    " key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY(run, key)) WITHOUT ROWID;"
    "CREATE TABLE pins(name TEXT PRIMARY KEY,"
    " run INTEGER NOT NULL REFERENCES runs(seq)) WITHOUT ROWID;";

int store_schema_version(void) {
    return SCHEMA_VERSION;
}

const char *store_path(const struct store *store) {
    return store->path;
}

/* ---- SQLite's memory comes from the seam too ---- */

static void *sqlite_malloc(int size) {
    return mem_alloc((size_t)size);
}

static void *sqlite_realloc(void *block, int size) {
    return mem_realloc(block, (size_t)size);
}

static int sqlite_round(int size) {
    return (size + 7) & ~7;
}

static int sqlite_size(void *block) {
    return (int)mem_size(block);
}

static int sqlite_memory_init(void *unused) {
    (void)unused;
    return SQLITE_OK;
}

static void sqlite_memory_shutdown(void *unused) {
    (void)unused;
}

static void use_our_allocator(void) {
    static const struct sqlite3_mem_methods methods = {
        .xMalloc = sqlite_malloc,
        .xFree = mem_free,
        .xRealloc = sqlite_realloc,
        .xSize = sqlite_size,
        .xRoundup = sqlite_round,
        .xInit = sqlite_memory_init,
        .xShutdown = sqlite_memory_shutdown,
    };
    sqlite3_config(SQLITE_CONFIG_MALLOC, &methods); /* refused, harmlessly, once SQLite runs */
}

/* ---- failures ---- */

bool store_damaged(const struct store *store, struct err *err, const char *found) {
    return err_set(
        err, ERR_INPUT,
        "store: %s: is damaged or no SQLite file (%.200s); it was not changed. Rescue it "
        "with `sqlite3 FILE .recover`, or name another file with --store",
        store->path, found);
}

bool store_fail(const struct store *store, struct err *err, const char *doing) {
    int code = sqlite3_errcode(store->db);
    int os = sqlite3_system_errno(store->db);
    const char *what = sqlite3_errmsg(store->db), *next = "";
    switch (code & 0xFF) {
    case SQLITE_BUSY:
        next = ". Another program holds it; it was waited for 30 s";
        break;
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        next = ". Make the folder writable, or name another file with --store, or --store none";
        break;
    case SQLITE_FULL:
        next = ". Make room on the disk";
        break;
    case SQLITE_IOERR:
        next = ". The disk may be full or failing"; /* SQLite does not always keep the cause */
        break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return store_damaged(store, err, what);
    case SQLITE_ERROR: /* a table is not there, or not as ours is */
    case SQLITE_SCHEMA:
    case SQLITE_CONSTRAINT:
        return err_set(err, ERR_INPUT, "store: %s: cannot be %s: %s", store->path, doing, what);
    case SQLITE_NOMEM:
        return err_set(err, ERR_ENVIRONMENT, "store: %s: out of memory", store->path);
    default:
        break;
    }
    return err_set(err, ERR_ENVIRONMENT, "store: %s: cannot be %s: %s%s%s%s", store->path, doing,
                   what, os != 0 ? ": " : "", os != 0 ? strerror(os) : "", next);
}

void store_roll_back(struct store *store) {
    /* A failed COMMIT may have rolled back already; an error here changes nothing either way. */
    if (sqlite3_get_autocommit(store->db) == 0)
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
}

bool store_execute(struct store *store, const char *sql, const char *doing, struct err *err) {
    if (sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK) return true;
    return store_fail(store, err, doing);
}

/* ---- opening ---- */

struct about { /* what a file says of itself */
    int64_t n_tables, version, application;
};

/* One statement, so that all three are of one moment: another process may be making the schema. */
static bool read_about(struct store *store, struct about *out, struct err *err) {
    static const char sql[] = "SELECT (SELECT count(*) FROM sqlite_schema),"
                              " (SELECT user_version FROM pragma_user_version),"
                              " (SELECT application_id FROM pragma_application_id)";
    sqlite3_stmt *statement = NULL;
    bool ok = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL) == SQLITE_OK &&
              sqlite3_step(statement) == SQLITE_ROW;
    if (ok) {
        *out = (struct about){
            .n_tables = sqlite3_column_int64(statement, 0),
            .version = sqlite3_column_int64(statement, 1),
            .application = sqlite3_column_int64(statement, 2),
        };
    }
    sqlite3_finalize(statement);
    return ok || store_fail(store, err, "read");
}

enum look { LOOK_TO_READ, LOOK_BEFORE_WRITING, LOOK_IN_TRANSACTION };

/* Sees that the file is ours and of a version that this build reads, before anything is changed;
 * in a transaction it makes the schema when there is none. */
static bool check_schema(struct store *store, enum look look, struct err *err) {
    struct about about = {0};
    if (!read_about(store, &about, err)) return false;
    if (about.n_tables == 0 && about.version == 0) {
        if (look == LOOK_BEFORE_WRITING) return true;
        if (look == LOOK_TO_READ) {
            return err_set(err, ERR_INPUT, "store: %s: is empty, no run was kept in it",
                           store->path);
        }
        char sql[sizeof schema + 200];
        snprintf(sql, sizeof sql, "%sPRAGMA application_id=%d;PRAGMA user_version=%d;", schema,
                 APPLICATION_ID, SCHEMA_VERSION);
        return store_execute(store, sql, "set up", err);
    }
    if (about.application != APPLICATION_ID) {
        return err_set(err, ERR_INPUT,
                       "store: %s: is the SQLite file of another program. Name another file "
                       "with --store",
                       store->path);
    }
    if (about.version > SCHEMA_VERSION) {
        return err_set(err, ERR_INPUT,
                       "store: %s: has schema version %lld, this build reads up to %d; it was not "
                       "changed. Use a newer woolly-lua, or another file with --store",
                       store->path, (long long)about.version, SCHEMA_VERSION);
    }
    return true;
}

/* Looks at every page: what is damaged is reported, never written to. About 2 s per GB. */
static bool check_pages(struct store *store, struct err *err) {
    sqlite3_stmt *statement = NULL;
    bool ok =
        sqlite3_prepare_v2(store->db, "PRAGMA quick_check(1)", -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW;
    const char *found = ok ? (const char *)sqlite3_column_text(statement, 0) : NULL;
    if (found == NULL) {
        ok = store_fail(store, err, "checked");
    } else if (strcmp(found, "ok") != 0) {
        ok = store_damaged(store, err, found);
    }
    sqlite3_finalize(statement);
    return ok;
}

/* A transaction that changes nothing shows whether one could: the file, its folder, its lock. */
static bool prepare_writing(struct store *store, struct err *err) {
    if (!check_schema(store, LOOK_BEFORE_WRITING, err) || !check_pages(store, err)) return false;
    if (!store_execute(store,
                       "PRAGMA journal_mode=DELETE;PRAGMA synchronous=EXTRA;"
                       "PRAGMA foreign_keys=ON;BEGIN IMMEDIATE;",
                       "opened for writing", err)) {
        return false;
    }
    char touch[64]; /* the same number again: the journal and the first page are really written */
    snprintf(touch, sizeof touch, "PRAGMA user_version=%d;COMMIT", SCHEMA_VERSION);
    if (check_schema(store, LOOK_IN_TRANSACTION, err) &&
        store_execute(store, touch, "written", err)) {
        return true;
    }
    store_roll_back(store);
    return false;
}

static bool check_file(struct store *store, bool read_only, struct err *err) {
    struct stat info;
    if (stat(store->path, &info) != 0) {
        if (errno != ENOENT) return err_set_errno(err, errno, "store: %s", store->path);
        if (!read_only) return true;
        return err_set(err, ERR_INPUT,
                       "store: %s: no such file, no run was kept here. Measure first, or name the "
                       "file with --store",
                       store->path);
    }
    if (!S_ISREG(info.st_mode)) {
        return err_set(err, ERR_INPUT, "store: %s: is no regular file", store->path);
    }
    /* SQLite would take a single byte for an empty file and write over it. */
    bool is_cut = info.st_size > 0 && info.st_size < LEAST_PAGE;
    return !is_cut || store_damaged(store, err, "too short");
}

static bool open_connection(struct store *store, int flags, struct err *err) {
    if (sqlite3_open_v2(store->path, &store->db, flags | SQLITE_OPEN_FULLMUTEX, NULL) !=
        SQLITE_OK) {
        if (store->db != NULL) return store_fail(store, err, "opened");
        return err_set(err, ERR_ENVIRONMENT, "store: %s: out of memory", store->path);
    }
    sqlite3_extended_result_codes(store->db, 1);
    sqlite3_busy_timeout(store->db, BUSY_MS);
    /* Schemas come from the file: no surprises in views or triggers of a crafted one. */
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    return true;
}

/* A writer died in mid-commit: the first reader that may write puts the file back as it was. */
static bool undo_dead_commit(struct store *store, struct err *err) {
    struct about about = {0};
    sqlite3_close(store->db);
    store->db = NULL;
    bool ok = open_connection(store, SQLITE_OPEN_READWRITE, err) && read_about(store, &about, err);
    sqlite3_close(store->db);
    store->db = NULL;
    return ok && open_connection(store, SQLITE_OPEN_READONLY, err);
}

static bool open_to_read(struct store *store, struct err *err) {
    if (!open_connection(store, SQLITE_OPEN_READONLY, err)) return false;
    if (check_schema(store, LOOK_TO_READ, err)) return true;
    if (sqlite3_extended_errcode(store->db) != SQLITE_READONLY_ROLLBACK) return false;
    return undo_dead_commit(store, err) && check_schema(store, LOOK_TO_READ, err);
}

static bool open_database(struct store *store, bool read_only, struct err *err) {
    if (!check_file(store, read_only, err)) return false;
    if (read_only) return open_to_read(store, err);
    return open_connection(store, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, err) &&
           prepare_writing(store, err);
}

struct store *store_open(const char *url, bool read_only, struct err *err) {
    use_our_allocator();
    const char *path = strncmp(url, "sqlite:", 7) == 0 ? url + 7 : url;
    /* SQLite itself takes :memory: and file: for more than names */
    if (path[0] == '\0' || path[0] == ':' || strncmp(path, "file:", 5) == 0 ||
        strstr(path, "://") != NULL) {
        err_set(err, ERR_INPUT,
                "store: '%s': found no file name, allowed are PATH, sqlite:PATH, none", url);
        return NULL;
    }
    struct store *store = mem_new(sizeof *store);
    if (store != NULL) store->path = mem_strdup(path);
    if (store == NULL || store->path == NULL) {
        err_set(err, ERR_ENVIRONMENT, "store: out of memory");
    } else if (open_database(store, read_only, err)) {
        return store;
    }
    store_close(store);
    return NULL;
}

void store_close(struct store *store) {
    if (store == NULL) return;
    sqlite3_close(store->db);
    mem_free(store->path);
    mem_free(store);
}
