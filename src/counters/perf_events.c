/* perf_events.c - see perf_events.h. */
#include "counters/perf_events.h"

#include "base/alloc.h"
#include "counters/perf_names.h"
#include "counters/perf_refusal.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct snapshot {
    uint64_t enabled_ns, running_ns;
    uint64_t values[PERF_MAX_EVENTS]; /* by member */
};

struct thread_group {
    pid_t tid;
    int fds[PERF_MAX_EVENTS];     /* by member; the first is the leader */
    struct perf_event_mmap_page *pages[PERF_MAX_EVENTS]; /* of the calling thread, for rdpmc */
    struct snapshot begin, end;
    bool used_rdpmc;
};

struct perf_group {
    const struct perf_system *system;
    size_t page_size;
    int n_events, n_members, n_threads;
    int member_of[PERF_MAX_EVENTS]; /* event -> member, -1: refused */
    bool is_running, is_inherited;
    char names[PERF_MAX_EVENTS][64];
    struct err refusals[PERF_MAX_EVENTS];
    struct perf_event_attr attrs[PERF_MAX_EVENTS];
    struct thread_group threads[];
};

/* Times of a counter that kept its place may differ by the moment between two switches. */
#define ALL_THE_TIME 0.999

/* What read() of a group returns. */
struct group_format {
    uint64_t n, enabled_ns, running_ns;
    uint64_t values[PERF_MAX_EVENTS];
};

/* ---- opening ---- */

int perf_thread_ids(pid_t pid, pid_t *tids, int most, struct err *err) {
    char path[64];
    int n = 0;
    snprintf(path, sizeof path, pid == 0 ? "/proc/self/task" : "/proc/%d/task", (int)pid);
    DIR *folder = opendir(path);
    if (folder == NULL) {
        err_set(err, ERR_UNAVAILABLE, "no process %d (%s: %s)", (int)pid, path, strerror(errno));
        return 0;
    }
    bool is_full = false;
    for (struct dirent *entry; !is_full && (entry = readdir(folder)) != NULL;) {
        int tid = atoi(entry->d_name);
        if (tid <= 0) continue;
        if (n == most) is_full = true;
        else tids[n++] = tid;
    }
    closedir(folder);
    if (is_full) {
        err_set(err, ERR_UNAVAILABLE, "process %d has more than %d threads, name those to count",
                (int)pid, most);
        return 0;
    }
    if (n == 0) err_set(err, ERR_UNAVAILABLE, "process %d has ended", (int)pid);
    return n;
}

static void close_member(struct perf_group *group, struct thread_group *thread, int member) {
    if (thread->pages[member] != NULL) {
        group->system->unmap(thread->pages[member], group->page_size);
    }
    if (thread->fds[member] >= 0) group->system->close(thread->fds[member]);
    thread->pages[member] = NULL;
    thread->fds[member] = -1;
}

/* A hardware member that does not fit beside the others is told apart from one that never fits. */
static bool refuse_member(struct perf_group *group, const char *name, struct perf_event_attr attr,
                          pid_t tid, int error_number, struct err *err) {
    bool is_full = error_number == EINVAL || error_number == ENOSPC;
    if (is_full && group->n_members > 0 && perf_event_is_hardware(&attr)) {
        attr.disabled = 1;
        int alone = group->system->open(&attr, tid, -1, -1);
        if (alone >= 0) {
            group->system->close(alone);
            return err_set(err, ERR_UNAVAILABLE,
                           "'%.60s' does not fit on the PMU beside the %d events before it: count it "
                           "in a run of its own",
                           name, group->n_members);
        }
        error_number = errno;
    }
    return perf_refuse(group->system, name, &attr, error_number, err);
}

