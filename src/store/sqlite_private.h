/* sqlite_private.h - what the files of the SQLite store share. */
#ifndef WOOLLY_STORE_SQLITE_PRIVATE_H
#define WOOLLY_STORE_SQLITE_PRIVATE_H

#include "store/store.h"

#include <sqlite3.h>

struct store {
    sqlite3 *db;
    char *path;
};

/* Fills err with what SQLite last refused, "cannot be DOING", and the next step. False. */
bool store_fail(const struct store *store, struct err *err, const char *doing);
/* The same for a file that is damaged, as `found` says. */
bool store_damaged(const struct store *store, struct err *err, const char *found);
/* Ends a transaction, if one is open, without its changes. */
void store_roll_back(struct store *store);
/* A prepared statement with these texts bound (NULL binds NULL), or NULL and err. */
sqlite3_stmt *store_prepare(struct store *store, const char *sql, const char *const *texts,
                            int n_texts, struct err *err);
/* The columns that every row of runs is read by, and the row that a step of them gave. */
#define STORE_ROW_COLUMNS                                                                          \
    "r.id,r.scenario,r.target,r.preset,r.git_commit,r.status,r.verdict,r.machine,r.model_name,"    \
    "r.model,r.switches,(SELECT value FROM tags WHERE run=r.seq AND key='" STORE_PARAMS_TAG        \
    "'),r.seq,r.started_ns,r.exit_status"
#define STORE_ROW_FILTER                                                                           \
    "(?1 IS NULL OR r.scenario=?1) AND (?2 IS NULL OR r.machine=?2) AND (?3 IS NULL OR "           \
    "r.model=?3)"                                                                                  \
    " AND (?4 IS NULL OR r.target=?4) AND (?5 IS NULL OR r.preset=?5)"
sqlite3_stmt *store_prepare_rows(struct store *store, const char *sql,
                                 const struct store_filter *filter, struct err *err);
void store_read_row(sqlite3_stmt *statement, struct store_row *row);
bool store_execute(struct store *store, const char *sql, const char *doing, struct err *err);

#endif
