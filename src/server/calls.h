/* calls.h - calls of MCP tools on their way to whoever runs them, outside of this room, and back.
 */
#ifndef WOOLLY_SERVER_CALLS_H
#define WOOLLY_SERVER_CALLS_H

#include "server/reply.h"

#include <stdbool.h>
#include <stdint.h>

struct calls;

enum call_form { CALL_REST, CALL_RPC };

struct calls *calls_new(void);
/* Answers all that wait with an error; from then on none is taken. */
void calls_close(struct calls *calls);
void calls_free(struct calls *calls);

/* Queues a call whose answer goes to the reply (a reference is taken): as {success, tool, result}
 * or as the JSON-RPC answer to rpc_id. False: too many wait. */
bool calls_put(struct calls *calls, const char *tool, const char *arguments, enum call_form form,
               const char *rpc_id, struct reply *reply);
/* server_next_call and server_answer_call. */
bool calls_next(struct calls *calls, int timeout_ms, int64_t *id, const char **tool,
                const char **arguments);
bool calls_answer(struct calls *calls, int64_t id, const char *text, size_t size, bool is_error);

/* The tools, as the JSON array of tools/list. */
bool calls_set_tools(struct calls *calls, const char *json);
void calls_print_tools(struct calls *calls, struct text *out);
/* True where the list has a tool of that name. */
bool calls_has_tool(struct calls *calls, const char *name);

#endif
