/* poller.h - many libcurl transfers in one thread: its multi interface on epoll. */
#ifndef WOOLLY_NET_POLLER_H
#define WOOLLY_NET_POLLER_H

#include "net/net.h"

#include <curl/curl.h>

struct poller {
    CURLM *multi;
    int epoll_fd;
    int64_t due_ns; /* when libcurl wants to be called; -1: not at all */
};

bool poller_open(struct poller *poller, int max_connections, struct err *err);
/* Every handle must have been removed. */
void poller_close(struct poller *poller);

/* Starts a transfer: its request leaves within the call where the connection stands already. */
bool poller_add(struct poller *poller, CURL *easy, struct err *err);
void poller_remove(struct poller *poller, CURL *easy);
/* Waits at most wait_ns for something to do and does it; callbacks of the transfers run here. */
void poller_step(struct poller *poller, int64_t wait_ns);
/* The next transfer that has ended, removed already; NULL: none. */
CURL *poller_ended(struct poller *poller, CURLcode *code);

#endif
