/* generation_request.h - a JSON body becomes a generation whose every value was checked. */
#ifndef WOOLLY_SERVER_GENERATION_REQUEST_H
#define WOOLLY_SERVER_GENERATION_REQUEST_H

#include "base/json.h"
#include "server/generation.h"
#include "server/runner.h"

struct refusal {
    int status;
    const char *code, *param; /* param may be NULL */
    char message[512];
};

enum request_kind { REQUEST_COMPLETION, REQUEST_CHAT, REQUEST_EITHER /* by what the body has */ };

/* body: an object. sessions: for session_id. client: whose turns are counted. NULL and *refusal.
 * Reads everything before it tokenizes; changes nothing but the session that it makes busy. */
struct generation *generation_request(const struct json *body, enum api api, enum request_kind kind,
                                      struct runner *runner, struct session_table *sessions,
                                      uint64_t client, struct refusal *refusal);

#endif
