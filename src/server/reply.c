/* reply.c - see reply.h. */
#include "server/reply.h"

#include "base/alloc.h"

#include <microhttpd.h>

struct reply *reply_new(void) {
    struct reply *r = mem_new(sizeof *r);
    if (r == NULL) return NULL;
    pthread_mutex_init(&r->lock, NULL);
    atomic_init(&r->refs, 1);
    r->status = 200;
    return r;
}

struct reply *reply_ref(struct reply *r) {
    atomic_fetch_add(&r->refs, 1);
    return r;
}

void reply_unref(struct reply *r) {
    if (r == NULL || atomic_fetch_sub(&r->refs, 1) > 1) return;
    pthread_mutex_destroy(&r->lock);
    text_free(&r->out);
    mem_free(r);
}

void reply_lock(struct reply *r) {
    pthread_mutex_lock(&r->lock);
}

void reply_wake(struct reply *r) {
    struct MHD_Connection *connection = r->suspended;
    r->suspended = NULL;
    if (connection != NULL) MHD_resume_connection(connection);
    pthread_mutex_unlock(&r->lock);
}

void reply_suspend(struct reply *r, struct MHD_Connection *connection) {
    if (r->done || r->taken < r->out.size) return;
    r->suspended = connection;
    MHD_suspend_connection(connection);
}
