/* generation_request.c - see generation_request.h. */
#include "server/generation_request.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "server/answer.h"
#include "server/generation_parts.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum { NATIVE_MAX_TOKENS = 100, OPENAI_MAX_TOKENS = 16, MAX_MESSAGES = 1024 };

struct reader {
    const struct json *body;
    struct runner *runner;
    struct generation *g;
    struct refusal *refusal;
    bool lenient;       /* a fault: what is out of range counts as not given */
    int64_t max_tokens; /* below 0: what is left of the context */
    int n_choices;
    struct sampling sampling;
    bool has_seed;
};

static bool refuse(struct refusal *r, int status, const char *code, const char *param,
                   const char *format, ...) __attribute__((format(printf, 5, 6)));

static bool refuse(struct refusal *r, int status, const char *code, const char *param,
                   const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(r->message, sizeof r->message, format, arguments);
    va_end(arguments);
    r->status = status;
    r->code = code;
    r->param = param;
    return false;
}

static const struct json *field(const struct reader *r, const char *key) {
    const struct json *v = json_get(r->body, key);
    return v == NULL || json_kind_of(v) == JSON_NULL ? NULL : v;
}

/* ---- values ---- */

static bool read_number(struct reader *r, const char *key, double least, double most, bool whole,
                        double *out) {
    const struct json *v = field(r, key);
    if (v == NULL) return true;
    const double n = json_kind_of(v) == JSON_NUMBER ? json_number(v) : NAN;
    if (n >= least && n <= most && (!whole || n == floor(n))) {
        *out = n;
        return true;
    }
    if (r->lenient) return true;
    if (json_kind_of(v) != JSON_NUMBER) {
        return refuse(r->refusal, 400, "wrong_type", key, "%s: a number is required", key);
    }
    return refuse(r->refusal, 400, "out_of_range", key, "%s: %g is out of range, allowed %s%g..%g",
                  key, n, whole ? "whole numbers " : "", least, most);
}

static bool read_bool(struct reader *r, const char *key, bool *out) {
    const struct json *v = field(r, key);
    if (v == NULL) return true;
    if (json_kind_of(v) != JSON_BOOL) {
        return r->lenient ||
               refuse(r->refusal, 400, "wrong_type", key, "%s: true or false is required", key);
    }
    *out = json_bool(v);
    return true;
}

static bool add_stop(struct reader *r, const char *key, const struct json *v) {
    struct generation *g = r->g;
    if (json_kind_of(v) != JSON_STRING) {
        return refuse(r->refusal, 400, "wrong_type", key, "%s: texts are required", key);
    }
    const size_t size = strlen(json_string(v));
    if (size == 0 || size > MAX_STOP_BYTES) {
        return refuse(r->refusal, 400, "out_of_range", key,
                      "%s: a text of %zu bytes, allowed 1..%d", key, size, MAX_STOP_BYTES);
    }
    if (g->n_stops == MAX_STOPS) {
        return refuse(r->refusal, 400, "out_of_range", key,
                      "%s: more than %d texts, the most allowed", key, MAX_STOPS);
    }
    g->stops[g->n_stops] = mem_strdup(json_string(v));
    if (g->stops[g->n_stops] == NULL)
        return refuse(r->refusal, 500, "memory", NULL, "not enough memory");
    g->n_stops++;
    return true;
}

static bool read_stops(struct reader *r, const char *key) {
    const struct json *v = field(r, key);
    if (v == NULL) return true;
    if (json_kind_of(v) == JSON_STRING) return add_stop(r, key, v);
    if (json_kind_of(v) != JSON_ARRAY) {
        return refuse(r->refusal, 400, "wrong_type", key,
                      "%s: a text or a list of texts is required", key);
    }
    for (const struct json *s = json_first(v); s != NULL; s = json_next(s)) {
        if (!add_stop(r, key, s)) return false;
    }
    return true;
}

