/* front_listen.h - a listening socket. */
#ifndef WOOLLY_SERVER_FRONT_LISTEN_H
#define WOOLLY_SERVER_FRONT_LISTEN_H

#include "base/err.h"

/* host: an address or "localhost". port 0: a free one, told in *bound_port. *listener is open also
 * where something behind it failed. */
bool front_listen(const char *host, int port, int *listener, int *bound_port, bool *is_loopback,
                  struct err *err);

#endif
