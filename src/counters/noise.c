/* noise.c - see noise.h. */
#include "counters/noise.h"

#include "base/clock.h"
#include "counters/proc_file.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000LL
#define MOST_CPUS 1024

static int64_t clock_ns(clockid_t id) {
    struct timespec t;
    return clock_gettime(id, &t) == 0 ? t.tv_sec * NS_PER_S + t.tv_nsec : 0;
}

/* The second number of schedstat; -1 where the kernel keeps none. */
static int64_t delay_of(const char *task) {
    char path[64], text[96];
    long long delay = 0;
    snprintf(path, sizeof path, "/proc/self/task/%.20s/schedstat", task);
    if (!proc_read(path, text, sizeof text) || sscanf(text, "%*d %lld", &delay) != 1) return -1;
    return delay;
}

/* Over all threads. By getdents64: readdir would ask the heap for a buffer. */
static int64_t read_run_delay(void) {
    struct entry {
        uint64_t inode;
        int64_t offset;
        unsigned short length;
        unsigned char type;
        char name[];
    };
    _Alignas(8) char buffer[4096];
    int folder = open("/proc/self/task", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int64_t sum = folder < 0 ? -1 : 0;
    while (sum >= 0) {
        long n = syscall(SYS_getdents64, folder, buffer, sizeof buffer);
        if (n <= 0) break;
        for (long at = 0; at < n;) {
            const struct entry *entry = (const void *)(buffer + at);
            at += entry->length;
            if (entry->name[0] == '.') continue;
            int64_t delay = delay_of(entry->name);
            if (delay > 0) sum += delay; /* a thread that just ended has none */
        }
    }
    if (folder >= 0) close(folder);
    return sum > 0 || access("/proc/self/schedstat", R_OK) == 0 ? sum : -1;
}

/* The first line of /proc/stat: user nice system idle iowait irq softirq steal, in clock ticks. */
static void read_stat(struct noise *out) {
    char text[256];
    long long user, nice, system, irq, softirq, steal;
    long ticks_per_s = sysconf(_SC_CLK_TCK);
    out->steal_ns = out->busy_ns = -1;
    proc_read("/proc/stat", text, sizeof text);
    if (ticks_per_s <= 0 || sscanf(text, "cpu %lld %lld %lld %*d %*d %lld %lld %lld", &user, &nice, &system,
                                   &irq, &softirq, &steal) != 6) {
        return;
    }
    const int64_t ns = NS_PER_S / ticks_per_s;
    out->steal_ns = steal * ns;
    out->busy_ns = (user + nice + system + irq + softirq) * ns;
}

static int64_t read_pressure(void) {
    char text[256];
    long long total = 0;
    if (!proc_read("/proc/pressure/cpu", text, sizeof text)) return -1;
    const char *at = strstr(text, "total=");
    return at != NULL && sscanf(at, "total=%lld", &total) == 1 ? total * 1000 : -1;
}

static int64_t read_throttles(void) {
    char path[96], text[32];
    int64_t sum = -1;
    for (int i = 0; i < MOST_CPUS; i++) {
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/thermal_throttle/core_throttle_count", i);
        if (!proc_read(path, text, sizeof text)) break;
        sum = (sum < 0 ? 0 : sum) + atoll(text);
    }
    return sum;
}

void noise_read(struct noise *out) {
    struct rusage own = {0}, children = {0};
    getrusage(RUSAGE_SELF, &own);
    getrusage(RUSAGE_CHILDREN, &children);
    *out = (struct noise){
        .wall_ns = clock_now_ns(),
        .cpu_ns = clock_process_cpu_ns(),
        .thread_cpu_ns = clock_thread_cpu_ns(),
        .children_cpu_ns = (children.ru_utime.tv_sec + children.ru_stime.tv_sec) * NS_PER_S +
                           (children.ru_utime.tv_usec + children.ru_stime.tv_usec) * 1000,
        .involuntary_switches = own.ru_nivcsw,
        .run_delay_ns = read_run_delay(),
        .pressure_ns = read_pressure(),
        .throttles = read_throttles(),
        .clock_step_ns = clock_ns(CLOCK_REALTIME) - clock_now_ns(),
        .suspended_ns = clock_ns(CLOCK_BOOTTIME) - clock_ns(CLOCK_MONOTONIC),
    };
    read_stat(out);
}
