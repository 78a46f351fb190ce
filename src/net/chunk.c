/* chunk.c - a recursive descent over JSON that knows the few places it looks at. */
#include "net/chunk.h"

#include "base/json_scan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 64

enum place {
    NOWHERE,
    ROOT,
    CHOICES,
    CHOICE,
    DELTA,
    USAGE,
    DETAILS,
    TIMINGS,
    ERROR,
    /* leaves */
    TEXT,
    REASONING,
    FINISH,
    PROMPT_TOKENS,
    COMPLETION_TOKENS,
    TOTAL_TOKENS,
    CACHED_TOKENS,
    QUEUE_MS,
    PREFILL_MS,
    MESSAGE,
};

/* Which member of which object leads where. */
static const struct {
    enum place from;
    const char *key;
    enum place to;
} ways[] = {
    {ROOT, "choices", CHOICES},
    {ROOT, "usage", USAGE},
    {ROOT, "error", ERROR},
    {ROOT, "timings", TIMINGS},
    {CHOICE, "delta", DELTA},
    {CHOICE, "message", DELTA},
    {CHOICE, "text", TEXT},
    {CHOICE, "finish_reason", FINISH},
    {DELTA, "content", TEXT},
    {DELTA, "reasoning_content", REASONING},
    {DELTA, "reasoning", REASONING},
    {USAGE, "prompt_tokens", PROMPT_TOKENS},
    {USAGE, "completion_tokens", COMPLETION_TOKENS},
    {USAGE, "total_tokens", TOTAL_TOKENS},
    {USAGE, "prompt_tokens_details", DETAILS},
    {DETAILS, "cached_tokens", CACHED_TOKENS},
    {TIMINGS, "queue_ms", QUEUE_MS},
    {TIMINGS, "prefill_ms", PREFILL_MS},
    {ERROR, "message", MESSAGE},
};

struct reader {
    const char *at, *end;
    struct chunk *chunk;
    int choice; /* which one of the array */
};

static void skip_blanks(struct reader *r) {
    while (r->at < r->end &&
           (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r')) {
        r->at++;
    }
}

static bool take(struct reader *r, char byte) {
    skip_blanks(r);
    if (r->at >= r->end || *r->at != byte) return false;
    r->at++;
    return true;
}

/* ---- strings ---- */

/* Where the bytes of a string go: counted, and kept as far as they fit. */
struct sink {
    char *bytes;
    size_t size, capacity;
};

static void put(struct sink *sink, const char *bytes, size_t size) {
    if (sink->size < sink->capacity) {
        size_t fits = sink->capacity - sink->size < size ? sink->capacity - sink->size : size;
        memcpy(sink->bytes + sink->size, bytes, fits);
    }
    sink->size += size;
}

static void put_code_point(struct sink *sink, uint32_t c) {
    char utf8[4];
    size_t n = 0;
    if (c < 0x80) {
        utf8[n++] = (char)c;
    } else if (c < 0x800) {
        utf8[n++] = (char)(0xC0 | c >> 6);
        utf8[n++] = (char)(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        utf8[n++] = (char)(0xE0 | c >> 12);
        utf8[n++] = (char)(0x80 | (c >> 6 & 0x3F));
        utf8[n++] = (char)(0x80 | (c & 0x3F));
    } else {
        utf8[n++] = (char)(0xF0 | c >> 18);
        utf8[n++] = (char)(0x80 | (c >> 12 & 0x3F));
        utf8[n++] = (char)(0x80 | (c >> 6 & 0x3F));
        utf8[n++] = (char)(0x80 | (c & 0x3F));
    }
    put(sink, utf8, n);
}

static bool read_hex4(struct reader *r, uint32_t *out) {
    if (r->end - r->at < 4) return false;
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        char c = *r->at++;
        uint32_t digit;
        if (c >= '0' && c <= '9') {
            digit = (uint32_t)(c - '0');
        } else if ((c | 32) >= 'a' && (c | 32) <= 'f') {
            digit = (uint32_t)((c | 32) - 'a') + 10;
        } else {
            return false;
        }
        value = value << 4 | digit;
    }
    *out = value;
    return true;
}

/* Behind the backslash. Lone surrogates are no text. */
static bool read_escape(struct reader *r, struct sink *sink) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (r->at >= r->end) return false;
    char c = *r->at++;
    if (c != 'u') {
        const char *found = c != '\0' ? strchr(from, c) : NULL;
        if (found == NULL) return false;
        put(sink, &to[found - from], 1);
        return true;
    }
    uint32_t high, low;
    if (!read_hex4(r, &high)) return false;
    if (high >= 0xD800 && high < 0xDC00) {
        if (r->end - r->at < 2 || r->at[0] != '\\' || r->at[1] != 'u') return false;
        r->at += 2;
        if (!read_hex4(r, &low) || low < 0xDC00 || low > 0xDFFF) return false;
        high = 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
    } else if (high >= 0xDC00 && high <= 0xDFFF) {
        return false;
    }
    put_code_point(sink, high);
    return true;
}

