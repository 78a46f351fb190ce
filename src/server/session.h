/* session.h - conversations the server keeps: messages, and the KV cache that the next request goes
 * on from.
 *
 * The table and the messages are the HTTP threads'; the context is touched by the runner's thread
 * alone, and by one job at a time. */
#ifndef WOOLLY_SERVER_SESSION_H
#define WOOLLY_SERVER_SESSION_H

#include "base/json.h"
#include "engine/engine.h"
#include "server/text.h"

#include <pthread.h>
#include <stdatomic.h>

enum { MAX_SESSIONS = 256, MAX_SESSION_MESSAGES = 1024 };

struct message {
    char *role, *content;
};

struct session {
    struct session *next; /* in the table */
    atomic_int refs;
    char id[48];
    int64_t created_s;
    char *metadata, *config; /* JSON */
    atomic_bool busy, deleted;
    /* Read by who made it busy; changed by that one alone, under the lock, which printing takes: */
    pthread_mutex_t lock;
    struct message *messages;
    int n_messages;
    char *model; /* of the last request; NULL: none yet */
    /* The runner's: */
    struct session *attached_next; /* in the runner's list of those with a context */
    const void *_Atomic runner;    /* whose context it is */
    struct context *context;
    int64_t context_n_ctx;
    uint64_t kv_bytes;
    int64_t used_ns;
    atomic_int_least64_t n_tokens; /* held, for GET */
};

struct session_table {
    pthread_mutex_t lock;
    struct session *first;
    int n;
    bool is_mcp; /* what the ids are called */
};

void session_table_init(struct session_table *table, bool is_mcp);
void session_table_free(struct session_table *table);

/* NULL: the table is full, or memory is short. One reference for the table, one for the caller. */
struct session *session_new(struct session_table *table, const struct json *config,
                            const struct json *metadata);
struct session *session_find(struct session_table *table,
                             const char *id); /* a reference, or NULL */
bool session_delete(struct session_table *table, const char *id);
int session_count(struct session_table *table);
void session_unref(struct session *session); /* NULL is fine */
/* Notes which model answers. */
void session_set_model(struct session *session, const char *name);
/* Exchanges the messages with those of a scratch session. */
void session_swap_messages(struct session *session, struct session *other);
/* {id, object, created, ...}; list: all of them. */
void session_print(struct session *session, struct text *out);
void session_print_all(struct session_table *table, struct text *out);
/* Copies; false when memory is short or there are too many. */
bool session_add_message(struct session *session, const char *role, const char *content,
                         size_t size);
void session_drop_messages(struct session *session, int keep);

#endif
