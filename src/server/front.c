/* front.c - see front.h. */
#include "server/front.h"
#include "server/front_listen.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "server/answer.h"
#include "server/http_watch.h"

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#define SECOND INT64_C(1000000000)
#define HEAD_NS (10 * SECOND)  /* a head may take, from its first byte */
#define IDLE_NS (120 * SECOND) /* a connection may say nothing */
#define DRAIN_NS (1 * SECOND)  /* for the client to read why it was refused */
#define SLOW_HEAD "the head of the request took more than 10 s"
#define SLOW_BODY_NS (10 * SECOND) /* then at least: */
#define SLOW_BODY_RATE 1024        /* bytes a second */
#define KEEP_ALIVE_NS (15 * SECOND)
enum {
    TICK_MS = 250,
    PEEK_SIZE = HTTP_MAX_LINE + HTTP_MAX_HEAD + 1024,
    EVENTS = 64,
    SPARE_FDS = 64, /* of the process, beside connections */
};

enum slot_state { SLOT_FREE, SLOT_HEAD, SLOT_DRAIN, SLOT_IDLE, SLOT_BODY, SLOT_ANSWER };

struct slot { /* by file descriptor */
    enum slot_state state;
    uint32_t generation; /* of the connection: an event of one before it says nothing about it */
    int64_t since_ns;    /* of the state; of a head: since its first byte, 0: none came */
    int64_t accepted_ns;
    int64_t head_ns; /* first byte of a later request's head; 0: none came */
    uint64_t body_bytes;
    struct reply *reply; /* watched */
    struct sockaddr_storage address;
    socklen_t address_size;
};

struct front {
    struct front_options options;
    struct MHD_Daemon *daemon;
    int listener, epoll, wake, spare;
    int port;
    bool is_loopback, has_thread,
        is_deaf; /* deaf: out of descriptors, listening again at the next tick */
    atomic_bool ending;
    pthread_t thread;
    pthread_mutex_t lock; /* of the slots */
    struct slot *slots;
    int n_slots;
    int n_connections;
    char *peeked; /* [PEEK_SIZE] */
};

/* ---- listening ---- */

/* As many descriptors as the connections need, where the hard limit allows it. */
static void raise_limit(int wanted) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= (rlim_t)wanted) return;
    limit.rlim_cur = limit.rlim_max < (rlim_t)wanted ? limit.rlim_max : (rlim_t)wanted;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static void add_to_epoll(struct front *f, int fd, uint32_t events) {
    const uint64_t generation = fd < f->n_slots ? f->slots[fd].generation : 0;
    struct epoll_event event = {.events = events, .data.u64 = generation << 32 | (uint64_t)fd};
    if (epoll_ctl(f->epoll, EPOLL_CTL_ADD, fd, &event) != 0 && errno == EEXIST) {
        epoll_ctl(f->epoll, EPOLL_CTL_MOD, fd, &event);
    }
}

struct front *front_new(const struct front_options *options, struct err *err) {
    struct front *f = mem_new(sizeof *f);
    if (f == NULL) {
        err_set(err, ERR_ENVIRONMENT, "server: not enough memory");
        return NULL;
    }
    f->options = *options;
    f->listener = f->epoll = f->wake = f->spare = -1;
    pthread_mutex_init(&f->lock, NULL);
    raise_limit(options->max_connections + SPARE_FDS);
    f->n_slots = 4 * (options->max_connections + SPARE_FDS) + 1024;
    f->slots = mem_new_array((size_t)f->n_slots, sizeof *f->slots);
    f->peeked = mem_alloc(PEEK_SIZE);
    f->epoll = epoll_create1(EPOLL_CLOEXEC);
    f->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    f->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    bool good = f->slots != NULL && f->peeked != NULL && f->epoll >= 0 && f->wake >= 0;
    if (!good) err_set(err, ERR_ENVIRONMENT, "server: not enough memory or descriptors");
    if (good && front_listen(f->options.bind, f->options.port, &f->listener, &f->port,
                             &f->is_loopback, err))
        return f;
    front_free(f);
    return NULL;
}

int front_port(const struct front *f) {
    return f->port;
}

bool front_is_loopback(const struct front *f) {
    return f->is_loopback;
}

/* ---- refusing ---- */

