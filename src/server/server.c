/* server.c - see server.h: puts the parts together, and takes them apart in an order that no one
 * waits. */
#include "server/server_private.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <malloc.h>
#include <string.h>
#include <unistd.h>

#define TRIM_BYTES (1 << 20) /* blocks of that size go back to the machine when freed */

struct server_options server_options_default(void) {
    struct server_options o = {.bind = "127.0.0.1",
                               .port = 8080,
                               .n_batch = 128,
                               .max_connections = 1088,
                               .max_streams = 32,
                               .max_queued = 64,
                               .version = "0"};
    engine_preset("p5", &o.switches, NULL);
    return o;
}

static bool copy(char **to, const char *from) {
    *to = from == NULL ? NULL : mem_strdup(from);
    return from == NULL || *to != NULL;
}

static uint64_t default_kv_budget(void) {
    const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);
    return pages > 0 && size > 0 ? (uint64_t)pages * (uint64_t)size / 4 : UINT64_C(4) << 30;
}

static void on_left(void *user) {
    registry_poke(((struct server *)user)->registry);
}

static void on_tick(void *user) {
    registry_keep_alive(((struct server *)user)->registry);
}

static bool check(const struct server_options *o, struct err *err) {
    if (o->max_streams < 1 || o->max_streams > MOST_STREAMS) {
        return err_set(err, ERR_INPUT, "server: max_streams is %d, allowed 1..%d", o->max_streams,
                       MOST_STREAMS);
    }
    if (!o->switches.fused_matmul) {
        return err_set(err, ERR_INPUT,
                       "server: it needs the switch fused_matmul, which presets from p2 have");
    }
    return engine_check_switches(&o->switches, err);
}

static bool load_models(struct server *s, const struct server_options *o, struct err *err) {
    const struct runner_options defaults = {.chat_template = s->chat_template,
                                            .switches = o->switches,
                                            .n_ctx = o->n_ctx,
                                            .n_batch = o->n_batch,
                                            .max_streams = o->max_streams,
                                            .max_queued = o->max_queued,
                                            .kv_budget = o->kv_budget > 0 ? o->kv_budget
                                                                          : default_kv_budget(),
                                            .faults = &s->faults,
                                            .stats = &s->stats,
                                            .cancel = o->cancel};
    s->registry = registry_new(&defaults, err);
    if (s->registry == NULL) return false;
    for (int i = 0; i < o->n_models; i++) {
        const struct server_model *m = &o->models[i];
        if (!registry_add(s->registry, m->name, m->path, m->load, err)) return false;
    }
    return true;
}

static bool set_up(struct server *s, const struct server_options *o, struct err *err) {
    if (!check(o, err) || !faults_read(o->faults, &s->faults, err)) return false;
    if (!copy(&s->api_key, o->api_key) || !copy(&s->allow_origins, o->allow_origins) ||
        !copy(&s->allow_hosts, o->allow_hosts) || !copy(&s->bind, o->bind) ||
        !copy(&s->chat_template, o->chat_template) || !copy(&s->version, o->version) ||
        (s->calls = calls_new()) == NULL || (s->pages = pages_new()) == NULL) {
        return err_set(err, ERR_ENVIRONMENT, "server: not enough memory");
    }
    const struct front_options front = {.bind = s->bind,
                                        .port = o->port,
                                        .max_connections = o->max_connections,
                                        .stats = &s->stats,
                                        .faults = &s->faults,
                                        .left = on_left,
                                        .tick = on_tick,
                                        .user = s};
    s->front = front_new(&front, err); /* first: a taken port is known before models are loaded */
    if (s->front == NULL) return false;
    if (!front_is_loopback(s->front) && s->api_key == NULL) {
        return err_set(err, ERR_INPUT,
                       "server: bind: %.60s is reachable from outside; set an API key too",
                       s->bind);
    }
    s->security = (struct security){.api_key = s->api_key,
                                    .allow_origins = s->allow_origins,
                                    .allow_hosts = s->allow_hosts,
                                    .bind = s->bind,
                                    .port = front_port(s->front),
                                    .any_host = s->faults.any_host};
    return load_models(s, o, err) && http_start(s, o->max_connections, err) &&
           front_start(s->front, s->daemon, err);
}

struct server *server_start(const struct server_options *options, struct err *err) {
    struct server *s = mem_new(sizeof *s);
    if (s == NULL) {
        err_set(err, ERR_ENVIRONMENT, "server: not enough memory");
        return NULL;
    }
    mallopt(M_MMAP_THRESHOLD, TRIM_BYTES);
    s->stats.started_ns = clock_now_ns();
    session_table_init(&s->sessions, false);
    session_table_init(&s->mcp_sessions, true);
    if (set_up(s, options, err)) return s;
    server_stop(s);
    return NULL;
}

void server_stop(struct server *s) {
    if (s == NULL) return;
    if (s->front != NULL) front_stop(s->front);
    /* Whoever waits is answered, because no connection may be suspended when the daemon ends. */
    if (s->registry != NULL) registry_stop(s->registry);
    if (s->calls != NULL) calls_close(s->calls);
    http_stop(s);
    front_free(s->front);
    session_table_free(&s->sessions);
    session_table_free(&s->mcp_sessions);
    registry_free(s->registry);
    calls_free(s->calls);
    pages_free(s->pages);
    char *const strings[] = {s->api_key, s->allow_origins, s->allow_hosts,
                             s->bind,    s->chat_template, s->version};
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
        mem_free(strings[i]);
    mem_free(s);
}

int server_port(const struct server *s) {
    return front_port(s->front);
}

bool server_next_call(struct server *s, int timeout_ms, struct server_call *out) {
    return calls_next(s->calls, timeout_ms, &out->id, &out->tool, &out->arguments);
}

bool server_answer_call(struct server *s, int64_t id, const char *text, size_t size,
                        bool is_error) {
    return calls_answer(s->calls, id, text, size, is_error);
}

bool server_set_page(struct server *s, const char *path, bool is_html, const char *body,
                     size_t size, struct err *err) {
    return pages_set(s->pages, path, is_html, body, size) ||
           err_set(err, ERR_INPUT, "server: page %s: it cannot be kept; paths begin with /dashboard",
                   path);
}

bool server_set_tools(struct server *s, const char *json, struct err *err) {
    return calls_set_tools(s->calls, json) ||
           err_set(err, ERR_INPUT, "server: tools: a JSON array is required");
}

const char *server_fault(int i) {
    return faults_describe(i);
}