/* What OpenAI's API has and this server does not: refused when it would change the answer. */
static bool read_unsupported(struct reader *r) {
    double penalty = 0, best_of = 1;
    bool echo = false;
    const struct json *v;
    if (!read_number(r, "presence_penalty", -2, 2, false, &penalty)) return false;
    if (penalty != 0)
        return refuse(r->refusal, 400, "unsupported", "presence_penalty",
                      "presence_penalty is not supported; use repetition_penalty");
    if (!read_number(r, "frequency_penalty", -2, 2, false, &penalty)) return false;
    if (penalty != 0)
        return refuse(r->refusal, 400, "unsupported", "frequency_penalty",
                      "frequency_penalty is not supported; use repetition_penalty");
    if (!read_number(r, "best_of", 1, MAX_CHOICES, true, &best_of) || !read_bool(r, "echo", &echo))
        return false;
    if (best_of != 1)
        return refuse(r->refusal, 400, "unsupported", "best_of", "best_of is not supported; use n");
    if (echo) return refuse(r->refusal, 400, "unsupported", "echo", "echo is not supported");
    if ((v = field(r, "logit_bias")) != NULL &&
        (json_kind_of(v) != JSON_OBJECT || json_first(v) != NULL)) {
        return refuse(r->refusal, 400, "unsupported", "logit_bias", "logit_bias is not supported");
    }
    if ((v = field(r, "suffix")) != NULL &&
        (json_kind_of(v) != JSON_STRING || *json_string(v) != '\0')) {
        return refuse(r->refusal, 400, "unsupported", "suffix", "suffix is not supported");
    }
    if ((v = field(r, "tools")) != NULL &&
        (json_kind_of(v) != JSON_ARRAY || json_first(v) != NULL)) {
        return refuse(r->refusal, 400, "unsupported", "tools",
                      "this server's models call no functions");
    }
    if ((v = field(r, "response_format")) != NULL) {
        const struct json *type = json_kind_of(v) == JSON_OBJECT ? json_get(v, "type") : NULL;
        if (type == NULL || json_kind_of(type) != JSON_STRING ||
            strcmp(json_string(type), "text") != 0) {
            return refuse(r->refusal, 400, "unsupported", "response_format",
                          "response_format other than text is not supported");
        }
    }
    return true;
}

static bool read_logprobs(struct reader *r) {
    double top = 0;
    const struct json *v = field(r, "logprobs");
    if (v != NULL && json_kind_of(v) == JSON_BOOL) {
        if (!json_bool(v)) return true;
        if (!read_number(r, "top_logprobs", 0, MAX_TOP_LOGPROBS, true, &top)) return false;
    } else if (v != NULL) {
        if (!read_number(r, "logprobs", 0, MAX_TOP_LOGPROBS, true, &top)) return false;
    } else {
        return true;
    }
    r->g->n_logprobs = (int)top;
    return true;
}

static bool read_seed(struct reader *r) {
    const struct json *v = field(r, "seed");
    if (v == NULL || r->g->faults->ignore_seed) {
        if (getrandom(&r->sampling.seed, sizeof r->sampling.seed, 0) < 0)
            r->sampling.seed = (uint64_t)clock_now_ns();
        return true;
    }
    double seed = 0;
    if (!read_number(r, "seed", -9007199254740992.0, 9007199254740992.0, true, &seed)) return false;
    r->sampling.seed = (uint64_t)(int64_t)seed;
    return true;
}

static bool read_sampling(struct reader *r) {
    struct generation *g = r->g;
    const bool native = g->api == API_NATIVE;
    double temperature = native ? 0.7 : 1, top_p = native ? 0.9 : 1, top_k = native ? 50 : 0,
           min_p = 0;
    double penalty = 1, n = 1, max_tokens = -1;
    if (!read_number(r, "temperature", 0, 2, false, &temperature) ||
        !read_number(r, "top_p", 0, 1, false, &top_p) ||
        !read_number(r, "top_k", 0, 1e6, true, &top_k) ||
        !read_number(r, "min_p", 0, 1, false, &min_p) ||
        !read_number(r, "repetition_penalty", 0.01, 10, false, &penalty) ||
        !read_number(r, "n", 1, MAX_CHOICES, true, &n) ||
        !read_number(r, "max_tokens", 1, 1 << 24, true, &max_tokens) ||
        !read_number(r, "max_completion_tokens", 1, 1 << 24, true, &max_tokens) || !read_seed(r)) {
        return false;
    }
    if (top_p == 0) top_p = 1e-6; /* the likeliest alone */
    r->sampling.temperature = (float)temperature;
    r->sampling.top_p = (float)top_p;
    r->sampling.top_k = (int)top_k;
    r->sampling.min_p = (float)min_p;
    r->sampling.repetition_penalty = (float)penalty;
    r->n_choices = g->faults->ignore_n ? 1 : (int)n;
    r->max_tokens = (int64_t)max_tokens;
    return true;
}

