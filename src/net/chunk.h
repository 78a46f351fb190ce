/* chunk.h - what one JSON object of a generation stream (or a whole answer) says: its text, finish
 * reason, usage or error. Reads without building a document and without a heap request. */
#ifndef WOOLLY_NET_CHUNK_H
#define WOOLLY_NET_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHUNK_WORD 24
#define CHUNK_MESSAGE 200

/* Fields that are absent are -1, false or "". Only choice 0 is read for text and finish reason. */
struct chunk {
    int n_choices;
    bool has_text;      /* non-empty delta.content, message.content or text; the first */
    bool has_reasoning; /* non-empty reasoning_content or reasoning */
    bool is_error;      /* an "error" member other than null */
    bool has_usage;
    char finish_reason[CHUNK_WORD];
    char error[CHUNK_MESSAGE]; /* its message, or the error itself when it is a string */
    int64_t prompt_tokens, completion_tokens, total_tokens, cached_tokens;
    double queue_ms, prefill_ms; /* of "timings" where the server tells: our own does; else NaN */
    /* The text of choice 0, unescaped: the caller's memory, at most text_capacity bytes; text_size
     * counts all bytes, also those that did not fit. */
    char *text;
    size_t text_size, text_capacity;
};

/* True when the bytes are one JSON object (RFC 8259; UTF-8; nesting up to 64). text and
 * text_capacity are the caller's; everything else is written. */
bool chunk_read(struct chunk *chunk, const char *json, size_t size);

#endif
