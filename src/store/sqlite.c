/* sqlite.c - the store in one SQLite file: opening it safely, and saving runs. See store.h. */
#include "store/sqlite_private.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/path.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCHEMA_VERSION 1
#define APPLICATION_ID 0x574C4C59 /* "WLLY" */
#define BUSY_MS 30000

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
    "CREATE TABLE samples(run INTEGER NOT NULL REFERENCES runs(seq) ON DELETE CASCADE,"
    " metric TEXT NOT NULL, i INTEGER NOT NULL, value REAL NOT NULL,"
    " PRIMARY KEY(run, metric, i)) WITHOUT ROWID;"
    "CREATE INDEX samples_by_metric ON samples(metric, run);"
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
        .xMalloc = sqlite_malloc, .xFree = mem_free, .xRealloc = sqlite_realloc,
        .xSize = sqlite_size, .xRoundup = sqlite_round, .xInit = sqlite_memory_init,
        .xShutdown = sqlite_memory_shutdown,
    };
    sqlite3_config(SQLITE_CONFIG_MALLOC, &methods); /* refused, harmlessly, once SQLite runs */
}

/* ---- failures ---- */

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
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return err_set(err, ERR_INPUT,
                       "store: %s: is damaged or no SQLite file (%s); it was not changed. Rescue it "
                       "with `sqlite3 FILE .recover`, or name another file with --store",
                       store->path, what);
    case SQLITE_NOMEM:
        return err_set(err, ERR_ENVIRONMENT, "store: %s: out of memory", store->path);
    default:
        break;
    }
    return err_set(err, ERR_ENVIRONMENT, "store: %s: cannot be %s: %s%s%s%s", store->path, doing,
                   what, os != 0 ? ": " : "", os != 0 ? strerror(os) : "", next);
}

bool store_execute(struct store *store, const char *sql, const char *doing, struct err *err) {
    if (sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK) return true;
    return store_fail(store, err, doing);
}

/* ---- opening ---- */

static bool read_int(struct store *store, const char *sql, int64_t *out, struct err *err) {
    sqlite3_stmt *statement = NULL;
    bool ok = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL) == SQLITE_OK &&
              sqlite3_step(statement) == SQLITE_ROW;
    if (ok) *out = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return ok || store_fail(store, err, "read");
}

enum look { LOOK_TO_READ, LOOK_BEFORE_WRITING, LOOK_IN_TRANSACTION };

/* Sees that the file is ours and of a version that this build reads, before anything is changed;
 * in a transaction it makes the schema when there is none. */
static bool check_schema(struct store *store, enum look look, struct err *err) {
    int64_t version = 0, application = 0, tables = 0;
    if (!read_int(store, "PRAGMA user_version", &version, err) ||
        !read_int(store, "PRAGMA application_id", &application, err) ||
        !read_int(store, "SELECT count(*) FROM sqlite_schema", &tables, err)) {
        return false;
    }
    if (tables == 0 && version == 0) {
        if (look == LOOK_BEFORE_WRITING) return true;
        if (look == LOOK_TO_READ) {
            return err_set(err, ERR_INPUT, "store: %s: is empty, no run was kept in it", store->path);
        }
        char sql[sizeof schema + 200];
        snprintf(sql, sizeof sql, "%sPRAGMA application_id=%d;PRAGMA user_version=%d;", schema,
                 APPLICATION_ID, SCHEMA_VERSION);
        return store_execute(store, sql, "set up", err);
    }
    if (application != APPLICATION_ID) {
        return err_set(err, ERR_INPUT,
                       "store: %s: is the SQLite file of another program. Name another file "
                       "with --store",
                       store->path);
    }
    if (version > SCHEMA_VERSION) {
        return err_set(err, ERR_INPUT,
                       "store: %s: has schema version %lld, this build reads up to %d; it was not "
                       "changed. Use a newer woolly-lua, or another file with --store",
                       store->path, (long long)version, SCHEMA_VERSION);
    }
    return true;
}

