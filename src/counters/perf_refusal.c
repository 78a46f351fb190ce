/* perf_refusal.c - see perf_refusal.h. */
#include "counters/perf_refusal.h"

#include "counters/perf_names.h"
#include "counters/proc_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *name_of(int error_number) {
    static const struct {
        int number;
        const char *name;
    } names[] = {{ENOENT, "ENOENT"}, {ENODEV, "ENODEV"}, {EOPNOTSUPP, "EOPNOTSUPP"},
                 {EACCES, "EACCES"}, {EPERM, "EPERM"},   {EINVAL, "EINVAL"},
                 {ENOSPC, "ENOSPC"}, {ESRCH, "ESRCH"},   {EMFILE, "EMFILE"},
                 {ENFILE, "ENFILE"}, {E2BIG, "E2BIG"},   {ENOSYS, "ENOSYS"},
                 {EBUSY, "EBUSY"},   {ENOMEM, "ENOMEM"}, {EINTR, "EINTR"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].number == error_number) return names[i].name;
    }
    return strerror(error_number);
}

static bool refuse_permission(const struct perf_system *system, const char *event,
                              const struct perf_event_attr *attr, struct err *err) {
    static const char path[] = "/proc/sys/kernel/perf_event_paranoid";
    char level[16];
    bool known = system->read_line(path, level, sizeof level);
    const char *allowed = attr->type == PERF_TYPE_TRACEPOINT ? "-1"
                          : attr->exclude_kernel             ? "2"
                                                             : "1";
    if (known && atoi(level) <= atoi(allowed)) {
        return err_set(err, ERR_UNAVAILABLE,
                       "'%.60s' is not permitted (perf_event_open: EACCES) although "
                       "kernel.perf_event_paranoid is %s: the process belongs to another user or "
                       "may not be traced; run as its user or with CAP_PERFMON",
                       event, level);
    }
    return err_set(err, ERR_UNAVAILABLE,
                   "'%.60s' is not permitted (perf_event_open: EACCES): kernel.perf_event_paranoid "
                   "is %s, %s needs %s or less, or CAP_PERFMON (as root: sysctl "
                   "kernel.perf_event_paranoid=%s)",
                   event, known ? level : "unknown",
                   attr->type == PERF_TYPE_TRACEPOINT ? "a tracepoint"
                   : attr->exclude_kernel             ? "counting in user mode"
                                                      : "an event inside the kernel",
                   allowed, allowed);
}

/* 2: a filter is active; -1: unknown. */
static int seccomp_mode(const struct perf_system *system) {
    char text[4096];
    if (!system->read_line("/proc/self/status", text, sizeof text)) return -1;
    return (int)proc_field(text, "Seccomp");
}

static bool refuse_eperm(const struct perf_system *system, const char *event, struct err *err) {
    if (seccomp_mode(system) == 2) {
        return err_set(err, ERR_UNAVAILABLE,
                       "'%.60s' is refused (perf_event_open: EPERM) by the seccomp filter of this "
                       "container; start it with --cap-add PERFMON or a seccomp profile that allows "
                       "perf_event_open",
                       event);
    }
    return err_set(err, ERR_UNAVAILABLE,
                   "'%.60s' is refused (perf_event_open: EPERM): CAP_PERFMON is missing here, or a "
                   "security module forbids it",
                   event);
}

bool perf_refuse(const struct perf_system *system, const char *event,
                 const struct perf_event_attr *attr, int error_number, struct err *err) {
    const char *name = name_of(error_number);
    /* Where there is no PMU, no permission would help: strict kernels answer EACCES first. */
    if (perf_event_is_hardware(attr) && error_number != ENOSYS && error_number != ESRCH &&
        error_number != EMFILE && error_number != ENFILE && perf_has_pmu(system) == 0) {
        return err_set(err, ERR_UNAVAILABLE,
                       "no hardware counters on this machine: it shows no PMU (perf_event_open of "
                       "'%.60s': %s); in a virtual machine the host must give it one",
                       event, name);
    }
    switch (error_number) {
    case ENOENT:
    case ENODEV:
    case EOPNOTSUPP:
        if (!perf_event_is_hardware(attr)) {
            return err_set(err, ERR_UNAVAILABLE,
                           "this kernel does not have '%.60s' (perf_event_open: %s)", event, name);
        }
        return err_set(err, ERR_UNAVAILABLE,
                       "this processor's PMU does not count '%.60s' (perf_event_open: %s); "
                       "counters.lua --list shows other names",
                       event, name);
    case EACCES:
        return refuse_permission(system, event, attr, err);
    case EPERM:
        return refuse_eperm(system, event, err);
    case EINVAL:
        return err_set(err, ERR_UNAVAILABLE,
                       "the kernel does not take '%.60s' in this form (perf_event_open: EINVAL): a "
                       "modifier or frequency that it does not allow",
                       event);
    case ENOSPC:
    case EBUSY:
        return err_set(err, ERR_UNAVAILABLE,
                       "no counter is free for '%.60s' (perf_event_open: %s): ask for fewer events, "
                       "or end the other profiler",
                       event, name);
    case ESRCH:
        return err_set(err, ERR_UNAVAILABLE,
                       "'%.60s': the process or thread is gone (perf_event_open: ESRCH)", event);
    case EMFILE:
        return err_set(err, ERR_UNAVAILABLE,
                       "'%.60s': this process has no file descriptor left (perf_event_open: EMFILE): "
                       "one is needed per event and thread; ask for fewer, or raise ulimit -n",
                       event);
    case ENFILE:
        return err_set(err, ERR_UNAVAILABLE,
                       "'%.60s': the system has no file descriptor left (perf_event_open: ENFILE)",
                       event);
    case E2BIG:
        return err_set(err, ERR_UNAVAILABLE,
                       "'%.60s': this kernel is older than the request (perf_event_open: E2BIG)",
                       event);
    case ENOMEM:
        return err_set(err, ERR_UNAVAILABLE,
                       "'%.60s': the kernel is out of memory (perf_event_open: ENOMEM)", event);
    case ENOSYS:
        return err_set(err, ERR_UNAVAILABLE,
                       "'%.60s': this kernel has no performance events (perf_event_open: ENOSYS)",
                       event);
    default:
        return err_set(err, ERR_UNAVAILABLE, "'%.60s' cannot be counted (perf_event_open: %s)",
                       event, name);
    }
}

bool perf_refuse_map(int error_number, size_t bytes, struct err *err) {
    if (error_number == EPERM) {
        return err_set(err, ERR_UNAVAILABLE,
                       "a ring of %zu bytes for samples is more locked memory than this user has "
                       "(mmap: EPERM): raise kernel.perf_event_mlock_kb or ulimit -l",
                       bytes);
    }
    return err_set(err, ERR_UNAVAILABLE, "no ring of %zu bytes for samples (mmap: %s)", bytes,
                   name_of(error_number));
}
