/* front.h - the door: accepts connections, reads the head of each one's first request strictly,
 * cuts the slow, and watches for clients that leave.
 *
 * libmicrohttpd reads leniently, has no limit on how long a head may take, and looks at no socket
 * that is suspended. So connections come to it only behind this thread, which peeks (the bytes stay
 * in the socket) and keeps an eye on them afterwards. */
#ifndef WOOLLY_SERVER_FRONT_H
#define WOOLLY_SERVER_FRONT_H

#include "base/err.h"
#include "server/faults.h"
#include "server/reply.h"
#include "server/stats.h"

struct MHD_Daemon;
struct front;

struct front_options {
    const char *bind;
    int port;
    int max_connections;
    struct stats *stats;
    const struct faults *faults;
    void (*left)(void *user); /* a client with a reply under way went; its reply is cancelled */
    void (*tick)(void *user); /* every 15 s */
    void *user;
};

/* Listens; nothing is accepted yet. */
struct front *front_new(const struct front_options *options, struct err *err);
int front_port(const struct front *front);
bool front_is_loopback(const struct front *front);
/* Starts the thread, which hands connections to the daemon. */
bool front_start(struct front *front, struct MHD_Daemon *daemon, struct err *err);
/* Stops accepting and joins the thread; connections of the daemon stay. */
void front_stop(struct front *front);
void front_free(struct front *front);

/* By the HTTP threads, about sockets that the daemon has. front_head_began: of a later request. */
void front_head_began(struct front *front, int fd);
/* Answers with an error where nothing else is on its way, and says the end in both directions. */
void front_refuse(struct front *front, int fd, int status, const char *code, const char *problem);
void front_opened(struct front *front, int fd);
void front_closed(struct front *front, int fd);
enum front_state { FRONT_IDLE, FRONT_BODY, FRONT_ANSWER };
void front_state(struct front *front, int fd, enum front_state state);
void front_count_body(struct front *front, int fd, size_t bytes);
/* From now until the state changes a hang-up cancels this reply. */
void front_watch(struct front *front, int fd, struct reply *reply);

#endif
