/* run_program.c - see run_program.h. */
#include "host/run_program.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define POLL_MS 50
#define WAIT_NS 200000
#define KILL_AFTER_NS 1000000000LL

extern char **environ;

struct stream {
    int fd; /* -1: ended */
    char *kept;
    size_t size;
};

bool spawn_program(char *const argv[], const struct program_streams *streams, pid_t *pid,
                   struct err *err) {
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, defaults;
    if (posix_spawn_file_actions_init(&files) != 0 || posix_spawnattr_init(&attributes) != 0) {
        return err_set(err, ERR_ENVIRONMENT, "%s: out of memory", argv[0]);
    }
    if (streams->in_fd < 0) {
        posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    } else {
        posix_spawn_file_actions_adddup2(&files, streams->in_fd, STDIN_FILENO);
    }
    posix_spawn_file_actions_adddup2(&files, streams->out_fd, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, streams->error_fd, STDERR_FILENO);
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE); /* we ignore it; a program expects it */
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    short own_group = streams->own_group ? POSIX_SPAWN_SETPGROUP : 0; /* its id becomes the group's */
    posix_spawnattr_setflags(
        &attributes, (short)(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | own_group));
    int failed = posix_spawnp(pid, argv[0], &files, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    return failed == 0 || err_set_errno(err, failed, "%s: cannot be started", argv[0]);
}

/* One read; past the limit bytes go nowhere, but the program never waits. */
static void drain(struct stream *stream) {
    char dropped[4096];
    size_t room = RUN_PROGRAM_MOST - stream->size;
    ssize_t n = room > 0 ? read(stream->fd, stream->kept + stream->size, room)
                         : read(stream->fd, dropped, sizeof dropped);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (n <= 0) {
        close(stream->fd);
        stream->fd = -1;
        return;
    }
    if (room > 0) stream->size += (size_t)n;
}

/* Until both streams end. A cancellation sends SIGTERM, then SIGKILL, and waits no longer for
 * grandchildren that hold the pipes open. */
static void collect(struct stream streams[2], pid_t pid, const volatile int *cancel) {
    int64_t asked_ns = 0;
    while (streams[0].fd >= 0 || streams[1].fd >= 0) {
        struct pollfd polls[2] = {{.fd = streams[0].fd, .events = POLLIN},
                                  {.fd = streams[1].fd, .events = POLLIN}};
        if (*cancel && asked_ns == 0) {
            kill(pid, SIGTERM);
            asked_ns = clock_now_ns();
        } else if (asked_ns != 0 && clock_now_ns() - asked_ns > KILL_AFTER_NS) {
            kill(pid, SIGKILL);
            return;
        }
        if (poll(polls, 2, POLL_MS) <= 0) continue;
        for (int i = 0; i < 2; i++) {
            if (streams[i].fd >= 0 && polls[i].revents != 0) drain(&streams[i]);
        }
    }
}

/* The streams may end long before the program does: keep an eye on the flag here too. */
static int wait_for(pid_t pid, const volatile int *cancel) {
    int status = 0;
    int64_t asked_ns = 0;
    for (pid_t ended = 0; ended != pid;) {
        ended = waitpid(pid, &status, WNOHANG);
        if (ended == pid) break;
        if (ended < 0 && errno != EINTR) return -1;
        if (*cancel && asked_ns == 0) {
            kill(pid, SIGTERM);
            asked_ns = clock_now_ns();
        } else if (asked_ns != 0 && clock_now_ns() - asked_ns > KILL_AFTER_NS) {
            kill(pid, SIGKILL);
        }
        clock_sleep_ns(WAIT_NS, NULL);
    }
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void close_pair(int pair[2]) {
    if (pair[0] >= 0) close(pair[0]);
    if (pair[1] >= 0) close(pair[1]);
    pair[0] = pair[1] = -1;
}

bool run_program(char *const argv[], const volatile int *cancel, struct program_output *output,
                 struct err *err) {
    int out[2] = {-1, -1}, error[2] = {-1, -1};
    pid_t pid = -1;
    if (pipe2(out, O_CLOEXEC) != 0 || pipe2(error, O_CLOEXEC) != 0) {
        err_set_errno(err, errno, "%s: no pipe for its output", argv[0]);
        close_pair(out);
        return false;
    }
    struct program_streams given = {.in_fd = -1, .out_fd = out[1], .error_fd = error[1]};
    if (!spawn_program(argv, &given, &pid, err)) {
        close_pair(out);
        close_pair(error);
        return false;
    }
    close(out[1]);
    close(error[1]);
    struct stream streams[2] = {{.fd = out[0], .kept = output->out},
                                {.fd = error[0], .kept = output->error}};
    collect(streams, pid, cancel);
    output->status = wait_for(pid, cancel);
    for (int i = 0; i < 2; i++) {
        if (streams[i].fd >= 0) close(streams[i].fd);
    }
    output->out_size = streams[0].size;
    output->error_size = streams[1].size;
    if (*cancel) return err_set(err, ERR_CANCELLED, "%s: stopped with this program", argv[0]);
    return true;
}
