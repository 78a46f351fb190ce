/* scripted_server.c - sockets and threads around the behaviours. */
#include "support/scripted_server.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PAUSE_BYTE '\x1f'
#define MAX_HEAD 65536

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC_RAW, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void sleep_until(int64_t at_ns) {
    int64_t left = at_ns - now_ns();
    if (left <= 0) return;
    struct timespec t = {.tv_sec = left / 1000000000, .tv_nsec = left % 1000000000};
    nanosleep(&t, NULL);
}

static bool send_all(int fd, const char *bytes, size_t size) {
    while (size > 0) {
        ssize_t n = send(fd, bytes, size, MSG_NOSIGNAL);
        if (n <= 0) return false;
        bytes += n;
        size -= (size_t)n;
    }
    return true;
}

static bool send_text(int fd, const char *text) {
    return send_all(fd, text, strlen(text));
}

/* ---- requests ---- */

/* Reads a request whole; the path into path. False: the client has left. */
static bool read_request(int fd, char *path, size_t capacity) {
    static _Thread_local char head[MAX_HEAD + 1];
    size_t size = 0;
    char *end = NULL;
    while (end == NULL) {
        ssize_t n = size < MAX_HEAD ? recv(fd, head + size, MAX_HEAD - size, 0) : 0;
        if (n <= 0) return false;
        size += (size_t)n;
        head[size] = '\0';
        end = strstr(head, "\r\n\r\n");
    }
    const char *length = strcasestr(head, "\r\nContent-Length:");
    size_t body = length != NULL && length < end ? strtoul(length + 17, NULL, 10) : 0;
    size_t have = size - (size_t)(end + 4 - head);
    static _Thread_local char ignored[65536];
    while (have < body) {
        ssize_t n = recv(fd, ignored, sizeof ignored, 0);
        if (n <= 0) return false;
        have += (size_t)n;
    }
    const char *start = strchr(head, ' ');
    size_t path_size = start != NULL ? strcspn(start + 1, " \r\n") : 0;
    if (path_size >= capacity) path_size = capacity - 1;
    memcpy(path, start != NULL ? start + 1 : "", path_size);
    path[path_size] = '\0';
    return true;
}

static void wait_for_leaving(int fd) {
    char byte;
    while (recv(fd, &byte, 1, 0) > 0)
        continue;
}

/* ---- fixed bytes ---- */

/* Until the client leaves; many at a time, or a limit of a megabyte would take half a second. */
static void send_again_and_again(int fd, const char *part, size_t size) {
    char many[4096];
    size_t n = 0;
    for (; n + size <= sizeof many; n += size)
        memcpy(many + n, part, size);
    while (send_all(fd, many, n))
        continue;
}

static void play(int fd, const struct scripted_behaviour *b) {
    const char *part = b->script, *end = b->script + b->size;
    for (;;) {
        const char *stop = memchr(part, PAUSE_BYTE, (size_t)(end - part));
        if (!send_all(fd, part, (size_t)((stop != NULL ? stop : end) - part))) return;
        if (stop == NULL) break;
        sleep_until(now_ns() + 5000000);
        part = stop + 1;
    }
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    switch (b->ending) {
    case END_CLOSE:
        break;
    case END_RESET:
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        break;
    case END_SILENCE:
        wait_for_leaving(fd);
        break;
    case END_REPEAT:
        send_again_and_again(fd, part, (size_t)(end - part));
        break;
    case END_DRIP:
        while (send_all(fd, "x", 1))
            sleep_until(now_ns() + 20000000);
        break;
    }
}

/* ---- tokens in time ---- */

#define STREAM_HEAD                                                                                \
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"

static bool send_chunk(int fd, const char *data) {
    char chunk[512];
    snprintf(chunk, sizeof chunk, "%zx\r\n%s\r\n", strlen(data), data);
    return send_text(fd, chunk);
}

static bool send_token(int fd, int64_t at) {
    char event[256];
    snprintf(event, sizeof event,
             "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%lld \"}}]}\n\n",
             (long long)at);
    return send_chunk(fd, event);
}

/* What the sender itself saw of a stream: on a busy machine it is late as well. */
struct seen {
    double first_ms, longest_gap_ms;
};

