/* sqlite_read.c - listing runs, finding one, its report; pins and tags. See store.h. */
#include "store/sqlite_private.h"

#include "base/alloc.h"

#include <stdio.h>
#include <string.h>

#define DEFAULT_LIMIT 50
#define LEAST_PREFIX 4

static const char *column(sqlite3_stmt *statement, int i) {
    return (const char *)sqlite3_column_text(statement, i);
}

sqlite3_stmt *store_prepare(struct store *store, const char *sql, const char *const *texts,
                            int n_texts, struct err *err) {
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL) != SQLITE_OK) {
        store_fail(store, err, "read");
        return NULL;
    }
    for (int i = 0; i < n_texts; i++) {
        sqlite3_bind_text(statement, i + 1, texts[i], -1, SQLITE_STATIC);
    }
    return statement;
}

sqlite3_stmt *store_prepare_rows(struct store *store, const char *sql,
                                 const struct store_filter *filter, struct err *err) {
    const char *texts[] = {filter->scenario, filter->machine, filter->model, filter->target,
                           filter->preset};
    sqlite3_stmt *statement = store_prepare(store, sql, texts, 5, err);
    if (statement != NULL) {
        sqlite3_bind_int64(statement, 6, filter->limit > 0 ? filter->limit : DEFAULT_LIMIT);
    }
    return statement;
}

void store_read_row(sqlite3_stmt *statement, struct store_row *row) {
    *row = (struct store_row){
        .id = column(statement, 0),
        .scenario = column(statement, 1),
        .target = column(statement, 2),
        .preset = column(statement, 3),
        .commit = column(statement, 4),
        .status = column(statement, 5),
        .verdict = column(statement, 6),
        .machine = column(statement, 7),
        .model_name = column(statement, 8),
        .model = column(statement, 9),
        .switches = column(statement, 10),
        .params = column(statement, 11),
        .seq = sqlite3_column_int64(statement, 12),
        .started_wall_ns = sqlite3_column_int64(statement, 13),
        .exit_status = sqlite3_column_int(statement, 14),
    };
}

bool store_list(struct store *store, const struct store_filter *filter,
                bool (*visit)(void *user, const struct store_row *row), void *user,
                struct err *err) {
    static const char sql[] = "SELECT " STORE_ROW_COLUMNS " FROM runs r WHERE " STORE_ROW_FILTER
                              " ORDER BY r.seq DESC LIMIT ?6";
    sqlite3_stmt *statement = store_prepare_rows(store, sql, filter, err);
    if (statement == NULL) return false;
    int step = SQLITE_DONE;
    while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
        struct store_row row;
        store_read_row(statement, &row);
        if (sqlite3_errcode(store->db) == SQLITE_NOMEM || !visit(user, &row)) break;
    }
    bool ok =
        (step == SQLITE_ROW && sqlite3_errcode(store->db) != SQLITE_NOMEM) || step == SQLITE_DONE;
    if (!ok) store_fail(store, err, "read");
    sqlite3_finalize(statement);
    return ok;
}

/* The sequence number of the one run that sql finds. found: 0, 1, or 2 when there are more. */
static bool find_one(struct store *store, const char *sql, const char *text, int64_t *seq,
                     int *found, struct err *err) {
    sqlite3_stmt *statement = store_prepare(store, sql, &text, 1, err);
    if (statement == NULL) return false;
    int step = SQLITE_DONE;
    *found = 0;
    while (*found < 2 && (step = sqlite3_step(statement)) == SQLITE_ROW) {
        if ((*found)++ == 0) *seq = sqlite3_column_int64(statement, 0);
    }
    bool ok = step == SQLITE_ROW || step == SQLITE_DONE;
    if (!ok) store_fail(store, err, "read");
    sqlite3_finalize(statement);
    return ok;
}

/* last, a pin, an id or a unique prefix of one. Ids are compared by range: no letter is a wildcard.
 */
