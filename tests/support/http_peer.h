/* http_peer.h - a client of raw sockets, for tests of the server: sends what it is told, reads to
 * the end. */
#ifndef WOOLLY_TESTS_HTTP_PEER_H
#define WOOLLY_TESTS_HTTP_PEER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct peer_answer {
    int status;       /* 0: none came */
    char *all;        /* head and body; to peer_free */
    const char *body; /* chunks joined */
};

static inline void peer_sleep_ms(int ms) {
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L}, NULL);
}

static inline int peer_connect(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval patience = {.tv_sec = 60};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) perror("connect");
    return fd;
}

static inline void peer_write(int fd, const char *text) {
    for (size_t left = strlen(text); left > 0;) {
        ssize_t n = send(fd, text, left, MSG_NOSIGNAL);
        if (n <= 0) return;
        text += n;
        left -= (size_t)n;
    }
}

/* Joins the chunks of a body in place. */
static inline void peer_join(char *body) {
    char *out = body;
    for (char *at = body;;) {
        char *end = NULL;
        unsigned long n = strtoul(at, &end, 16);
        if (end == at || n == 0 || n > strlen(end)) break;
        end += 2;
        memmove(out, end, n);
        out += n;
        at = end + n + 2;
    }
    *out = '\0';
}

/* Reads until the server closes, and closes. */
static inline struct peer_answer peer_read(int fd) {
    struct peer_answer a = {0};
    size_t size = 0, cap = 4096;
    a.all = malloc(cap + 1);
    for (ssize_t n; (n = recv(fd, a.all + size, cap - size, 0)) > 0;) {
        size += (size_t)n;
        if (size == cap) a.all = realloc(a.all, (cap *= 2) + 1);
    }
    a.all[size] = '\0';
    close(fd);
    sscanf(a.all, "HTTP/1.1 %d", &a.status);
    char *body = strstr(a.all, "\r\n\r\n");
    a.body = body == NULL ? "" : body + 4;
    if (body != NULL) {
        *body = '\0';
        if (strstr(a.all, "Transfer-Encoding: chunked") != NULL) peer_join(body + 4);
    }
    return a;
}

/* Sends a whole request that asks to close behind it. headers: further lines, or a Content-Type
 * instead of JSON's; may be NULL. */
static inline int peer_send(int port, const char *method, const char *path, const char *headers,
                            const char *body) {
    const size_t size = body == NULL ? 0 : strlen(body);
    char *text = malloc(size + 2048);
    const int has_type = headers != NULL && strstr(headers, "Content-Type") != NULL;
    snprintf(text, size + 2048,
             "%s %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n%s%sContent-Length: "
             "%zu\r\n\r\n%s",
             method, path, port, headers == NULL ? "" : headers,
             has_type ? "" : "Content-Type: application/json\r\n", size, body == NULL ? "" : body);
    int fd = peer_connect(port);
    peer_write(fd, text);
    free(text);
    return fd;
}

static inline struct peer_answer peer_request(int port, const char *method, const char *path,
                                              const char *headers, const char *body) {
    return peer_read(peer_send(port, method, path, headers, body));
}

static inline void peer_free(struct peer_answer *a) {
    free(a->all);
    *a = (struct peer_answer){.body = ""};
}

/* Until the first bytes are there. */
static inline void peer_wait(int fd) {
    char byte;
    ssize_t ignored = recv(fd, &byte, 1, MSG_PEEK);
    (void)ignored;
}

/* Closing sends a reset then. */
static inline void peer_reset(int fd) {
    struct linger linger = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
}

static inline void peer_close(int fd) {
    close(fd);
}

#endif
