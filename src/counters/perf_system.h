/* perf_system.h - the system calls that the performance counters need, behind one table, so that
 * tests can play every kernel: without a PMU, strict, full, or counting past its last value. */
#ifndef WOOLLY_COUNTERS_PERF_SYSTEM_H
#define WOOLLY_COUNTERS_PERF_SYSTEM_H

#include <linux/perf_event.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct perf_system {
    /* As the system calls: -1 and errno, MAP_FAILED. */
    int (*open)(struct perf_event_attr *attr, pid_t tid, int cpu, int group_fd);
    int (*close)(int fd);
    ssize_t (*read)(int fd, void *out, size_t size);
    int (*ioctl)(int fd, unsigned long request, unsigned long argument);
    void *(*map)(size_t size, int fd);
    void (*unmap)(void *page, size_t size);
    uint64_t (*rdpmc)(uint32_t counter);
    /* The file's first line as proc_read_line gives it; what the kernel shows in /proc and /sys. */
    bool (*read_line)(const char *path, char *out, size_t size);
    bool (*exists)(const char *path);
};

extern const struct perf_system perf_system_linux;

/* Is there a processor PMU? -1 where the kernel does not show its devices. */
int perf_has_pmu(const struct perf_system *system);

#endif
