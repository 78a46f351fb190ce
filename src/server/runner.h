/* runner.h - one loaded model and the thread that generates with it: continuous batching.
 *
 * Between two steps sequences join and leave: a step runs one token of each in one batched product.
 * New prompts are run in blocks between steps, so that nobody waits for a long one. */
#ifndef WOOLLY_SERVER_RUNNER_H
#define WOOLLY_SERVER_RUNNER_H

#include "server/chat.h"
#include "server/generation.h"
#include "server/stats.h"

struct runner_options {
    const char *path, *name;
    const char *chat_template; /* NULL: by the model */
    struct engine_switches switches;
    int64_t n_ctx;   /* of a request at most; 0: what the model was trained for, 4096 at most */
    int64_t n_batch; /* tokens of a prompt between two steps */
    int max_streams, max_queued;
    uint64_t kv_budget; /* bytes */
    const struct faults *faults;
    struct stats *stats;
    const volatile int *cancel; /* of loading */
};

struct runner;

/* Loads and starts. One reference. */
struct runner *runner_new(const struct runner_options *options, struct err *err);
struct runner *runner_ref(struct runner *runner);
void runner_unref(struct runner *runner); /* the last one frees the model */
/* Ends what runs with 503, frees the contexts, joins the thread. May be called once. */
void runner_stop(struct runner *runner);
/* True when nobody else holds a reference. */
bool runner_is_last(const struct runner *runner);

struct model *runner_model(const struct runner *runner);
const char *runner_name(const struct runner *runner);
int64_t runner_n_ctx(const struct runner *runner);
/* NULL and err: the model's own template is unknown. */
const struct chat_template *runner_chat(const struct runner *runner, struct err *err);
/* The switches that really run, after tuning. */
struct engine_switches runner_switches(const struct runner *runner);
const struct faults *runner_faults(const struct runner *runner);
struct stats *runner_stats(const struct runner *runner);
/* Bytes of packed weights and buffers beside the file. */
uint64_t runner_bytes(const struct runner *runner);

enum submitted { SUBMITTED, SUBMIT_FULL, SUBMIT_STOPPED };
/* Queues all sequences of a generation or none. The runner owns it then, also when it is freed. */
enum submitted runner_submit(struct runner *runner, struct generation *generation,
                             int *retry_after_s);
/* Something outside changed (a client left, a session was deleted): look at it now. */
void runner_poke(struct runner *runner);
/* Comments into the streams that still wait. */
void runner_keep_alive(struct runner *runner);

#endif
