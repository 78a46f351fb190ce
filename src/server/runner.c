/* runner.c - see runner.h: loading, the queue, and the life of the thread. */
#include "server/runner_private.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/flag.h"

#include <malloc.h>
#include <string.h>

enum { LENDER_N_CTX = 64 };

/* ---- loading ---- */

static bool load(struct runner *r, const struct runner_options *o, struct err *err) {
    struct model_options model = model_options_default();
    model.cancel = o->cancel;
    r->model = model_load(o->path, &model, err);
    if (r->model == NULL) return false;
    const int64_t trained = model_info(r->model).n_ctx_train;
    r->n_ctx = o->n_ctx > 0 ? o->n_ctx : trained < 4096 ? trained : 4096;
    if (r->n_ctx > trained) {
        return err_set(err, ERR_INPUT,
                       "model: %s: n_ctx is %lld, allowed 1..%lld, the length it was trained for",
                       o->name, (long long)r->n_ctx, (long long)trained);
    }
    struct context_options options = context_options_default();
    options.switches = o->switches;
    options.switches.lookup = 0; /* a guess is another column; here columns are other sequences */
    options.n_ctx = r->n_ctx < LENDER_N_CTX ? r->n_ctx : LENDER_N_CTX;
    options.lends_n_ctx = r->n_ctx;
    options.n_batch = o->n_batch;
    options.cancel = o->cancel;
    r->lender = context_new(r->model, &options, err);
    if (r->lender == NULL) return false;
    struct err unknown;
    r->chat = chat_template_find(o->chat_template, r->model, &unknown);
    if (r->chat == NULL && o->chat_template != NULL) {
        if (err != NULL) *err = unknown;
        return false;
    }
    return true;
}

static void release(struct runner *r) {
    context_free(r->lender);
    model_free(r->model);
    mem_free(r->name);
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->wake);
    mem_free(r->running);
    mem_free(r->step);
    mem_free(r);
    malloc_trim(0); /* the memory goes back to the machine now, not some day */
}

struct runner *runner_new(const struct runner_options *o, struct err *err) {
    struct runner *r = mem_new(sizeof *r);
    if (r == NULL) {
        err_set(err, ERR_ENVIRONMENT, "model: not enough memory");
        return NULL;
    }
    pthread_mutex_init(&r->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&r->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    atomic_init(&r->refs, 1);
    r->options = *o;
    r->name = mem_strdup(o->name);
    r->running = mem_new_array((size_t)o->max_streams, sizeof *r->running);
    r->step = mem_new_array((size_t)o->max_streams, sizeof *r->step);
    if (r->name == NULL || r->running == NULL || r->step == NULL) {
        err_set(err, ERR_ENVIRONMENT, "model: not enough memory");
        release(r);
        return NULL;
    }
    r->options.path = r->options.name = NULL; /* the caller's */
    if (!load(r, o, err)) {
        release(r);
        return NULL;
    }
    if (pthread_create(&r->thread, NULL, runner_main, r) != 0) {
        err_set(err, ERR_ENVIRONMENT, "model: its thread cannot be started");
        release(r);
        return NULL;
    }
    return r;
}

struct runner *runner_ref(struct runner *r) {
    atomic_fetch_add(&r->refs, 1);
    return r;
}

void runner_unref(struct runner *r) {
    if (r != NULL && atomic_fetch_sub(&r->refs, 1) == 1) release(r);
}

bool runner_is_last(const struct runner *r) {
    return atomic_load(&r->refs) == 1;
}

void runner_stop(struct runner *r) {
    pthread_mutex_lock(&r->lock);
    r->stopping = true;
    flag_put(&r->stop_block, true);
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
    pthread_join(r->thread, NULL);
}

struct model *runner_model(const struct runner *r) {
    return r->model;
}

const char *runner_name(const struct runner *r) {
    return r->name;
}

int64_t runner_n_ctx(const struct runner *r) {
    return r->n_ctx;
}

const struct chat_template *runner_chat(const struct runner *r, struct err *err) {
    return r->chat != NULL ? r->chat : chat_template_find(NULL, r->model, err);
}

struct engine_switches runner_switches(const struct runner *r) {
    return context_switches(r->lender);
}

const struct faults *runner_faults(const struct runner *r) {
    return r->options.faults;
}

struct stats *runner_stats(const struct runner *r) {
    return r->options.stats;
}

uint64_t runner_bytes(const struct runner *r) {
    struct context_memory memory = context_memory(r->lender);
    return memory.kv_bytes + memory.scratch_bytes + memory.packed_bytes;
}

/* ---- the queue ---- */

enum submitted runner_submit(struct runner *r, struct generation *g, int *retry_after_s) {
    const int64_t now = clock_now_ns();
    enum submitted result = SUBMITTED;
    pthread_mutex_lock(&r->lock);
    *retry_after_s = 1 + r->n_queued / r->options.max_streams;
    if (r->stopping) {
        result = SUBMIT_STOPPED;
    } else if (r->n_queued + g->n_jobs >
               r->options.max_queued + (r->n_queued == 0 ? MAX_CHOICES * MAX_PROMPTS : 0)) {
        result = SUBMIT_FULL;
    } else {
        for (int i = 0; i < g->n_jobs; i++) {
            struct job *job = &g->jobs[i];
            job->times.queued_ns = now;
            job->next = NULL;
            *(r->last == NULL ? &r->first : &r->last->next) = job;
            r->last = job;
        }
        r->n_queued += g->n_jobs;
        atomic_fetch_add(&r->options.stats->queued, g->n_jobs);
        stats_add(&r->options.stats->generations, 1);
        pthread_cond_signal(&r->wake);
    }
    pthread_mutex_unlock(&r->lock); /* from here on the generation may be gone */
    return result;
}

void runner_poke(struct runner *r) {
    pthread_mutex_lock(&r->lock);
    r->poked = true;
    if (r->prefilling != NULL && atomic_load(&r->prefilling->cancelled)) flag_put(&r->stop_block, true);
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
}

void runner_keep_alive(struct runner *r) {
    pthread_mutex_lock(&r->lock);
    for (struct job *job = r->first; job != NULL; job = job->next) {
        struct reply *reply = job->generation->reply;
        if (job->index > 0) continue;
        reply_lock(reply);
        if (reply->streams && !reply->done) text_puts(&reply->out, ": keep-alive\n\n");
        reply_wake(reply);
    }
    pthread_mutex_unlock(&r->lock);
}

/* Of a client with the fewest sequences running, the one that waits longest. Under the lock. */
struct job *runner_next_job(struct runner *r) {
    struct job *best = NULL;
    int fewest = 0;
    for (struct job *job = r->first; job != NULL; job = job->next) {
        int n = 0;
        for (int i = 0; i < r->n_running; i++) {
            n += r->running[i]->generation->client == job->generation->client;
        }
        if (best == NULL || n < fewest) {
            best = job;
            fewest = n;
        }
        if (fewest == 0) break;
    }
    return best;
}

void runner_take(struct runner *r, struct job *job) {
    struct job *before = NULL;
    for (struct job *at = r->first; at != job; at = at->next)
        before = at;
    *(before == NULL ? &r->first : &before->next) = job->next;
    if (r->last == job) r->last = before;
    job->next = NULL;
    r->n_queued--;
    atomic_fetch_sub(&r->options.stats->queued, 1);
}
