/* generation_reader.h - a body on its way to a generation, shared by the files that read it. Every
 * function returns false with the refusal filled. */
#ifndef WOOLLY_SERVER_GENERATION_READER_H
#define WOOLLY_SERVER_GENERATION_READER_H

#include "server/generation_request.h"

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

bool reader_refuse(struct refusal *refusal, int status, const char *code, const char *param,
                   const char *format, ...) __attribute__((format(printf, 5, 6)));
/* A field of the body, NULL where it is absent or null. */
const struct json *reader_field(const struct reader *reader, const char *key);

/* generation_values.c: sampling, stop texts, stream, log-probabilities; what is not supported. */
bool reader_values(struct reader *reader);
/* generation_prompt.c: prompts or a conversation, as the generation says, to token ids in its jobs.
 */
bool reader_prompt(struct reader *reader);

#endif
