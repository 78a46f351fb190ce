/* Performance events against kernels that are played: without a PMU, strict, full, multiplexing,
 * counting past the last value, out of file descriptors; and against the one that is there. */
#include "support/check.h"

#include "base/alloc.h"
#include "counters/perf_events.h"
#include "counters/perf_names.h"
#include "counters/perf_refusal.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <unistd.h>

/* ---- the played kernel ---- */

enum { FIRST_FD = 1000, MOST_FDS = 64 };

static struct {
    bool has_pmu, hides_devices;
    const char *paranoid, *seccomp, *header_page, *tracepoint_id;
    int hardware_errno, software_errno, kernel_errno; /* 0: opens */
    int most_hardware;   /* in a group; more: EINVAL */
    int most_fds;        /* then EMFILE */
    pid_t gone;          /* ESRCH */
    int n_opened, n_closed, n_mapped, n_reads, n_alone;
    struct {
        bool is_open, is_hardware;
        int leader;
        struct perf_event_attr attr;
    } fds[MOST_FDS];
    uint64_t enabled_ns, running_ns, values[PERF_MAX_EVENTS]; /* what read() gives, all threads */
    int fail_read, fail_map, fail_ioctl;
    int short_read;
    uint64_t raw; /* what rdpmc gives */
    struct perf_event_mmap_page page;
} kernel;

static int fake_open(struct perf_event_attr *attr, pid_t tid, int cpu, int group_fd) {
    bool hardware = perf_event_is_hardware(attr);
    int n_hardware = hardware, n = 0;
    CHECK_INT(cpu, -1);
    CHECK_INT(attr->size, sizeof *attr);
    int refused = hardware ? kernel.hardware_errno : kernel.software_errno;
    if (!attr->exclude_kernel && kernel.kernel_errno != 0) refused = kernel.kernel_errno;
    if (tid == kernel.gone && tid != 0) refused = ESRCH;
    for (int i = 0; i < MOST_FDS; i++) {
        n += kernel.fds[i].is_open;
        bool same = kernel.fds[i].is_open && group_fd >= 0 &&
                    (i == group_fd - FIRST_FD || kernel.fds[i].leader == group_fd);
        n_hardware += same && kernel.fds[i].is_hardware;
    }
    if (refused == 0 && hardware && kernel.most_hardware > 0 && n_hardware > kernel.most_hardware) {
        refused = EINVAL;
    }
    if (refused == 0 && kernel.most_fds > 0 && n >= kernel.most_fds) refused = EMFILE;
    if (refused != 0) {
        errno = refused;
        return -1;
    }
    kernel.n_alone += group_fd < 0;
    for (int i = 0; i < MOST_FDS; i++) {
        if (kernel.fds[i].is_open) continue;
        kernel.fds[i].is_open = true;
        kernel.fds[i].is_hardware = hardware;
        kernel.fds[i].leader = group_fd;
        kernel.fds[i].attr = *attr;
        kernel.n_opened++;
        return FIRST_FD + i;
    }
    errno = EMFILE;
    return -1;
}

static int fake_close(int fd) {
    CHECK(fd >= FIRST_FD && kernel.fds[fd - FIRST_FD].is_open);
    kernel.fds[fd - FIRST_FD].is_open = false;
    kernel.n_closed++;
    return 0;
}

static ssize_t fake_read(int fd, void *out, size_t size) {
    uint64_t n = 1, found[3 + PERF_MAX_EVENTS];
    kernel.n_reads++;
    if (kernel.fail_read != 0) {
        errno = kernel.fail_read;
        return -1;
    }
    for (int i = 0; i < MOST_FDS; i++) n += kernel.fds[i].is_open && kernel.fds[i].leader == fd;
    found[0] = n;
    found[1] = kernel.enabled_ns;
    found[2] = kernel.running_ns;
    for (uint64_t i = 0; i < n; i++) found[3 + i] = kernel.values[i];
    size_t bytes = (3 + (size_t)n) * sizeof *found;
    CHECK(size >= bytes);
    memcpy(out, found, bytes);
    return (ssize_t)(kernel.short_read != 0 ? (size_t)kernel.short_read : bytes);
}

