/* chat.h - conversations become token ids, by built-in templates of model families.
 *
 * A model's own template is never executed (it is a program from an untrusted file): it is
 * recognised by the markers it holds. What users write never becomes a control token. */
#ifndef WOOLLY_SERVER_CHAT_H
#define WOOLLY_SERVER_CHAT_H

#include "engine/engine.h"
#include "server/session.h"

struct chat_template;

/* By name ("chatml", ...), or for NULL by what the model's file says. NULL and err when unknown. */
const struct chat_template *chat_template_find(const char *name, const struct model *model,
                                               struct err *err);
const char *chat_template_name(const struct chat_template *chat);
/* "chatml, llama2, ...": for messages. */
const char *chat_template_names(void);
/* The text that ends the assistant's turn where no token does, or NULL. */
const char *chat_template_stop(const struct chat_template *chat);

/* Ids of the conversation and the head of the assistant's answer, to mem_free. */
int32_t *chat_encode(const struct chat_template *chat, const struct tokenizer *tokenizer,
                     const struct message *messages, int n_messages, size_t *n, struct err *err);

#endif
