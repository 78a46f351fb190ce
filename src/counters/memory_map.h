/* memory_map.h - what a process's memory is made of, by /proc/PID/smaps_rollup. */
#ifndef WOOLLY_COUNTERS_MEMORY_MAP_H
#define WOOLLY_COUNTERS_MEMORY_MAP_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct memory_map {
    int64_t rss_bytes, pss_bytes;            /* pss: pages shared with n processes count 1/n */
    int64_t pss_anon_bytes, pss_file_bytes;  /* heap, stacks | mapped files, the model's among them */
    int64_t private_bytes, shared_bytes, huge_page_bytes, swap_bytes;
};
/* pid 0: this process. Exact, and slow: 0.7 ms per 64 MiB resident, so at phase edges only. */
bool memory_map_read(int64_t pid, struct memory_map *out, struct err *err);

#endif