static bool find_run(struct store *store, const char *which, int64_t *seq, struct err *err) {
    int found = 0;
    if (strcmp(which, "last") == 0) {
        if (!find_one(store, "SELECT seq FROM runs WHERE ?1 IS NOT NULL ORDER BY seq DESC LIMIT 1",
                      which, seq, &found, err)) {
            return false;
        }
        return found == 1 || err_set(err, ERR_INPUT, "store: %s: holds no run yet", store->path);
    }
    if (!find_one(store, "SELECT run FROM pins WHERE name=?1", which, seq, &found, err))
        return false;
    if (found == 1) return true;
    if (strlen(which) >= LEAST_PREFIX) {
        if (!find_one(store, "SELECT seq FROM runs WHERE id>=upper(?1) AND id<upper(?1)||'~'",
                      which, seq, &found, err)) {
            return false;
        }
        if (found == 1) return true;
        if (found > 1) {
            return err_set(err, ERR_INPUT,
                           "store: %s: run '%.40s': more than one begins so. Give more of its id",
                           store->path, which);
        }
    }
    return err_set(
        err, ERR_INPUT,
        "store: %s: run '%.40s': there is none. Give an id, at least 4 letters of one, a "
        "pin's name, or last; runs.lua lists them",
        store->path, which);
}

char *store_report(struct store *store, const char *which, struct err *err) {
    int64_t seq = 0;
    if (!find_run(store, which, &seq, err)) return NULL;
    sqlite3_stmt *statement =
        store_prepare(store, "SELECT report FROM runs WHERE seq=?1", NULL, 0, err);
    if (statement == NULL) return NULL;
    sqlite3_bind_int64(statement, 1, seq);
    char *report = NULL;
    if (sqlite3_step(statement) != SQLITE_ROW) {
        store_fail(store, err, "read");
    } else {
        const char *text = column(statement, 0);
        report = text != NULL ? mem_strdup(text) : NULL;
        if (report == NULL) err_set(err, ERR_ENVIRONMENT, "store: %s: out of memory", store->path);
    }
    sqlite3_finalize(statement);
    return report;
}

/* Runs sql with ?1 = seq and two texts. */
static bool write_one(struct store *store, const char *sql, int64_t seq, const char *a,
                      const char *b, struct err *err) {
    sqlite3_stmt *statement = store_prepare(store, sql, NULL, 0, err);
    if (statement == NULL) return false;
    sqlite3_bind_int64(statement, 1, seq);
    sqlite3_bind_text(statement, 2, a, -1, SQLITE_STATIC);
    if (b != NULL) sqlite3_bind_text(statement, 3, b, -1, SQLITE_STATIC);
    bool ok = sqlite3_step(statement) == SQLITE_DONE;
    if (!ok) store_fail(store, err, "written");
    sqlite3_finalize(statement);
    return ok;
}

bool store_pin(struct store *store, const char *name, const char *which, struct err *err) {
    int64_t seq = 0;
    if (name[0] == '\0' || strcmp(name, "last") == 0) {
        return err_set(err, ERR_INPUT, "store: a pin cannot be called '%s'", name);
    }
    return find_run(store, which, &seq, err) &&
           write_one(store, "INSERT OR REPLACE INTO pins(run,name) VALUES(?1,?2)", seq, name, NULL,
                     err);
}

bool store_tag_run(struct store *store, const char *which, const char *key, const char *value,
                   struct err *err) {
    int64_t seq = 0;
    return find_run(store, which, &seq, err) &&
           write_one(store, "INSERT OR REPLACE INTO tags(run,key,value) VALUES(?1,?2,?3)", seq, key,
                     value, err);
}

bool store_tags(struct store *store, const char *prefix,
                bool (*visit)(void *user, const struct store_tagged *tag), void *user,
                struct err *err) {
    static const char sql[] =
        "SELECT r.id,t.key,t.value,r.seq FROM tags t JOIN runs r ON "
        "r.seq=t.run WHERE substr(t.key,1,length(?1))=?1 ORDER BY r.seq,t.key";
    sqlite3_stmt *statement = store_prepare(store, sql, &prefix, 1, err);
    if (statement == NULL) return false;
    int step = SQLITE_DONE;
    while ((step = sqlite3_step(statement)) == SQLITE_ROW) {
        struct store_tagged tag = {.id = column(statement, 0),
                                   .key = column(statement, 1),
                                   .value = column(statement, 2),
                                   .seq = sqlite3_column_int64(statement, 3)};
        bool whole = tag.id != NULL && tag.key != NULL && tag.value != NULL;
        if (!whole || !visit(user, &tag)) break;
    }
    bool ok =
        (step == SQLITE_ROW && sqlite3_errcode(store->db) != SQLITE_NOMEM) || step == SQLITE_DONE;
    if (!ok) store_fail(store, err, "read");
    sqlite3_finalize(statement);
    return ok;
}
