/* proc_file.c - see proc_file.h. */
#include "counters/proc_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool proc_read(const char *path, char *out, size_t size) {
    size_t used = 0;
    bool ok = false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    while (fd >= 0 && used + 1 < size) {
        ssize_t n = read(fd, out + used, size - 1 - used);
        if (n < 0 && errno == EINTR) continue;
        ok = n >= 0;
        if (n <= 0) break;
        used += (size_t)n;
    }
    if (fd >= 0) close(fd);
    out[ok ? used : 0] = '\0';
    return ok;
}

bool proc_read_line(const char *path, char *out, size_t size) {
    if (!proc_read(path, out, size)) return false;
    size_t length = strlen(out);
    while (length > 0 && strchr(" \t\n", out[length - 1]) != NULL)
        out[--length] = '\0';
    return true;
}

int64_t proc_field(const char *text, const char *key) {
    size_t length = strlen(key);
    for (const char *line = text; line != NULL && *line != '\0';) {
        if (strncmp(line, key, length) == 0 && line[length] == ':') {
            char *end = NULL;
            long long value = strtoll(line + length + 1, &end, 10);
            return end != line + length + 1 ? value : -1;
        }
        line = strchr(line, '\n');
        if (line != NULL) line++;
    }
    return -1;
}
