/* http_stream.c - heads, bodies and chunks of one connection: see http_watch.h. */
#include "server/http_watch.h"

#include "base/alloc.h"

#include <string.h>

enum {
    MOST_SIZE_DIGITS = 8, /* of a chunk: more than the largest body has */
    MOST_CHUNK_LINE = 256,
};

static size_t fail(struct http_stream *s, int status, const char *code, const char *problem) {
    s->broke_body = s->phase != STREAM_HEAD;
    s->phase = STREAM_BAD;
    s->error = (struct http_scan){.status = status, .code = code, .problem = problem};
    return 0;
}

static size_t bad_chunk(struct http_stream *s) {
    return fail(s, 400, "bad_chunk",
                "a chunk is not SIZE in hexadecimal digits, CR LF, so many bytes, CR LF");
}

static void end_request(struct http_stream *s) {
    s->phase = STREAM_HEAD;
}

/* A head that came in pieces goes on with data. */
static bool keep_piece(struct http_stream *s, const char *data, size_t n) {
    char *grown = mem_realloc(s->head, s->n_head + n);
    if (grown == NULL) return false;
    memcpy(grown + s->n_head, data, n);
    s->head = grown;
    s->n_head += n;
    return true;
}

static size_t take_head(struct http_stream *s, const char *data, size_t n) {
    const size_t before = s->n_head;
    if (before > 0 && !keep_piece(s, data, n)) {
        return fail(s, 500, "memory", "not enough memory for the head");
    }
    const struct http_scan found = before > 0 ? http_scan(s->head, s->n_head) : http_scan(data, n);
    if (found.status == 0) {
        if (before == 0 && !keep_piece(s, data, n)) {
            return fail(s, 500, "memory", "not enough memory for the head");
        }
        return n;
    }
    mem_free(s->head);
    s->head = NULL;
    s->n_head = 0;
    if (found.status != 200) return fail(s, found.status, found.code, found.problem);
    s->n_requests++;
    s->left = found.length;
    s->n_line = 0;
    s->phase = found.is_chunked ? STREAM_CHUNK_SIZE : found.length > 0 ? STREAM_BODY : STREAM_HEAD;
    return found.head_size - before;
}

static size_t take_body(struct http_stream *s, size_t n) {
    const size_t some = n < s->left ? n : (size_t)s->left;
    s->left -= some;
    if (s->left > 0) return some;
    if (s->phase == STREAM_BODY) {
        end_request(s);
    } else {
        s->phase = STREAM_CHUNK_END;
        s->has_ended = false;
    }
    return some;
}

static int digit_of(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* One byte of the line in front of a chunk. Extensions are allowed and mean nothing. */
static size_t take_chunk_size(struct http_stream *s, char c) {
    if (s->n_line == 0) {
        s->left = 0;
        s->has_ended = s->in_extension = false;
    }
    const int digit = digit_of(c);
    if (s->has_ended) {
        if (c != '\n') return bad_chunk(s);
        s->phase = s->left > 0 ? STREAM_CHUNK : STREAM_TRAILER;
        s->n_line = 0;
        s->has_ended = false;
        return 1;
    }
    if (c == '\r' && s->n_line > 0) {
        s->has_ended = true;
    } else if (c == ';' && s->n_line > 0) {
        s->in_extension = true;
    } else if (s->in_extension ? (c < 0x20 && c != '\t') || c == 0x7f
                               : digit < 0 || s->n_line == MOST_SIZE_DIGITS) {
        return bad_chunk(s);
    } else if (!s->in_extension) {
        s->left = s->left * 16 + (uint64_t)digit;
    }
    return ++s->n_line > MOST_CHUNK_LINE ? bad_chunk(s) : 1;
}

/* One byte of the CR LF behind a chunk, or of the empty line behind the last one. */
static size_t take_line_end(struct http_stream *s, char c) {
    if (c != (s->has_ended ? '\n' : '\r')) {
        return s->phase == STREAM_TRAILER && !s->has_ended
                   ? fail(s, 400, "trailer", "headers behind the last chunk are not taken")
                   : bad_chunk(s);
    }
    if (!s->has_ended) {
        s->has_ended = true;
    } else if (s->phase == STREAM_TRAILER) {
        end_request(s);
    } else {
        s->phase = STREAM_CHUNK_SIZE;
        s->n_line = 0;
    }
    return 1;
}

size_t http_stream_take(struct http_stream *s, const char *data, size_t n) {
    size_t at = 0;
    while (at < n && s->phase != STREAM_BAD) {
        switch (s->phase) {
        case STREAM_HEAD:
            at += take_head(s, data + at, n - at);
            break;
        case STREAM_BODY:
        case STREAM_CHUNK:
            at += take_body(s, n - at);
            break;
        case STREAM_CHUNK_SIZE:
            at += take_chunk_size(s, data[at]);
            break;
        case STREAM_CHUNK_END:
        case STREAM_TRAILER:
            at += take_line_end(s, data[at]);
            break;
        case STREAM_BAD:
            break;
        }
    }
    return at;
}

void http_stream_free(struct http_stream *s) {
    mem_free(s->head);
    s->head = NULL;
}
