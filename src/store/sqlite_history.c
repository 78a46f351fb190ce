/* sqlite_history.c - runs of one kind in the order they were saved, with the median of each metric.
 */
#include "store/sqlite_private.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

#define MOST_VALUES ((size_t)1 << 32) /* samples of one metric in one run */

struct values {
    double *of;
    size_t n, room;
};

static bool add_value(struct values *values, double value) {
    if (values->n == values->room) {
        size_t room = values->room > 0 ? 2 * values->room : 64;
        if (room > MOST_VALUES) return false;
        double *grown = mem_realloc(values->of, room * sizeof *grown);
        if (grown == NULL) return false;
        values->of = grown;
        values->room = room;
    }
    values->of[values->n++] = value;
    return true;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(struct values *values) {
    qsort(values->of, values->n, sizeof *values->of, by_size);
    double high = values->of[values->n / 2];
    return values->n % 2 == 1 ? high : (values->of[values->n / 2 - 1] + high) / 2;
}

/* The name of the metric that values belong to; it outlives the row it came from. */
struct name {
    char *text;
    size_t room;
};

static bool set_name(struct name *name, const char *text) {
    size_t size = strlen(text) + 1;
    if (size > name->room) {
        char *grown = mem_realloc(name->text, size);
        if (grown == NULL) return false;
        name->text = grown;
        name->room = size;
    }
    memcpy(name->text, text, size);
    return true;
}

enum outcome { GO_ON, STOPPED, NO_MEMORY, FAILED };

static enum outcome end_metric(struct values *values, const struct name *name,
                               const struct store_history *visit) {
    if (values->n == 0) return GO_ON;
    double middle = median(values);
    size_t n = values->n;
    values->n = 0;
    return visit->value(visit->user, name->text, middle, (int64_t)n) ? GO_ON : STOPPED;
}

/* The samples of one run, sorted by metric: the statement's ?1 is the run. */
static enum outcome read_values(sqlite3_stmt *statement, int64_t seq, struct values *values,
                                struct name *name, const struct store_history *visit) {
    enum outcome outcome = GO_ON;
    int step = SQLITE_DONE;
    sqlite3_bind_int64(statement, 1, seq);
    while (outcome == GO_ON && (step = sqlite3_step(statement)) == SQLITE_ROW) {
        const char *metric = (const char *)sqlite3_column_text(statement, 0);
        if (metric == NULL) return NO_MEMORY;
        if (values->n > 0 && strcmp(metric, name->text) != 0)
            outcome = end_metric(values, name, visit);
        if (outcome != GO_ON) break;
        if (values->n == 0 && !set_name(name, metric)) return NO_MEMORY;
        if (!add_value(values, sqlite3_column_double(statement, 1))) return NO_MEMORY;
    }
    if (outcome == GO_ON && step != SQLITE_DONE) return FAILED;
    if (outcome == GO_ON) outcome = end_metric(values, name, visit);
    sqlite3_reset(statement);
    return outcome;
}

static enum outcome read_runs(struct store *store, sqlite3_stmt *runs, sqlite3_stmt *samples,
                              const struct store_history *visit) {
    struct values values = {0};
    struct name name = {0};
    enum outcome outcome = GO_ON;
    int step = SQLITE_DONE;
    while (outcome == GO_ON && (step = sqlite3_step(runs)) == SQLITE_ROW) {
        struct store_row row;
        store_read_row(runs, &row);
        if (sqlite3_errcode(store->db) == SQLITE_NOMEM) {
            outcome = NO_MEMORY;
        } else if (!visit->run(visit->user, &row)) {
            outcome = STOPPED;
        } else {
            outcome = read_values(samples, row.seq, &values, &name, visit);
        }
    }
    if (outcome == GO_ON && step != SQLITE_DONE) outcome = FAILED;
    mem_free(values.of);
    mem_free(name.text);
    return outcome;
}

bool store_history(struct store *store, const struct store_filter *filter, const char *metric,
                   const struct store_history *visit, struct err *err) {
    static const char runs_sql[] =
        "SELECT " STORE_ROW_COLUMNS " FROM runs r WHERE r.seq IN (SELECT r.seq FROM runs r WHERE "
        "r.status='complete' AND " STORE_ROW_FILTER
        " AND (?7 IS NULL OR r.seq IN (SELECT run FROM metrics WHERE metric=?7))"
        " ORDER BY r.seq DESC LIMIT ?6) ORDER BY r.seq";
    static const char samples_sql[] = "SELECT metric,value FROM samples WHERE run=?1 "
                                      "AND (?2 IS NULL OR metric=?2) ORDER BY metric,i";
    const char *texts[] = {NULL, metric};
    sqlite3_stmt *runs = store_prepare_rows(store, runs_sql, filter, err);
    if (runs != NULL) sqlite3_bind_text(runs, 7, metric, -1, SQLITE_STATIC);
    sqlite3_stmt *samples = runs != NULL ? store_prepare(store, samples_sql, texts, 2, err) : NULL;
    bool ok = samples != NULL;
    if (ok) {
        enum outcome outcome = read_runs(store, runs, samples, visit);
        ok = outcome == GO_ON || outcome == STOPPED;
        if (outcome == FAILED) store_fail(store, err, "read");
        if (outcome == NO_MEMORY)
            err_set(err, ERR_ENVIRONMENT, "store: %s: out of memory", store->path);
    }
    sqlite3_finalize(runs);
    sqlite3_finalize(samples);
    return ok;
}
