/* generation_prompt.c - prompts and conversations of a request become token ids. */
#include "server/generation_reader.h"

#include "base/alloc.h"

#include <math.h>
#include <string.h>

enum { NATIVE_MAX_TOKENS = 100, OPENAI_MAX_TOKENS = 16 };

/* ---- prompts ---- */

static bool new_jobs(struct reader *r, int n_prompts) {
    struct generation *g = r->g;
    const int n = n_prompts * r->n_choices;
    g->jobs = mem_new_array((size_t)n, sizeof *g->jobs);
    if (g->jobs == NULL) return reader_refuse(r->refusal, 500, "memory", NULL, "not enough memory");
    g->n_jobs = n;
    for (int i = 0; i < n; i++) {
        g->jobs[i] = (struct job){
            .generation = g, .index = i, .prompt_index = i / r->n_choices, .sampling = r->sampling};
        g->jobs[i].sampling.seed += (uint64_t)(i % r->n_choices);
    }
    return true;
}

/* The ids of prompt `index`, which all its choices get; takes them. */
static bool set_prompt(struct reader *r, int index, int32_t *ids, size_t n) {
    struct generation *g = r->g;
    const int64_t n_ctx = runner_n_ctx(r->runner), left = n_ctx - (int64_t)n;
    const char *param = g->is_chat ? "messages" : "prompt";
    int64_t max = r->max_tokens;
    bool good = ids != NULL;
    if (!good)
        return reader_refuse(r->refusal, 500, "memory", NULL, "not enough memory for the prompt");
    if (n == 0)
        good = reader_refuse(r->refusal, 400, "empty_prompt", param, "%s: it has no token", param);
    if (good && left < 1) {
        good = reader_refuse(r->refusal, 400, "context_length_exceeded", param,
                             "%s: %zu tokens, allowed 1..%lld: the context holds %lld", param, n,
                             (long long)n_ctx - 1, (long long)n_ctx);
    }
    if (good && max > left && !r->lenient) {
        good = reader_refuse(r->refusal, 400, "context_length_exceeded", "max_tokens",
                             "max_tokens: %lld, allowed 1..%lld: the prompt has %zu tokens and the "
                             "context holds %lld",
                             (long long)max, (long long)left, n, (long long)n_ctx);
    }
    if (max < 0)
        max = g->api == API_NATIVE ? NATIVE_MAX_TOKENS : g->is_chat ? left : OPENAI_MAX_TOKENS;
    if (g->faults->ignore_max_tokens) max *= 2;
    if (max > left) max = left;
    for (int i = 0; i < r->n_choices && good; i++) {
        struct job *job = &g->jobs[index * r->n_choices + i];
        job->max_tokens = max;
        job->n_prompt = (int64_t)n;
        job->prompt = mem_new_array(n, sizeof *ids);
        if (job->prompt == NULL) {
            good =
                reader_refuse(r->refusal, 500, "memory", NULL, "not enough memory for the prompt");
        } else {
            memcpy(job->prompt, ids, n * sizeof *ids);
        }
    }
    mem_free(ids);
    return good;
}

static bool check_size(struct reader *r, const char *param, size_t size) {
    const int64_t most = runner_n_ctx(r->runner) * 128; /* bytes that a token has at most, about */
    if (size <= (size_t)most) return true;
    return reader_refuse(r->refusal, 400, "context_length_exceeded", param,
                         "%s: %zu bytes cannot fit the context of %lld tokens", param, size,
                         (long long)runner_n_ctx(r->runner));
}

static bool set_text(struct reader *r, int index, const char *text) {
    const struct tokenize_options o = {.add_bos = true};
    const size_t size = strlen(text);
    size_t n = 0;
    if (!check_size(r, "prompt", size)) return false;
    struct err err;
    int32_t *ids =
        tokenizer_encode(model_tokenizer(runner_model(r->runner)), text, size, &o, &n, &err);
    return set_prompt(r, index, ids, n);
}

