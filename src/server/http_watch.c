/* http_watch.c - recv() as libmicrohttpd calls it: see http_watch.h. */
#undef _FORTIFY_SOURCE /* its recv() is an inline function */
#include "server/http_watch.h"

#include "base/alloc.h"
#include "server/front.h"

#include <errno.h>
#include <stdatomic.h>
#include <sys/socket.h>

struct watch {
    struct front *front;
    struct http_stream stream;
    unsigned n_begun, n_ended; /* requests at libmicrohttpd */
    bool is_refused;
};

/* By file descriptor; NULL: nobody's business. One of libmicrohttpd's threads has a connection from
 * its first byte to its last, so what a watch holds needs no lock. */
static struct watch *_Atomic watches[HTTP_WATCH_MOST_FDS];

bool http_watch_open(int fd, struct front *front) {
    if (fd < 0 || fd >= HTTP_WATCH_MOST_FDS) return false;
    struct watch *w = mem_new(sizeof *w);
    if (w == NULL) return false;
    w->front = front;
    atomic_store(&watches[fd], w);
    return true;
}

void http_watch_close(int fd) {
    struct watch *w = atomic_exchange(&watches[fd], NULL);
    if (w == NULL) return;
    http_stream_free(&w->stream);
    mem_free(w);
}

static void refuse(struct watch *w, int fd) {
    const struct http_scan *e = &w->stream.error;
    if (w->is_refused) return;
    w->is_refused = true;
    front_refuse(w->front, fd, e->status, e->code, e->problem);
}

bool http_watch_begin(int fd) {
    struct watch *w = atomic_load(&watches[fd]);
    if (w == NULL || ++w->n_begun > w->stream.n_requests) return false;
    if (w->stream.broke_body && w->n_begun == w->stream.n_requests) refuse(w, fd);
    return true;
}

void http_watch_end(int fd) {
    struct watch *w = atomic_load(&watches[fd]);
    if (w == NULL) return;
    w->n_ended++;
    if (w->stream.phase == STREAM_BAD && w->n_ended == w->stream.n_requests) refuse(w, fd);
}

/* What libmicrohttpd gets of the n bytes that were read. */
static ssize_t look(struct watch *w, int fd, const char *data, size_t n) {
    struct http_stream *s = &w->stream;
    const bool had_begun = s->n_head > 0;
    const unsigned n_before = s->n_requests;
    const size_t good = http_stream_take(s, data, n);
    if (s->n_head > 0 && !had_begun && s->n_requests > 0) front_head_began(w->front, fd);
    if (s->phase != STREAM_BAD) return (ssize_t)good;
    /* In the middle of a body, or with no answer to wait for: now. */
    if (w->n_ended + (s->broke_body ? 1 : 0) == s->n_requests) {
        refuse(w, fd);
        return 0;
    }
    if (good > 0 && s->n_requests > n_before) return (ssize_t)good;
    errno = EAGAIN;
    return -1;
}

/* Of all of this program: for sockets without a watch it is the C library's. */
__attribute__((visibility("default"))) ssize_t recv(int fd, void *buffer, size_t size, int flags) {
    const ssize_t n = recvfrom(fd, buffer, size, flags, NULL, NULL);
    if (n <= 0 || (flags & MSG_PEEK) != 0 || fd < 0 || fd >= HTTP_WATCH_MOST_FDS) return n;
    struct watch *w = atomic_load_explicit(&watches[fd], memory_order_acquire);
    return w == NULL ? n : look(w, fd, buffer, (size_t)n);
}
