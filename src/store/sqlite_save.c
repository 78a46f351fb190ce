/* sqlite_save.c - one run into the store as one transaction, or into a spool file. See store.h. */
#include "store/sqlite_private.h"

#include "base/path.h"

#include <stdio.h>
#include <string.h>

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
    bool ok = insert_begin(&row, store,
                           "INSERT INTO machines VALUES(?,?)"
                           " ON CONFLICT DO UPDATE SET facts=excluded.facts",
                           err);
    if (ok) {
        bind_text(&row, run->machine_fingerprint);
        bind_text(&row, run->machine_json);
        ok = insert_row(&row, err);
    }
    sqlite3_finalize(row.statement);
    if (!ok || run->model_sha256 == NULL) return ok;
    ok = insert_begin(&row, store,
                      "INSERT INTO models VALUES(?,?,?) ON CONFLICT DO UPDATE"
                      " SET name=excluded.name, facts=excluded.facts",
                      err);
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
    bool ok =
        insert_begin(&row, store,
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
    bool ok = store_execute(store, "BEGIN IMMEDIATE", "written", err) &&
              save_all(store, run, err) && store_execute(store, "COMMIT", "written", err);
    if (ok) return true;
    store_roll_back(store);
    spool(store, run, err);
    return false;
}
