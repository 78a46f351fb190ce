/* poller.c - sockets that libcurl names are watched by epoll, its timer by the wait's length. */
#include "net/poller.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#define MAX_EVENTS 256

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *known) {
    (void)easy;
    struct poller *poller = user;
    if (what == CURL_POLL_REMOVE) {
        epoll_ctl(poller->epoll_fd, EPOLL_CTL_DEL, fd, NULL); /* may be closed by now */
        return 0;
    }
    struct epoll_event event = {.data.fd = fd};
    if (what & CURL_POLL_IN) event.events |= EPOLLIN;
    if (what & CURL_POLL_OUT) event.events |= EPOLLOUT;
    if (known == NULL) curl_multi_assign(poller->multi, fd, poller);
    if (epoll_ctl(poller->epoll_fd, EPOLL_CTL_MOD, fd, &event) != 0) {
        epoll_ctl(poller->epoll_fd, EPOLL_CTL_ADD, fd, &event);
    }
    return 0;
}

static int on_timer(CURLM *multi, long wait_ms, void *user) {
    (void)multi;
    struct poller *poller = user;
    poller->due_ns = wait_ms < 0 ? -1 : net_now_ns() + wait_ms * 1000000;
    return 0;
}

bool poller_open(struct poller *poller, int max_connections, struct err *err) {
    *poller = (struct poller){.epoll_fd = -1, .due_ns = -1};
    if (!net_begin(err)) return false;
    poller->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (poller->epoll_fd < 0) return err_set_errno(err, errno, "epoll_create1");
    poller->multi = curl_multi_init();
    if (poller->multi == NULL) {
        poller_close(poller);
        return err_set(err, ERR_ENVIRONMENT, "out of memory for the HTTP client");
    }
    curl_multi_setopt(poller->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(poller->multi, CURLMOPT_SOCKETDATA, poller);
    curl_multi_setopt(poller->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(poller->multi, CURLMOPT_TIMERDATA, poller);
    curl_multi_setopt(poller->multi, CURLMOPT_MAXCONNECTS, (long)max_connections);
    curl_multi_setopt(poller->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    return true;
}

void poller_close(struct poller *poller) {
    if (poller->multi != NULL) curl_multi_cleanup(poller->multi);
    if (poller->epoll_fd >= 0) close(poller->epoll_fd);
    *poller = (struct poller){.epoll_fd = -1, .due_ns = -1};
}

static void run_timer(struct poller *poller) {
    int running;
    if (poller->due_ns < 0 || net_now_ns() < poller->due_ns) return;
    poller->due_ns = -1; /* libcurl sets it again when it still wants one */
    curl_multi_socket_action(poller->multi, CURL_SOCKET_TIMEOUT, 0, &running);
}

bool poller_add(struct poller *poller, CURL *easy, struct err *err) {
    CURLMcode code = curl_multi_add_handle(poller->multi, easy);
    if (code != CURLM_OK) {
        return err_set(err, ERR_ENVIRONMENT, "HTTP client: %s", curl_multi_strerror(code));
    }
    run_timer(poller); /* adding sets the timer to now */
    return true;
}

void poller_remove(struct poller *poller, CURL *easy) {
    curl_multi_remove_handle(poller->multi, easy);
}

static int wait_for(const struct poller *poller, struct epoll_event *events, int64_t wait_ns) {
    static bool no_pwait2; /* kernels before 5.11 */
    if (!no_pwait2) {
        struct timespec wait = {.tv_sec = wait_ns / 1000000000, .tv_nsec = wait_ns % 1000000000};
        int n = epoll_pwait2(poller->epoll_fd, events, MAX_EVENTS, &wait, NULL);
        if (n >= 0 || errno != ENOSYS) return n;
        no_pwait2 = true;
    }
    return epoll_wait(poller->epoll_fd, events, MAX_EVENTS, (int)(wait_ns / 1000000));
}

void poller_step(struct poller *poller, int64_t wait_ns) {
    struct epoll_event events[MAX_EVENTS];
    if (poller->due_ns >= 0) {
        int64_t left = poller->due_ns - net_now_ns();
        if (left < wait_ns) wait_ns = left;
    }
    int n = wait_for(poller, events, wait_ns > 0 ? wait_ns : 0);
    for (int i = 0; i < n; i++) {
        int action = 0, running;
        if (events[i].events & EPOLLIN) action |= CURL_CSELECT_IN;
        if (events[i].events & EPOLLOUT) action |= CURL_CSELECT_OUT;
        if (events[i].events & (EPOLLERR | EPOLLHUP)) action |= CURL_CSELECT_ERR;
        curl_multi_socket_action(poller->multi, events[i].data.fd, action, &running);
    }
    run_timer(poller);
}

CURL *poller_ended(struct poller *poller, CURLcode *code) {
    int left;
    CURLMsg *message;
    while ((message = curl_multi_info_read(poller->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE) continue;
        CURL *easy = message->easy_handle;
        *code = message->data.result;
        curl_multi_remove_handle(poller->multi, easy);
        return easy;
    }
    return NULL;
}
