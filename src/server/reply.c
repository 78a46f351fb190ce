/* reply.c - see reply.h. */
#include "server/reply.h"

#include "base/alloc.h"

#include <linux/sockios.h>
#include <microhttpd.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { MOST_UNSENT = 64 * 1024, MOST_DIRECT = 16 * 1024 };

struct reply *reply_new(void) {
    struct reply *r = mem_new(sizeof *r);
    if (r == NULL) return NULL;
    pthread_mutex_init(&r->lock, NULL);
    atomic_init(&r->refs, 1);
    r->status = 200;
    r->direct_fd = -1;
    return r;
}

struct reply *reply_ref(struct reply *r) {
    atomic_fetch_add(&r->refs, 1);
    return r;
}

void reply_unref(struct reply *r) {
    if (r == NULL || atomic_fetch_sub(&r->refs, 1) > 1) return;
    pthread_mutex_destroy(&r->lock);
    text_free(&r->out);
    mem_free(r);
}

void reply_lock(struct reply *r) {
    pthread_mutex_lock(&r->lock);
}

/* One chunk of what there is, past libmicrohttpd. Only when the socket has so little to send that
 * all of it fits: a slow reader is left to the one who can wait for it. */
static bool send_direct(struct reply *r) {
    int unsent = 0;
    char head[32];
    const size_t size = r->out.size - r->taken;
    if (r->direct_fd < 0 || r->done || r->out.failed || size == 0 || size > MOST_DIRECT)
        return false;
    if (ioctl(r->direct_fd, SIOCOUTQ, &unsent) != 0 || unsent > MOST_UNSENT) return false;
    struct iovec parts[] = {
        {.iov_base = head, .iov_len = (size_t)snprintf(head, sizeof head, "%zx\r\n", size)},
        {.iov_base = r->out.data + r->taken, .iov_len = size},
        {.iov_base = "\r\n", .iov_len = 2}};
    const struct msghdr message = {.msg_iov = parts, .msg_iovlen = 3};
    const ssize_t sent = sendmsg(r->direct_fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) return false;
    if ((size_t)sent <
        parts[0].iov_len + size + 2) { /* the kernel is short of memory: half a chunk went out */
        r->cut = r->done = true;
        return false;
    }
    text_clear(&r->out);
    r->taken = 0;
    return true;
}

void reply_wake(struct reply *r) {
    if (r->suspended != NULL && send_direct(r)) {
        pthread_mutex_unlock(&r->lock);
        return;
    }
    struct MHD_Connection *connection = r->suspended;
    r->suspended = NULL;
    if (connection != NULL) MHD_resume_connection(connection);
    pthread_mutex_unlock(&r->lock);
}

void reply_suspend(struct reply *r, struct MHD_Connection *connection) {
    if (r->done || r->taken < r->out.size) return;
    r->suspended = connection;
    MHD_suspend_connection(connection);
}
