/* perf_system.c - see perf_system.h. */
#include "counters/perf_system.h"

#include "counters/proc_file.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DEVICES "/sys/bus/event_source/devices"

static int linux_open(struct perf_event_attr *attr, pid_t tid, int cpu, int group_fd) {
    return (int)syscall(SYS_perf_event_open, attr, tid, cpu, group_fd, PERF_FLAG_FD_CLOEXEC);
}

static int linux_ioctl(int fd, unsigned long request, unsigned long argument) {
    return ioctl(fd, request, argument);
}

/* Writable: the kernel takes the reader's place in a ring from it. */
static void *linux_map(size_t size, int fd) {
    return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

static void linux_unmap(void *page, size_t size) {
    munmap(page, size);
}

static uint64_t linux_rdpmc(uint32_t counter) {
#if defined(__x86_64__)
    uint32_t low, high;
    __asm__ volatile("rdpmc" : "=a"(low), "=d"(high) : "c"(counter));
    return (uint64_t)high << 32 | low;
#else
    (void)counter; /* never asked: the kernel shows no index */
    return 0;
#endif
}

static bool linux_exists(const char *path) {
    return access(path, F_OK) == 0;
}

const struct perf_system perf_system_linux = {
    .open = linux_open,
    .close = close,
    .read = read,
    .ioctl = linux_ioctl,
    .map = linux_map,
    .unmap = linux_unmap,
    .rdpmc = linux_rdpmc,
    .read_line = proc_read_line,
    .exists = linux_exists,
};

int perf_has_pmu(const struct perf_system *system) {
    static const char *const names[] = {"cpu", "cpu_core", "cpu_atom", "armv8_pmuv3_0",
                                        "armv8_pmuv3"};
    char path[128];
    if (!system->exists(DEVICES)) return -1;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, DEVICES "/%s", names[i]);
        if (system->exists(path)) return 1;
    }
    return 0;
}