/* The times seen go out as the queue's and the prompt's, since the protocol has no other fields; or NULL. */
static bool send_end(int fd, int said, const struct seen *seen) {
    char event[400], times[100] = "";
    if (seen != NULL) {
        snprintf(times, sizeof times, ",\"timings\":{\"queue_ms\":%.6f,\"prefill_ms\":%.6f}",
                 seen->first_ms, seen->longest_gap_ms);
    }
    snprintf(event, sizeof event,
             "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"length\"}],"
             "\"usage\":{\"prompt_tokens\":4,\"completion_tokens\":%d,\"total_tokens\":%d}%s}\n\n"
             "data: [DONE]\n\n",
             said, said + 4, times);
    return send_chunk(fd, event) && send_text(fd, "0\r\n\r\n");
}

static bool play_timed(int fd, double first_ms, double gap_ms, int n, int said, bool tells) {
    const int64_t start = now_ns();
    int64_t at = start + (int64_t)(first_ms * 1e6), last = 0;
    struct seen seen = {0};
    sleep_until(at);
    if (!send_text(fd, STREAM_HEAD)) return false;
    for (int i = 0; i < n; i++) {
        sleep_until(at);
        const int64_t now = now_ns();
        const double gap = i > 0 ? (double)(now - last) / 1e6 : 0;
        if (i == 0) seen.first_ms = (double)(now - start) / 1e6;
        if (gap > seen.longest_gap_ms) seen.longest_gap_ms = gap;
        if (!send_token(fd, now)) return false;
        last = now;
        at += (int64_t)(gap_ms * 1e6);
    }
    return send_end(fd, said, tells ? &seen : NULL);
}

static bool play_stall(int fd, double from_ms, double until_ms) {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static int64_t first;
    pthread_mutex_lock(&lock);
    if (first == 0) first = now_ns();
    int64_t start = first;
    pthread_mutex_unlock(&lock);
    int64_t now = now_ns();
    if (now >= start + (int64_t)(from_ms * 1e6)) sleep_until(start + (int64_t)(until_ms * 1e6));
    return play_timed(fd, 1, 1, 2, 2, false);
}

/* ---- connections ---- */

/* True: the connection may serve another request. */
static bool answer(int fd, const char *path) {
    char name[64];
    double a = 0, b = 0;
    int n = 0, said = 0;
    const char *rest = strrchr(path, '/');
    if (rest != NULL && strcmp(rest, "/models") == 0) {
        return send_text(fd,
                         "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                         "Content-Length: 54\r\n\r\n"
                         "{\"object\":\"list\",\"data\":[{\"id\":\"m\",\"object\":\"model\"}]}");
    }
    snprintf(name, sizeof name, "%.*s", (int)strcspn(path + (*path == '/'), "/?"),
             path + (*path == '/'));
    if (sscanf(name, "timed-%lf-%lf-%d", &a, &b, &n) == 3) return play_timed(fd, a, b, n, n, false);
    if (sscanf(name, "told-%lf-%lf-%d", &a, &b, &n) == 3) return play_timed(fd, a, b, n, n, true);
    if (sscanf(name, "count-%d-%d", &n, &said) == 2) return play_timed(fd, 0, 0, n, said, false);
    if (sscanf(name, "stall-%lf-%lf", &a, &b) == 2) return play_stall(fd, a, b);
    if (sscanf(name, "grow-%d", &n) == 1) {
        static char *volatile kept; /* the one before is never freed: that is the point */
        kept = malloc((size_t)n);
        if (kept != NULL) memset(kept, 1, (size_t)n);
        return play_timed(fd, 1, 0, 4, 4, false);
    }
    for (const struct scripted_behaviour *row = scripted_behaviours(); row->name; row++) {
        if (strcmp(row->name, name) == 0) {
            play(fd, row);
            return false;
        }
    }
    send_text(fd, "HTTP/1.1 404 No such behaviour\r\nContent-Length: 0\r\n\r\n");
    return true;
}

static void *serve(void *user) {
    int fd = (int)(intptr_t)user;
    char path[256];
    int at_once = 1; /* Nagle's algorithm would hold small parts back for 40 ms */
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
    while (read_request(fd, path, sizeof path) && answer(fd, path))
        continue;
    close(fd);
    return NULL;
}

static void *accept_all(void *user) {
    int listener = (int)(intptr_t)user;
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        if (fd < 0) continue;
        pthread_t thread;
        if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd) != 0) {
            close(fd);
            continue;
        }
        pthread_detach(thread);
    }
    return NULL;
}

int scripted_server_start(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    pthread_t thread;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, size) != 0 ||
        listen(listener, 1024) != 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) != 0 ||
        pthread_create(&thread, NULL, accept_all, (void *)(intptr_t)listener) != 0) {
        return 0;
    }
    pthread_detach(thread);
    return ntohs(address.sin_port);
}
