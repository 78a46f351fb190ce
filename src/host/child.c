/* child.c - see child.h. */
#include "host/child.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "host/run_program.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define POLL_MS 50 /* how soon a raised cancel flag is seen */
#define WAIT_NS 1000000
#define LEAVE_NS 500000000LL /* from the end of its input to SIGTERM */
#define KILL_NS 1000000000LL /* from SIGTERM to SIGKILL */
#define FIRST_CAPACITY 65536

static void close_fd(int *fd) {
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

static void close_all(struct child *child) {
    close_fd(&child->in_fd);
    close_fd(&child->out_fd);
    close_fd(&child->error_fd);
}

bool child_start(struct child *child, char *const argv[], struct err *err) {
    const char *slash = strrchr(argv[0], '/');
    snprintf(child->name, sizeof child->name, "%s", slash != NULL ? slash + 1 : argv[0]);
    child->in_fd = child->out_fd = child->error_fd = -1;
    int in[2] = {-1, -1}, out[2] = {-1, -1}, error[2] = {-1, -1};
    bool ok =
        pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0 && pipe2(error, O_CLOEXEC) == 0;
    if (!ok) {
        err_set_errno(err, errno, "%s: no pipes to talk to it", argv[0]);
    } else {
        struct program_streams streams = {
            .in_fd = in[0], .out_fd = out[1], .error_fd = error[1], .own_group = true};
        ok = spawn_program(argv, &streams, &child->pid, err);
    }
    close_fd(&in[0]);
    close_fd(&out[1]);
    close_fd(&error[1]);
    child->in_fd = in[1];
    child->out_fd = out[0];
    child->error_fd = error[0];
    if (!ok) {
        child->pid = 0;
        close_all(child);
        return false;
    }
    /* Each end has flags of its own: the program's stay as they are. */
    fcntl(child->in_fd, F_SETFL, O_NONBLOCK);
    fcntl(child->out_fd, F_SETFL, O_NONBLOCK);
    fcntl(child->error_fd, F_SETFL, O_NONBLOCK);
    return true;
}

/* ---- the end of it ---- */

/* Whether it has ended; then it is waited for, once. */
static bool reap(struct child *child) {
    int status = 0;
    if (child->pid == 0) return true;
    pid_t ended = waitpid(child->pid, &status, WNOHANG);
    if (ended == 0 || (ended < 0 && errno == EINTR)) return false;
    child->status = ended < 0             ? -1
                    : WIFSIGNALED(status) ? 128 + WTERMSIG(status)
                                          : WEXITSTATUS(status);
    child->pid = 0;
    return true;
}

static bool ends_within(struct child *child, int64_t ns) {
    int64_t start_ns = clock_now_ns();
    while (!reap(child)) {
        if (clock_now_ns() - start_ns > ns) return false;
        clock_sleep_ns(WAIT_NS, NULL);
    }
    return true;
}

/* Without its output pipes a program that still writes ends too. */
static void end_now(struct child *child) {
    close_all(child);
    if (reap(child)) return;
    pid_t group = -child->pid;
    kill(group, SIGTERM);
    if (ends_within(child, KILL_NS)) return;
    kill(group, SIGKILL);
    while (!reap(child))
        clock_sleep_ns(WAIT_NS, NULL);
}

int child_end(struct child *child) {
    close_fd(&child->in_fd);
    if (child->pid != 0 && !ends_within(child, LEAVE_NS)) end_now(child);
    close_all(child);
    mem_free(child->text);
    child->text = NULL;
    child->start = child->size = child->capacity = 0;
    return child->status;
}

/* ---- talking ---- */

/* Keeps the last CHILD_TAIL bytes. */
static void keep_tail(struct child *child, const char *text, size_t size) {
    if (size >= CHILD_TAIL) {
        memcpy(child->tail, text + size - CHILD_TAIL, CHILD_TAIL);
        child->tail_size = CHILD_TAIL;
        return;
    }
    size_t over = child->tail_size + size > CHILD_TAIL ? child->tail_size + size - CHILD_TAIL : 0;
    memmove(child->tail, child->tail + over, child->tail_size - over);
    memcpy(child->tail + child->tail_size - over, text, size);
    child->tail_size += size - over;
}

/* Whether a failed read or write is worth another try. */
static bool is_passing(void) {
    return errno == EINTR || errno == EAGAIN || errno == EWOULDBLOCK;
}

/* False when nothing came. */
static bool read_error(struct child *child) {
    char text[4096];
    ssize_t n = read(child->error_fd, text, sizeof text);
    if (n > 0) {
        keep_tail(child, text, (size_t)n);
    } else if (n == 0 || !is_passing()) {
        close_fd(&child->error_fd);
    }
    return n > 0;
}

/* Room for more bytes behind what is kept, which moves to the front. */
static bool make_room(struct child *child, struct err *err) {
    if (child->start > 0) memmove(child->text, child->text + child->start, child->size);
    child->start = 0;
    if (child->size < child->capacity) return true;
    if (child->capacity >= CHILD_LONGEST_LINE) {
        return err_set(err, ERR_ENVIRONMENT, "%s: a line of more than %u bytes", child->name,
                       CHILD_LONGEST_LINE);
    }
    size_t capacity = child->capacity > 0 ? 2 * child->capacity : FIRST_CAPACITY;
    char *text = mem_realloc(child->text, capacity);
    if (text == NULL) {
        return err_set(err, ERR_ENVIRONMENT, "%s: out of memory for its output (%zu bytes)",
                       child->name, capacity);
    }
    child->text = text;
    child->capacity = capacity;
    return true;
}

static bool read_output(struct child *child, struct err *err) {
    if (!make_room(child, err)) return false;
    size_t end = child->start + child->size;
    ssize_t n = read(child->out_fd, child->text + end, child->capacity - end);
    if (n > 0) {
        child->size += (size_t)n;
    } else if (n == 0 || !is_passing()) {
        close_fd(&child->out_fd);
    }
    return true;
}

/* One wait of at most POLL_MS for what it says, and for room to write when that is wanted. */
static bool listen_to(struct child *child, bool writes, bool *can_write, struct err *err) {
    struct pollfd polls[3] = {
        {.fd = child->out_fd, .events = POLLIN},
        {.fd = child->error_fd, .events = POLLIN},
        {.fd = writes ? child->in_fd : -1, .events = POLLOUT},
    };
    if (poll(polls, 3, POLL_MS) <= 0) return true;
    if (child->error_fd >= 0 && polls[1].revents != 0) read_error(child);
    if (can_write != NULL) *can_write = polls[2].revents != 0;
    return child->out_fd < 0 || polls[0].revents == 0 || read_output(child, err);
}

/* The last line it wrote to standard error, printable. */
static void last_words(struct child *child, char *out, size_t size) {
    while (child->error_fd >= 0 && read_error(child))
        continue;
    size_t end = child->tail_size;
    while (end > 0 && (unsigned char)child->tail[end - 1] <= ' ')
        end--;
    size_t begin = end;
    while (begin > 0 && child->tail[begin - 1] != '\n')
        begin--;
    size_t n = end - begin < size - 1 ? end - begin : size - 1;
    for (size_t i = 0; i < n; i++) {
        char c = child->tail[begin + i];
        out[i] = (unsigned char)c < ' ' || c == 0x7f ? ' ' : c;
    }
    out[n] = '\0';
}

static bool fail_ended(struct child *child, struct err *err) {
    close_fd(&child->in_fd);
    bool has_ended = ends_within(child, LEAVE_NS);
    char words[512];
    last_words(child, words, sizeof words);
    if (!has_ended) end_now(child);
    return err_set(err, ERR_ENVIRONMENT, "%s ended with status %d%s%s", child->name, child->status,
                   words[0] != '\0' ? ": " : "", words);
}

static bool fail_cancelled(struct child *child, struct err *err) {
    end_now(child);
    return err_set(err, ERR_CANCELLED, "%s: stopped with this program", child->name);
}

bool child_write(struct child *child, const char *text, size_t size, const volatile int *cancel,
                 struct err *err) {
    while (size > 0) {
        if (*cancel) return fail_cancelled(child, err);
        if (child->in_fd < 0) return fail_ended(child, err);
        bool can_write = false;
        if (!listen_to(child, true, &can_write, err)) return false;
        if (!can_write) continue;
        ssize_t n = write(child->in_fd, text, size);
        if (n > 0) {
            text += n;
            size -= (size_t)n;
        } else if (n < 0 && !is_passing()) {
            return fail_ended(child, err); /* EPIPE: nobody reads any more */
        }
    }
    return true;
}

bool child_read_line(struct child *child, int64_t limit_ns, const volatile int *cancel,
                     const char **line, size_t *size, struct err *err) {
    int64_t start_ns = clock_now_ns();
    for (size_t searched = 0;;) {
        const char *from = child->size > searched ? child->text + child->start : NULL;
        const char *end = NULL;
        if (from != NULL) end = memchr(from + searched, '\n', child->size - searched);
        if (end != NULL) {
            *line = from;
            *size = (size_t)(end - from);
            child->start += *size + 1;
            child->size -= *size + 1;
            return true;
        }
        searched = child->size;
        if (*cancel) return fail_cancelled(child, err);
        if (child->out_fd < 0) return fail_ended(child, err);
        if (clock_now_ns() - start_ns > limit_ns) {
            return err_set(err, ERR_ENVIRONMENT, "%s: no answer within %.1f s", child->name,
                           (double)limit_ns / 1e9);
        }
        if (!listen_to(child, false, NULL, err)) return false;
    }
}
