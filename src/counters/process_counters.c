/* process_counters.c - what the kernel and the allocator seam tell about this process. */
#include "counters/process_counters.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "counters/proc_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define NS_PER_S 1000000000LL

static int64_t kib(const char *status, const char *key) {
    int64_t value = proc_field(status, key);
    return value < 0 ? -1 : value * 1024;
}

static void read_memory(struct process_counters *out) {
    char status[4096];
    proc_read("/proc/self/status", status, sizeof status);
    out->rss_bytes = kib(status, "VmRSS");
    out->peak_rss_bytes = kib(status, "VmHWM");
    out->rss_anon_bytes = kib(status, "RssAnon");
    out->rss_file_bytes = kib(status, "RssFile");
}

/* Eighth number of the first line of /proc/stat, in clock ticks over all CPUs. */
static int64_t read_steal_ns(void) {
    char text[256];
    long long steal = 0;
    long ticks_per_s = sysconf(_SC_CLK_TCK);
    proc_read("/proc/stat", text, sizeof text);
    if (ticks_per_s <= 0 || sscanf(text, "cpu %*d %*d %*d %*d %*d %*d %*d %lld", &steal) != 1) {
        return -1;
    }
    return steal * (NS_PER_S / ticks_per_s);
}

void process_counters_read(struct process_counters *out) {
    struct rusage usage = {0};
    getrusage(RUSAGE_SELF, &usage);
    struct mem_stats heap = mem_thread_stats();
    *out = (struct process_counters){
        .cpu_ns = clock_process_cpu_ns(),
        .thread_cpu_ns = clock_thread_cpu_ns(),
        .wall_ns = clock_now_ns(),
        .minor_faults = usage.ru_minflt,
        .major_faults = usage.ru_majflt,
        .voluntary_switches = usage.ru_nvcsw,
        .involuntary_switches = usage.ru_nivcsw,
        .steal_ns = read_steal_ns(),
        .allocations = (int64_t)heap.allocations,
        .allocated_bytes = (int64_t)heap.bytes,
        .live_bytes = mem_live_bytes(),
    };
    read_memory(out);
}

bool process_counters_reset_peak(struct err *err) {
    static const char path[] = "/proc/self/clear_refs";
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    ssize_t written = fd < 0 ? -1 : write(fd, "5", 1); /* 5: the peak, and nothing else */
    int error_number = errno;
    if (fd >= 0) close(fd);
    if (written == 1) return true;
    return err_set(
        err, ERR_UNAVAILABLE,
        "the peak resident size cannot be set back (%s: %s); measure it in a fresh process", path,
        strerror(error_number));
}
