/* child.h - a program that runs beside us and answers line by line. */
#ifndef WOOLLY_HOST_CHILD_H
#define WOOLLY_HOST_CHILD_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CHILD_LONGEST_LINE (16u << 20)
#define CHILD_TAIL 2048 /* bytes kept of the end of its standard error, for messages */

struct child {
    pid_t pid;                   /* 0: ended and waited for, or never started */
    int status;                  /* once ended: exit status, or 128 + the signal that ended it */
    int in_fd, out_fd, error_fd; /* -1: closed */
    char *text;                  /* what it wrote and nobody has read: size bytes from start */
    size_t start, size, capacity;
    char tail[CHILD_TAIL];
    size_t tail_size;
    char name[64]; /* for messages: the program without its folder */
};

/* Starts argv (argv[0] is looked up in PATH, no shell) with pipes on all three streams, in a
 * process group of its own. child must be zeroed; after a failure it is as if ended. */
bool child_start(struct child *child, char *const argv[], struct err *err);

/* Writes everything; what the program says meanwhile is kept, so neither can block the other. */
bool child_write(struct child *child, const char *text, size_t size, const volatile int *cancel,
                 struct err *err);

/* The next line without its end, valid until the next call. Fails with ERR_ENVIRONMENT when the
 * program has ended (the message holds its status and its last words), when no whole line comes
 * within limit_ns, or when a line is longer than CHILD_LONGEST_LINE. A raised *cancel ends the
 * program: ERR_CANCELLED. */
bool child_read_line(struct child *child, int64_t limit_ns, const volatile int *cancel,
                     const char **line, size_t *size, struct err *err);

/* Closes its input, gives it half a second to end, then SIGTERM, a second later SIGKILL, for its
 * whole group. Returns the status. May be called again. */
int child_end(struct child *child);

#endif
