/* failing_requests FIRST LAST STEP once|sticky ARGUMENTS: the program run with ARGUMENTS in a process
 * of its own for each request for memory FIRST, FIRST + STEP … LAST that fails: its exit statuses, a
 * line each. As WL_OOM=N woolly-lua ARGUMENTS would, without starting a program each time. */
#include "base/alloc.h"
#include "host/host.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv) {
    if (argc < 6) return 2;
    const long first = atol(argv[1]), last = atol(argv[2]), step = atol(argv[3]);
    const int sticky = strcmp(argv[4], "sticky") == 0;
    for (long n = first; n <= last && step > 0; n += step) {
        pid_t child = fork();
        if (child < 0) return 2;
        if (child == 0) {
            argv[4] = argv[0];
            mem_fail_at((uint64_t)n, sticky);
            exit(host_main(argc - 4, argv + 4));
        }
        int status = 0;
        if (waitpid(child, &status, 0) != child) return 2;
        char line[16];
        int size = snprintf(line, sizeof line, "%d\n",
                            WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
        if (write(1, line, (size_t)size) != size) return 2;
    }
    return 0;
}
