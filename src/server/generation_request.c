/* generation_request.c - see generation_request.h. */
#include "server/generation_reader.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "server/answer.h"
#include "server/generation_parts.h"

#include <string.h>

static bool open_session(struct reader *r, struct session_table *sessions) {
    const struct json *v = reader_field(r, "session_id");
    if (v == NULL) return true;
    if (json_kind_of(v) != JSON_STRING) {
        return reader_refuse(r->refusal, 400, "wrong_type", "session_id",
                             "session_id: a text is required");
    }
    struct session *s = session_find(sessions, json_string(v));
    if (s == NULL)
        return reader_refuse(r->refusal, 404, "session_not_found", "session_id",
                             "session_id: there is no such session");
    bool idle = false;
    if (r->n_choices > 1 || !atomic_compare_exchange_strong(&s->busy, &idle, true)) {
        session_unref(s);
        return r->n_choices > 1
                   ? reader_refuse(r->refusal, 400, "out_of_range", "n",
                                   "n: 1 is required in a session")
                   : reader_refuse(r->refusal, 409, "session_busy", "session_id",
                                   "the session answers another request; one at a time");
    }
    r->g->session = s;
    session_set_model(s, runner_name(r->runner));
    return true;
}
/* ---- the whole ---- */

static bool read_all(struct reader *r, struct session_table *sessions) {
    return reader_values(r) && open_session(r, sessions) && reader_prompt(r);
}

struct generation *generation_request(const struct json *body, enum api api, enum request_kind kind,
                                      struct runner *runner, struct session_table *sessions,
                                      uint64_t client, struct refusal *refusal) {
    struct generation *g = generation_new();
    if (g == NULL) {
        reader_refuse(refusal, 500, "memory", NULL, "not enough memory");
        return NULL;
    }
    g->api = api;
    g->is_chat =
        kind == REQUEST_CHAT || (kind == REQUEST_EITHER && json_get(body, "messages") != NULL);
    g->client = client;
    g->created_s = clock_wall_ns() / 1000000000;
    g->faults = runner_faults(runner);
    g->stats = runner_stats(runner);
    g->model = mem_strdup(runner_name(runner));
    answer_id(g->is_chat ? "chatcmpl-" : "cmpl-", g->id, sizeof g->id);
    struct reader r = {.body = body,
                       .runner = runner,
                       .g = g,
                       .refusal = refusal,
                       .lenient = g->faults->accept_bad_values,
                       .n_choices = 1,
                       .sampling = sampling_default()};
    if (g->model != NULL && read_all(&r, sessions)) {
        parts_head(g);
        if (!g->head.failed) return g;
    }
    if (g->model == NULL || g->head.failed)
        reader_refuse(refusal, 500, "memory", NULL, "not enough memory");
    if (g->session != NULL) atomic_store(&g->session->busy, false);
    generation_free(g);
    return NULL;
}
