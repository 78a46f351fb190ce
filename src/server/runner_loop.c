/* runner_loop.c - the thread of a runner: admits, prefills, steps, gives away.
 *
 * Round by round: sequences whose client left are dropped, waiting ones admitted as places and
 * memory allow, one block of one prompt is run, then one token of every sequence that decodes. A
 * round costs no allocation but what grows the answers. */
#include "base/alloc.h"
#include "base/clock.h"
#include "base/flag.h"
#include "server/runner_private.h"

#include <string.h>

/* ---- the ends of a sequence ---- */

/* A sequence has left, however it ended; with the last one the generation goes. */
static void leave(struct runner *r, struct job *job) {
    struct generation *g = job->generation;
    runner_take_context(r, job);
    if (++g->n_left < g->n_jobs) return;
    if (g->session != NULL && g->n_ended < g->n_jobs) atomic_store(&g->session->busy, false);
    if (g->session != NULL && atomic_load(&g->session->deleted)) runner_sweep_sessions(r, false);
    if (atomic_load(&g->reply->cancelled) && g->n_ended < g->n_jobs) {
        stats_add(&r->options.stats->generations_cancelled, 1);
        reply_lock(g->reply);
        g->reply->done = true;
        reply_wake(g->reply);
    }
    generation_free(g);
}

static void remove_running(struct runner *r, int i) {
    memmove(&r->running[i], &r->running[i + 1],
            (size_t)(r->n_running - i - 1) * sizeof *r->running);
    r->n_running--;
    atomic_store(&r->options.stats->active_streams, r->n_running);
}

static void fail(struct runner *r, int i, const struct err *err) {
    struct job *job = r->running[i];
    generation_fail(job->generation, err->code == ERR_INPUT ? 400 : 500, "engine", err->message);
    atomic_store(&job->generation->reply->cancelled, true); /* its other sequences too */
    remove_running(r, i);
    leave(r, job);
}

static bool is_cancelled(const struct runner *r, const struct job *job) {
    return atomic_load_explicit(&job->generation->reply->cancelled, memory_order_relaxed) &&
           !r->options.faults->ignore_disconnect;
}

static void drop_cancelled(struct runner *r) {
    for (int i = 0; i < r->n_running;) {
        struct job *job = r->running[i];
        if (!is_cancelled(r, job)) {
            i++;
            continue;
        }
        remove_running(r, i);
        leave(r, job);
    }
}

/* ---- admission ---- */

/* Takes the next one that there is room for out of the queue; NULL: none. */
static struct job *admit_one(struct runner *r) {
    pthread_mutex_lock(&r->lock);
    struct job *job = r->n_running < r->options.max_streams ? runner_next_job(r) : NULL;
    if (job != NULL && !is_cancelled(r, job) && !runner_has_memory(r, job)) job = NULL;
    if (job != NULL) runner_take(r, job);
    pthread_mutex_unlock(&r->lock);
    return job;
}

static void admit(struct runner *r) {
    const struct faults *f = r->options.faults;
    for (struct job *job; (job = admit_one(r)) != NULL;) {
        struct err err = {0};
        if (is_cancelled(r, job)) {
            leave(r, job);
            continue;
        }
        job->times.started_ns = clock_now_ns();
        r->running[r->n_running++] = job;
        atomic_store(&r->options.stats->active_streams, r->n_running);
        if (f->first_ms > 0) job->not_before_ns = job->times.queued_ns + f->first_ms * 1000000;
        r->drift_ns += f->drift_us * 1000;
        if (f->stall_all_ms > 0 && ++r->n_admitted == f->stall_all_at) {
            clock_sleep_ns(f->stall_all_ms * 1000000, NULL);
        }
        if (!runner_give_context(r, job, &err)) {
            fail(r, r->n_running - 1, &err);
            continue;
        }
        job->n_prefilled = job->n_cached;
        stats_add(&r->options.stats->prompt_tokens, (uint64_t)job->n_prompt);
        stats_add(&r->options.stats->cached_tokens, (uint64_t)job->n_cached);
    }
}

/* ---- running ---- */

/* Runs the prompt's next tokens. A client that leaves meanwhile stops it between two layers. */
static bool run_block(struct runner *r, struct job *job, int64_t n, struct err *err) {
    pthread_mutex_lock(&r->lock);
    r->prefilling = job->generation->reply;
    flag_put(&r->stop_block, r->stopping || is_cancelled(r, job));
    pthread_mutex_unlock(&r->lock);
    const bool good =
        context_prefill(job->context, job->prompt + job->n_prefilled, n, NULL, NULL, NULL, err);
    pthread_mutex_lock(&r->lock);
    r->prefilling = NULL;
    flag_put(&r->stop_block, false);
    pthread_mutex_unlock(&r->lock);
    return good;
}

/* One block of the oldest prompt that is not through; false: there is none. */
static bool prefill(struct runner *r) {
    int i = 0;
    while (i < r->n_running && r->running[i]->n_prefilled == r->running[i]->n_prompt)
        i++;
    if (i == r->n_running) return false;
    struct job *job = r->running[i];
    struct err err = {0};
    const int64_t left = job->n_prompt - job->n_prefilled;
    const int64_t some = left < r->options.n_batch ? left : r->options.n_batch;
    if (!run_block(r, job, some, &err)) {
        if (err.code != ERR_CANCELLED) fail(r, i, &err); /* else the next round drops it */
        return true;
    }
    job->n_prefilled += some;
    if (job->n_prefilled == job->n_prompt) job->times.prefilled_ns = clock_now_ns();
    return true;
}

