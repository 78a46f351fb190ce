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
bool store_execute(struct store *store, const char *sql, const char *doing, struct err *err);

#endif