static bool set_ids(struct reader *r, int index, const struct json *list) {
    const int64_t n_vocab = model_info(runner_model(r->runner)).n_vocab;
    const int64_t most = runner_n_ctx(r->runner);
    size_t n = 0;
    int32_t *ids = mem_new_array((size_t)most + 1, sizeof *ids);
    if (ids == NULL)
        return reader_refuse(r->refusal, 500, "memory", NULL, "not enough memory for the prompt");
    for (const struct json *v = json_first(list); v != NULL && n <= (size_t)most;
         v = json_next(v)) {
        const double id = json_kind_of(v) == JSON_NUMBER ? json_number(v) : NAN;
        if (!(id >= 0 && id < (double)n_vocab) || id != floor(id)) {
            mem_free(ids);
            return reader_refuse(r->refusal, 400, "out_of_range", "prompt",
                                 "prompt: token %zu is not an id of 0..%lld", n,
                                 (long long)n_vocab - 1);
        }
        ids[n++] = (int32_t)id;
    }
    return set_prompt(r, index, ids, n);
}

/* In a session a prompt goes on from what was said, unless it begins with all of that itself. */
static bool continue_text(struct reader *r, const char *prompt) {
    struct session *s = r->g->session;
    struct text all = {0};
    for (int i = 0; i < s->n_messages; i++)
        text_puts(&all, s->messages[i].content);
    const bool whole = all.size > 0 && strncmp(prompt, text_string(&all), all.size) == 0;
    const char *new_part = whole ? prompt + all.size : prompt;
    const bool kept = session_add_message(s, "text", new_part, strlen(new_part));
    text_puts(&all, new_part);
    bool good =
        kept || reader_refuse(r->refusal, 400, "out_of_range", "prompt",
                              "prompt: the session holds more than %d parts", MAX_SESSION_MESSAGES);
    good = good && new_jobs(r, 1) && set_text(r, 0, text_string(&all));
    if (!good && kept) session_drop_messages(s, s->n_messages - 1);
    text_free(&all);
    return good;
}

static bool read_prompt(struct reader *r) {
    const struct json *v = reader_field(r, "prompt");
    const struct json *first = v != NULL && json_kind_of(v) == JSON_ARRAY ? json_first(v) : NULL;
    if (v == NULL)
        return reader_refuse(r->refusal, 400, "missing", "prompt", "prompt: it is required");
    if (r->g->session != NULL) {
        if (json_kind_of(v) == JSON_STRING) return continue_text(r, json_string(v));
        return reader_refuse(r->refusal, 400, "wrong_type", "prompt",
                             "prompt: in a session a text is required");
    }
    if (json_kind_of(v) == JSON_STRING) return new_jobs(r, 1) && set_text(r, 0, json_string(v));
    if (first == NULL) {
        return reader_refuse(r->refusal, 400, "wrong_type", "prompt",
                             "prompt: a text, a list of texts, or token ids are required");
    }
    if (json_kind_of(first) == JSON_NUMBER) return new_jobs(r, 1) && set_ids(r, 0, v);
    int n = 0;
    for (const struct json *p = first; p != NULL; p = json_next(p), n++) {
        if (json_kind_of(p) != JSON_STRING && json_kind_of(p) != JSON_ARRAY) {
            return reader_refuse(r->refusal, 400, "wrong_type", "prompt",
                                 "prompt: texts or lists of token ids are required");
        }
    }
    if (n > MAX_PROMPTS) {
        return reader_refuse(r->refusal, 400, "out_of_range", "prompt",
                             "prompt: %d prompts, allowed 1..%d", n, MAX_PROMPTS);
    }
    if (!new_jobs(r, n)) return false;
    n = 0;
    for (const struct json *p = first; p != NULL; p = json_next(p), n++) {
        if (!(json_kind_of(p) == JSON_STRING ? set_text(r, n, json_string(p)) : set_ids(r, n, p)))
            return false;
    }
    return true;
}

/* ---- conversations ---- */

/* The text of a message's content: a text, or a list of {type:"text", text}. */
static bool read_content(struct reader *r, const struct json *content, int index,
                         struct text *out) {
    if (content != NULL && json_kind_of(content) == JSON_STRING) {
        text_puts(out, json_string(content));
        return true;
    }
    if (content == NULL || json_kind_of(content) != JSON_ARRAY) {
        return reader_refuse(r->refusal, 400, "wrong_type", "messages",
                             "messages[%d].content: a text is required", index);
    }
    for (const struct json *part = json_first(content); part != NULL; part = json_next(part)) {
        const struct json *text = json_kind_of(part) == JSON_OBJECT ? json_get(part, "text") : NULL;
        if (text == NULL || json_kind_of(text) != JSON_STRING) {
            return reader_refuse(r->refusal, 400, "unsupported", "messages",
                                 "messages[%d].content: only parts of text are supported", index);
        }
        text_puts(out, json_string(text));
    }
    return true;
}