/* A string, its opening quote still to come. */
static bool read_string(struct reader *r, struct sink *sink) {
    if (!take(r, '"')) return false;
    while (r->at < r->end) {
        const char *start = r->at;
        while (r->at < r->end && (unsigned char)*r->at >= 0x20 && (unsigned char)*r->at < 0x80 &&
               *r->at != '"' && *r->at != '\\') {
            r->at++;
        }
        put(sink, start, (size_t)(r->at - start));
        if (r->at >= r->end) return false;
        unsigned char c = (unsigned char)*r->at;
        if (c == '"') {
            r->at++;
            return true;
        }
        if (c == '\\') {
            r->at++;
            if (!read_escape(r, sink)) return false;
        } else {
            size_t n =
                c < 0x80 ? 0
                         : json_utf8_length((const unsigned char *)r->at, (size_t)(r->end - r->at));
            if (n == 0) return false;
            put(sink, r->at, n);
            r->at += n;
        }
    }
    return false;
}

static bool read_word(struct reader *r, char *out, size_t capacity) {
    struct sink sink = {.bytes = out, .capacity = capacity - 1};
    if (!read_string(r, &sink)) return false;
    out[sink.size < capacity - 1 ? sink.size : capacity - 1] = '\0';
    return true;
}

/* ---- numbers ---- */

static bool skip_digits(struct reader *r) {
    const char *start = r->at;
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
        r->at++;
    return r->at > start;
}

static bool read_number(struct reader *r, double *out) {
    char copy[64];
    const char *start = r->at;
    if (r->at < r->end && *r->at == '-') r->at++;
    const char *digits = r->at;
    if (!skip_digits(r)) return false;
    if (*digits == '0' && r->at - digits > 1) return false;
    if (r->at < r->end && *r->at == '.') {
        r->at++;
        if (!skip_digits(r)) return false;
    }
    if (r->at < r->end && (*r->at | 32) == 'e') {
        r->at++;
        if (r->at < r->end && (*r->at == '+' || *r->at == '-')) r->at++;
        if (!skip_digits(r)) return false;
    }
    size_t size = (size_t)(r->at - start);
    if (size >= sizeof copy) size = sizeof copy - 1;
    memcpy(copy, start, size);
    copy[size] = '\0';
    *out = strtod(copy, NULL);
    return true;
}

/* ---- values ---- */

/* A count of tokens, or -1: not a whole number from 0 to 2^53. */
static int64_t count_of(double value) {
    return value >= 0 && value <= 9007199254740992.0 && floor(value) == value ? (int64_t)value : -1;
}

static void keep_number(struct chunk *chunk, enum place place, double value) {
    switch (place) {
    case PROMPT_TOKENS:
        chunk->prompt_tokens = count_of(value);
        break;
    case COMPLETION_TOKENS:
        chunk->completion_tokens = count_of(value);
        break;
    case TOTAL_TOKENS:
        chunk->total_tokens = count_of(value);
        break;
    case CACHED_TOKENS:
        chunk->cached_tokens = count_of(value);
        break;
    case QUEUE_MS:
        chunk->queue_ms = value;
        break;
    case PREFILL_MS:
        chunk->prefill_ms = value;
        break;
    default:
        break;
    }
}

