/* generation_values.c - the numbers, flags and stop texts of a request: type and range of each. */
#include "server/generation_reader.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

bool reader_refuse(struct refusal *r, int status, const char *code, const char *param,
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

const struct json *reader_field(const struct reader *r, const char *key) {
    const struct json *v = json_get(r->body, key);
    return v == NULL || json_kind_of(v) == JSON_NULL ? NULL : v;
}
/* ---- values ---- */

static bool read_number(struct reader *r, const char *key, double least, double most, bool whole,
                        double *out) {
    const struct json *v = reader_field(r, key);
    if (v == NULL) return true;
    const double n = json_kind_of(v) == JSON_NUMBER ? json_number(v) : NAN;
    if (n >= least && n <= most && (!whole || n == floor(n))) {
        *out = n;
        return true;
    }
    if (r->lenient) return true;
    if (json_kind_of(v) != JSON_NUMBER) {
        return reader_refuse(r->refusal, 400, "wrong_type", key, "%s: a number is required", key);
    }
    return reader_refuse(r->refusal, 400, "out_of_range", key,
                         "%s: %g is out of range, allowed %s%g..%g", key, n,
                         whole ? "whole numbers " : "", least, most);
}

static bool read_bool(struct reader *r, const char *key, bool *out) {
    const struct json *v = reader_field(r, key);
    if (v == NULL) return true;
    if (json_kind_of(v) != JSON_BOOL) {
        return r->lenient || reader_refuse(r->refusal, 400, "wrong_type", key,
                                           "%s: true or false is required", key);
    }
    *out = json_bool(v);
    return true;
}

static bool add_stop(struct reader *r, const char *key, const struct json *v) {
    struct generation *g = r->g;
    if (json_kind_of(v) != JSON_STRING) {
        return reader_refuse(r->refusal, 400, "wrong_type", key, "%s: texts are required", key);
    }
    const size_t size = strlen(json_string(v));
    if (size == 0 || size > MAX_STOP_BYTES) {
        return reader_refuse(r->refusal, 400, "out_of_range", key,
                             "%s: a text of %zu bytes, allowed 1..%d", key, size, MAX_STOP_BYTES);
    }
    if (g->n_stops == MAX_STOPS) {
        return reader_refuse(r->refusal, 400, "out_of_range", key,
                             "%s: more than %d texts, the most allowed", key, MAX_STOPS);
    }
    g->stops[g->n_stops] = mem_strdup(json_string(v));
    if (g->stops[g->n_stops] == NULL)
        return reader_refuse(r->refusal, 500, "memory", NULL, "not enough memory");
    g->n_stops++;
    return true;
}

static bool read_stops(struct reader *r, const char *key) {
    const struct json *v = reader_field(r, key);
    if (v == NULL) return true;
    if (json_kind_of(v) == JSON_STRING) return add_stop(r, key, v);
    if (json_kind_of(v) != JSON_ARRAY) {
        return reader_refuse(r->refusal, 400, "wrong_type", key,
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
        return reader_refuse(r->refusal, 400, "unsupported", "presence_penalty",
                             "presence_penalty is not supported; use repetition_penalty");
    if (!read_number(r, "frequency_penalty", -2, 2, false, &penalty)) return false;
    if (penalty != 0)
        return reader_refuse(r->refusal, 400, "unsupported", "frequency_penalty",
                             "frequency_penalty is not supported; use repetition_penalty");
    if (!read_number(r, "best_of", 1, MAX_CHOICES, true, &best_of) || !read_bool(r, "echo", &echo))
        return false;
    if (best_of != 1)
        return reader_refuse(r->refusal, 400, "unsupported", "best_of",
                             "best_of is not supported; use n");
    if (echo) return reader_refuse(r->refusal, 400, "unsupported", "echo", "echo is not supported");
    if ((v = reader_field(r, "logit_bias")) != NULL &&
        (json_kind_of(v) != JSON_OBJECT || json_first(v) != NULL)) {
        return reader_refuse(r->refusal, 400, "unsupported", "logit_bias",
                             "logit_bias is not supported");
    }
    if ((v = reader_field(r, "suffix")) != NULL &&
        (json_kind_of(v) != JSON_STRING || *json_string(v) != '\0')) {
        return reader_refuse(r->refusal, 400, "unsupported", "suffix", "suffix is not supported");
    }
    if ((v = reader_field(r, "tools")) != NULL &&
        (json_kind_of(v) != JSON_ARRAY || json_first(v) != NULL)) {
        return reader_refuse(r->refusal, 400, "unsupported", "tools",
                             "this server's models call no functions");
    }
    if ((v = reader_field(r, "response_format")) != NULL) {
        const struct json *type = json_kind_of(v) == JSON_OBJECT ? json_get(v, "type") : NULL;
        if (type == NULL || json_kind_of(type) != JSON_STRING ||
            strcmp(json_string(type), "text") != 0) {
            return reader_refuse(r->refusal, 400, "unsupported", "response_format",
                                 "response_format other than text is not supported");
        }
    }
    return true;
}

static bool read_logprobs(struct reader *r) {
    double top = 0;
    const struct json *v = reader_field(r, "logprobs");
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
    const struct json *v = reader_field(r, "seed");
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
    const struct json *options = reader_field(r, "stream_options");
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
               reader_refuse(r->refusal, 400, "wrong_type", "stream_options",
                             "stream_options: {\"include_usage\": true or false} is required");
    }
    r->g->include_usage = usage != NULL && json_bool(usage);
    return true;
}

bool reader_values(struct reader *r) {
    return read_sampling(r) && read_stops(r, "stop") && read_stops(r, "stop_sequences") &&
           read_stream(r) && read_logprobs(r) && read_unsupported(r);
}
