/* calls.c - see calls.h. */
#include "server/calls.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/json.h"

#include <string.h>
#include <time.h>

enum { MAX_CALLS = 16 };

struct call {
    struct call *next;
    int64_t id;
    char *tool, *arguments, *rpc_id;
    enum call_form form;
    struct reply *reply;
    bool is_taken;
};

struct calls {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct call *first;
    int n;
    int64_t last_id;
    bool closed;
    char *tools;
    struct json *tools_json;
};

struct calls *calls_new(void) {
    struct calls *c = mem_new(sizeof *c);
    if (c == NULL) return NULL;
    pthread_mutex_init(&c->lock, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&c->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return c;
}

static void free_call(struct call *call) {
    mem_free(call->tool);
    mem_free(call->arguments);
    mem_free(call->rpc_id);
    reply_unref(call->reply);
    mem_free(call);
}

bool calls_put(struct calls *c, const char *tool, const char *arguments, enum call_form form,
               const char *rpc_id, struct reply *reply) {
    struct call *call = mem_new(sizeof *call);
    if (call == NULL) return false;
    call->tool = mem_strdup(tool);
    call->arguments = mem_strdup(arguments);
    call->rpc_id = mem_strdup(rpc_id == NULL ? "null" : rpc_id);
    call->form = form;
    call->reply = reply_ref(reply);
    pthread_mutex_lock(&c->lock);
    const bool good = call->tool != NULL && call->arguments != NULL && call->rpc_id != NULL &&
                      !c->closed && c->n < MAX_CALLS;
    if (good) {
        struct call **at = &c->first;
        while (*at != NULL)
            at = &(*at)->next;
        *at = call;
        c->n++;
        call->id = ++c->last_id;
        pthread_cond_signal(&c->wake);
    }
    pthread_mutex_unlock(&c->lock);
    if (!good) free_call(call);
    return good;
}

static struct call *first_waiting(struct calls *c) {
    struct call *call = c->first;
    while (call != NULL && call->is_taken)
        call = call->next;
    return call;
}

bool calls_next(struct calls *c, int timeout_ms, int64_t *id, const char **tool,
                const char **arguments) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += timeout_ms % 1000 * 1000000L;
    until.tv_sec += timeout_ms / 1000 + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&c->lock);
    struct call *call;
    while ((call = first_waiting(c)) == NULL && !c->closed) {
        if (pthread_cond_timedwait(&c->wake, &c->lock, &until) != 0) break;
    }
    if (call != NULL) {
        call->is_taken = true;
        *id = call->id;
        *tool = call->tool;
        *arguments = call->arguments;
    }
    pthread_mutex_unlock(&c->lock);
    return call != NULL;
}

static void put_content(struct text *out, const char *text, size_t size, bool is_error) {
    text_puts(out, "{\"content\":[{\"type\":\"text\",\"text\":");
    text_json(out, text, size);
    text_printf(out, "}],\"isError\":%s}", is_error ? "true" : "false");
}

static void finish(struct call *call, const char *text, size_t size, bool is_error) {
    struct text *out = &call->reply->out;
    reply_lock(call->reply);
    if (call->form == CALL_RPC) {
        text_printf(out, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"result\":", call->rpc_id);
        put_content(out, text, size, is_error);
        text_puts(out, "}");
    } else {
        text_printf(out, "{\"success\":%s,\"tool\":", is_error ? "false" : "true");
        text_jsons(out, call->tool);
        text_puts(out, ",\"result\":");
        put_content(out, text, size, is_error);
        text_puts(out, "}");
    }
    call->reply->done = true;
    reply_wake(call->reply);
    free_call(call);
}

bool calls_answer(struct calls *c, int64_t id, const char *text, size_t size, bool is_error) {
    struct call *found = NULL;
    pthread_mutex_lock(&c->lock);
    for (struct call **at = &c->first; *at != NULL; at = &(*at)->next) {
        if ((*at)->id != id) continue;
        found = *at;
        *at = found->next;
        c->n--;
        break;
    }
    pthread_mutex_unlock(&c->lock);
    if (found != NULL) finish(found, text, size, is_error);
    return found != NULL;
}

void calls_close(struct calls *c) {
    static const char why[] = "the server ends";
    pthread_mutex_lock(&c->lock);
    c->closed = true;
    struct call *call = c->first;
    c->first = NULL;
    pthread_cond_broadcast(&c->wake);
    pthread_mutex_unlock(&c->lock);
    while (call != NULL) {
        struct call *next = call->next;
        finish(call, why, sizeof why - 1, true);
        call = next;
    }
}

void calls_free(struct calls *c) {
    if (c == NULL) return;
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->wake);
    mem_free(c->tools);
    json_free(c->tools_json);
    mem_free(c);
}

/* ---- what there is ---- */

bool calls_set_tools(struct calls *c, const char *json) {
    char *copy = mem_strdup(json);
    struct json *parsed = json_parse(json, strlen(json), "tools", NULL, NULL);
    if (copy == NULL || parsed == NULL || json_kind_of(parsed) != JSON_ARRAY) {
        mem_free(copy);
        json_free(parsed);
        return false;
    }
    pthread_mutex_lock(&c->lock);
    mem_free(c->tools);
    json_free(c->tools_json);
    c->tools = copy;
    c->tools_json = parsed;
    pthread_mutex_unlock(&c->lock);
    return true;
}

void calls_print_tools(struct calls *c, struct text *out) {
    pthread_mutex_lock(&c->lock);
    text_puts(out, c->tools == NULL ? "[]" : c->tools);
    pthread_mutex_unlock(&c->lock);
}

bool calls_has_tool(struct calls *c, const char *name) {
    bool found = false;
    pthread_mutex_lock(&c->lock);
    const struct json *tool = c->tools_json == NULL ? NULL : json_first(c->tools_json);
    for (; tool != NULL && !found; tool = json_next(tool)) {
        const struct json *v = json_kind_of(tool) == JSON_OBJECT ? json_get(tool, "name") : NULL;
        found = v != NULL && json_kind_of(v) == JSON_STRING && strcmp(json_string(v), name) == 0;
    }
    pthread_mutex_unlock(&c->lock);
    return found;
}