static bool read_stream(struct reader *r) {
    const struct json *options = field(r, "stream_options");
    if (!read_bool(r, "stream", &r->g->stream) || !read_bool(r, "ignore_eos", &r->g->ignore_end) ||
        !read_bool(r, "return_token_ids", &r->g->want_ids)) {
        return false;
    }
    if (options == NULL) return true;
    const struct json *usage =
        json_kind_of(options) == JSON_OBJECT ? json_get(options, "include_usage") : NULL;
    if (json_kind_of(options) != JSON_OBJECT ||
        (usage != NULL && json_kind_of(usage) != JSON_BOOL)) {
        return r->lenient ||
               refuse(r->refusal, 400, "wrong_type", "stream_options",
                      "stream_options: {\"include_usage\": true or false} is required");
    }
    r->g->include_usage = usage != NULL && json_bool(usage);
    return true;
}

/* ---- prompts ---- */

static bool new_jobs(struct reader *r, int n_prompts) {
    struct generation *g = r->g;
    const int n = n_prompts * r->n_choices;
    g->jobs = mem_new_array((size_t)n, sizeof *g->jobs);
    if (g->jobs == NULL) return refuse(r->refusal, 500, "memory", NULL, "not enough memory");
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
    if (!good) return refuse(r->refusal, 500, "memory", NULL, "not enough memory for the prompt");
    if (n == 0) good = refuse(r->refusal, 400, "empty_prompt", param, "%s: it has no token", param);
    if (good && left < 1) {
        good = refuse(r->refusal, 400, "context_length_exceeded", param,
                      "%s: %zu tokens, allowed 1..%lld: the context holds %lld", param, n,
                      (long long)n_ctx - 1, (long long)n_ctx);
    }
    if (good && max > left && !r->lenient) {
        good = refuse(r->refusal, 400, "context_length_exceeded", "max_tokens",
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
            good = refuse(r->refusal, 500, "memory", NULL, "not enough memory for the prompt");
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
    return refuse(r->refusal, 400, "context_length_exceeded", param,
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
        return refuse(r->refusal, 500, "memory", NULL, "not enough memory for the prompt");
    for (const struct json *v = json_first(list); v != NULL && n <= (size_t)most;
         v = json_next(v)) {
        const double id = json_kind_of(v) == JSON_NUMBER ? json_number(v) : NAN;
        if (!(id >= 0 && id < (double)n_vocab) || id != floor(id)) {
            mem_free(ids);
            return refuse(r->refusal, 400, "out_of_range", "prompt",
                          "prompt: token %zu is not an id of 0..%lld", n, (long long)n_vocab - 1);
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
        kept || refuse(r->refusal, 400, "out_of_range", "prompt",
                       "prompt: the session holds more than %d parts", MAX_SESSION_MESSAGES);
    good = good && new_jobs(r, 1) && set_text(r, 0, text_string(&all));
    if (!good && kept) session_drop_messages(s, s->n_messages - 1);
    text_free(&all);
    return good;
}

static bool read_prompt(struct reader *r) {
    const struct json *v = field(r, "prompt");
    const struct json *first = v != NULL && json_kind_of(v) == JSON_ARRAY ? json_first(v) : NULL;
    if (v == NULL) return refuse(r->refusal, 400, "missing", "prompt", "prompt: it is required");
    if (r->g->session != NULL) {
        if (json_kind_of(v) == JSON_STRING) return continue_text(r, json_string(v));
        return refuse(r->refusal, 400, "wrong_type", "prompt",
                      "prompt: in a session a text is required");
    }
    if (json_kind_of(v) == JSON_STRING) return new_jobs(r, 1) && set_text(r, 0, json_string(v));
    if (first == NULL) {
        return refuse(r->refusal, 400, "wrong_type", "prompt",
                      "prompt: a text, a list of texts, or token ids are required");
    }
    if (json_kind_of(first) == JSON_NUMBER) return new_jobs(r, 1) && set_ids(r, 0, v);
    int n = 0;
    for (const struct json *p = first; p != NULL; p = json_next(p), n++) {
        if (json_kind_of(p) != JSON_STRING && json_kind_of(p) != JSON_ARRAY) {
            return refuse(r->refusal, 400, "wrong_type", "prompt",
                          "prompt: texts or lists of token ids are required");
        }
    }
    if (n > MAX_PROMPTS) {
        return refuse(r->refusal, 400, "out_of_range", "prompt",
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
        return refuse(r->refusal, 400, "wrong_type", "messages",
                      "messages[%d].content: a text is required", index);
    }
    for (const struct json *part = json_first(content); part != NULL; part = json_next(part)) {
        const struct json *text = json_kind_of(part) == JSON_OBJECT ? json_get(part, "text") : NULL;
        if (text == NULL || json_kind_of(text) != JSON_STRING) {
            return refuse(r->refusal, 400, "unsupported", "messages",
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
    const struct json *list = field(r, "messages");
    if (list == NULL)
        return refuse(r->refusal, 400, "missing", "messages", "messages: a list is required");
    if (json_kind_of(list) != JSON_ARRAY || json_first(list) == NULL) {
        return refuse(r->refusal, 400, "wrong_type", "messages",
                      "messages: a list with at least one message is required");
    }
    int i = 0;
    for (const struct json *m = json_first(list); m != NULL; m = json_next(m), i++) {
        const struct json *role = json_kind_of(m) == JSON_OBJECT ? json_get(m, "role") : NULL;
        if (role == NULL || json_kind_of(role) != JSON_STRING || !is_role(json_string(role))) {
            return refuse(r->refusal, 400, "wrong_type", "messages",
                          "messages[%d].role: system, user or assistant is required", i);
        }
        struct text content = {0};
        bool good = read_content(r, json_get(m, "content"), i, &content);
        if (good &&
            !session_add_message(to, json_string(role), text_string(&content), content.size)) {
            good = refuse(r->refusal, 400, "out_of_range", "messages",
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
            return refuse(r->refusal, 400, "out_of_range", "messages",
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
        return refuse(r->refusal, 400, "chat_template", "messages", "%s", err.message);
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

static bool open_session(struct reader *r, struct session_table *sessions) {
    const struct json *v = field(r, "session_id");
    if (v == NULL) return true;
    if (json_kind_of(v) != JSON_STRING) {
        return refuse(r->refusal, 400, "wrong_type", "session_id",
                      "session_id: a text is required");
    }
    struct session *s = session_find(sessions, json_string(v));
    if (s == NULL)
        return refuse(r->refusal, 404, "session_not_found", "session_id",
                      "session_id: there is no such session");
    bool idle = false;
    if (r->n_choices > 1 || !atomic_compare_exchange_strong(&s->busy, &idle, true)) {
        session_unref(s);
        return r->n_choices > 1
                   ? refuse(r->refusal, 400, "out_of_range", "n", "n: 1 is required in a session")
                   : refuse(r->refusal, 409, "session_busy", "session_id",
                            "the session answers another request; one at a time");
    }
    r->g->session = s;
    session_set_model(s, runner_name(r->runner));
    return true;
}

/* ---- the whole ---- */

static bool read_all(struct reader *r, struct session_table *sessions) {
    struct generation *g = r->g;
    return read_sampling(r) && read_stops(r, "stop") && read_stops(r, "stop_sequences") &&
           read_stream(r) && read_logprobs(r) && read_unsupported(r) && open_session(r, sessions) &&
           (g->is_chat ? read_chat(r) : read_prompt(r));
}

struct generation *generation_request(const struct json *body, enum api api, enum request_kind kind,
                                      struct runner *runner, struct session_table *sessions,
                                      uint64_t client, struct refusal *refusal) {
    struct generation *g = generation_new();
    if (g == NULL) {
        refuse(refusal, 500, "memory", NULL, "not enough memory");
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
        refuse(refusal, 500, "memory", NULL, "not enough memory");
    if (g->session != NULL) atomic_store(&g->session->busy, false);
    generation_free(g);
    return NULL;
}
