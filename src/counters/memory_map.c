/* memory_map.c - see memory_map.h. */
#include "counters/memory_map.h"

#include "counters/proc_file.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int64_t bytes(const char *text, const char *key) {
    int64_t kib = proc_field(text, key);
    return kib < 0 ? 0 : kib * 1024;
}

bool memory_map_read(int64_t pid, struct memory_map *out, struct err *err) {
    char path[64] = "/proc/self/smaps_rollup", text[4096];
    if (pid > 0) snprintf(path, sizeof path, "/proc/%lld/smaps_rollup", (long long)pid);
    errno = 0;
    if (!proc_read(path, text, sizeof text) || proc_field(text, "Rss") < 0) {
        return err_set(err, ERR_UNAVAILABLE, "memory by kind: %s: %s", path,
                       errno != 0 ? strerror(errno) : "no such process, or a kernel without it");
    }
    *out = (struct memory_map){
        .rss_bytes = bytes(text, "Rss"),
        .pss_bytes = bytes(text, "Pss"),
        .pss_anon_bytes = bytes(text, "Pss_Anon"),
        .pss_file_bytes = bytes(text, "Pss_File") + bytes(text, "Pss_Shmem"),
        .private_bytes = bytes(text, "Private_Clean") + bytes(text, "Private_Dirty"),
        .shared_bytes = bytes(text, "Shared_Clean") + bytes(text, "Shared_Dirty"),
        .huge_page_bytes = bytes(text, "AnonHugePages"),
        .swap_bytes = bytes(text, "Swap"),
    };
    return true;
}
