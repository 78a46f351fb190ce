/* generation_logprobs.c - log-probabilities of a token and of the likeliest ones beside it. */
#include "server/generation_parts.h"

#include "base/alloc.h"

#include <math.h>
#include <string.h>

struct likely {
    float logit;
    int32_t token;
};

/* The n greatest logits in order; returns how many there are. */
static int find_likely(const float *logits, int64_t n_vocab, int n, struct likely *out) {
    int found = 0;
    for (int64_t i = 0; i < n_vocab; i++) {
        if (found == n && (n == 0 || logits[i] <= out[n - 1].logit)) continue;
        int at = found < n ? found++ : n - 1;
        for (; at > 0 && out[at - 1].logit < logits[i]; at--)
            out[at] = out[at - 1];
        out[at] = (struct likely){.logit = logits[i], .token = (int32_t)i};
    }
    return found;
}

static double log_of_sum(const float *logits, int64_t n) {
    double top = -INFINITY, sum = 0;
    for (int64_t i = 0; i < n; i++)
        top = (double)logits[i] > top ? (double)logits[i] : top;
    for (int64_t i = 0; i < n; i++)
        sum += exp((double)logits[i] - top);
    return top + log(sum);
}

/* A token's text; one that is only a part of a character as OpenAI writes it: "bytes:\\xe2\\x82".
 */
static void put_token(struct text *out, const struct tokenizer *tokenizer, int32_t token) {
    char piece[256];
    size_t size = tokenizer_piece(tokenizer, token, true, piece, sizeof piece);
    if (size > sizeof piece) size = sizeof piece;
    if (text_is_utf8(piece, size)) {
        text_json(out, piece, size);
        return;
    }
    text_puts(out, "\"bytes:");
    for (size_t i = 0; i < size; i++)
        text_printf(out, "\\\\x%02x", (unsigned char)piece[i]);
    text_puts(out, "\"");
}

/* Several ids may stand for one text; a JSON object holds it once. */
static bool is_repeated(const struct tokenizer *tokenizer, const struct likely *likely, int i) {
    char piece[256], other[256];
    const size_t size = tokenizer_piece(tokenizer, likely[i].token, true, piece, sizeof piece);
    for (int j = 0; j < i && size <= sizeof piece; j++) {
        if (tokenizer_piece(tokenizer, likely[j].token, true, other, sizeof other) == size &&
            memcmp(piece, other, size) == 0) {
            return true;
        }
    }
    return size > sizeof piece;
}

/* {"token":..,"logprob":..,"bytes":[..] */
static void put_entry(struct text *out, const struct tokenizer *tokenizer, int32_t token,
                      double value) {
    unsigned char piece[256];
    size_t size = tokenizer_piece(tokenizer, token, true, (char *)piece, sizeof piece);
    text_puts(out, "{\"token\":");
    put_token(out, tokenizer, token);
    text_puts(out, ",\"logprob\":");
    text_number(out, value, 6);
    text_puts(out, ",\"bytes\":[");
    for (size_t i = 0; i < size && i < sizeof piece; i++)
        text_printf(out, i > 0 ? ",%d" : "%d", piece[i]);
    text_puts(out, "]");
}

void parts_logprobs(struct job *job, const struct tokenizer *tokenizer, int32_t token,
                    const float *logits, int64_t n_vocab) {
    struct likely likely[MAX_TOP_LOGPROBS];
    struct text *l = job->logprobs;
    const double sum = log_of_sum(logits, n_vocab);
    const int n = find_likely(logits, n_vocab, job->generation->n_logprobs, likely);
    for (int i = 0; i < 4; i++) {
        if (l[i].size > 0) text_puts(&l[i], ",");
    }
    if (job->generation->is_chat) {
        put_entry(&l[0], tokenizer, token, (double)logits[token] - sum);
        text_puts(&l[0], ",\"top_logprobs\":[");
        for (int i = 0; i < n; i++) {
            if (i > 0) text_puts(&l[0], ",");
            put_entry(&l[0], tokenizer, likely[i].token, (double)likely[i].logit - sum);
            text_puts(&l[0], "}");
        }
        text_puts(&l[0], "]}");
        return;
    }
    put_token(&l[0], tokenizer, token);
    text_number(&l[1], (double)logits[token] - sum, 6);
    text_puts(&l[2], "{");
    for (int i = 0; i < n; i++) {
        if (is_repeated(tokenizer, likely, i)) continue;
        if (i > 0) text_puts(&l[2], ",");
        put_token(&l[2], tokenizer, likely[i].token);
        text_puts(&l[2], ":");
        text_number(&l[2], (double)likely[i].logit - sum, 6);
    }
    text_puts(&l[2], "}");
    text_printf(&l[3], "%zu", job->n_text);
}