static int fake_ioctl(int fd, unsigned long request, unsigned long argument) {
    CHECK(kernel.fds[fd - FIRST_FD].leader == -1);
    CHECK(request == PERF_EVENT_IOC_ENABLE || request == PERF_EVENT_IOC_DISABLE);
    CHECK_INT(argument, PERF_IOC_FLAG_GROUP);
    errno = kernel.fail_ioctl;
    return kernel.fail_ioctl != 0 ? -1 : 0;
}

static void *fake_map(size_t size, int fd) {
    (void)size;
    CHECK(kernel.fds[fd - FIRST_FD].is_open);
    errno = kernel.fail_map;
    if (kernel.fail_map != 0) return MAP_FAILED;
    kernel.n_mapped++;
    return &kernel.page;
}

static void fake_unmap(void *page, size_t size) {
    (void)size;
    CHECK(page == &kernel.page);
    kernel.n_mapped--;
}

static uint64_t fake_rdpmc(uint32_t counter) {
    CHECK_INT(counter, kernel.page.index - 1);
    return kernel.raw;
}

static bool give(const char *text, char *out, size_t size) {
    snprintf(out, size, "%s", text != NULL ? text : "");
    return text != NULL;
}

static bool fake_read_line(const char *path, char *out, size_t size) {
    if (strstr(path, "paranoid") != NULL) return give(kernel.paranoid, out, size);
    if (strstr(path, "/proc/self/status") != NULL) return give(kernel.seccomp, out, size);
    if (strstr(path, "header_page") != NULL) return give(kernel.header_page, out, size);
    if (strcmp(path, "/sys/kernel/tracing/events/sched/sched_switch/id") == 0) {
        return give(kernel.tracepoint_id, out, size);
    }
    out[0] = '\0';
    return false;
}

static bool fake_exists(const char *path) {
    if (strcmp(path, "/sys/bus/event_source/devices") == 0) return !kernel.hides_devices;
    if (strcmp(path, "/sys/bus/event_source/devices/cpu") == 0) return kernel.has_pmu;
    if (strstr(path, "header_page") != NULL) return kernel.header_page != NULL;
    return false;
}

static const struct perf_system played = {
    .open = fake_open, .close = fake_close, .read = fake_read, .ioctl = fake_ioctl,
    .map = fake_map, .unmap = fake_unmap, .rdpmc = fake_rdpmc, .read_line = fake_read_line,
    .exists = fake_exists,
};

static void plain_machine(void) {
    memset(&kernel, 0, sizeof kernel);
    kernel.has_pmu = true;
    kernel.paranoid = "2";
}

static void none_left_open(void) {
    CHECK_INT(kernel.n_opened, kernel.n_closed);
    CHECK_INT(kernel.n_mapped, 0);
}

static const pid_t other_threads[] = {77, 78, 79};

static struct perf_group *open_events(const char *const *events, int n, int n_threads,
                                      struct err *err) {
    struct perf_options options = {.events = events, .n_events = n, .tids = other_threads,
                                   .n_tids = n_threads, .system = &played};
    return perf_group_open(&options, err);
}

static const char *const three[] = {"cycles", "instructions", "page-faults"};

/* ---- reasons ---- */

static void expect_reason(const char *event, const char *a, const char *b) {
    struct err err = {.message = ""};
    CHECK(!perf_event_available(&played, event, &err));
    CHECK_INT(err.code, ERR_UNAVAILABLE);
    CHECK_CONTAINS(err.message, a);
    CHECK_CONTAINS(err.message, b);
    none_left_open();
}

static void test_a_machine_without_a_pmu_says_so(void) {
    static const int numbers[] = {ENOENT, ENODEV, EOPNOTSUPP, EACCES, EPERM, EINVAL};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        plain_machine();
        kernel.has_pmu = false;
        kernel.hardware_errno = numbers[i];
        expect_reason("cycles", "no hardware counters on this machine", "virtual machine");
        expect_reason("LLC-load-misses", "no PMU", "LLC-load-misses");
        CHECK(perf_event_available(&played, "page-faults", NULL));
    }
}

