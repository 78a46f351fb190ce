/* route_generate.c - requests for text: which model, is it there, is there room; then the runner's.
 */
#include "server/server_private.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

static struct runner *find_runner(struct exchange *x) {
    const struct json *v = exchange_field(x, "model");
    bool known = false;
    if (v != NULL && json_kind_of(v) != JSON_STRING) {
        exchange_error(x, 400, "wrong_type", "model: a text is required", "model");
        return NULL;
    }
    const char *name = v == NULL || *json_string(v) == '\0' ? NULL : json_string(v);
    struct runner *runner = registry_runner(x->server->registry, name, &known);
    if (runner != NULL) return runner;
    if (!known) {
        exchange_error(x, 404, "model_not_found", "model: there is no model of that name", "model");
    } else {
        exchange_error(x, 409, "model_not_loaded",
                       name == NULL ? "no model is loaded" : "the model is not loaded", "model");
    }
    return NULL;
}

/* Planned refusals; true: answered. */
static bool misbehave(struct exchange *x) {
    const struct faults *f = &x->server->faults;
    const uint64_t n = atomic_fetch_add(&x->server->n_generations, 1) + 1;
    if (f->leak_kb > 0) {
        void *leaked = malloc((size_t)f->leak_kb * 1024); /* on purpose: a planted leak */
        if (leaked != NULL) memset(leaked, 1, (size_t)f->leak_kb * 1024);
        __asm__ volatile("" : : "r"(leaked) : "memory");
    }
    if (f->fail_every > 0 && n % (uint64_t)f->fail_every == 0) {
        exchange_error(x, 500, "fault", "an error that was asked for", NULL);
        return true;
    }
    if (f->busy_every > 0 && n % (uint64_t)f->busy_every == 0) {
        exchange_error(x, 429, "queue_full", "an overload that was asked for", NULL);
        return true;
    }
    return false;
}

static void submit(struct exchange *x, struct runner *runner, struct generation *g) {
    int retry_after_s = 1;
    g->reply->streams = g->stream;
    x->reply = reply_ref(g->reply);
    /* Before it is submitted: afterwards the runner may be done with it any time. */
    front_watch(x->server->front, x->fd, x->reply);
    enum submitted result = runner_submit(runner, g, &retry_after_s);
    if (result == SUBMITTED) return;
    front_state(x->server->front, x->fd, FRONT_ANSWER);
    reply_unref(x->reply);
    x->reply = NULL;
    if (g->session != NULL) atomic_store(&g->session->busy, false);
    generation_free(g);
    if (result == SUBMIT_FULL) {
        x->retry_after_s = retry_after_s;
        exchange_error(x, 429, "queue_full", "as many requests wait as may; try again later", NULL);
    } else {
        exchange_error(x, 503, "model_unloaded", "the model is being unloaded", "model");
    }
}

void route_generate(struct exchange *x, enum api api, enum request_kind kind, bool stream) {
    struct refusal refusal = {0};
    if (!exchange_read_body(x)) return;
    if (x->server->faults.any && misbehave(x)) return;
    struct runner *runner = find_runner(x);
    if (runner == NULL) return;
    struct generation *g =
        generation_request(x->json, api, kind, runner, &x->server->sessions, x->client, &refusal);
    if (g == NULL) {
        exchange_error(x, refusal.status, refusal.code, refusal.message, refusal.param);
    } else {
        g->stream = g->stream || stream;
        submit(x, runner, g);
    }
    runner_unref(runner);
}
