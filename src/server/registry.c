/* registry.c - see registry.h. */
#include "server/registry.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/flag.h"
#include "server/answer.h"
#include "server/registry_config.h"

#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { MAX_MODELS = 256 };

struct entry {
    char *name, *path;
    char arch[64], type[32], title[128];
    uint64_t file_bytes, n_params;
    int64_t n_ctx_train;
    struct runner *runner; /* NULL: not loaded */
    bool changing;
};

struct task {
    struct entry *entry;
    bool load, keeps; /* keeps: it is loaded already, and nothing else was asked for */
    struct runner_options options;
    struct reply *reply;
};

struct registry {
    struct runner_options defaults;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct entry entries[MAX_MODELS];
    int n;
    struct task tasks[MAX_MODELS]; /* one per model at most */
    int n_tasks;
    bool ending, has_thread;
    volatile int cancel;
    pthread_t thread;
};

/* ---- loading and unloading ---- */

static struct runner *start_runner(struct registry *r, struct entry *e, struct runner_options o,
                                   struct err *err) {
    o.path = e->path;
    o.name = e->name;
    struct runner *runner = runner_new(&o, err);
    if (runner == NULL) return NULL;
    pthread_mutex_lock(&r->lock);
    e->runner = runner;
    pthread_mutex_unlock(&r->lock);
    return runner;
}

/* Takes the model out of sight, ends what runs, and waits for those who still look at it. */
static void stop_runner(struct registry *r, struct entry *e) {
    pthread_mutex_lock(&r->lock);
    struct runner *runner = e->runner;
    e->runner = NULL;
    pthread_mutex_unlock(&r->lock);
    if (runner == NULL) return;
    runner_stop(runner);
    while (!runner_is_last(runner)) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    runner_unref(runner);
}

static void print_entry(const struct entry *e, const struct registry *r, struct text *out);

static void run_task(struct registry *r, struct task *t) {
    struct err err = {0};
    bool ok = true;
    const bool keeps = t->keeps || (r->defaults.faults->unload_noop && !t->load);
    if (t->load && !keeps) stop_runner(r, t->entry); /* it comes back with other options */
    if (t->load && !keeps) {
        ok = start_runner(r, t->entry, t->options, &err) != NULL;
    } else if (!t->load && !keeps) {
        stop_runner(r, t->entry);
    }
    pthread_mutex_lock(&r->lock);
    t->entry->changing = false;
    pthread_mutex_unlock(&r->lock);
    reply_lock(t->reply);
    struct text *out = &t->reply->out;
    if (ok) {
        text_printf(out, "{\"success\":true,\"message\":\"model %s\",\"model_info\":",
                    t->load ? "loaded" : "unloaded");
        pthread_mutex_lock(&r->lock);
        print_entry(t->entry, r, out);
        pthread_mutex_unlock(&r->lock);
        text_puts(out, "}");
    } else {
        t->reply->status = err.code == ERR_INPUT ? 400 : err.code == ERR_UNAVAILABLE ? 400 : 500;
        text_puts(out, "{\"success\":false,\"message\":");
        text_jsons(out, err.message);
        text_puts(out, ",");
        struct text error = {0};
        answer_error(&error, r->defaults.faults, t->reply->status, "load_failed", err.message,
                     NULL);
        if (error.size > 2 && error.data[0] == '{') {
            text_put(out, error.data + 1, error.size - 1);
        } else {
            text_puts(out, "\"error\":null}");
        }
        text_free(&error);
    }
    t->reply->done = true;
    reply_wake(t->reply);
    reply_unref(t->reply);
}

