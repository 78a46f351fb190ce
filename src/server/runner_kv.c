/* runner_kv.c - the KV caches of a runner: one for each sequence, freed when it leaves, or a
 * session's, kept until memory is short. All by the runner's thread. */
#include "base/alloc.h"
#include "base/clock.h"
#include "server/runner_private.h"

enum { N_CTX_STEP = 64 }; /* caches are sized in steps of so many positions */

static int64_t n_ctx_for(const struct runner *r, const struct job *job) {
    int64_t wanted = job->n_prompt + job->max_tokens;
    wanted = (wanted + N_CTX_STEP - 1) / N_CTX_STEP * N_CTX_STEP;
    return wanted < r->n_ctx ? wanted : r->n_ctx;
}

static void count_kv(struct runner *r, int64_t bytes) {
    atomic_fetch_add(&r->options.stats->kv_bytes, bytes);
    atomic_fetch_add(&r->options.stats->kv_contexts, bytes > 0 ? 1 : -1);
}

void runner_drop_session(struct runner *r, struct session *s) {
    if (s->context == NULL) return;
    context_free(s->context);
    s->context = NULL;
    count_kv(r, -(int64_t)s->kv_bytes);
    atomic_store(&s->n_tokens, 0);
}

bool runner_sweep_sessions(struct runner *r, bool oldest) {
    struct session *victim = NULL;
    for (struct session **at = &r->sessions; *at != NULL;) {
        struct session *s = *at;
        if (atomic_load(&s->busy)) {
            at = &s->attached_next;
        } else if (atomic_load(&s->deleted)) {
            *at = s->attached_next;
            runner_drop_session(r, s);
            atomic_store(&s->runner, NULL);
            session_unref(s);
        } else {
            if (s->context != NULL && (victim == NULL || s->used_ns < victim->used_ns)) victim = s;
            at = &s->attached_next;
        }
    }
    if (oldest && victim != NULL) runner_drop_session(r, victim);
    return victim != NULL;
}

static struct context *make_context(struct runner *r, int64_t n_ctx, struct err *err) {
    struct context_options options = context_options_default();
    options.lender = r->lender;
    options.n_ctx = n_ctx;
    options.cancel = &r->stop_block;
    return context_new(r->model, &options, err);
}

/* How many of the session's tokens the prompt begins with; the last one is always run, for its
 * logits. */
static int64_t shared_prefix(const struct context *c, const struct job *job) {
    const int32_t *history = context_history(c);
    const int64_t most =
        context_n_past(c) < job->n_prompt - 1 ? context_n_past(c) : job->n_prompt - 1;
    int64_t n = 0;
    while (n < most && history[n] == job->prompt[n])
        n++;
    return n;
}

/* False: the session's cache is with another model, or is being taken from it. */
static bool attach(struct runner *r, struct session *s) {
    const void *nobody = NULL;
    if (atomic_load(&s->runner) == r) return true;
    if (!atomic_compare_exchange_strong(&s->runner, &nobody, r)) return false;
    atomic_fetch_add(&s->refs, 1);
    s->attached_next = r->sessions;
    r->sessions = s;
    return true;
}

/* The session's own cache, where it has room; else a new one that replaces it. */
static bool use_session(struct runner *r, struct job *job, struct err *err) {
    struct session *s = job->generation->session;
    const int64_t wanted = job->n_prompt + job->max_tokens;
    if (s->context != NULL && s->context_n_ctx < wanted) runner_drop_session(r, s);
    if (s->context == NULL) {
        s->context = make_context(r, r->n_ctx, err); /* conversations grow */
        if (s->context == NULL) return false;
        s->context_n_ctx = r->n_ctx;
        s->kv_bytes = context_kv_bytes(r->lender, r->n_ctx);
        count_kv(r, (int64_t)s->kv_bytes);
    }
    if (r->options.faults->no_sessions) context_clear(s->context);
    job->context = s->context;
    job->n_cached = shared_prefix(s->context, job);
    context_rewind(s->context, job->n_cached);
    return true;
}

bool runner_give_context(struct runner *r, struct job *job, struct err *err) {
    struct session *s = job->generation->session;
    if (s != NULL && attach(r, s)) return use_session(r, job, err);
    const int64_t n_ctx = n_ctx_for(r, job);
    job->context = make_context(r, n_ctx, err);
    if (job->context == NULL) return false;
    job->kv_bytes = context_kv_bytes(r->lender, n_ctx);
    count_kv(r, (int64_t)job->kv_bytes);
    return true;
}

void runner_take_context(struct runner *r, struct job *job) {
    struct session *s = job->generation->session;
    if (job->context == NULL) return;
    if (job->kv_bytes > 0) {
        context_free(job->context);
        count_kv(r, -(int64_t)job->kv_bytes);
    } else {
        s->used_ns = clock_now_ns();
        atomic_store(&s->n_tokens, context_n_past(job->context));
    }
    job->context = NULL;
}

bool runner_has_memory(struct runner *r, const struct job *job) {
    const struct session *s = job->generation->session;
    const bool has_own = s != NULL && atomic_load(&s->runner) == r && s->context != NULL;
    const uint64_t need =
        has_own ? 0 : context_kv_bytes(r->lender, s != NULL ? r->n_ctx : n_ctx_for(r, job));
    while (r->n_running > 0 || r->sessions != NULL) {
        if ((uint64_t)atomic_load(&r->options.stats->kv_bytes) + need <= r->options.kv_budget)
            return true;
        if (!runner_sweep_sessions(r, true)) return r->n_running == 0;
    }
    return true; /* alone it may have all there is */
}