/* One event for every thread, or for none. */
static bool open_member(struct perf_group *group, const char *name, struct perf_event_attr attr,
                        struct err *err) {
    int member = group->n_members;
    attr.read_format = PERF_FORMAT_GROUP | PERF_FORMAT_TOTAL_TIME_ENABLED |
                       PERF_FORMAT_TOTAL_TIME_RUNNING;
    attr.inherit = group->is_inherited;
    attr.disabled = member == 0; /* members follow their leader */
    for (int i = 0; i < group->n_threads; i++) {
        struct thread_group *thread = &group->threads[i];
        int leader = member == 0 ? -1 : thread->fds[0];
        thread->fds[member] = group->system->open(&attr, thread->tid, -1, leader);
        if (thread->fds[member] >= 0) continue;
        refuse_member(group, name, attr, thread->tid, errno, err);
        for (; i >= 0; i--) close_member(group, &group->threads[i], member);
        return false;
    }
    group->attrs[member] = attr;
    group->n_members++;
    return true;
}

/* The page through which a thread may read its own counters; without it read() serves. */
static void map_pages(struct perf_group *group) {
    pid_t own = gettid();
    for (int i = 0; i < group->n_threads; i++) {
        struct thread_group *thread = &group->threads[i];
        if ((thread->tid != own && thread->tid != 0) || group->is_inherited) continue;
        for (int m = 0; m < group->n_members; m++) {
            if (!perf_event_is_hardware(&group->attrs[m])) continue;
            void *page = group->system->map(group->page_size, thread->fds[m]);
            thread->pages[m] = page == MAP_FAILED ? NULL : page;
        }
    }
}

static struct perf_group *new_group(const struct perf_options *options, struct err *err) {
    pid_t found[PERF_MAX_THREADS];
    const pid_t *tids = options->tids;
    int n = options->n_tids;
    if (tids == NULL) {
        n = perf_thread_ids(options->pid, found, PERF_MAX_THREADS, err);
        if (n == 0) return NULL;
        tids = found;
    }
    struct perf_group *group = mem_new(sizeof *group + (size_t)n * sizeof *group->threads);
    if (group == NULL) {
        err_set(err, ERR_ENVIRONMENT, "out of memory for the counters of %d threads", n);
        return NULL;
    }
    group->system = options->system != NULL ? options->system : &perf_system_linux;
    group->page_size = (size_t)sysconf(_SC_PAGESIZE);
    group->is_inherited = options->inherit;
    group->n_threads = n;
    for (int i = 0; i < n; i++) {
        group->threads[i].tid = tids[i];
        for (int m = 0; m < PERF_MAX_EVENTS; m++) group->threads[i].fds[m] = -1;
    }
    return group;
}

struct perf_group *perf_group_open(const struct perf_options *options, struct err *err) {
    struct perf_group *group = new_group(options, err);
    if (group == NULL) return NULL;
    for (int e = 0; e < options->n_events && e < PERF_MAX_EVENTS; e++) {
        struct perf_event_attr attr;
        const char *name = options->events[e];
        snprintf(group->names[e], sizeof group->names[e], "%s", name);
        bool opened = perf_event_find(group->system, name, &attr, &group->refusals[e]) &&
                      open_member(group, name, attr, &group->refusals[e]);
        group->member_of[e] = opened ? group->n_members - 1 : -1;
        group->n_events++;
    }
    if (group->n_members == 0) {
        if (err != NULL) *err = group->refusals[0];
        perf_group_close(group);
        return NULL;
    }
    map_pages(group);
    return group;
}

void perf_group_close(struct perf_group *group) {
    if (group == NULL) return;
    for (int i = 0; i < group->n_threads; i++) {
        for (int m = group->n_members - 1; m >= 0; m--) {
            close_member(group, &group->threads[i], m);
        }
    }
    mem_free(group);
}

int perf_group_threads(const struct perf_group *group) {
    return group->n_threads;
}

int perf_group_tid(const struct perf_group *group, int thread) {
    return group->threads[thread].tid;
}

const char *perf_group_refusal(const struct perf_group *group, int event) {
    return group->member_of[event] < 0 ? group->refusals[event].message : NULL;
}

/* ---- reading ---- */

/* One counter from its page, as the kernel's header describes it. False when only the kernel can
 * tell: not on the PMU now, or reading is not allowed. */