/* Answers without waiting and lets the client read it. */
static void send_refusal(struct front *f, int fd, int status, const char *code,
                         const char *problem) {
    struct text body = {0}, all = {0};
    answer_error(&body, f->options.faults, status, code, problem, NULL);
    text_printf(&all,
                "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: "
                "%zu\r\nConnection: close\r\n%s\r\n",
                status, answer_status_text(status), body.size,
                status == 503 ? "Retry-After: 1\r\n" : "");
    text_put(&all, body.data, body.size);
    if (!all.failed) {
        ssize_t ignored = send(fd, all.data, all.size, MSG_DONTWAIT | MSG_NOSIGNAL);
        (void)ignored;
    }
    text_free(&body);
    text_free(&all);
    stats_add(&f->options.stats->requests, 1);
    stats_add(status < 500 ? &f->options.stats->errors_client : &f->options.stats->errors_server,
              1);
}

static void forget(struct front *f, int fd) {
    f->slots[fd].state = SLOT_FREE;
    f->n_connections--;
    atomic_store(&f->options.stats->connections, f->n_connections);
}

static void close_slot(struct front *f, int fd) {
    epoll_ctl(f->epoll, EPOLL_CTL_DEL, fd, NULL);
    forget(f, fd);
    close(fd);
}

static void refuse(struct front *f, int fd, int status, const char *code, const char *problem) {
    send_refusal(f, fd, status, code, problem);
    stats_add(&f->options.stats->cut_connections, 1);
    shutdown(fd, SHUT_WR);
    f->slots[fd].state = SLOT_DRAIN;
    f->slots[fd].since_ns = clock_now_ns();
    add_to_epoll(f, fd, EPOLLIN | EPOLLRDHUP);
}

/* ---- heads ---- */

static void hand_over(struct front *f, int fd) {
    struct slot *s = &f->slots[fd];
    epoll_ctl(f->epoll, EPOLL_CTL_DEL, fd, NULL);
    s->state = SLOT_IDLE;
    s->since_ns = clock_now_ns();
    s->reply = NULL;
    struct sockaddr_storage address = s->address;
    const socklen_t size = s->address_size;
    if (!http_watch_open(fd, f)) {
        close_slot(f, fd);
        return;
    }
    pthread_mutex_unlock(&f->lock); /* the daemon calls back under locks of its own */
    const bool taken =
        MHD_add_connection(f->daemon, fd, (struct sockaddr *)&address, size) == MHD_YES;
    pthread_mutex_lock(&f->lock);
    if (!taken && f->slots[fd].state == SLOT_IDLE) { /* it closed the socket */
        http_watch_close(fd);
        forget(f, fd);
    }
}

static void look_at_head(struct front *f, int fd) {
    struct slot *s = &f->slots[fd];
    ssize_t n = recv(fd, f->peeked, PEEK_SIZE, MSG_PEEK | MSG_DONTWAIT);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        close_slot(f, fd);
        return;
    }
    if (n < 0) return;
    if (s->since_ns == 0) s->since_ns = clock_now_ns();
    struct http_scan found = http_scan(f->peeked, (size_t)n);
    if (found.status == 200) {
        hand_over(f, fd);
    } else if (found.status != 0) {
        refuse(f, fd, found.status, found.code, found.problem);
    }
}

static void drain(struct front *f, int fd) {
    for (int i = 0; i < 16; i++) {
        ssize_t n = recv(fd, f->peeked, PEEK_SIZE, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            close_slot(f, fd);
            return;
        }
        if (n < 0) return;
    }
}

/* ---- hang-ups ---- */

/* Under the lock, which is given up meanwhile. */
static void hung_up(struct front *f, int fd) {
    struct reply *reply = f->slots[fd].reply;
    if (reply == NULL) return;
    reply_ref(reply);
    pthread_mutex_unlock(&f->lock);
    if (!f->options.faults->ignore_disconnect) {
        atomic_store(&reply->cancelled, true);
        reply_lock(reply);
        reply->cut = reply->done = true;
        reply_wake(reply);
        f->options.left(f->options.user);
    }
    reply_unref(reply);
    pthread_mutex_lock(&f->lock);
}

/* ---- accepting ---- */

/* From outside nobody may take all connections: a quarter each. Here all clients have one address.
 */