static void plan_delay(struct runner *r, struct job *job, int64_t now) {
    const struct faults *f = r->options.faults;
    const int64_t at = f->stall_at > 0 ? f->stall_at : 3;
    int64_t gap = f->token_ms * 1000000 + r->drift_ns;
    if (f->stall_ms > 0 && job->n_made + 1 == at) gap += f->stall_ms * 1000000;
    /* From the planned time, not from now: delays do not add up. */
    int64_t from = job->not_before_ns > 0 ? job->not_before_ns : now;
    job->not_before_ns = gap > 0 ? from + gap : 0;
}

/* Samples and gives away the next token of running[i]; true when it goes on, with the token to run.
 */
static bool sample(struct runner *r, int i, int64_t now) {
    struct job *job = r->running[i];
    struct err err = {0};
    int32_t token = 0;
    const int64_t begin = clock_now_ns();
    if (!context_sample(job->context, &job->sampling, &token, &err)) {
        fail(r, i, &err);
        return false;
    }
    r->sampling_ns = clock_now_ns() - begin;
    stats_add(&r->options.stats->completion_tokens, 1);
    bool ends = generation_token(job, model_tokenizer(r->model), token,
                                 context_logits(job->context), r->n_vocab);
    if (!ends && context_n_past(job->context) == context_n_ctx(job->context)) {
        generation_finish(job, "length");
        ends = true;
    }
    if (ends) {
        remove_running(r, i);
        leave(r, job);
        return false;
    }
    if (r->options.faults->any) plan_delay(r, job, now);
    job->next_token = token;
    return true;
}

/* Runs one by one what failed together: only those fail that cannot. */
static void run_apart(struct runner *r, struct job **jobs, int n) {
    for (int i = 0; i < n; i++) {
        struct err err = {0};
        int64_t moved = 0;
        if (context_step(&jobs[i]->context, 1, &jobs[i]->next_token, &moved, &err)) continue;
        for (int j = 0; j < r->n_running; j++) {
            if (r->running[j] == jobs[i]) {
                fail(r, j, &err);
                break;
            }
        }
    }
}

/* A token of every sequence that is due. *due_ns: when the earliest of the others is; 0: none
 * waits. */
static int step(struct runner *r, int64_t *due_ns) {
    struct context *contexts[MOST_STREAMS];
    int32_t tokens[MOST_STREAMS];
    const int64_t now = clock_now_ns();
    int n = 0;
    bool made = false;
    *due_ns = 0;
    for (int i = 0; i < r->n_running;) {
        struct job *job = r->running[i];
        if (job->n_prefilled < job->n_prompt) {
            i++;
        } else if (job->not_before_ns > now) {
            if (*due_ns == 0 || job->not_before_ns < *due_ns) *due_ns = job->not_before_ns;
            i++;
        } else if (made = true, sample(r, i, now)) {
            r->step[n] = job;
            contexts[n] = job->context;
            tokens[n++] = job->next_token;
            i++;
        }
    }
    if (n == 0) return made;
    struct err err = {0};
    int64_t moved = 0;
    const int64_t begin = clock_now_ns();
    if (n == 1 && r->n_running == 1 && r->last_step_end_ns > 0) {
        histogram_add(&r->options.stats->step_overhead,
                      begin - r->last_step_end_ns - r->sampling_ns);
    }
    if (!context_step(contexts, n, tokens, &moved, &err))
        run_apart(r, r->step + moved, n - (int)moved);
    r->last_step_end_ns = n == 1 ? clock_now_ns() : 0;
    stats_add(&r->options.stats->steps, 1);
    stats_add(&r->options.stats->batched_tokens, (uint64_t)n);
    return true;
}

/* ---- the thread ---- */

/* Waits until there is something to do or due_ns; false: the end. */
static bool wait_for_work(struct runner *r, int64_t due_ns) {
    pthread_mutex_lock(&r->lock);
    while (!r->stopping && !r->poked && r->n_running == 0 && r->first == NULL) {
        r->last_step_end_ns = 0;
        pthread_cond_wait(&r->wake, &r->lock);
    }
    if (due_ns > 0 && !r->stopping) {
        const int64_t left = due_ns - clock_now_ns();
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += left > 0 ? left % 1000000000 : 0;
        until.tv_sec += (left > 0 ? left / 1000000000 : 0) + until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        if (left > 0) pthread_cond_timedwait(&r->wake, &r->lock, &until);
    }
    const bool poked = r->poked, goes_on = !r->stopping;
    r->poked = false;
    pthread_mutex_unlock(&r->lock);
    if (poked) runner_sweep_sessions(r, false);
    return goes_on;
}

static void end_all(struct runner *r) {
    for (struct job *job; (job = r->n_running > 0 ? r->running[0] : NULL) != NULL;) {
        generation_fail(job->generation, 503, "model_unloaded", "the model was unloaded");
        remove_running(r, 0);
        leave(r, job);
    }
    pthread_mutex_lock(&r->lock);
    while (r->first != NULL) {
        struct job *job = r->first;
        runner_take(r, job);
        generation_fail(job->generation, 503, "model_unloaded", "the model was unloaded");
        leave(r, job);
    }
    pthread_mutex_unlock(&r->lock);
    while (r->sessions != NULL) {
        struct session *s = r->sessions;
        r->sessions = s->attached_next;
        runner_drop_session(r, s);
        atomic_store(&s->runner, NULL);
        session_unref(s);
    }
}

void *runner_main(void *argument) {
    struct runner *r = argument;
    r->n_vocab = model_info(r->model).n_vocab;
    for (int64_t due_ns = 0; wait_for_work(r, due_ns);) {
        drop_cancelled(r);
        admit(r);
        const bool ran = prefill(r);
        due_ns = 0;
        if (step(r, &due_ns) || ran) due_ns = 0;
        if (ran) r->last_step_end_ns = 0;
    }
    end_all(r);
    return NULL;
}
