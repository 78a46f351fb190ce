/* generation.h - one request for text: what was asked, its sequences, and the answer they grow
 * into.
 *
 * Made and checked by an HTTP thread, run by the runner's thread, which calls generation_token and
 * generation_finish for each sequence. What they write lies under the reply's lock. */
#ifndef WOOLLY_SERVER_GENERATION_H
#define WOOLLY_SERVER_GENERATION_H

#include "engine/engine.h"
#include "server/faults.h"
#include "server/reply.h"
#include "server/text.h"

enum {
    MAX_CHOICES = 8,
    MAX_PROMPTS = 16,
    MAX_STOPS = 4,
    MAX_STOP_BYTES = 1024,
    MAX_TOP_LOGPROBS = 20,
    MOST_STREAMS = 256, /* sequences that one runner has room for */
};

struct session;
struct generation;

struct timings {
    int64_t queued_ns, started_ns, prefilled_ns, first_ns, last_ns;
};

/* One sequence. */
struct job {
    struct job *next; /* in the runner's queue */
    struct generation *generation;
    int index, prompt_index; /* of the choice; of its prompt in the request */
    int32_t *prompt;
    int64_t n_prompt, max_tokens;
    struct sampling sampling;
    /* The runner's: */
    struct context *context;
    uint64_t kv_bytes;
    int64_t n_prefilled, n_cached, n_made;
    int64_t not_before_ns; /* a fault asked for delay */
    int32_t next_token;
    struct timings times;
    /* The answer's: */
    struct utf8_join join;
    struct text held;        /* decoded, not yet given away: it may begin a stop text */
    struct text text;        /* of an answer that is not streamed */
    struct text said;        /* in a session: all of it */
    struct text ids;         /* pending, comma-separated */
    struct text logprobs[4]; /* pending: content, or tokens, values, tops, offsets */
    size_t n_text;           /* bytes given away */
    bool began, ended;
    const char *finish; /* "stop", "length", or NULL */
};

enum api { API_NATIVE, API_OPENAI };

struct generation {
    struct reply *reply;
    enum api api;
    bool is_chat, stream, include_usage, ignore_end, want_ids;
    int n_logprobs; /* -1: none; 0: of the token alone */
    char id[48];
    int64_t created_s;
    char *model; /* its name */
    char *stops[MAX_STOPS];
    int n_stops;
    uint64_t client;             /* whose request: turns in the queue are by client */
    struct session *session;     /* or NULL */
    struct text head;            /* of each chunk, up to the index */
    struct job *jobs;            /* [n_jobs] */
    int n_jobs, n_ended, n_left; /* n_left: of those that the runner is done with */
    const struct faults *faults;
    struct stats *stats;
};

struct generation *generation_new(void);
void generation_free(struct generation *generation);

/* By the runner's thread. text_of: the vocabulary that made the token. logits: the row it was
 * sampled from. True when the sequence ends with it (a stop text, an end token, the last one
 * allowed). */
bool generation_token(struct job *job, const struct tokenizer *tokenizer, int32_t token,
                      const float *logits, int64_t n_vocab);
/* Ends a sequence: finish "stop" or "length". */
void generation_finish(struct job *job, const char *finish);
/* Ends all with an error answer, or an error event in a stream that began. */
void generation_fail(struct generation *generation, int status, const char *code,
                     const char *message);

#endif
