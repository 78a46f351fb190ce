/* runner_private.h - a runner's fields, shared by runner.c (its life) and runner_loop.c (its
 * thread). */
#ifndef WOOLLY_SERVER_RUNNER_PRIVATE_H
#define WOOLLY_SERVER_RUNNER_PRIVATE_H

#include "server/runner.h"

#include <pthread.h>

struct runner {
    struct runner_options options;
    atomic_int refs;
    char *name;
    struct model *model;
    struct context *lender;           /* the team of threads and the buffers of all sequences */
    const struct chat_template *chat; /* NULL: the model has an unknown one */
    int64_t n_ctx;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    /* Under the lock: */
    struct job *first, *last; /* that wait */
    int n_queued;
    bool stopping, poked;
    const struct reply *prefilling; /* whose prompt runs; NULL: no one's */
    volatile int stop_block; /* the engine looks at it between the layers of a prompt's block */
    /* The thread's: */
    struct job **running; /* [n_running], in order of arrival */
    int n_running;
    struct job **step;        /* those that decode in this step */
    struct session *sessions; /* with a context here */
    int64_t n_vocab;
    int64_t sampling_ns;          /* of the last token: the engine's own time */
    int64_t last_step_end_ns;     /* of a step with one sequence; 0: another kind */
    int64_t drift_ns, n_admitted; /* for faults */
};

/* The thread. */
void *runner_main(void *runner);
/* Under the lock: whose turn it is, and taking it out of the queue. */
struct job *runner_next_job(struct runner *runner);
void runner_take(struct runner *runner, struct job *job);

/* runner_kv.c, by the thread: a KV cache for a job, its own or its session's; giving it back. */
bool runner_give_context(struct runner *runner, struct job *job, struct err *err);
void runner_take_context(struct runner *runner, struct job *job);
/* Room in the budget? Takes caches from sessions for it. */
bool runner_has_memory(struct runner *runner, const struct job *job);
/* Deleted sessions give their caches back; oldest: also the one not used for longest. False: there
 * was none. */
bool runner_sweep_sessions(struct runner *runner, bool oldest);
void runner_drop_session(struct runner *runner, struct session *session);

#endif