static bool is_role(const char *role) {
    static const char *const roles[] = {"system", "developer", "user", "assistant", "tool"};
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        if (strcmp(roles[i], role) == 0) return true;
    }
    return false;
}

/* All messages into a scratch session. */
static bool read_messages(struct reader *r, struct session *to) {
    const struct json *list = reader_field(r, "messages");
    if (list == NULL)
        return reader_refuse(r->refusal, 400, "missing", "messages",
                             "messages: a list is required");
    if (json_kind_of(list) != JSON_ARRAY || json_first(list) == NULL) {
        return reader_refuse(r->refusal, 400, "wrong_type", "messages",
                             "messages: a list with at least one message is required");
    }
    int i = 0;
    for (const struct json *m = json_first(list); m != NULL; m = json_next(m), i++) {
        const struct json *role = json_kind_of(m) == JSON_OBJECT ? json_get(m, "role") : NULL;
        if (role == NULL || json_kind_of(role) != JSON_STRING || !is_role(json_string(role))) {
            return reader_refuse(r->refusal, 400, "wrong_type", "messages",
                                 "messages[%d].role: system, user or assistant is required", i);
        }
        struct text content = {0};
        bool good = read_content(r, json_get(m, "content"), i, &content);
        if (good &&
            !session_add_message(to, json_string(role), text_string(&content), content.size)) {
            good =
                reader_refuse(r->refusal, 400, "out_of_range", "messages",
                              "messages: more than %d, or memory is short", MAX_SESSION_MESSAGES);
        }
        text_free(&content);
        if (!good) return false;
    }
    return true;
}

static bool copy_messages(struct reader *r, struct session *to, const struct session *from,
                          int first) {
    for (int i = first; i < from->n_messages; i++) {
        const struct message *m = &from->messages[i];
        if (!session_add_message(to, m->role, m->content, strlen(m->content))) {
            return reader_refuse(r->refusal, 400, "out_of_range", "messages",
                                 "messages: the session holds more than %d", MAX_SESSION_MESSAGES);
        }
    }
    return true;
}

/* What a session knows and what is given: either the whole conversation again, perhaps with another
 * end, or what is new in it. */
static bool merge(struct reader *r, struct session *merged, const struct session *known,
                  const struct session *given) {
    const bool again = known->n_messages > 0 &&
                       strcmp(known->messages[0].role, given->messages[0].role) == 0 &&
                       strcmp(known->messages[0].content, given->messages[0].content) == 0;
    return (again || copy_messages(r, merged, known, 0)) && copy_messages(r, merged, given, 0);
}

static bool encode_chat(struct reader *r, const struct session *conversation) {
    struct err err = {0};
    const struct chat_template *chat = runner_chat(r->runner, &err);
    size_t size = 0, n = 0;
    if (chat == NULL)
        return reader_refuse(r->refusal, 400, "chat_template", "messages", "%s", err.message);
    for (int i = 0; i < conversation->n_messages; i++)
        size += strlen(conversation->messages[i].content);
    if (!check_size(r, "messages", size)) return false;
    int32_t *ids = chat_encode(chat, model_tokenizer(runner_model(r->runner)),
                               conversation->messages, conversation->n_messages, &n, &err);
    const char *stop = chat_template_stop(chat);
    if (stop != NULL && r->g->n_stops < MAX_STOPS) {
        r->g->stops[r->g->n_stops] = mem_strdup(stop);
        if (r->g->stops[r->g->n_stops] != NULL) r->g->n_stops++;
    }
    if (new_jobs(r, 1)) return set_prompt(r, 0, ids, n);
    mem_free(ids);
    return false;
}

static void free_messages(struct session *s) {
    session_drop_messages(s, 0);
    mem_free(s->messages);
}

static bool read_chat(struct reader *r) {
    struct session given = {0}, merged = {0}, *session = r->g->session;
    bool good = read_messages(r, &given);
    if (good && session != NULL) {
        good = merge(r, &merged, session, &given) && encode_chat(r, &merged);
        if (good)
            session_swap_messages(session,
                                  &merged); /* only now: a refused request changes nothing */
    } else if (good) {
        good = encode_chat(r, &given);
    }
    free_messages(&given);
    free_messages(&merged);
    return good;
}

bool reader_prompt(struct reader *r) {
    return r->g->is_chat ? read_chat(r) : read_prompt(r);
}