static bool read_page(const struct perf_system *system,
                      const volatile struct perf_event_mmap_page *page, uint64_t *value,
                      uint64_t *enabled_ns, uint64_t *running_ns) {
    uint32_t sequence;
    do {
        sequence = page->lock;
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
        uint32_t index = page->index, width = page->pmc_width;
        if (!page->cap_user_rdpmc || index == 0 || width == 0 || width > 64) return false;
        *enabled_ns = page->time_enabled;
        *running_ns = page->time_running;
        /* A counter of `width` bits that passed its last value counts on from below zero. */
        uint64_t raw = system->rdpmc(index - 1) << (64 - width);
        *value = (uint64_t)page->offset + (uint64_t)((int64_t)raw >> (64 - width));
        __atomic_thread_fence(__ATOMIC_ACQUIRE);
    } while (page->lock != sequence);
    return true;
}

/* The times of a page are those of the last change; what was lost since then is nothing, for the
 * counter is on the PMU. So their difference is exact, and all that is needed. */
static bool read_pages(struct perf_group *group, struct thread_group *thread,
                       struct snapshot *out) {
    for (int m = 0; m < group->n_members; m++) {
        if (thread->pages[m] == NULL ||
            !read_page(group->system, thread->pages[m], &out->values[m], &out->enabled_ns,
                       &out->running_ns)) {
            return false;
        }
    }
    return true;
}

static bool read_group(struct perf_group *group, struct thread_group *thread, struct snapshot *out,
                       struct err *err) {
    struct group_format found;
    ssize_t size;
    do {
        size = group->system->read(thread->fds[0], &found, sizeof found);
    } while (size < 0 && errno == EINTR);
    size_t wanted = sizeof(uint64_t) * (size_t)(3 + group->n_members);
    if (size < 0) {
        return err_set(err, ERR_UNAVAILABLE, "the counters of thread %d cannot be read: %s",
                       (int)thread->tid, strerror(errno));
    }
    if ((size_t)size != wanted || found.n != (uint64_t)group->n_members) {
        return err_set(err, ERR_UNAVAILABLE,
                       "the counters of thread %d cannot be read: %zd bytes for %llu counters, "
                       "expected %zu for %d",
                       (int)thread->tid, size, size >= 8 ? (unsigned long long)found.n : 0, wanted,
                       group->n_members);
    }
    out->enabled_ns = found.enabled_ns;
    out->running_ns = found.running_ns;
    memcpy(out->values, found.values, sizeof found.values[0] * (size_t)group->n_members);
    return true;
}

/* The times of a page lag behind those of read(): a window that began with read() ends with it. */
static bool read_thread(struct perf_group *group, struct thread_group *thread, bool is_begin,
                        struct snapshot *out, struct err *err) {
    bool may_use_page = thread->pages[0] != NULL && (is_begin || thread->used_rdpmc);
    bool used = may_use_page && read_pages(group, thread, out);
    if (is_begin) thread->used_rdpmc = used;
    return used || read_group(group, thread, out, err);
}

static bool switch_all(struct perf_group *group, bool on, struct err *err) {
    unsigned long request = on ? PERF_EVENT_IOC_ENABLE : PERF_EVENT_IOC_DISABLE;
    for (int i = 0; i < group->n_threads; i++) {
        if (group->system->ioctl(group->threads[i].fds[0], request, PERF_IOC_FLAG_GROUP) != 0) {
            return err_set(err, ERR_UNAVAILABLE, "the counters of thread %d cannot be %s: %s",
                           (int)group->threads[i].tid, on ? "started" : "stopped",
                           strerror(errno));
        }
    }
    return true;
}

/* Counters are never set back: a window is a difference, so readers do not disturb each other. */
bool perf_group_start(struct perf_group *group, struct err *err) {
    if (!group->is_running && !switch_all(group, true, err)) return false;
    group->is_running = true;
    for (int i = 0; i < group->n_threads; i++) {
        struct thread_group *thread = &group->threads[i];
        if (!read_thread(group, thread, true, &thread->begin, err)) return false;
        thread->end = thread->begin;
    }
    return true;
}

bool perf_group_update(struct perf_group *group, struct err *err) {
    for (int i = 0; i < group->n_threads && group->is_running; i++) {
        if (!read_thread(group, &group->threads[i], false, &group->threads[i].end, err)) return false;
    }
    return true;
}

