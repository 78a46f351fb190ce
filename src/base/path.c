/* path.c - see path.h. */
#include "base/path.h"

#include "base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool read_all(int fd, char *out, size_t size) {
    size_t done = 0;
    while (done < size) {
        ssize_t n = read(fd, out + done, size - done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) {
            if (n == 0) errno = EIO; /* it shrank under us */
            return false;
        }
        done += (size_t)n;
    }
    return true;
}

static char *read_open_file(int fd, const char *path, uint64_t max_bytes, size_t *size,
                            struct err *err) {
    struct stat info;
    if (fstat(fd, &info) != 0) {
        err_set_errno(err, errno, "%s: cannot be examined", path);
        return NULL;
    }
    if (!S_ISREG(info.st_mode)) {
        err_set(err, ERR_INPUT, "%s: not a regular file. Name a file", path);
        return NULL;
    }
    if ((uint64_t)info.st_size > max_bytes) {
        err_set(err, ERR_INPUT, "%s: %lld bytes, allowed are %llu", path, (long long)info.st_size,
                (unsigned long long)max_bytes);
        return NULL;
    }
    char *text = mem_alloc((size_t)info.st_size + 1);
    if (text == NULL) {
        err_set(err, ERR_ENVIRONMENT, "%s: out of memory for %lld bytes", path,
                (long long)info.st_size);
        return NULL;
    }
    if (!read_all(fd, text, (size_t)info.st_size)) {
        err_set_errno(err, errno, "%s: cannot be read", path);
        mem_free(text);
        return NULL;
    }
    text[info.st_size] = '\0';
    *size = (size_t)info.st_size;
    return text;
}

char *path_read_file(const char *path, uint64_t max_bytes, size_t *size, struct err *err) {
    /* O_NONBLOCK: opening a FIFO must not wait for a writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        int error_number = errno;
        err_set_errno(err, error_number, "%s: cannot be opened", path);
        /* A name that leads nowhere is the user's slip, not the machine's. */
        if (err != NULL && (error_number == ENOENT || error_number == ELOOP ||
                            error_number == ENOTDIR || error_number == ENAMETOOLONG)) {
            err->code = ERR_INPUT;
        }
        return NULL;
    }
    char *text = read_open_file(fd, path, max_bytes, size, err);
    close(fd);
    return text;
}

static bool write_all(int fd, const char *data, size_t size) {
    size_t done = 0;
    while (done < size) {
        ssize_t n = write(fd, data + done, size - done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        done += (size_t)n;
    }
    return fsync(fd) == 0;
}

bool path_write_file(const char *path, const void *data, size_t size, struct err *err) {
    char temporary[4096];
    int n = snprintf(temporary, sizeof temporary, "%s.tmp-%ld", path, (long)getpid());
    if (n < 0 || (size_t)n >= sizeof temporary) {
        return err_set(err, ERR_INPUT, "%.200s...: the path is too long", path);
    }
    struct stat info;
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode)) {
        /* /dev/stdout, a pipe: nothing to replace, write through. */
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        bool written = fd >= 0 && (write_all(fd, data, size) || errno == EINVAL);
        if (!written) err_set_errno(err, errno, "%s: cannot be written", path);
        if (fd >= 0) close(fd);
        return written;
    }
    int fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) return err_set_errno(err, errno, "%s: cannot be written", path);
    bool written = write_all(fd, data, size);
    int error_number = errno;
    if (close(fd) != 0 && written) {
        written = false;
        error_number = errno;
    }
    if (written && rename(temporary, path) != 0) {
        written = false;
        error_number = errno;
    }
    if (!written) {
        unlink(temporary);
        return err_set_errno(err, error_number, "%s: cannot be written", path);
    }
    return true;
}

bool path_make_folders(const char *path, struct err *err) {
    char part[4096];
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof part) {
        return err_set(err, ERR_INPUT, "%.200s: the path is empty or too long", path);
    }
    memcpy(part, path, length + 1);
    for (char *slash = part + 1;; slash++) {
        if (*slash != '/' && *slash != '\0') continue;
        char kept = *slash;
        *slash = '\0';
        if (mkdir(part, 0755) != 0 && errno != EEXIST) {
            return err_set_errno(err, errno, "%s: the folder cannot be made", part);
        }
        *slash = kept;
        if (kept == '\0') return true;
    }
}

bool path_exists(const char *path) {
    return access(path, F_OK) == 0;
}

bool path_cache_folder(char *out, size_t size, struct err *err) {
    const char *base = getenv("XDG_CACHE_HOME");
    const char *home = getenv("HOME");
    int n = -1;
    if (base != NULL && base[0] == '/') {
        n = snprintf(out, size, "%s/woolly-lua", base);
    } else if (home != NULL && home[0] != '\0') {
        n = snprintf(out, size, "%s/.cache/woolly-lua", home);
    } else {
        return err_set(err, ERR_ENVIRONMENT,
                       "cache folder: neither HOME nor XDG_CACHE_HOME is set. Set one of them");
    }
    if (n < 0 || (size_t)n >= size) {
        return err_set(err, ERR_ENVIRONMENT, "cache folder: the path in HOME is too long");
    }
    return path_make_folders(out, err);
}
