/* pmu.c - can this machine count a hardware event, and if not, why? libpfm4 names the events where
 * it is built in; the kernel is asked by opening one, for only that shows what a machine allows. */
#include "counters/process_counters.h"

#include "counters/proc_file.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef WOOLLY_HAVE_PFM
#include <perfmon/pfmlib.h>
#include <perfmon/pfmlib_perf_event.h>
#endif

/* The kernel's own names for events that every PMU has under some number. */
static const struct {
    const char *name;
    uint64_t config;
} generic_events[] = {
    {"cycles", PERF_COUNT_HW_CPU_CYCLES},
    {"instructions", PERF_COUNT_HW_INSTRUCTIONS},
    {"cache-references", PERF_COUNT_HW_CACHE_REFERENCES},
    {"cache-misses", PERF_COUNT_HW_CACHE_MISSES},
    {"branches", PERF_COUNT_HW_BRANCH_INSTRUCTIONS},
    {"branch-misses", PERF_COUNT_HW_BRANCH_MISSES},
};

static bool find_generic(const char *event, struct perf_event_attr *attr) {
    for (size_t i = 0; i < sizeof generic_events / sizeof *generic_events; i++) {
        if (strcmp(event, generic_events[i].name) != 0) continue;
        attr->type = PERF_TYPE_HARDWARE;
        attr->config = generic_events[i].config;
        return true;
    }
    return false;
}

#ifdef WOOLLY_HAVE_PFM
static bool find_by_library(const char *event, struct perf_event_attr *attr, struct err *reason) {
    static bool is_ready; /* a second call is harmless */
    if (!is_ready && pfm_initialize() != PFM_SUCCESS) {
        return err_set(reason, ERR_UNAVAILABLE, "libpfm4 does not know this machine");
    }
    is_ready = true;
    pfm_perf_encode_arg_t encoding = {.attr = attr, .size = sizeof encoding};
    int code = pfm_get_os_event_encoding(event, PFM_PLM3, PFM_OS_PERF_EVENT_EXT, &encoding);
    if (code == PFM_SUCCESS) return true;
    return err_set(reason, ERR_UNAVAILABLE,
                   "event '%.60s' is not known on this machine (libpfm4: %s)", event,
                   pfm_strerror(code));
}
#else
static bool find_by_library(const char *event, struct perf_event_attr *attr, struct err *reason) {
    (void)attr;
    return err_set(reason, ERR_UNAVAILABLE,
                   "event '%.60s' is not known: this build is without libpfm4", event);
}
#endif

/* Virtual machines often have none: then no event of the processor can be opened. */
static bool has_pmu(void) {
    static const char *const names[] = {"cpu", "cpu_core", "cpu_atom"};
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        strcpy(path, "/sys/bus/event_source/devices/");
        if (access(strcat(path, names[i]), F_OK) == 0) return true;
    }
    return access("/sys/bus/event_source/devices/armv8_pmuv3_0", F_OK) == 0 ||
           access("/sys/bus/event_source/devices/armv8_pmuv3", F_OK) == 0;
}

static bool refuse(const char *event, int error_number, struct err *reason) {
    char level[16];
    switch (error_number) {
    case ENOENT:
    case ENODEV:
    case EOPNOTSUPP:
        if (!has_pmu()) {
            return err_set(reason, ERR_UNAVAILABLE,
                           "no hardware counters on this machine (perf_event_open: %s)",
                           error_number == ENOENT ? "ENOENT" : strerror(error_number));
        }
        return err_set(reason, ERR_UNAVAILABLE,
                       "this processor does not count '%.60s' (perf_event_open: %s)", event,
                       strerror(error_number));
    case EACCES:
        if (!proc_read_line("/proc/sys/kernel/perf_event_paranoid", level, sizeof level)) {
            strcpy(level, "unknown");
        }
        return err_set(reason, ERR_UNAVAILABLE,
                       "hardware counters are not permitted (perf_event_paranoid is %s; 2 or less "
                       "or CAP_PERFMON is needed)",
                       level);
    case EPERM:
        return err_set(reason, ERR_UNAVAILABLE,
                       "hardware counters are not permitted (perf_event_open: EPERM, as seccomp "
                       "filters of containers answer)");
    case ENOSYS:
        return err_set(reason, ERR_UNAVAILABLE,
                       "this kernel has no performance events (perf_event_open: ENOSYS)");
    default:
        return err_set(reason, ERR_UNAVAILABLE, "'%.60s' cannot be counted (perf_event_open: %s)",
                       event, strerror(error_number));
    }
}

bool counters_available(const char *event, struct err *reason) {
    struct perf_event_attr attr = {.size = sizeof attr};
    if (!find_generic(event, &attr) && !find_by_library(event, &attr, reason)) return false;
    /* User mode only: what a process without rights may count. */
    attr.disabled = 1;
    attr.exclude_kernel = 1;
    attr.exclude_hv = 1;
    int fd = (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
    if (fd < 0) return refuse(event, errno, reason);
    close(fd);
    return err_set(
        reason, ERR_UNAVAILABLE,
        "'%.60s' could be counted here, but this version counts no performance events yet", event);
}
