/* front_listen.c - see front_listen.h. */
#include "server/front_listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

static bool is_local(const struct sockaddr *a) {
    if (a->sa_family == AF_INET) {
        return (ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr) >> 24) == 127;
    }
    return a->sa_family == AF_INET6 &&
           IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
}

bool front_listen(const char *host, int port, int *listener, int *bound_port, bool *is_loopback,
                  struct err *err) {
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_PASSIVE, .ai_socktype = SOCK_STREAM},
                    *found = NULL;
    char service[16];
    snprintf(service, sizeof service, "%d", port);
    const char *address = strcmp(host, "localhost") == 0 ? "127.0.0.1" : host;
    if (getaddrinfo(address, service, &hints, &found) != 0 || found == NULL) {
        return err_set(
            err, ERR_INPUT,
            "server: bind: \"%.60s\" is no address, allowed are 127.0.0.1, ::1, 0.0.0.0 ..", host);
    }
    const int on = 1;
    *is_loopback = is_local(found->ai_addr);
    const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    *listener = fd;
    bool good = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, 1024) == 0;
    const int why = errno;
    freeaddrinfo(found);
    if (!good)
        return err_set_errno(err, why, "server: port %d of %.60s cannot be used", port, host);
    struct sockaddr_storage bound;
    socklen_t size = sizeof bound;
    getsockname(fd, (struct sockaddr *)&bound, &size);
    *bound_port =
        ntohs(bound.ss_family == AF_INET ? ((struct sockaddr_in *)(void *)&bound)->sin_port
                                         : ((struct sockaddr_in6 *)(void *)&bound)->sin6_port);
    return true;
}
