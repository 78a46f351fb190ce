/* generation_parts.c - see generation_parts.h. */
#include "server/generation_parts.h"

#include "server/answer.h"
#include "server/faults.h"

#include <string.h>

/* ---- usage and timings ---- */

static int64_t count_words(const struct text *text) {
    int64_t n = 0;
    for (size_t i = 0; i < text->size; i++) {
        n += text->data[i] != ' ' && (i == 0 || text->data[i - 1] == ' ');
    }
    return n;
}

struct totals {
    int64_t prompt, cached, completion;
};

static struct totals totals_of(const struct generation *g) {
    struct totals t = {0};
    for (int i = 0; i < g->n_jobs; i++) {
        const struct job *job = &g->jobs[i];
        t.completion += g->faults->words_as_tokens ? count_words(&job->text) : job->n_made;
        /* Choices of one prompt count it once. */
        if (i > 0 && job->prompt_index == g->jobs[i - 1].prompt_index) continue;
        t.prompt += job->n_prompt;
        t.cached += job->n_cached;
    }
    if (g->faults->wrong_usage) t.completion += 7;
    return t;
}

static void put_usage(const struct generation *g, struct text *out) {
    const struct totals t = totals_of(g);
    if (g->faults->no_usage) {
        text_puts(out, "\"usage\":null");
        return;
    }
    text_printf(
        out,
        "\"usage\":{\"prompt_tokens\":%lld,\"completion_tokens\":%lld,\"total_tokens\":%lld,"
        "\"prompt_tokens_details\":{\"cached_tokens\":%lld}}",
        (long long)t.prompt, (long long)t.completion, (long long)(t.prompt + t.completion),
        (long long)t.cached);
}

static double ms(int64_t from_ns, int64_t to_ns) {
    return to_ns > from_ns && from_ns > 0 ? (double)(to_ns - from_ns) / 1e6 : 0;
}

static void put_timings(const struct generation *g, struct text *out) {
    const struct totals t = totals_of(g);
    const struct timings *first = &g->jobs[0].times;
    int64_t from = first->first_ns, to = first->last_ns, made = 0;
    for (int i = 0; i < g->n_jobs; i++) {
        const struct job *job = &g->jobs[i];
        if (job->times.first_ns > 0 && job->times.first_ns < from) from = job->times.first_ns;
        if (job->times.last_ns > to) to = job->times.last_ns;
        made += job->n_made;
    }
    if (g->faults->no_timings) return;
    text_puts(out, ",\"timings\":{\"queue_ms\":");
    text_number(out, ms(first->queued_ns, first->started_ns), 3);
    text_puts(out, ",\"prefill_ms\":");
    text_number(out, ms(first->started_ns, first->prefilled_ns), 3);
    text_puts(out, ",\"first_token_ms\":");
    text_number(out, ms(first->queued_ns, first->first_ns), 3);
    text_puts(out, ",\"tokens_per_second\":");
    if (made > g->n_jobs && to > from) {
        text_number(out, (double)(made - g->n_jobs) / ((double)(to - from) / 1e9), 3);
    } else {
        text_puts(out, "null"); /* one token has no rate */
    }
    text_printf(out, ",\"prompt_tokens\":%lld,\"completion_tokens\":%lld}", (long long)t.prompt,
                (long long)t.completion);
}

/* ---- log-probabilities and ids ---- */

/* What is pending, as a member with a comma in front; forgotten then. */
static void put_logprobs(struct job *job, struct text *out) {
    struct text *l = job->logprobs;
    if (job->generation->n_logprobs < 0) {
        text_puts(out, ",\"logprobs\":null");
        return;
    }
    text_puts(out, ",\"logprobs\":{");
    static const char *const names[] = {"\"tokens\":[", "],\"token_logprobs\":[",
                                        "],\"top_logprobs\":[", "],\"text_offset\":["};
    for (int i = 0; i < (job->generation->is_chat ? 1 : 4); i++) {
        text_puts(out, job->generation->is_chat ? "\"content\":[" : names[i]);
        text_put(out, l[i].data, l[i].size);
        text_clear(&l[i]);
    }
    text_puts(out, "]}");
}

static void put_ids(struct job *job, struct text *out) {
    if (!job->generation->want_ids) return;
    text_puts(out, ",\"token_ids\":[");
    text_put(out, job->ids.data, job->ids.size);
    text_puts(out, "]");
    text_clear(&job->ids);
}

/* ---- chunks ---- */

void parts_head(struct generation *g) {
    const char *object = g->faults->wrong_object ? "thing"
                         : g->is_chat            ? "chat.completion.chunk"
                                                 : "text_completion";
    char id[48];
    text_clear(&g->head);
    if (g->faults->changing_id) {
        answer_id("cmpl-", id, sizeof id);
    } else {
        memcpy(id, g->id, sizeof id);
    }
    text_printf(&g->head, "data: {\"id\":\"%s\",\"object\":\"%s\",\"created\":%lld,\"model\":", id,
                object, (long long)g->created_s);
    text_jsons(&g->head, g->model);
    text_puts(&g->head, ",\"choices\":[{\"index\":");
}

static void begin_chunk(struct job *job, struct text *out) {
    struct generation *g = job->generation;
    if (g->faults->changing_id) parts_head(g);
    text_put(out, g->head.data, g->head.size);
    text_printf(out, "%d", job->index);
}