static void *work(void *argument) {
    struct registry *r = argument;
    pthread_mutex_lock(&r->lock);
    for (;;) {
        while (r->n_tasks == 0 && !r->ending)
            pthread_cond_wait(&r->wake, &r->lock);
        if (r->n_tasks == 0) break;
        struct task task = r->tasks[0];
        memmove(r->tasks, r->tasks + 1, (size_t)--r->n_tasks * sizeof *r->tasks);
        pthread_mutex_unlock(&r->lock);
        run_task(r, &task);
        pthread_mutex_lock(&r->lock);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

enum registry_error registry_change(struct registry *r, const char *name, bool load,
                                    const struct json *config, struct reply *reply,
                                    struct err *err) {
    struct task task = {.load = load, .options = r->defaults, .reply = reply};
    enum registry_error result = REGISTRY_OK;
    if (load && !registry_read_config(config, &task.options, err)) return REGISTRY_INPUT;
    pthread_mutex_lock(&r->lock);
    for (int i = 0; i < r->n; i++) {
        if (strcmp(r->entries[i].name, name) == 0) task.entry = &r->entries[i];
    }
    if (task.entry == NULL) {
        result = REGISTRY_UNKNOWN;
    } else if (task.entry->changing || r->ending) {
        result = REGISTRY_BUSY;
    } else {
        task.entry->changing = true;
        task.keeps = load && config == NULL && task.entry->runner != NULL;
        task.options.cancel = &r->cancel;
        reply_ref(reply);
        r->tasks[r->n_tasks++] = task;
        pthread_cond_signal(&r->wake);
    }
    pthread_mutex_unlock(&r->lock);
    return result;
}

/* ---- making and ending ---- */

struct registry *registry_new(const struct runner_options *defaults, struct err *err) {
    struct registry *r = mem_new(sizeof *r);
    if (r == NULL) {
        err_set(err, ERR_ENVIRONMENT, "server: not enough memory");
        return NULL;
    }
    r->defaults = *defaults;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->wake, NULL);
    r->has_thread = pthread_create(&r->thread, NULL, work, r) == 0;
    if (r->has_thread) return r;
    err_set(err, ERR_ENVIRONMENT, "server: a thread cannot be started");
    registry_free(r);
    return NULL;
}

void registry_stop(struct registry *r) {
    pthread_mutex_lock(&r->lock);
    r->ending = true;
    flag_put(&r->cancel, true);
    pthread_cond_signal(&r->wake);
    pthread_mutex_unlock(&r->lock);
    if (r->has_thread) pthread_join(r->thread, NULL);
    r->has_thread = false;
    for (int i = 0; i < r->n; i++)
        stop_runner(r, &r->entries[i]);
}

void registry_free(struct registry *r) {
    if (r == NULL) return;
    registry_stop(r);
    for (int i = 0; i < r->n; i++) {
        mem_free(r->entries[i].name);
        mem_free(r->entries[i].path);
    }
    pthread_mutex_destroy(&r->lock);
    pthread_cond_destroy(&r->wake);
    mem_free(r);
}

/* What the list says of a model that is not loaded: read from the file once. */
static bool read_facts(struct entry *e, struct err *err) {
    struct model_options options = model_options_default();
    struct model *model = model_load(e->path, &options, err);
    if (model == NULL) return false;
    struct model_info info = model_info(model);
    snprintf(e->arch, sizeof e->arch, "%s", info.arch);
    snprintf(e->type, sizeof e->type, "%s", info.type_name);
    snprintf(e->title, sizeof e->title, "%s", info.name == NULL ? "" : info.name);
    e->file_bytes = info.file_bytes;
    e->n_params = info.n_params;
    e->n_ctx_train = info.n_ctx_train;
    model_free(model);
    return true;
}

bool registry_add(struct registry *r, const char *name, const char *path, bool load,
                  struct err *err) {
    struct entry *e = &r->entries[r->n];
    if (r->n == MAX_MODELS)
        return err_set(err, ERR_INPUT, "server: more than %d models", MAX_MODELS);
    for (int i = 0; i < r->n; i++) {
        if (strcmp(r->entries[i].name, name) == 0) {
            return err_set(err, ERR_INPUT, "server: two models are called %s", name);
        }
    }
    *e = (struct entry){.name = mem_strdup(name), .path = mem_strdup(path)};
    bool good = e->name != NULL && e->path != NULL;
    if (!good) err_set(err, ERR_ENVIRONMENT, "server: not enough memory");
    good = good && read_facts(e, err) && (!load || start_runner(r, e, r->defaults, err) != NULL);
    if (good) {
        pthread_mutex_lock(&r->lock);
        r->n++;
        pthread_mutex_unlock(&r->lock);
        return true;
    }
    mem_free(e->name);
    mem_free(e->path);
    *e = (struct entry){0};
    return false;
}

/* ---- looking ---- */

struct runner *registry_runner(struct registry *r, const char *name, bool *known) {
    struct runner *found = NULL;
    *known = name == NULL;
    pthread_mutex_lock(&r->lock);
    for (int i = 0; i < r->n && found == NULL; i++) {
        struct entry *e = &r->entries[i];
        if (name != NULL && strcmp(e->name, name) != 0) continue;
        *known = true;
        if (e->runner != NULL) found = runner_ref(e->runner);
    }
    pthread_mutex_unlock(&r->lock);
    return found;
}

int registry_n_loaded(struct registry *r) {
    int n = 0;
    pthread_mutex_lock(&r->lock);
    for (int i = 0; i < r->n; i++)
        n += r->entries[i].runner != NULL;
    pthread_mutex_unlock(&r->lock);
    return n;
}

static void for_runners(struct registry *r, void (*call)(struct runner *)) {
    pthread_mutex_lock(&r->lock);
    for (int i = 0; i < r->n; i++) {
        if (r->entries[i].runner != NULL) call(r->entries[i].runner);
    }
    pthread_mutex_unlock(&r->lock);
}

void registry_poke(struct registry *r) {
    for_runners(r, runner_poke);
}

void registry_keep_alive(struct registry *r) {
    for_runners(r, runner_keep_alive);
}

/* ---- printing ---- */

static void print_entry(const struct entry *e, const struct registry *r, struct text *out) {
    const char *file = strrchr(e->path, '/');
    struct err ignored;
    const bool chat = e->runner == NULL || runner_chat(e->runner, &ignored) != NULL;
    text_puts(out, "{\"id\":");
    text_jsons(out, e->name);
    text_puts(out, ",\"name\":");
    text_jsons(out, e->name);
    text_puts(out, ",\"object\":\"model\",\"created\":0,\"owned_by\":\"woolly\",\"description\":");
    text_jsons(out, e->title[0] != '\0' ? e->title : e->name);
    text_puts(out, ",\"path\":");
    text_jsons(out, file == NULL ? e->path : file + 1);
    text_printf(out, ",\"loaded\":%s,\"size_bytes\":%llu,\"parameters\":%llu,\"architecture\":",
                e->runner != NULL ? "true" : "false", (unsigned long long)e->file_bytes,
                (unsigned long long)e->n_params);
    text_jsons(out, e->arch);
    text_puts(out, ",\"quantization\":");
    text_jsons(out, e->type);
    int64_t n_ctx = r->defaults.n_ctx > 0 && r->defaults.n_ctx < e->n_ctx_train ? r->defaults.n_ctx
                                                                                : e->n_ctx_train;
    if (e->runner != NULL) n_ctx = runner_n_ctx(e->runner);
    text_printf(out, ",\"context_length\":%lld,\"capabilities\":[%s\"completion\",\"mcp\"]",
                (long long)n_ctx, chat ? "\"chat\"," : "");
    text_printf(
        out,
        ",\"capabilities_map\":{\"chat\":%s,\"completion\":true,\"mcp\":true,\"vision\":false,"
        "\"function_calling\":false}",
        chat ? "true" : "false");
    if (e->runner != NULL) {
        const struct engine_switches s = runner_switches(e->runner);
        text_puts(out, ",\"chat_template\":");
        const struct chat_template *t = runner_chat(e->runner, &ignored);
        if (t != NULL) {
            text_jsons(out, chat_template_name(t));
        } else {
            text_puts(out, "null");
        }
        text_printf(
            out,
            ",\"n_threads\":%d,\"backend\":\"%s\",\"key_type\":\"%s\",\"value_type\":\"%s\","
            "\"memory_bytes\":%llu",
            s.n_threads, isa_name(s.isa), kv_type_name(s.key_type), kv_type_name(s.value_type),
            (unsigned long long)runner_bytes(e->runner));
    }
    text_puts(out, "}");
}

bool registry_print(struct registry *r, const char *name, struct text *out) {
    bool found = false;
    pthread_mutex_lock(&r->lock);
    for (int i = 0; i < r->n && !found; i++) {
        found = strcmp(r->entries[i].name, name) == 0;
        if (found) print_entry(&r->entries[i], r, out);
    }
    pthread_mutex_unlock(&r->lock);
    return found;
}

void registry_print_all(struct registry *r, bool openai, struct text *out) {
    pthread_mutex_lock(&r->lock);
    for (int i = 0; i < r->n && !r->defaults.faults->no_models; i++) {
        if (i > 0) text_puts(out, ",");
        if (openai) {
            text_puts(out, "{\"id\":");
            text_jsons(out, r->entries[i].name);
            text_puts(out, ",\"object\":\"model\",\"created\":0,\"owned_by\":\"woolly\"}");
        } else {
            print_entry(&r->entries[i], r, out);
        }
    }
    pthread_mutex_unlock(&r->lock);
}
