/* generation.c - a sequence's tokens become text, chunks of a stream, one answer at the end. */
#include "server/generation.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "server/answer.h"
#include "server/generation_parts.h"
#include "server/session.h"
#include "server/stats.h"

#include <string.h>

#define MAX_PIECE 1024
#define DEFAULT_FAULT_AT 3

struct generation *generation_new(void) {
    struct generation *g = mem_new(sizeof *g);
    if (g == NULL) return NULL;
    g->n_logprobs = -1;
    g->reply = reply_new();
    if (g->reply != NULL) return g;
    mem_free(g);
    return NULL;
}

void generation_free(struct generation *g) {
    if (g == NULL) return;
    for (int i = 0; i < g->n_jobs; i++) {
        struct job *job = &g->jobs[i];
        mem_free(job->prompt);
        text_free(&job->held);
        text_free(&job->text);
        text_free(&job->said);
        text_free(&job->ids);
        for (int j = 0; j < 4; j++)
            text_free(&job->logprobs[j]);
    }
    mem_free(g->jobs);
    mem_free(g->model);
    for (int i = 0; i < g->n_stops; i++)
        mem_free(g->stops[i]);
    text_free(&g->head);
    session_unref(g->session);
    reply_unref(g->reply);
    mem_free(g);
}

/* ---- stop texts ---- */

/* Where the earliest stop text begins in held, or SIZE_MAX. */
static size_t find_stop(const struct generation *g, const struct text *held) {
    size_t best = SIZE_MAX;
    for (int i = 0; i < g->n_stops; i++) {
        const char *at = held->size == 0
                             ? NULL
                             : memmem(held->data, held->size, g->stops[i], strlen(g->stops[i]));
        if (at != NULL && (size_t)(at - held->data) < best) best = (size_t)(at - held->data);
    }
    return best;
}

/* Bytes at the end of held that a stop text may begin with. */
static size_t may_be_stop(const struct generation *g, const struct text *held) {
    size_t most = 0;
    for (int i = 0; i < g->n_stops; i++) {
        size_t n = strlen(g->stops[i]) - 1;
        for (n = n < held->size ? n : held->size; n > most; n--) {
            if (memcmp(held->data + held->size - n, g->stops[i], n) == 0) most = n;
        }
    }
    return most;
}

/* ---- giving away ---- */

/* The first n bytes of held, and what is pending of ids and logprobs. */
static void give(struct job *job, size_t n) {
    struct generation *g = job->generation;
    if (n == 0 && job->ids.size == 0 && !(g->faults->empty_choices && job->n_made == 2)) return;
    if (!g->stream) {
        text_put(&job->text, job->held.data, n);
    } else if (!g->faults->mock_stream) {
        parts_chunk(job, n);
    } else {
        text_put(&job->text, job->held.data, n);
    }
    if (g->session != NULL) text_put(&job->said, job->held.data, n);
    job->n_text += n;
    text_drop(&job->held, n);
}

/* True where a planned fault ended the generation. */
static bool misbehave(struct job *job) {
    struct generation *g = job->generation;
    const int64_t at = g->faults->stall_at > 0 ? g->faults->stall_at : DEFAULT_FAULT_AT;
    if (!g->stream || job->n_made != at || !(g->faults->error_event || g->faults->cut_stream))
        return false;
    if (g->faults->cut_stream) {
        g->reply->cut = g->reply->done = true;
    } else {
        text_puts(&g->reply->out, "data: ");
        answer_error(&g->reply->out, g->faults, 500, "fault", "an error that was asked for", NULL);
        text_puts(&g->reply->out, "\n\n");
        g->reply->done = true;
    }
    atomic_store(&g->reply->cancelled, true);
    return true;
}

static void count_time(struct job *job) {
    struct stats *stats = job->generation->stats;
    const int64_t now = clock_now_ns();
    if (job->n_made == 0) {
        job->times.first_ns = now;
        histogram_add(&stats->ttft, now - job->times.queued_ns);
    } else {
        histogram_add(&stats->token_gap, now - job->times.last_ns);
    }
    job->times.last_ns = now;
    job->n_made++;
}

static void hold_piece(struct job *job, const struct tokenizer *tokenizer, int32_t token) {
    char piece[MAX_PIECE], *long_piece = NULL;
    size_t size = tokenizer_piece(tokenizer, token, false, piece, sizeof piece);
    if (size > sizeof piece) { /* text runs of thousands of bytes exist */
        long_piece = mem_alloc(size);
        if (long_piece == NULL) {
            job->held.failed = true;
            return;
        }
        tokenizer_piece(tokenizer, token, false, long_piece, size);
    }
    const size_t room = 3 * (size + 4);
    if (text_reserve(&job->held, room)) {
        job->held.size += utf8_join_push(&job->join, long_piece != NULL ? long_piece : piece, size,
                                         job->held.data + job->held.size, room);
    }
    mem_free(long_piece);
    if (job->generation->faults->split_utf8 && (job->n_made == 2 || job->n_made == 3)) {
        text_puts(&job->held, job->n_made == 2 ? "\xc3" : "\xa9");
    }
}

