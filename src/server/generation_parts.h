/* generation_parts.h - the JSON of a generation: chunks, usage, timings, log-probabilities. All
 * under the reply's lock. */
#ifndef WOOLLY_SERVER_GENERATION_PARTS_H
#define WOOLLY_SERVER_GENERATION_PARTS_H

#include "server/generation.h"

/* `data: {"id":.., "choices":[{"index":` of every chunk, once. */
void parts_head(struct generation *generation);
/* A chunk with the first n bytes of job->held, and what is pending. */
void parts_chunk(struct job *job, size_t n);
/* The chunk with finish_reason, and behind the last sequence usage, timings, [DONE]. */
void parts_last_chunk(struct job *job);
/* The answer to a request that is not streamed, into reply->out. */
void parts_whole(struct generation *generation);
/* Log-probabilities of a token, added to job->logprobs. */
void parts_logprobs(struct job *job, const struct tokenizer *tokenizer, int32_t token,
                    const float *logits, int64_t n_vocab);

#endif
