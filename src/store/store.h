/* store.h - finished runs and their samples, kept in one SQLite file (`woolly.db`).
 *
 * A run is one transaction: wholly there or wholly absent. DELETE journal, synchronous=EXTRA,
 * foreign keys on, busy wait 30 s. A damaged or newer-schema file is never written to. */
#ifndef WOOLLY_STORE_H
#define WOOLLY_STORE_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

struct store;

/* url: "sqlite:PATH" or a plain path. Makes the file and schema when absent; with read_only it
 * must exist. Unless read_only it sees at once whether every page is sound and whether the file
 * can be written. A reader is told of damage when it comes across it, so that the rest can be had;
 * the one thing that it may write is to undo the commit of a process that died. */
struct store *store_open(const char *url, bool read_only, struct err *err);
void store_close(struct store *store);
const char *store_path(const struct store *store);
int store_schema_version(void);

/* New ULID, 26 characters and a NUL; later calls sort after earlier ones within a process. From
 * one thread. */
void store_new_id(char out[27]);

struct store_sample_set {
    const char *metric, *unit, *reason; /* reason: why n is 0; else NULL */
    const double *values;
    size_t n;
};

struct store_verdict {
    const char *gate, *metric, *bound, *stat, *verdict, *reason; /* bound "min", "max", "equals" */
    double limit;
    bool has_limit;
};

struct store_tag {
    const char *key, *value;
};

struct store_run {
    const char *id; /* ULID; inserting an id that is there already changes nothing */
    const char *scenario, *target, *preset, *switches_json, *commit,
        *status; /* "complete", "partial" */
    bool dirty;
    int64_t started_wall_ns;
    uint64_t seed;
    int exit_status;
    const char *verdict; /* pass, fail, inconclusive, missing, or NULL: no gate */
    const char *machine_fingerprint, *machine_json;
    const char *model_sha256, *model_name, *model_json; /* sha256 NULL: no model */
    const char *report_json;                            /* the whole woolly-report/1 document */
    const struct store_sample_set *sets;
    size_t n_sets;
    const struct store_verdict *verdicts;
    size_t n_verdicts;
    const struct store_tag *tags; /* one called STORE_PARAMS_TAG holds the scenario's options */
    size_t n_tags;
};

/* Part of what makes two runs alike, hence not for other uses. */
#define STORE_PARAMS_TAG "params"

/* True only after COMMIT returned. When the run cannot be written it is kept as a spool file
 * PATH.spool-ID (its report JSON), else under /tmp or /dev/shm, and the message says where. */
bool store_save(struct store *store, const struct store_run *run, struct err *err);

struct store_filter {
    const char *scenario, *machine, *model, *target, *preset; /* NULL: any */
    int64_t limit;                                            /* newest first; 0: 50 */
};
struct store_row {
    const char *id, *scenario, *target, *preset, *commit, *status, *verdict, *machine, *model_name;
    const char *model;    /* sha256 */
    const char *switches; /* JSON, keys sorted: equal switches are equal texts */
    const char *params;   /* likewise the scenario's own options; NULL in files of older builds */
    int64_t seq;          /* the order of saving, whatever the clock says */
    int64_t started_wall_ns;
    int exit_status;
};
/* Calls visit for each run; strings live during the call only. visit returns false to stop. */
bool store_list(struct store *store, const struct store_filter *filter,
                bool (*visit)(void *user, const struct store_row *row), void *user,
                struct err *err);

/* The complete runs that filter finds, oldest first (of more than filter->limit the newest), each
 * followed by the median of every metric that has samples; metric != NULL: of that one alone, and
 * only the runs that name it.
 * 10,000 runs of 20 metrics take half a second. A function that returns false stops it. */
struct store_history {
    void *user;
    bool (*run)(void *user, const struct store_row *row);
    bool (*value)(void *user, const char *metric, double median, int64_t n);
};
bool store_history(struct store *store, const struct store_filter *filter, const char *metric,
                   const struct store_history *visit, struct err *err);

/* which: an id, a unique prefix of one (4 or more characters), "last", or a pin's name. Report
 * JSON to mem_free; NULL with ERR_INPUT when there is none or the prefix is ambiguous. */
char *store_report(struct store *store, const char *which, struct err *err);

/* Pins name a run ("release-1"); tags are KEY=VALUE on a run. Replaces what is there. */
bool store_pin(struct store *store, const char *name, const char *which, struct err *err);
bool store_tag_run(struct store *store, const char *which, const char *key, const char *value,
                   struct err *err);

/* Tags of all runs whose key begins with prefix, in the order the runs were saved. Strings live
 * during the call only. visit returns false to stop. */
struct store_tagged {
    const char *id, *key, *value;
    int64_t seq;
};
bool store_tags(struct store *store, const char *prefix,
                bool (*visit)(void *user, const struct store_tagged *tag), void *user,
                struct err *err);

#endif
