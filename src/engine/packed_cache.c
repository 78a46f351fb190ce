/* packed_cache.c - see packed_cache.h. */
#include "engine/packed_cache.h"

#include "base/flag.h"
#include "base/path.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* To be raised whenever the layout of packed groups or their order changes. */
#define LAYOUT_VERSION 5
#define READ_BYTES ((size_t)16 << 20)

struct trailer {
    char magic[8];
    uint32_t version, rows;
    char kernels[16];
    uint64_t model_bytes;
    int64_t model_mtime_ns;
    uint64_t packed_bytes, sum;
};
_Static_assert(sizeof(struct trailer) == PACKED_CACHE_TRAILER, "the trailer has grown");

/* Four chains of multiplications: as fast as memory. */
static uint64_t sum_of(const uint8_t *data, uint64_t bytes) {
    uint64_t h[4] = {1, 2, 3, 4};
    for (uint64_t at = 0; at + 32 <= bytes; at += 32) {
        uint64_t v[4];
        memcpy(v, data + at, sizeof v);
        for (int i = 0; i < 4; i++) h[i] = (h[i] ^ v[i]) * 0x9e3779b97f4a7c15u;
    }
    return h[0] ^ h[1] >> 7 ^ h[2] >> 13 ^ h[3] >> 29;
}

static bool name_of(const struct packed_model *packed, const struct model *model, char *out, size_t size) {
    int n = snprintf(out, size, "%s.%s-%d.packed", model->file->path, packed->kernels->name,
                     packed->kernels->rows);
    return n > 0 && (size_t)n < size;
}

static struct trailer trailer_of(const struct packed_model *packed, const struct model *model) {
    struct trailer t = {.magic = "WOOLLYPK", .version = LAYOUT_VERSION,
                        .rows = (uint32_t)packed->kernels->rows, .model_bytes = model->file->size,
                        .model_mtime_ns = model->file->mtime_ns, .packed_bytes = packed->bytes};
    snprintf(t.kernels, sizeof t.kernels, "%s", packed->kernels->name);
    return t;
}

static bool read_all(int fd, uint8_t *to, uint64_t bytes, const volatile int *cancel) {
    for (uint64_t at = 0; at < bytes;) {
        size_t some = bytes - at < READ_BYTES ? (size_t)(bytes - at) : READ_BYTES;
        ssize_t got = read(fd, to + at, some);
        if (got <= 0 || flag_is_set(cancel)) return false;
        at += (uint64_t)got;
    }
    return true;
}

bool packed_cache_read(const struct packed_model *packed, const struct model *model,
                       const volatile int *cancel) {
    char path[PATH_MAX];
    struct trailer found, wanted = trailer_of(packed, model);
    struct stat info;
    if (!name_of(packed, model, path, sizeof path)) return false;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return false;
    bool good = fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && (uint64_t)info.st_size == packed->bytes &&
                pread(fd, &found, sizeof found, info.st_size - (off_t)sizeof found) == (ssize_t)sizeof found;
    if (good) {
        wanted.sum = found.sum;
        good = memcmp(&found, &wanted, sizeof found) == 0 && read_all(fd, packed->base, packed->bytes, cancel) &&
               sum_of(packed->base, packed->bytes - sizeof found) == found.sum;
    }
    close(fd);
    return good;
}

bool packed_cache_write(const struct packed_model *packed, const struct model *model, struct err *err) {
    char path[PATH_MAX];
    struct trailer t = trailer_of(packed, model);
    if (!name_of(packed, model, path, sizeof path)) {
        return err_set(err, ERR_INPUT, "model: the path of its packed form is too long");
    }
    t.sum = sum_of(packed->base, packed->bytes - sizeof t);
    memcpy(packed->base + packed->bytes - sizeof t, &t, sizeof t);
    return path_write_file(path, packed->base, packed->bytes, err);
}