bool perf_group_stop(struct perf_group *group, struct err *err) {
    if (!group->is_running) return true;
    if (!perf_group_update(group, err)) return false;
    group->is_running = false;
    return switch_all(group, false, err);
}

bool perf_group_touch(struct perf_group *group, struct err *err) {
    struct snapshot dropped;
    for (int i = 0; i < group->n_threads; i++) {
        if (!read_thread(group, &group->threads[i], false, &dropped, err)) return false;
    }
    return true;
}

bool perf_group_used_rdpmc(const struct perf_group *group) {
    for (int i = 0; i < group->n_threads; i++) {
        if (group->threads[i].used_rdpmc) return true;
    }
    return false;
}

/* ---- readings ---- */

/* Differences modulo 2^64, so that a counter may pass its last value within the window. */
static struct perf_reading thread_reading(const struct thread_group *thread, int member) {
    uint64_t value = thread->end.values[member] - thread->begin.values[member];
    uint64_t enabled = thread->end.enabled_ns - thread->begin.enabled_ns;
    uint64_t running = thread->end.running_ns - thread->begin.running_ns;
    struct perf_reading reading = {.state = PERF_COUNTED, .value = value, .running_share = 1};
    if (enabled > INT64_MAX || running > enabled) {
        reading.state = PERF_BROKEN;
    } else if (enabled > 0 && running == 0) {
        reading.state = PERF_NOT_RUNNING;
        reading.running_share = 0;
    } else if (enabled > 0 && (double)running < ALL_THE_TIME * (double)enabled) {
        reading.state = PERF_MULTIPLEXED;
        reading.running_share = (double)running / (double)enabled;
    } else if (value > INT64_MAX) {
        reading.state = PERF_BROKEN;
    }
    if (reading.state != PERF_COUNTED) reading.value = 0;
    return reading;
}

struct perf_reading perf_group_reading(struct perf_group *group, int event, int thread) {
    int member = group->member_of[event];
    if (member < 0) return (struct perf_reading){.state = PERF_REFUSED};
    if (thread >= 0) return thread_reading(&group->threads[thread], member);
    struct perf_reading sum = {.state = PERF_COUNTED, .running_share = 1};
    for (int i = 0; i < group->n_threads; i++) {
        struct perf_reading one = thread_reading(&group->threads[i], member);
        if (one.running_share < sum.running_share) sum.running_share = one.running_share;
        if (one.state > sum.state) sum.state = one.state;
        sum.value += one.value;
    }
    if (sum.state != PERF_COUNTED) sum.value = 0;
    return sum;
}

void perf_group_explain(const struct perf_group *group, int event, struct perf_reading reading,
                        struct err *err) {
    const char *name = group->names[event];
    switch (reading.state) {
    case PERF_COUNTED:
        err_set(err, ERR_NONE, "'%.60s' was counted all the time", name);
        return;
    case PERF_REFUSED:
        *err = group->refusals[event];
        return;
    case PERF_NOT_RUNNING:
        err_set(err, ERR_UNAVAILABLE,
                "'%.60s' got no time on the PMU (running 0 %%): other counters hold its place; ask for "
                "fewer events or stop the other profiler",
                name);
        return;
    case PERF_MULTIPLEXED:
        err_set(err, ERR_UNAVAILABLE,
                "'%.60s' was counted %.1f %% of the time, the PMU being shared: a scaled figure would "
                "be a guess; ask for fewer events or stop the other profiler",
                name, 100 * reading.running_share);
        return;
    case PERF_BROKEN:
        err_set(err, ERR_UNAVAILABLE, "'%.60s' went backwards: this machine's counter is not sound",
                name);
        return;
    }
}

bool perf_event_available(const struct perf_system *system, const char *event,
                          struct err *reason) {
    struct perf_event_attr attr;
    if (system == NULL) system = &perf_system_linux;
    if (!perf_event_find(system, event, &attr, reason)) return false;
    attr.disabled = 1;
    int fd = system->open(&attr, 0, -1, -1);
    if (fd < 0) return perf_refuse(system, event, &attr, errno, reason);
    system->close(fd);
    return true;
}