/* JSON of bytes that may be no UTF-8. */
static void put_raw(struct text *out, const char *data, size_t size) {
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)data[i];
        if (c < 0x80) {
            text_json_inside(out, data + i, 1);
        } else {
            text_put(out, data + i, 1);
        }
    }
}

static void put_text(const struct generation *g, struct text *out, const char *data, size_t size) {
    text_puts(out, "\"");
    if (g->faults->split_utf8) {
        put_raw(out, data, size);
    } else {
        text_json_inside(out, data, size);
    }
    text_puts(out, "\"");
}

static void put_delta(struct job *job, struct text *out, const char *data, size_t size) {
    const struct generation *g = job->generation;
    if (g->is_chat || g->api == API_NATIVE) {
        text_puts(out, ",\"delta\":{");
        if (!job->began && g->is_chat && !g->faults->no_role)
            text_puts(out, "\"role\":\"assistant\",");
        text_puts(out, "\"content\":");
        put_text(g, out, data, size);
        text_puts(out, "}");
    }
    if (!g->is_chat) {
        text_puts(out, ",\"text\":");
        put_text(g, out, data, size);
    }
    job->began = true;
}

static void put_chunk(struct job *job, const char *data, size_t n) {
    const struct generation *g = job->generation;
    struct text *out = &g->reply->out;
    if (g->faults->bad_json && job->n_made == 2) {
        text_puts(out, "data: {\"id\": oops\n\n");
        return;
    }
    begin_chunk(job, out);
    put_delta(job, out, data, n);
    put_logprobs(job, out);
    put_ids(job, out);
    text_puts(out, ",\"finish_reason\":null}]}\n\n");
}

void parts_chunk(struct job *job, size_t n) {
    const struct generation *g = job->generation;
    const bool third = job->n_made % 3 == 0;
    if (g->faults->empty_choices && job->n_made == 2) {
        text_printf(&g->reply->out,
                    "data: {\"id\":\"%s\",\"object\":\"chat.completion.chunk\",\"created\":%lld,"
                    "\"model\":\"\",\"choices\":[]}\n\n",
                    g->id, (long long)g->created_s);
    }
    if (g->faults->drop_token && third) return;
    put_chunk(job, job->held.data, n);
    if (g->faults->repeat_token && third) put_chunk(job, job->held.data, n);
}

/* A chunk without choices that carries the usage, as OpenAI's stream_options.include_usage asks. */
static void usage_chunk(struct generation *g, struct text *out) {
    const char inside[] = "{\"index\":";
    text_put(out, g->head.data, g->head.size - (sizeof inside - 1));
    text_puts(out, "],");
    put_usage(g, out);
    put_timings(g, out);
    text_puts(out, "}\n\n");
}

void parts_last_chunk(struct job *job) {
    struct generation *g = job->generation;
    struct text *out = &g->reply->out;
    const bool last = g->n_ended == g->n_jobs;
    if (g->faults->mock_stream) put_chunk(job, job->text.data, job->text.size);
    begin_chunk(job, out);
    if (g->is_chat || g->api == API_NATIVE) {
        const bool role = !job->began && g->is_chat && !g->faults->no_role;
        text_puts(out,
                  role ? ",\"delta\":{\"role\":\"assistant\",\"content\":\"\"}" : ",\"delta\":{}");
    }
    if (!g->is_chat) text_puts(out, ",\"text\":\"\"");
    if (job->logprobs[0].size > 0) put_logprobs(job, out);
    if (job->ids.size > 0) put_ids(job, out);
    text_puts(out, ",\"finish_reason\":");
    if (g->faults->no_finish) {
        text_puts(out, "null}]");
    } else {
        text_printf(out, "\"%s\"}]", job->finish);
    }
    if (last && g->api == API_NATIVE) {
        text_puts(out, ",");
        put_usage(g, out);
    }
    if (last) put_timings(g, out);
    text_puts(out, "}\n\n");
    if (last && g->api == API_OPENAI && g->include_usage) usage_chunk(g, out);
    if (last && !g->faults->no_done) text_puts(out, "data: [DONE]\n\n");
}

/* ---- the whole ---- */

void parts_whole(struct generation *g) {
    struct text *out = &g->reply->out;
    text_printf(out, "{\"id\":\"%s\",\"object\":\"%s\",\"created\":%lld,\"model\":", g->id,
                g->faults->wrong_object ? "thing"
                : g->is_chat            ? "chat.completion"
                                        : "text_completion",
                (long long)g->created_s);
    text_jsons(out, g->model);
    text_puts(out, ",\"choices\":[");
    for (int i = 0; i < g->n_jobs; i++) {
        struct job *job = &g->jobs[i];
        text_printf(out, "%s{\"index\":%d", i > 0 ? "," : "", job->index);
        text_puts(out,
                  g->is_chat ? ",\"message\":{\"role\":\"assistant\",\"content\":" : ",\"text\":");
        put_text(g, out, job->text.data, job->text.size);
        if (g->is_chat) text_puts(out, "}");
        put_logprobs(job, out);
        put_ids(job, out);
        if (g->faults->no_finish) {
            text_puts(out, "}");
        } else {
            text_printf(out, ",\"finish_reason\":\"%s\"}", job->finish);
        }
    }
    text_puts(out, "],");
    put_usage(g, out);
    put_timings(g, out);
    text_puts(out, "}");
}