/* A transaction that writes nothing shows whether one could: the file, its folder and its lock. */
static bool prepare_writing(struct store *store, struct err *err) {
    if (!check_schema(store, LOOK_BEFORE_WRITING, err)) return false;
    if (!store_execute(store, "PRAGMA journal_mode=DELETE;PRAGMA synchronous=EXTRA;"
                              "PRAGMA foreign_keys=ON;BEGIN IMMEDIATE;", "opened for writing", err)) {
        return false;
    }
    bool ok = check_schema(store, LOOK_IN_TRANSACTION, err);
    /* The page counter moves, so the journal is really written. */
    ok = ok && store_execute(store, "PRAGMA user_version=1;", "written", err);
    struct err ignored;
    if (!ok) {
        store_execute(store, "ROLLBACK", "rolled back", &ignored);
        return false;
    }
    return store_execute(store, "COMMIT", "written", err);
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
    return true;
}

static bool open_database(struct store *store, bool read_only, struct err *err) {
    int flags = read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    if (!check_file(store, read_only, err)) return false;
    if (sqlite3_open_v2(store->path, &store->db, flags | SQLITE_OPEN_FULLMUTEX, NULL) != SQLITE_OK) {
        if (store->db != NULL) return store_fail(store, err, "opened");
        return err_set(err, ERR_ENVIRONMENT, "store: %s: out of memory", store->path);
    }
    sqlite3_extended_result_codes(store->db, 1);
    sqlite3_busy_timeout(store->db, BUSY_MS);
    /* Schemas come from the file: no surprises in views or triggers of a crafted one. */
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(store->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    return read_only ? check_schema(store, LOOK_TO_READ, err) : prepare_writing(store, err);
}

struct store *store_open(const char *url, bool read_only, struct err *err) {
    use_our_allocator();
    const char *path = strncmp(url, "sqlite:", 7) == 0 ? url + 7 : url;
    if (path[0] == '\0' || strstr(path, "://") != NULL) {
        err_set(err, ERR_INPUT, "store: '%s': found no file name, allowed are PATH, sqlite:PATH, none",
                url);
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

/* ---- ids ---- */

void store_new_id(char out[27]) {
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    static uint64_t last_ms, high;
    static uint64_t low;
    uint64_t ms = (uint64_t)(clock_wall_ns() / 1000000);
    if (ms > last_ms) {
        uint64_t random[2] = {0};
        if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) {
            random[0] = (uint64_t)clock_now_ns() ^ (uint64_t)getpid() << 32;
            random[1] = (uint64_t)clock_thread_cpu_ns() * 0x9E3779B97F4A7C15u;
        }
        last_ms = ms;
        high = random[0] & 0xFFFF;
        low = random[1] >> 1; /* room to count up */
    } else {
        low++; /* the same millisecond, or a clock that went back: still sorts after the last */
    }
    for (int i = 0; i < 10; i++) out[i] = digits[(last_ms >> (45 - 5 * i)) & 31];
    /* 80 random bits: 16 of high, 64 of low */
    for (int i = 0; i < 16; i++) {
        int shift = 75 - 5 * i; /* of the five bits, from the right */
        uint64_t bits = shift >= 64   ? high >> (shift - 64)
                        : shift > 59 ? high << (64 - shift) | low >> shift
                                     : low >> shift;
        out[10 + i] = digits[bits & 31];
    }
    out[26] = '\0';
}

/* ---- saving ---- */

/* A statement that is reused for many rows. */
struct insert {
    struct store *store;
    sqlite3_stmt *statement;
    int n_bound;
};

static bool insert_begin(struct insert *insert, struct store *store, const char *sql,
                         struct err *err) {
    *insert = (struct insert){.store = store};
    if (sqlite3_prepare_v2(store->db, sql, -1, &insert->statement, NULL) == SQLITE_OK) return true;
    return store_fail(store, err, "written");
}

static void bind_text(struct insert *insert, const char *text) {
    sqlite3_bind_text(insert->statement, ++insert->n_bound, text, -1, SQLITE_STATIC);
}

static void bind_int(struct insert *insert, int64_t value) {
    sqlite3_bind_int64(insert->statement, ++insert->n_bound, value);
}

static void bind_real(struct insert *insert, double value) {
    sqlite3_bind_double(insert->statement, ++insert->n_bound, value);
}

static void bind_null(struct insert *insert) {
    sqlite3_bind_null(insert->statement, ++insert->n_bound);
}

static bool insert_row(struct insert *insert, struct err *err) {
    bool ok = sqlite3_step(insert->statement) == SQLITE_DONE;
    if (!ok) store_fail(insert->store, err, "written");
    sqlite3_reset(insert->statement);
    insert->n_bound = 0;
    return ok;
}

static bool save_machine_and_model(struct store *store, const struct store_run *run,
                                   struct err *err) {
    struct insert row;
    bool ok = insert_begin(&row, store, "INSERT OR REPLACE INTO machines VALUES(?,?)", err);
    if (ok) {
        bind_text(&row, run->machine_fingerprint);
        bind_text(&row, run->machine_json);
        ok = insert_row(&row, err);
    }
    sqlite3_finalize(row.statement);
    if (!ok || run->model_sha256 == NULL) return ok;
    ok = insert_begin(&row, store, "INSERT OR REPLACE INTO models VALUES(?,?,?)", err);
    if (ok) {
        bind_text(&row, run->model_sha256);
        bind_text(&row, run->model_name);
        bind_text(&row, run->model_json);
        ok = insert_row(&row, err);
    }
    sqlite3_finalize(row.statement);
    return ok;
}

static bool save_run_row(struct store *store, const struct store_run *run, struct err *err) {
    struct insert row;
    bool ok = insert_begin(&row, store,
                           "INSERT INTO runs(id,scenario,target,preset,switches,git_commit,dirty,seed,"
                           "started_ns,status,exit_status,verdict,machine,model,model_name,report)"
                           " VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
                           err);
    if (ok) {
        bind_text(&row, run->id);
        bind_text(&row, run->scenario);
        bind_text(&row, run->target);
        bind_text(&row, run->preset);
        bind_text(&row, run->switches_json);
        bind_text(&row, run->commit);
        bind_int(&row, run->dirty);
        bind_int(&row, (int64_t)run->seed);
        bind_int(&row, run->started_wall_ns);
        bind_text(&row, run->status);
        bind_int(&row, run->exit_status);
        bind_text(&row, run->verdict);
        bind_text(&row, run->machine_fingerprint);
        bind_text(&row, run->model_sha256);
        bind_text(&row, run->model_name);
        bind_text(&row, run->report_json);
        ok = insert_row(&row, err);
    }
    sqlite3_finalize(row.statement);
    return ok;
}

static bool save_samples(struct store *store, const struct store_run *run, int64_t seq,
                         struct err *err) {
    struct insert metric = {0}, sample = {0};
    bool ok = insert_begin(&metric, store, "INSERT INTO metrics VALUES(?,?,?,?)", err) &&
              insert_begin(&sample, store, "INSERT INTO samples VALUES(?,?,?,?)", err);
    for (size_t k = 0; ok && k < run->n_sets; k++) {
        const struct store_sample_set *set = &run->sets[k];
        bind_int(&metric, seq);
        bind_text(&metric, set->metric);
        bind_text(&metric, set->unit);
        bind_text(&metric, set->reason);
        ok = insert_row(&metric, err);
        for (size_t i = 0; ok && i < set->n; i++) {
            bind_int(&sample, seq);
            bind_text(&sample, set->metric);
            bind_int(&sample, (int64_t)i);
            bind_real(&sample, set->values[i]);
            ok = insert_row(&sample, err);
        }
    }
    sqlite3_finalize(metric.statement);
    sqlite3_finalize(sample.statement);
    return ok;
}

static bool save_verdicts(struct store *store, const struct store_run *run, int64_t seq,
                          struct err *err) {
    struct insert row;
    bool ok = insert_begin(&row, store, "INSERT INTO verdicts VALUES(?,?,?,?,?,?,?,?)", err);
    for (size_t i = 0; ok && i < run->n_verdicts; i++) {
        const struct store_verdict *verdict = &run->verdicts[i];
        bind_int(&row, seq);
        bind_text(&row, verdict->gate);
        bind_text(&row, verdict->metric);
        bind_text(&row, verdict->bound);
        bind_text(&row, verdict->stat);
        if (verdict->has_limit) {
            bind_real(&row, verdict->limit);
        } else {
            bind_null(&row);
        }
        bind_text(&row, verdict->verdict);
        bind_text(&row, verdict->reason);
        ok = insert_row(&row, err);
    }
    sqlite3_finalize(row.statement);
    return ok;
}

static bool save_tags(struct store *store, const struct store_run *run, int64_t seq,
                      struct err *err) {
    struct insert row;
    bool ok = insert_begin(&row, store, "INSERT OR REPLACE INTO tags VALUES(?,?,?)", err);
    for (size_t i = 0; ok && i < run->n_tags; i++) {
        bind_int(&row, seq);
        bind_text(&row, run->tags[i].key);
        bind_text(&row, run->tags[i].value);
        ok = insert_row(&row, err);
    }
    sqlite3_finalize(row.statement);
    return ok;
}

/* Is a run with this id there already? Then saving it again changes nothing. */
static bool is_saved(struct store *store, const char *id, bool *found, struct err *err) {
    sqlite3_stmt *statement = NULL;
    int step = SQLITE_ERROR;
    if (sqlite3_prepare_v2(store->db, "SELECT 1 FROM runs WHERE id=?", -1, &statement, NULL) ==
        SQLITE_OK) {
        sqlite3_bind_text(statement, 1, id, -1, SQLITE_STATIC);
        step = sqlite3_step(statement);
    }
    bool ok = step == SQLITE_ROW || step == SQLITE_DONE;
    if (!ok) store_fail(store, err, "read");
    sqlite3_finalize(statement);
    *found = step == SQLITE_ROW;
    return ok;
}

static bool save_all(struct store *store, const struct store_run *run, struct err *err) {
    bool found = false;
    if (!is_saved(store, run->id, &found, err)) return false;
    if (found) return true;
    if (!save_machine_and_model(store, run, err) || !save_run_row(store, run, err)) return false;
    int64_t seq = sqlite3_last_insert_rowid(store->db);
    return save_samples(store, run, seq, err) && save_verdicts(store, run, seq, err) &&
           save_tags(store, run, seq, err);
}

/* The store could not take the run: its report goes to a file of its own, there or under /tmp. */
static void spool(const struct store *store, const struct store_run *run, struct err *err) {
    struct err why = *err, ignored;
    char path[4096];
    size_t size = strlen(run->report_json);
    const char *const folders[] = {NULL, "/tmp", "/dev/shm"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        int n = folders[i] == NULL
                    ? snprintf(path, sizeof path, "%s.spool-%s", store->path, run->id)
                    : snprintf(path, sizeof path, "%s/woolly.db.spool-%s", folders[i], run->id);
        if (n < 0 || (size_t)n >= sizeof path) continue;
        if (!path_write_file(path, run->report_json, size, &ignored)) continue;
        err_set(err, why.code, "%s. The run is kept as %s (%zu bytes)", why.message, path, size);
        return;
    }
}

bool store_save(struct store *store, const struct store_run *run, struct err *err) {
    struct err ignored;
    bool ok = store_execute(store, "BEGIN IMMEDIATE", "written", err);
    if (ok) {
        ok = save_all(store, run, err) && store_execute(store, "COMMIT", "written", err);
        if (!ok && sqlite3_get_autocommit(store->db) == 0) {
            store_execute(store, "ROLLBACK", "rolled back", &ignored);
        }
    }
    if (!ok) spool(store, run, err);
    return ok;
}
