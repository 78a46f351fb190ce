/* session.c - see session.h. */
#include "server/session.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "server/answer.h"

#include <string.h>

void session_table_init(struct session_table *table, bool is_mcp) {
    *table = (struct session_table){.is_mcp = is_mcp};
    pthread_mutex_init(&table->lock, NULL);
}

static char *print_or_empty(const struct json *value) {
    return value == NULL ? mem_strdup("{}") : json_print(value, false);
}

struct session *session_new(struct session_table *table, const struct json *config,
                            const struct json *metadata) {
    struct session *s = mem_new(sizeof *s);
    if (s == NULL) return NULL;
    atomic_init(&s->refs, 2);
    pthread_mutex_init(&s->lock, NULL);
    answer_id(table->is_mcp ? "mcp-" : "sess-", s->id, sizeof s->id);
    s->created_s = clock_wall_ns() / 1000000000;
    s->config = print_or_empty(config);
    s->metadata = print_or_empty(metadata);
    pthread_mutex_lock(&table->lock);
    bool good = s->config != NULL && s->metadata != NULL && table->n < MAX_SESSIONS;
    if (good) {
        s->next = table->first;
        table->first = s;
        table->n++;
    }
    pthread_mutex_unlock(&table->lock);
    if (good) return s;
    session_unref(s);
    session_unref(s);
    return NULL;
}

struct session *session_find(struct session_table *table, const char *id) {
    pthread_mutex_lock(&table->lock);
    struct session *s = table->first;
    while (s != NULL && strcmp(s->id, id) != 0)
        s = s->next;
    if (s != NULL) atomic_fetch_add(&s->refs, 1);
    pthread_mutex_unlock(&table->lock);
    return s;
}

int session_count(struct session_table *table) {
    pthread_mutex_lock(&table->lock);
    const int n = table->n;
    pthread_mutex_unlock(&table->lock);
    return n;
}

bool session_delete(struct session_table *table, const char *id) {
    struct session *found = NULL;
    pthread_mutex_lock(&table->lock);
    for (struct session **at = &table->first; *at != NULL; at = &(*at)->next) {
        if (strcmp((*at)->id, id) != 0) continue;
        found = *at;
        *at = found->next;
        table->n--;
        break;
    }
    pthread_mutex_unlock(&table->lock);
    if (found == NULL) return false;
    atomic_store(&found->deleted, true);
    session_unref(found);
    return true;
}

void session_drop_messages(struct session *s, int keep) {
    pthread_mutex_lock(&s->lock);
    while (s->n_messages > keep) {
        struct message *last = &s->messages[--s->n_messages];
        mem_free(last->role);
        mem_free(last->content);
    }
    pthread_mutex_unlock(&s->lock);
}

void session_set_model(struct session *s, const char *name) {
    char *copy = mem_strdup(name);
    pthread_mutex_lock(&s->lock);
    mem_free(s->model);
    s->model = copy;
    pthread_mutex_unlock(&s->lock);
}

void session_swap_messages(struct session *s, struct session *other) {
    struct message *messages = other->messages;
    const int n = other->n_messages;
    pthread_mutex_lock(&s->lock);
    other->messages = s->messages;
    other->n_messages = s->n_messages;
    s->messages = messages;
    s->n_messages = n;
    pthread_mutex_unlock(&s->lock);
}

void session_unref(struct session *s) {
    if (s == NULL || atomic_fetch_sub(&s->refs, 1) > 1) return;
    session_drop_messages(s, 0);
    mem_free(s->messages);
    mem_free(s->config);
    mem_free(s->metadata);
    mem_free(s->model);
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

void session_table_free(struct session_table *table) {
    while (table->first != NULL) {
        struct session *s = table->first;
        table->first = s->next;
        session_unref(s);
    }
    pthread_mutex_destroy(&table->lock);
}

static bool add_message(struct session *s, struct message m) {
    if (m.role == NULL || m.content == NULL || s->n_messages >= MAX_SESSION_MESSAGES) return false;
    struct message *messages =
        mem_realloc(s->messages, (size_t)(s->n_messages + 1) * sizeof *messages);
    if (messages == NULL) return false;
    s->messages = messages;
    messages[s->n_messages++] = m;
    return true;
}

bool session_add_message(struct session *s, const char *role, const char *content, size_t size) {
    struct message m = {.role = mem_strdup(role), .content = mem_alloc(size + 1)};
    if (m.content != NULL) {
        memcpy(m.content, content, size);
        m.content[size] = '\0';
    }
    pthread_mutex_lock(&s->lock);
    const bool added = add_message(s, m);
    pthread_mutex_unlock(&s->lock);
    if (added) return true;
    mem_free(m.role);
    mem_free(m.content);
    return false;
}

void session_print(struct session *s, struct text *out) {
    pthread_mutex_lock(&s->lock);
    text_printf(
        out,
        "{\"id\":\"%s\",\"session_id\":\"%s\",\"object\":\"session\",\"created\":%lld,\"model\":",
        s->id, s->id, (long long)s->created_s);
    if (s->model != NULL) {
        text_jsons(out, s->model);
    } else {
        text_puts(out, "null");
    }
    text_printf(
        out, ",\"messages\":%d,\"cached_tokens\":%lld,\"busy\":%s,\"config\":%s,\"metadata\":%s}",
        s->n_messages, (long long)atomic_load(&s->n_tokens),
        atomic_load(&s->busy) ? "true" : "false", s->config, s->metadata);
    pthread_mutex_unlock(&s->lock);
}

void session_print_all(struct session_table *table, struct text *out) {
    pthread_mutex_lock(&table->lock);
    for (struct session *s = table->first; s != NULL; s = s->next) {
        if (s != table->first) text_puts(out, ",");
        session_print(s, out);
    }
    pthread_mutex_unlock(&table->lock);
}