/* Each errno has its own reason, and says what would mend it. */
static void test_every_errno_class_is_told_apart(void) {
    static const struct {
        int number;
        const char *reason, *advice;
    } cases[] = {
        {ENOENT, "does not count 'cycles'", "counters.lua --list"},
        {ENODEV, "does not count 'cycles'", "ENODEV"},
        {EOPNOTSUPP, "does not count 'cycles'", "EOPNOTSUPP"},
        {EACCES, "not permitted", "sysctl kernel.perf_event_paranoid=2"},
        {EPERM, "CAP_PERFMON", "EPERM"},
        {EINVAL, "does not take 'cycles'", "EINVAL"},
        {ENOSPC, "no counter is free", "fewer events"},
        {EBUSY, "no counter is free", "other profiler"},
        {ESRCH, "is gone", "ESRCH"},
        {EMFILE, "no file descriptor left", "ulimit -n"},
        {ENFILE, "system has no file descriptor", "ENFILE"},
        {E2BIG, "older than the request", "E2BIG"},
        {ENOMEM, "out of memory", "ENOMEM"},
        {ENOSYS, "no performance events", "ENOSYS"},
        {EXDEV, "cannot be counted", "perf_event_open"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        plain_machine();
        kernel.paranoid = "3";
        kernel.hardware_errno = cases[i].number;
        expect_reason("cycles", cases[i].reason,
                      cases[i].advice);
    }
}

static void test_permission_names_the_level_that_the_event_needs(void) {
    plain_machine();
    kernel.hardware_errno = EACCES;
    kernel.kernel_errno = EACCES;
    kernel.paranoid = "4";
    expect_reason("cycles", "paranoid is 4", "user mode needs 2 or less");
    kernel.paranoid = "2";
    expect_reason("context-switches", "paranoid is 2", "inside the kernel needs 1 or less");
    kernel.tracepoint_id = "314";
    expect_reason("sched:sched_switch", "paranoid is 2", "a tracepoint needs -1 or less");
    kernel.paranoid = "1";
    expect_reason("cycles", "although kernel.perf_event_paranoid is 1", "another user");
    kernel.paranoid = NULL;
    expect_reason("cycles", "paranoid is unknown", "CAP_PERFMON");
}

static void test_seccomp_is_told_apart_from_missing_rights(void) {
    plain_machine();
    kernel.hardware_errno = EPERM;
    kernel.seccomp = "Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t1";
    expect_reason("cycles", "seccomp filter", "--cap-add PERFMON");
    kernel.seccomp = "Name:\tx\nSeccomp:\t0";
    expect_reason("cycles", "security module", "CAP_PERFMON");
}

static void test_hidden_devices_are_no_proof_of_a_missing_pmu(void) {
    plain_machine();
    kernel.has_pmu = false;
    kernel.hides_devices = true;
    kernel.hardware_errno = ENOENT;
    expect_reason("cycles", "this processor's PMU does not count", "ENOENT");
}

static void test_unknown_names_are_refused_without_a_system_call(void) {
    plain_machine();
    expect_reason("no-such-event", "'no-such-event' is not known", "");
    expect_reason("", "not known", "1 to");
    expect_reason("../../etc:passwd", "not known", "");
    expect_reason("sched:no_such", "tracefs is not mounted", "mount -t tracefs");
    kernel.header_page = "field: u64 timestamp";
    expect_reason("sched:no_such", "neither", "tracepoint of this kernel");
    CHECK_INT(kernel.n_opened, 0);
}

/* ---- names ---- */

static void test_names_become_what_the_kernel_wants(void) {
    struct perf_event_attr attr;
    struct err err;
    plain_machine();
    kernel.tracepoint_id = "314";
    CHECK(perf_event_find(&played, "Cycles", &attr, &err));
    CHECK_INT(attr.type, PERF_TYPE_HARDWARE);
    CHECK_INT(attr.config, PERF_COUNT_HW_CPU_CYCLES);
    CHECK(attr.exclude_kernel && attr.exclude_hv && perf_event_is_hardware(&attr));
    CHECK(perf_event_find(&played, "LLC-load-misses", &attr, &err));
    CHECK_INT(attr.type, PERF_TYPE_HW_CACHE);
    CHECK_INT(attr.config, PERF_COUNT_HW_CACHE_LL | PERF_COUNT_HW_CACHE_OP_READ << 8 |
                               PERF_COUNT_HW_CACHE_RESULT_MISS << 16);
    CHECK(perf_event_find(&played, "dTLB-stores", &attr, &err));
    CHECK_INT(attr.config, PERF_COUNT_HW_CACHE_DTLB | PERF_COUNT_HW_CACHE_OP_WRITE << 8);
    CHECK(perf_event_find(&played, "sched:sched_switch", &attr, &err));
    CHECK_INT(attr.type, PERF_TYPE_TRACEPOINT);
    CHECK_INT(attr.config, 314);
    CHECK(!attr.exclude_kernel && !perf_event_is_hardware(&attr));
    /* In user mode alone these would read 0 for ever. */
    CHECK(perf_event_find(&played, "context-switches", &attr, &err));
    CHECK(!attr.exclude_kernel && !perf_event_is_hardware(&attr));
    CHECK(perf_event_find(&played, "minor-faults", &attr, &err));
    CHECK(attr.exclude_kernel);
}

static int n_listed, n_software;
static void count_listed(void *user, const char *name, const char *kind, const char *about) {
    (void)user;
    CHECK(name[0] != '\0' && about != NULL);
    n_listed++;
    n_software += strcmp(kind, "software") == 0;
}

static void test_the_list_has_what_can_be_asked_for(void) {
    perf_event_list(count_listed, NULL);
    CHECK(n_listed >= 60);
    CHECK_INT(n_software, 12);
}

/* ---- groups ---- */

static void test_a_window_is_the_difference_of_two_reads(void) {
    struct err err;
    plain_machine();
    struct perf_group *group = open_events(three, 3, 2, &err);
    CHECK(group != NULL);
    if (group == NULL) return;
    CHECK_INT(kernel.n_opened, 6);
    CHECK_INT(kernel.n_alone, 2); /* a leader per thread */
    kernel.enabled_ns = kernel.running_ns = 1000;
    kernel.values[0] = 500;
    kernel.values[1] = 700;
    CHECK(perf_group_start(group, &err));
    CHECK_INT(kernel.n_reads, 2); /* one system call per thread */
    kernel.enabled_ns = kernel.running_ns = 3000;
    kernel.values[0] = 1500;
    kernel.values[1] = 2700;
    CHECK(perf_group_stop(group, &err));
    struct perf_reading cycles = perf_group_reading(group, 0, -1);
    CHECK_INT(cycles.state, PERF_COUNTED);
    CHECK_INT(cycles.value, 2 * 1000);
    CHECK_INT(perf_group_reading(group, 1, 0).value, 2000);
    CHECK_INT(perf_group_reading(group, 2, -1).value, 0);
    CHECK_NEAR(cycles.running_share, 1, 0);
    CHECK(!perf_group_used_rdpmc(group));
    perf_group_close(group);
    none_left_open();
}

static void test_only_the_member_that_fails_is_dropped(void) {
    struct err err;
    plain_machine();
    kernel.has_pmu = false;
    kernel.hardware_errno = ENOENT;
    struct perf_group *group = open_events(three, 3, 2, &err);
    CHECK(group != NULL);
    if (group == NULL) return;
    CHECK_CONTAINS(perf_group_refusal(group, 0), "no hardware counters");
    CHECK_CONTAINS(perf_group_refusal(group, 1), "'instructions'");
    CHECK(perf_group_refusal(group, 2) == NULL);
    CHECK(perf_group_start(group, &err));
    kernel.values[0] = 12;
    kernel.enabled_ns = kernel.running_ns = 10;
    CHECK(perf_group_stop(group, &err));
    CHECK_INT(perf_group_reading(group, 0, -1).state, PERF_REFUSED);
    CHECK_INT(perf_group_reading(group, 2, -1).value, 24);
    perf_group_explain(group, 0, perf_group_reading(group, 0, -1), &err);
    CHECK_CONTAINS(err.message, "no hardware counters");
    perf_group_close(group);
    CHECK(open_events(three, 2, 1, &err) == NULL);
    CHECK_CONTAINS(err.message, "no hardware counters");
    none_left_open();
}

/* More than fit: told apart from what never fits, and tried alone to know. */
static void test_a_full_pmu_drops_the_event_too_many(void) {
    struct err err;
    plain_machine();
    kernel.most_hardware = 1;
    struct perf_group *group = open_events(three, 3, 1, &err);
    CHECK(group != NULL);
    if (group == NULL) return;
    CHECK(perf_group_refusal(group, 0) == NULL && perf_group_refusal(group, 2) == NULL);
    CHECK_CONTAINS(perf_group_refusal(group, 1), "does not fit on the PMU beside the 1 events");
    perf_group_close(group);
    none_left_open();
}

static void test_file_descriptors_run_out_in_the_middle(void) {
    struct err err;
    for (int most = 1; most <= 6; most++) {
        plain_machine();
        kernel.most_fds = most;
        struct perf_group *group = open_events(three, 3, 2, &err);
        if (most < 2) {
            CHECK(group == NULL);
            CHECK_CONTAINS(err.message, "ulimit -n");
        } else {
            CHECK(group != NULL);
            CHECK(perf_group_refusal(group, 0) == NULL);
            CHECK_INT(perf_group_refusal(group, 1) == NULL, most >= 4);
            CHECK_INT(perf_group_refusal(group, 2) == NULL, most >= 6);
            if (most < 6) CHECK_CONTAINS(perf_group_refusal(group, 2), "ulimit -n");
        }
        perf_group_close(group);
        none_left_open();
    }
}

static void test_a_thread_that_is_gone_is_named_as_such(void) {
    struct err err;
    plain_machine();
    kernel.gone = 78;
    CHECK(open_events(three, 3, 3, &err) == NULL);
    CHECK_CONTAINS(err.message, "is gone");
    none_left_open();
}

/* ---- readings that are none ---- */

static struct perf_reading window(uint64_t enabled, uint64_t running, uint64_t from, uint64_t to,
                                  struct err *why) {
    struct err err;
    plain_machine();
    struct perf_group *group = open_events(three, 1, 1, &err);
    kernel.values[0] = from;
    CHECK(perf_group_start(group, &err));
    kernel.values[0] = to;
    kernel.enabled_ns = enabled;
    kernel.running_ns = running;
    CHECK(perf_group_stop(group, &err));
    struct perf_reading reading = perf_group_reading(group, 0, -1);
    perf_group_explain(group, 0, reading, why);
    perf_group_close(group);
    return reading;
}

static void test_an_event_without_time_on_the_pmu_is_missing(void) {
    struct err why;
    struct perf_reading reading = window(1000000, 0, 0, 0, &why);
    CHECK_INT(reading.state, PERF_NOT_RUNNING);
    CHECK_NEAR(reading.running_share, 0, 0);
    CHECK_CONTAINS(why.message, "got no time on the PMU");
}

static void test_a_multiplexed_event_is_missing_and_never_scaled(void) {
    struct err why;
    struct perf_reading reading = window(1000000, 250000, 0, 77, &why);
    CHECK_INT(reading.state, PERF_MULTIPLEXED);
    CHECK_INT(reading.value, 0); /* nobody can take it for a count */
    CHECK_NEAR(reading.running_share, 0.25, 1e-12);
    CHECK_CONTAINS(why.message, "25.0 % of the time");
    reading = window(1000000, 999500, 0, 77, &why);
    CHECK_INT(reading.state, PERF_COUNTED);
    CHECK_INT(reading.value, 77);
}

static void test_a_counter_may_pass_its_last_value(void) {
    struct err why;
    struct perf_reading reading = window(1000, 1000, UINT64_MAX - 9, 90, &why);
    CHECK_INT(reading.state, PERF_COUNTED);
    CHECK_INT(reading.value, 100);
}

static void test_a_counter_that_goes_back_is_missing(void) {
    struct err why;
    CHECK_INT(window(1000, 1000, 500, 400, &why).state, PERF_BROKEN);
    CHECK_CONTAINS(why.message, "went backwards");
    CHECK_INT(window(1000, 2000, 0, 400, &why).state, PERF_BROKEN);
}

static void test_one_thread_without_a_reading_makes_the_sum_none(void) {
    struct err err;
    plain_machine();
    struct perf_group *group = open_events(three, 1, 2, &err);
    CHECK(perf_group_start(group, &err));
    kernel.enabled_ns = 1000;
    kernel.running_ns = 500;
    CHECK(perf_group_stop(group, &err));
    CHECK_INT(perf_group_reading(group, 0, -1).state, PERF_MULTIPLEXED);
    CHECK_NEAR(perf_group_reading(group, 0, -1).running_share, 0.5, 1e-12);
    perf_group_close(group);
}

static void test_failing_calls_are_reported(void) {
    struct err err;
    plain_machine();
    struct perf_group *group = open_events(three, 3, 1, &err);
    kernel.fail_read = EIO;
    CHECK(!perf_group_start(group, &err));
    CHECK_CONTAINS(err.message, "thread 77 cannot be read");
    kernel.fail_read = 0;
    kernel.short_read = 16;
    CHECK(!perf_group_start(group, &err));
    CHECK_CONTAINS(err.message, "16 bytes");
    perf_group_close(group);
    plain_machine();
    group = open_events(three, 3, 1, &err);
    kernel.fail_ioctl = EBADF;
    CHECK(!perf_group_start(group, &err));
    CHECK_CONTAINS(err.message, "cannot be started");
    perf_group_close(group);
    none_left_open();
}

/* ---- rdpmc ---- */

static struct perf_group *open_own(struct err *err) {
    static pid_t own;
    own = gettid();
    struct perf_options options = {.events = three, .n_events = 1, .tids = &own, .n_tids = 1,
                                   .system = &played};
    return perf_group_open(&options, err);
}

static void test_the_own_thread_is_read_without_a_system_call(void) {
    struct err err;
    plain_machine();
    kernel.page.cap_user_rdpmc = 1;
    kernel.page.index = 3;
    kernel.page.pmc_width = 48;
    kernel.page.offset = (int64_t)1 << 47;
    kernel.raw = ((uint64_t)1 << 48) - 50; /* the counter runs towards zero: -50 */
    struct perf_group *group = open_own(&err);
    CHECK_INT(kernel.n_mapped, 1);
    CHECK(perf_group_start(group, &err));
    kernel.raw = 150; /* passed zero */
    CHECK(perf_group_stop(group, &err));
    CHECK(perf_group_used_rdpmc(group));
    CHECK_INT(kernel.n_reads, 0);
    CHECK_INT(perf_group_reading(group, 0, -1).state, PERF_COUNTED);
    CHECK_INT(perf_group_reading(group, 0, -1).value, 200);
    /* Off the PMU at the end: the kernel tells, and the time lost is seen. */
    kernel.raw = 0;
    CHECK(perf_group_start(group, &err));
    kernel.page.index = 0;
    kernel.values[0] = (uint64_t)kernel.page.offset + 1000;
    kernel.enabled_ns = 1000;
    kernel.running_ns = 400;
    CHECK(perf_group_stop(group, &err));
    CHECK_INT(kernel.n_reads, 1);
    CHECK_INT(perf_group_reading(group, 0, -1).state, PERF_MULTIPLEXED);
    perf_group_close(group);
    none_left_open();
}

static void test_without_rdpmc_the_kernel_is_asked(void) {
    static const struct {
        int fail_map;
        uint32_t index;
        uint16_t width;
        bool allowed;
    } cases[] = {{EPERM, 1, 48, true}, {0, 0, 48, true}, {0, 1, 0, true}, {0, 1, 48, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct err err;
        plain_machine();
        kernel.fail_map = cases[i].fail_map;
        kernel.page.index = cases[i].index;
        kernel.page.pmc_width = cases[i].width;
        kernel.page.cap_user_rdpmc = cases[i].allowed;
        struct perf_group *group = open_own(&err);
        CHECK(perf_group_start(group, &err));
        CHECK(perf_group_stop(group, &err));
        CHECK_INT(kernel.n_reads, 2);
        CHECK(!perf_group_used_rdpmc(group));
        perf_group_close(group);
        none_left_open();
    }
}

/* ---- the kernel that is there ---- */

static void test_the_real_kernel_counts_or_says_why_not(void) {
    static const char *const events[] = {"minor-faults", "cycles", "task-clock"};
    struct perf_options options = {.events = events, .n_events = 3};
    struct err err;
    struct perf_group *group = perf_group_open(&options, &err);
    if (group == NULL) {
        CHECK_INT(err.code, ERR_UNAVAILABLE);
        printf("# not counted: %s\n", err.message);
        return;
    }
    struct mem_stats before = mem_thread_stats();
    CHECK(perf_group_start(group, &err));
    size_t size = 64 * (size_t)sysconf(_SC_PAGESIZE);
    char *block = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise(block, size, MADV_NOHUGEPAGE);
    memset(block, 1, size);
    CHECK(perf_group_stop(group, &err));
    CHECK_INT(mem_thread_stats().allocations, before.allocations);
    munmap(block, size);
    if (perf_group_refusal(group, 0) == NULL) {
        struct perf_reading faults = perf_group_reading(group, 0, -1);
        CHECK_INT(faults.state, PERF_COUNTED);
        CHECK(faults.value >= 64 && faults.value < 200);
    }
    if (perf_group_refusal(group, 1) != NULL) {
        CHECK(strlen(perf_group_refusal(group, 1)) > 20);
    } else if (perf_group_reading(group, 1, -1).state == PERF_COUNTED) {
        CHECK(perf_group_reading(group, 1, -1).value > 0);
    }
    perf_group_close(group);
}

static void test_threads_of_a_process_are_found(void) {
    pid_t tids[8];
    struct err err;
    CHECK(perf_thread_ids(0, tids, 8, &err) >= 1);
    CHECK_INT(tids[0], getpid());
    CHECK_INT(perf_thread_ids(0, tids, 0, &err), 0);
    CHECK_CONTAINS(err.message, "more than 0 threads");
    CHECK_INT(perf_thread_ids(0x3fffffff, tids, 8, &err), 0);
    CHECK_CONTAINS(err.message, "no process");
}

int main(void) {
    test_a_machine_without_a_pmu_says_so();
    test_every_errno_class_is_told_apart();
    test_permission_names_the_level_that_the_event_needs();
    test_seccomp_is_told_apart_from_missing_rights();
    test_hidden_devices_are_no_proof_of_a_missing_pmu();
    test_unknown_names_are_refused_without_a_system_call();
    test_names_become_what_the_kernel_wants();
    test_the_list_has_what_can_be_asked_for();
    test_a_window_is_the_difference_of_two_reads();
    test_only_the_member_that_fails_is_dropped();
    test_a_full_pmu_drops_the_event_too_many();
    test_file_descriptors_run_out_in_the_middle();
    test_a_thread_that_is_gone_is_named_as_such();
    test_an_event_without_time_on_the_pmu_is_missing();
    test_a_multiplexed_event_is_missing_and_never_scaled();
    test_a_counter_may_pass_its_last_value();
    test_a_counter_that_goes_back_is_missing();
    test_one_thread_without_a_reading_makes_the_sum_none();
    test_failing_calls_are_reported();
    test_the_own_thread_is_read_without_a_system_call();
    test_without_rdpmc_the_kernel_is_asked();
    test_the_real_kernel_counts_or_says_why_not();
    test_threads_of_a_process_are_found();
    return check_done();
}
