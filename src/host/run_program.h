/* run_program.h - runs a program without a shell and collects what it prints. */
#ifndef WOOLLY_HOST_RUN_PROGRAM_H
#define WOOLLY_HOST_RUN_PROGRAM_H

#include "base/err.h"

#include <stddef.h>
#include <sys/types.h>

#define RUN_PROGRAM_MOST (1u << 20) /* bytes kept of each stream; the rest is read and dropped */

struct program_output {
    int status; /* exit status, or 128 + the signal that ended it */
    char *out, *error; /* buffers of RUN_PROGRAM_MOST bytes, the caller's */
    size_t out_size, error_size;
};

/* argv ends with NULL; argv[0] is looked up in PATH. Standard input is /dev/null. Both streams are
 * read as they come, so neither can block the program. When *cancel becomes nonzero the program
 * gets SIGTERM, a second later SIGKILL, and the call fails with ERR_CANCELLED. Allocates nothing. */
bool run_program(char *const argv[], const volatile int *cancel, struct program_output *output,
                 struct err *err);

struct program_streams {
    int in_fd; /* -1: /dev/null */
    int out_fd, error_fd;
    bool own_group; /* a process group of its own: Ctrl-C at the terminal does not reach it */
};

/* Starts a program without a shell, looked up in PATH, and returns at once. The three descriptors
 * stay the caller's. */
bool spawn_program(char *const argv[], const struct program_streams *streams, pid_t *pid,
                   struct err *err);

#endif
