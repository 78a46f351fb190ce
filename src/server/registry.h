/* registry.h - the models a server knows, those that are loaded, and the thread that loads and
 * unloads. */
#ifndef WOOLLY_SERVER_REGISTRY_H
#define WOOLLY_SERVER_REGISTRY_H

#include "base/json.h"
#include "server/reply.h"
#include "server/runner.h"

struct registry;

/* defaults: options of every runner but path and name. The strings in it must outlive the registry.
 */
struct registry *registry_new(const struct runner_options *defaults, struct err *err);
/* Unloads all and takes no more changes; may be called twice. */
void registry_stop(struct registry *registry);
void registry_free(struct registry *registry);
/* Reads the file's facts; load: at once, on the calling thread. */
bool registry_add(struct registry *registry, const char *name, const char *path, bool load,
                  struct err *err);

/* A reference to the runner of a loaded model; NULL name: the first one that is loaded. *known:
 * there is such a model, loaded or not. */
struct runner *registry_runner(struct registry *registry, const char *name, bool *known);
int registry_n_loaded(struct registry *registry);
void registry_poke(struct registry *registry);
void registry_keep_alive(struct registry *registry);

/* ModelInfo of one, false when unknown; of all, comma-separated. openai: in OpenAI's short form. */
bool registry_print(struct registry *registry, const char *name, struct text *out);
void registry_print_all(struct registry *registry, bool openai, struct text *out);

/* Loads or unloads on the registry's thread and fills the reply then. config: {n_ctx, n_threads,
 * switches} or NULL. False and err: refused at once. */
enum registry_error { REGISTRY_OK, REGISTRY_UNKNOWN, REGISTRY_BUSY, REGISTRY_INPUT };
enum registry_error registry_change(struct registry *registry, const char *name, bool load,
                                    const struct json *config, struct reply *reply,
                                    struct err *err);

#endif