static bool read_text(struct reader *r, enum place place) {
    struct chunk *chunk = r->chunk;
    struct sink sink = {.capacity = 0};
    bool is_ours = r->choice == 0 && !(place == TEXT && chunk->has_text); /* text and delta: once */
    if (place == TEXT && is_ours) {
        sink = (struct sink){chunk->text, chunk->text_size, chunk->text_capacity};
    }
    size_t before = sink.size;
    if (!read_string(r, &sink)) return false;
    if (!is_ours) return true;
    if (place == TEXT) {
        chunk->text_size = sink.size;
        chunk->has_text = chunk->has_text || sink.size > before;
    } else {
        chunk->has_reasoning = chunk->has_reasoning || sink.size > before;
    }
    return true;
}

static bool read_any_string(struct reader *r, enum place place) {
    struct chunk *chunk = r->chunk;
    char ignored[CHUNK_WORD];
    switch (place) {
    case TEXT:
    case REASONING:
        return read_text(r, place);
    case FINISH:
        if (r->choice != 0) break;
        return read_word(r, chunk->finish_reason, sizeof chunk->finish_reason);
    case ERROR:
        chunk->is_error = true;
        return read_word(r, chunk->error, sizeof chunk->error);
    case MESSAGE:
        return read_word(r, chunk->error, sizeof chunk->error);
    default:
        break;
    }
    return read_word(r, ignored, sizeof ignored);
}

static bool read_literal(struct reader *r, const char *word) {
    size_t size = strlen(word);
    if ((size_t)(r->end - r->at) < size || memcmp(r->at, word, size) != 0) return false;
    r->at += size;
    return true;
}

static enum place way_to(enum place from, const char *key) {
    if (from == NOWHERE) return NOWHERE;
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        if (ways[i].from == from && strcmp(ways[i].key, key) == 0) return ways[i].to;
    }
    return NOWHERE;
}

static bool read_value(struct reader *r, enum place place, int depth);

static bool read_object(struct reader *r, enum place place, int depth) {
    if (place == USAGE) r->chunk->has_usage = true;
    if (place == ERROR) r->chunk->is_error = true;
    r->at++;
    if (take(r, '}')) return true;
    do {
        char key[32];
        if (!read_word(r, key, sizeof key) || !take(r, ':')) return false;
        if (!read_value(r, way_to(place, key), depth)) return false;
    } while (take(r, ','));
    return take(r, '}');
}

static bool read_array(struct reader *r, enum place place, int depth) {
    r->at++;
    if (take(r, ']')) return true;
    do {
        if (place == CHOICES) r->choice = r->chunk->n_choices++;
        if (!read_value(r, place == CHOICES ? CHOICE : NOWHERE, depth)) return false;
    } while (take(r, ','));
    return take(r, ']');
}

static bool read_value(struct reader *r, enum place place, int depth) {
    skip_blanks(r);
    if (r->at >= r->end || depth > MAX_DEPTH) return false;
    switch (*r->at) {
    case '{':
        return read_object(r, place, depth + 1);
    case '[':
        return read_array(r, place, depth + 1);
    case '"':
        return read_any_string(r, place);
    case 't':
        return read_literal(r, "true");
    case 'f':
        return read_literal(r, "false");
    case 'n':
        return read_literal(r, "null");
    default:
        break;
    }
    double value = 0;
    if (!read_number(r, &value)) return false;
    keep_number(r->chunk, place, value);
    return true;
}

bool chunk_read(struct chunk *chunk, const char *json, size_t size) {
    *chunk = (struct chunk){.prompt_tokens = -1,
                            .completion_tokens = -1,
                            .total_tokens = -1,
                            .cached_tokens = -1,
                            .queue_ms = NAN,
                            .prefill_ms = NAN,
                            .text = chunk->text,
                            .text_capacity = chunk->text_capacity};
    struct reader r = {.at = json, .end = json + size, .chunk = chunk, .choice = 0};
    skip_blanks(&r);
    if (r.at >= r.end || *r.at != '{' || !read_value(&r, ROOT, 0)) return false;
    skip_blanks(&r);
    return r.at == r.end;
}
