/* registry_config.h - what a load request may ask for. */
#ifndef WOOLLY_SERVER_REGISTRY_CONFIG_H
#define WOOLLY_SERVER_REGISTRY_CONFIG_H

#include "base/json.h"
#include "server/runner.h"

/* {n_ctx, n_threads, switches{..}} into options; NULL changes nothing. */
bool registry_read_config(const struct json *config, struct runner_options *options,
                          struct err *err);

#endif
