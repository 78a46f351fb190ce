/* answer.h - the error form of every route, and small pieces of answers. */
#ifndef WOOLLY_SERVER_ANSWER_H
#define WOOLLY_SERVER_ANSWER_H

#include "server/faults.h"
#include "server/text.h"

/* {"error":{type, message, code, param?, suggestion, timestamp, request_id}}; param may be NULL. */
void answer_error(struct text *out, const struct faults *faults, int status, const char *code,
                  const char *message, const char *param);
/* "Bad Request", ... */
const char *answer_status_text(int status);
/* "2026-01-02T03:04:05.678Z" with quotation marks, of now. */
void answer_timestamp(struct text *out);
/* prefix and 24 hexadecimal digits that nobody can guess. out holds at least 48 bytes. */
void answer_id(const char *prefix, char *out, size_t size);

#endif