/* A buffer could not grow: what it holds has a hole. */
static bool is_incomplete(const struct job *job) {
    bool failed = job->held.failed || job->text.failed || job->said.failed || job->ids.failed;
    for (int i = 0; i < 4; i++)
        failed = failed || job->logprobs[i].failed;
    return failed || job->generation->reply->out.failed;
}

/* Under the lock: the end of it all, said if there is memory to say so. */
static void fail_memory(struct generation *g) {
    stats_add(&g->stats->generations_failed, 1);
    atomic_store(&g->reply->cancelled, true);
    g->reply->status = 500;
    g->reply->cut = g->reply->done = true;
}

bool generation_token(struct job *job, const struct tokenizer *tokenizer, int32_t token,
                      const float *logits, int64_t n_vocab) {
    struct generation *g = job->generation;
    reply_lock(g->reply);
    count_time(job);
    const bool is_end = !g->ignore_end && tokenizer_is_end(tokenizer, token);
    if (!is_end) hold_piece(job, tokenizer, token);
    if (g->want_ids) text_printf(&job->ids, job->ids.size > 0 ? ",%d" : "%d", token);
    if (g->n_logprobs >= 0) parts_logprobs(job, tokenizer, token, logits, n_vocab);
    size_t stop = g->faults->ignore_stop ? SIZE_MAX : find_stop(g, &job->held);
    const char *finish = is_end || stop != SIZE_MAX       ? "stop"
                         : job->n_made >= job->max_tokens ? "length"
                                                          : NULL;
    if (is_incomplete(job)) fail_memory(g);
    if (g->reply->cut || misbehave(job)) {
        reply_wake(g->reply);
        return true;
    }
    if (stop != SIZE_MAX) {
        job->held.size = stop;
        give(job, stop);
        job->join.n_pending = 0;
    } else if (finish == NULL) {
        give(job, job->held.size - may_be_stop(g, &job->held));
    }
    if (is_incomplete(job)) fail_memory(g);
    if (finish == NULL || g->reply->cut) {
        const bool ends = g->reply->cut;
        reply_wake(g->reply);
        return ends;
    }
    pthread_mutex_unlock(&g->reply->lock);
    generation_finish(job, finish);
    return true;
}

/* The session keeps what was said, and is free before the client can know that this answer is
 * whole. Its context stays the runner's, which takes the next request after this one. */
static void release_session(struct job *job) {
    struct session *s = job->generation->session;
    if (s == NULL) return;
    session_add_message(s, job->generation->is_chat ? "assistant" : "text",
                        job->said.data == NULL ? "" : job->said.data, job->said.size);
    atomic_store(&s->busy, false);
}

void generation_finish(struct job *job, const char *finish) {
    struct generation *g = job->generation;
    reply_lock(g->reply);
    if (job->ended || g->reply->done) {
        reply_wake(g->reply);
        return;
    }
    char rest[12];
    text_put(&job->held, rest, utf8_join_finish(&job->join, rest, sizeof rest));
    give(job, job->held.size);
    job->ended = true;
    job->finish = finish;
    g->n_ended++;
    if (g->stream) {
        parts_last_chunk(job);
    } else if (g->n_ended == g->n_jobs) {
        parts_whole(g);
    }
    if (g->n_ended == g->n_jobs) {
        release_session(job);
        g->reply->done = true;
    }
    if (is_incomplete(job)) fail_memory(g);
    reply_wake(g->reply);
}

void generation_fail(struct generation *g, int status, const char *code, const char *message) {
    reply_lock(g->reply);
    if (!g->reply->done) {
        stats_add(&g->stats->generations_failed, 1);
        if (g->reply->streams) {
            text_puts(&g->reply->out, "data: ");
        } else {
            g->reply->status = g->faults->error_200 ? 200 : status;
            g->reply->retry_after_s = status == 503 || status == 429 ? 1 : 0;
            text_clear(&g->reply->out);
        }
        answer_error(&g->reply->out, g->faults, status, code, message, NULL);
        if (g->reply->streams) text_puts(&g->reply->out, "\n\n");
        g->reply->done = true;
    }
    reply_wake(g->reply);
}
