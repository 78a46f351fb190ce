/* reply.h - what an HTTP exchange waits for and other threads produce.
 *
 * Two sides: the HTTP side, which suspends its connection while there is nothing to send, and the
 * side that fills `out` and wakes it. Both hold a reference. */
#ifndef WOOLLY_SERVER_REPLY_H
#define WOOLLY_SERVER_REPLY_H

#include "server/text.h"

#include <pthread.h>
#include <stdatomic.h>

struct MHD_Connection;

struct reply {
    pthread_mutex_t lock;
    atomic_int refs;
    atomic_bool cancelled; /* the client went away: stop computing */
    /* Under the lock: */
    struct text out;                  /* a stream's bytes not yet taken, or the whole body */
    size_t taken;                     /* of out, by the HTTP side */
    bool streams;                     /* headers went out: 200, text/event-stream */
    bool done;                        /* nothing more will come */
    bool cut;                         /* end the connection without a proper end */
    int status;                       /* of a body */
    int retry_after_s;                /* 0: none */
    struct MHD_Connection *suspended; /* to be resumed; NULL: it runs */
    /* The socket of a suspended stream in chunks, -1: none. All that came before has been sent
     * then, so the producer may send a chunk itself: waking another thread for each token costs
     * more than the token's way through the kernel, most of all where every core computes. */
    int direct_fd;
};

struct reply *reply_new(void); /* one reference; NULL when memory is short */
struct reply *reply_ref(struct reply *reply);
void reply_unref(struct reply *reply);

/* Producer: lock, change out or the fields, then wake, which unlocks. */
void reply_lock(struct reply *reply);
void reply_wake(struct reply *reply);

/* HTTP side, under the lock: suspends unless there is something to do. */
void reply_suspend(struct reply *reply, struct MHD_Connection *connection);

#endif