static bool has_its_share(const struct front *f, const struct sockaddr_storage *a) {
    int n = 0;
    if (f->is_loopback) return false;
    for (int fd = 0; fd < f->n_slots; fd++) {
        const struct slot *s = &f->slots[fd];
        if (s->state == SLOT_FREE || s->address.ss_family != a->ss_family) continue;
        n += a->ss_family == AF_INET
                 ? ((const struct sockaddr_in *)(const void *)&s->address)->sin_addr.s_addr ==
                       ((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr
                 : memcmp(&((const struct sockaddr_in6 *)(const void *)&s->address)->sin6_addr,
                          &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr,
                          sizeof(struct in6_addr)) == 0;
    }
    return n >= (f->options.max_connections + 3) / 4;
}

static void accepted(struct front *f, int fd, const struct sockaddr_storage *address,
                     socklen_t size) {
    const int on = 1;
    if (fd >= f->n_slots || f->n_connections >= f->options.max_connections ||
        has_its_share(f, address)) {
        send_refusal(f, fd, 503, "too_many_connections",
                     "the server has as many connections as it may");
        stats_add(&f->options.stats->refused_connections, 1);
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    f->slots[fd] = (struct slot){.state = SLOT_HEAD,
                                 .generation = f->slots[fd].generation + 1,
                                 .accepted_ns = clock_now_ns(),
                                 .address = *address,
                                 .address_size = size};
    f->n_connections++;
    atomic_store(&f->options.stats->connections, f->n_connections);
    add_to_epoll(f, fd, EPOLLIN | EPOLLRDHUP | EPOLLET);
}

/* Out of descriptors: the spare one lets us tell the client; without it the listener rests until
 * the next tick, because it would report the waiting connection again and again. */
static void accept_with_spare(struct front *f) {
    if (f->spare >= 0) close(f->spare);
    int fd = accept4(f->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        send_refusal(f, fd, 503, "out_of_descriptors", "the server has no file descriptor left");
        stats_add(&f->options.stats->refused_connections, 1);
        close(fd);
    }
    f->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || f->spare < 0) {
        epoll_ctl(f->epoll, EPOLL_CTL_DEL, f->listener, NULL);
        f->is_deaf = true;
    }
}

static void accept_some(struct front *f) {
    for (int i = 0; i < EVENTS; i++) {
        struct sockaddr_storage address;
        socklen_t size = sizeof address;
        int fd =
            accept4(f->listener, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            accepted(f, fd, &address, size);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            accept_with_spare(f);
            return;
        } else if (errno != ECONNABORTED && errno != EINTR) {
            return;
        }
    }
}

/* ---- time ---- */

static bool is_overdue(const struct slot *s, int64_t now) {
    switch (s->state) {
    case SLOT_HEAD:
        return s->since_ns > 0 ? now - s->since_ns > HEAD_NS : now - s->accepted_ns > IDLE_NS;
    case SLOT_DRAIN:
        return now - s->since_ns > DRAIN_NS;
    case SLOT_IDLE: /* the daemon's own limit of silence is shorter */
        return s->head_ns > 0 ? now - s->head_ns > HEAD_NS
                              : now - s->since_ns > IDLE_NS + 5 * SECOND;
    case SLOT_BODY:
        return now - s->since_ns > SLOW_BODY_NS &&
               (int64_t)s->body_bytes < (now - s->since_ns) / SECOND * SLOW_BODY_RATE;
    case SLOT_FREE:
    case SLOT_ANSWER:
        break;
    }
    return false;
}

static void cut_slow(struct front *f) {
    const int64_t now = clock_now_ns();
    for (int fd = 0, left = f->n_connections; fd < f->n_slots && left > 0; fd++) {
        struct slot *s = &f->slots[fd];
        if (s->state == SLOT_FREE) continue;
        left--;
        if (!is_overdue(s, now)) continue;
        if (s->state == SLOT_HEAD && s->since_ns > 0) {
            refuse(f, fd, 408, "slow_head", SLOW_HEAD);
        } else if (s->state == SLOT_HEAD || s->state == SLOT_DRAIN) {
            close_slot(f, fd);
        } else { /* the daemon's: it notices and closes */
            if (s->state == SLOT_BODY) {
                send_refusal(f, fd, 408, "slow_body",
                             "the body came at less than 1024 bytes a second");
            } else if (s->head_ns > 0) {
                send_refusal(f, fd, 408, "slow_head", SLOW_HEAD);
            }
            stats_add(&f->options.stats->cut_connections, 1);
            shutdown(fd, SHUT_RDWR);
            s->state = SLOT_ANSWER;
        }
    }
}

/* ---- the thread ---- */

static void handle(struct front *f, const struct epoll_event *event) {
    const int fd = (int)(event->data.u64 & UINT32_MAX);
    if (fd == f->listener) {
        accept_some(f);
        return;
    }
    if (fd >= f->n_slots || f->slots[fd].generation != event->data.u64 >> 32) return;
    if (f->slots[fd].state == SLOT_HEAD) {
        look_at_head(f, fd);
    } else if (f->slots[fd].state == SLOT_DRAIN) {
        drain(f, fd);
    } else if ((event->events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
        hung_up(f, fd);
    }
}

static void *run(void *argument) {
    struct front *f = argument;
    int64_t next_keep_alive = clock_now_ns() + KEEP_ALIVE_NS, next_tick = 0;
    add_to_epoll(f, f->listener, EPOLLIN);
    add_to_epoll(f, f->wake, EPOLLIN);
    while (!atomic_load(&f->ending)) {
        struct epoll_event events[EVENTS];
        int n = epoll_wait(f->epoll, events, EVENTS, TICK_MS);
        pthread_mutex_lock(&f->lock);
        for (int i = 0; i < n; i++)
            handle(f, &events[i]);
        const int64_t now = clock_now_ns();
        if (now >= next_tick) {
            next_tick = now + TICK_MS * 1000000;
            cut_slow(f);
            if (f->is_deaf) {
                if (f->spare < 0) f->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
                f->is_deaf = false;
                add_to_epoll(f, f->listener, EPOLLIN);
            }
        }
        pthread_mutex_unlock(&f->lock);
        if (now >= next_keep_alive) {
            next_keep_alive = now + KEEP_ALIVE_NS;
            f->options.tick(f->options.user);
        }
    }
    return NULL;
}

bool front_start(struct front *f, struct MHD_Daemon *daemon, struct err *err) {
    f->daemon = daemon;
    f->has_thread = pthread_create(&f->thread, NULL, run, f) == 0;
    return f->has_thread || err_set(err, ERR_ENVIRONMENT, "server: a thread cannot be started");
}

void front_stop(struct front *f) {
    if (!f->has_thread) return;
    const uint64_t one = 1;
    atomic_store(&f->ending, true);
    ssize_t ignored = write(f->wake, &one, sizeof one);
    (void)ignored;
    pthread_join(f->thread, NULL);
    f->has_thread = false;
    pthread_mutex_lock(&f->lock);
    for (int fd = 0; fd < f->n_slots; fd++) {
        if (f->slots[fd].state == SLOT_HEAD || f->slots[fd].state == SLOT_DRAIN) close_slot(f, fd);
    }
    pthread_mutex_unlock(&f->lock);
}

void front_free(struct front *f) {
    if (f == NULL) return;
    const int fds[] = {f->listener, f->epoll, f->wake, f->spare};
    for (int i = 0; i < 4; i++) {
        if (fds[i] >= 0) close(fds[i]);
    }
    pthread_mutex_destroy(&f->lock);
    mem_free(f->slots);
    mem_free(f->peeked);
    mem_free(f);
}

/* ---- from the HTTP threads ---- */

static void set_state(struct front *f, int fd, enum slot_state state, struct reply *reply) {
    pthread_mutex_lock(&f->lock);
    struct slot *s = &f->slots[fd];
    s->state = state;
    s->since_ns = clock_now_ns();
    s->head_ns = 0;
    s->body_bytes = 0;
    s->reply = reply;
    pthread_mutex_unlock(&f->lock);
}

void front_opened(struct front *f, int fd) {
    set_state(f, fd, SLOT_IDLE, NULL);
}

void front_closed(struct front *f, int fd) {
    http_watch_close(fd);
    pthread_mutex_lock(&f->lock);
    if (f->slots[fd].state != SLOT_FREE) forget(f, fd);
    f->slots[fd].reply = NULL;
    pthread_mutex_unlock(&f->lock);
}

void front_state(struct front *f, int fd, enum front_state state) {
    set_state(f, fd,
              state == FRONT_BODY     ? SLOT_BODY
              : state == FRONT_ANSWER ? SLOT_ANSWER
                                      : SLOT_IDLE,
              NULL);
}

void front_head_began(struct front *f, int fd) {
    pthread_mutex_lock(&f->lock);
    f->slots[fd].head_ns = clock_now_ns();
    pthread_mutex_unlock(&f->lock);
}

void front_refuse(struct front *f, int fd, int status, const char *code, const char *problem) {
    pthread_mutex_lock(&f->lock);
    if (f->slots[fd].state != SLOT_ANSWER) send_refusal(f, fd, status, code, problem);
    pthread_mutex_unlock(&f->lock);
    stats_add(&f->options.stats->cut_connections, 1);
    shutdown(fd, SHUT_RDWR);
}

void front_count_body(struct front *f, int fd, size_t bytes) {
    pthread_mutex_lock(&f->lock);
    f->slots[fd].body_bytes += bytes;
    pthread_mutex_unlock(&f->lock);
}

void front_watch(struct front *f, int fd, struct reply *reply) {
    set_state(f, fd, SLOT_ANSWER, reply);
    add_to_epoll(f, fd, EPOLLRDHUP | EPOLLONESHOT);
}
