/* store_run.h - runs for the store's tests, and whether one is there, whole, partly or not at all.
 */
#ifndef WOOLLY_TESTS_STORE_RUN_H
#define WOOLLY_TESTS_STORE_RUN_H

#include "store/store.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

enum { RUN_SAMPLES = 25 };

/* A run whose parts point into itself. */
struct made_run {
    struct store_run run;
    struct store_sample_set sets[3];
    struct store_verdict verdicts[2];
    struct store_tag tags[2];
    double values[RUN_SAMPLES];
    char id[27], report[256];
};

static inline struct store_run *make_run(struct made_run *made, const char *id) {
    memset(made, 0, sizeof *made);
    snprintf(made->id, sizeof made->id, "%s", id);
    snprintf(made->report, sizeof made->report, "{\"schema\":\"woolly-report/1\",\"id\":\"%s\"}",
             id);
    for (int i = 0; i < RUN_SAMPLES; i++)
        made->values[i] = 40.0 + 0.1 * i;
    made->sets[0] = (struct store_sample_set){
        .metric = "tokens_per_second", .unit = "1/s", .values = made->values, .n = RUN_SAMPLES};
    made->sets[1] = (struct store_sample_set){
        .metric = "ttft_ms", .unit = "ms", .values = made->values, .n = RUN_SAMPLES};
    made->sets[2] = (struct store_sample_set){
        .metric = "cache_miss_ratio", .unit = "", .reason = "no hardware counters"};
    made->verdicts[0] = (struct store_verdict){.gate = "phase1",
                                               .metric = "tokens_per_second",
                                               .bound = "min",
                                               .stat = "median",
                                               .verdict = "pass",
                                               .limit = 0.1,
                                               .has_limit = true};
    made->verdicts[1] = (struct store_verdict){.gate = "phase1",
                                               .metric = "cache_miss_ratio",
                                               .bound = "max",
                                               .stat = "median",
                                               .verdict = "missing",
                                               .reason = "no hardware counters"};
    made->tags[0] = (struct store_tag){.key = "branch", .value = "main"};
    made->tags[1] = (struct store_tag){.key = "note", .value = "x'); DROP TABLE runs;--"};
    made->run = (struct store_run){
        .id = made->id,
        .scenario = "quick",
        .target = "native",
        .preset = "p1",
        .switches_json = "{}",
        .commit = "0123456789ab",
        .status = "complete",
        .started_wall_ns = 1767323045678000000,
        .seed = 0xFEDCBA9876543210u,
        .verdict = "missing",
        .exit_status = 2,
        .machine_fingerprint = "00112233445566aa",
        .machine_json = "{\"a\":1}",
        .model_sha256 = "abc0",
        .model_name = "tiny",
        .model_json = "{}",
        .report_json = made->report,
        .sets = made->sets,
        .n_sets = 3,
        .verdicts = made->verdicts,
        .n_verdicts = 2,
        .tags = made->tags,
        .n_tags = 2,
    };
    return &made->run;
}

/* One integer by plain SQLite, with ?1 = text; -1 when the query fails. */
static inline int64_t query_int(const char *path, const char *sql, const char *text) {
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    int64_t value = -1;
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
        sqlite3_busy_timeout(db, 10000) == SQLITE_OK &&
        sqlite3_prepare_v2(db, sql, -1, &statement, NULL) == SQLITE_OK) {
        sqlite3_bind_text(statement, 1, text, -1, SQLITE_STATIC);
        if (sqlite3_step(statement) == SQLITE_ROW) value = sqlite3_column_int64(statement, 0);
    }
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return value;
}

enum { RUN_ABSENT = 0, RUN_WHOLE = 1, RUN_TORN = 2 };

static inline int run_state(const char *path, const char *id) {
    static const char counts[] =
        "SELECT (SELECT count(*) FROM runs WHERE id=?1)"
        " + 10 * (SELECT count(*) FROM metrics m JOIN runs r ON r.seq=m.run WHERE r.id=?1)"
        " + 100 * (SELECT count(*) FROM verdicts v JOIN runs r ON r.seq=v.run WHERE r.id=?1)"
        " + 1000 * (SELECT count(*) FROM tags t JOIN runs r ON r.seq=t.run WHERE r.id=?1)"
        " + 10000 * (SELECT count(*) FROM samples s JOIN runs r ON r.seq=s.run WHERE r.id=?1)";
    int64_t found = query_int(path, counts, id);
    if (found == 0) return RUN_ABSENT;
    return found == 1 + 30 + 200 + 2000 + 10000 * 2 * RUN_SAMPLES ? RUN_WHOLE : RUN_TORN;
}

#endif
