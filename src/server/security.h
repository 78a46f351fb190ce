/* security.h - who may call: Host, Origin, key. Pure; compares names of hosts without case.
 *
 * A page in the user's browser reaches loopback: an address is no perimeter (DNS rebinding,
 * cross-site requests). So the Host must name this server and an Origin must be on the list. */
#ifndef WOOLLY_SERVER_SECURITY_H
#define WOOLLY_SERVER_SECURITY_H

#include <stdbool.h>
#include <stddef.h>

struct security {
    const char *api_key;       /* NULL: none */
    const char *allow_origins; /* comma-separated, exact; may be NULL */
    const char *allow_hosts;   /* comma-separated, without ports; may be NULL */
    const char *bind;
    int port;
    bool any_host, any_origin; /* faults */
};

/* Host header: a name of this machine or an allowed one, with the right port or none. */
bool security_host(const struct security *security, const char *host);
/* Origin header: of this machine by http, https, tauri or app, or an allowed one. */
bool security_origin(const struct security *security, const char *origin);
/* Authorization: Bearer KEY, or X-API-Key: KEY; in constant time. Either may be NULL. */
bool security_key(const struct security *security, const char *authorization,
                  const char *x_api_key);
/* "application/json", with or without parameters. */
bool security_is_json(const char *content_type);

#endif
