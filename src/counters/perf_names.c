/* perf_names.c - see perf_names.h. */
#include "counters/perf_names.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#ifdef WOOLLY_HAVE_PFM
#include <perfmon/pfmlib.h>
#include <perfmon/pfmlib_perf_event.h>
#endif

#define LONGEST_NAME 256

struct named_event {
    const char *name;
    uint32_t type;
    uint64_t config;
    bool in_kernel; /* happens in the kernel: with exclude_kernel it would read 0 */
    const char *about;
};

#define SOFTWARE(name, id, in_kernel, about)                                                       \
    { name, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_##id, in_kernel, about }
#define HARDWARE(name, id, about)                                                                  \
    { name, PERF_TYPE_HARDWARE, PERF_COUNT_HW_##id, false, about }

static const struct named_event named_events[] = {
    SOFTWARE("task-clock", TASK_CLOCK, false, "time on a CPU in ns, of the thread's own clock"),
    SOFTWARE("cpu-clock", CPU_CLOCK, false, "time on a CPU in ns"),
    SOFTWARE("page-faults", PAGE_FAULTS, false, "page faults"),
    SOFTWARE("minor-faults", PAGE_FAULTS_MIN, false, "page faults without a disk"),
    SOFTWARE("major-faults", PAGE_FAULTS_MAJ, false, "page faults that read from disk"),
    SOFTWARE("context-switches", CONTEXT_SWITCHES, true, "times that a thread left its CPU"),
    SOFTWARE("cpu-migrations", CPU_MIGRATIONS, true, "times that a thread went to another CPU"),
    SOFTWARE("cgroup-switches", CGROUP_SWITCHES, true, "context switches to another control group"),
    SOFTWARE("alignment-faults", ALIGNMENT_FAULTS, false, "unaligned accesses that the kernel fixed"),
    SOFTWARE("emulation-faults", EMULATION_FAULTS, false, "instructions that the kernel emulated"),
    SOFTWARE("dummy", DUMMY, false, "counts nothing"),
    SOFTWARE("bpf-output", BPF_OUTPUT, false, "records written by BPF programs"),
    HARDWARE("cycles", CPU_CYCLES, "cycles of the core while it runs"),
    HARDWARE("instructions", INSTRUCTIONS, "instructions retired"),
    HARDWARE("cache-references", CACHE_REFERENCES, "accesses to the last cache level, as a rule"),
    HARDWARE("cache-misses", CACHE_MISSES, "misses of the last cache level, as a rule"),
    HARDWARE("branches", BRANCH_INSTRUCTIONS, "branches retired"),
    HARDWARE("branch-instructions", BRANCH_INSTRUCTIONS, "branches retired"),
    HARDWARE("branch-misses", BRANCH_MISSES, "branches guessed wrong"),
    HARDWARE("bus-cycles", BUS_CYCLES, "cycles of the bus"),
    HARDWARE("ref-cycles", REF_CPU_CYCLES, "cycles at a frequency that does not change"),
    HARDWARE("stalled-cycles-frontend", STALLED_CYCLES_FRONTEND, "cycles without new operations"),
    HARDWARE("stalled-cycles-backend", STALLED_CYCLES_BACKEND, "cycles waiting for results"),
};
#define N_NAMED (sizeof named_events / sizeof *named_events)

/* "LLC-load-misses" = cache, operation, result. */
static const char *const caches[] = {"L1-dcache", "L1-icache", "LLC", "dTLB", "iTLB", "branch",
                                     "node"};
static const char *const cache_operations[] = {"load", "store", "prefetch"};

static void cache_name(size_t cache, size_t operation, bool miss, char *out, size_t size) {
    static const char *const plural[] = {"loads", "stores", "prefetches"};
    if (miss) {
        snprintf(out, size, "%s-%s-misses", caches[cache], cache_operations[operation]);
    } else {
        snprintf(out, size, "%s-%s", caches[cache], plural[operation]);
    }
}

enum { N_CACHES = sizeof caches / sizeof *caches, N_OPERATIONS = 3 };

static bool find_cache_event(const char *name, struct perf_event_attr *attr) {
    char known[64];
    for (size_t i = 0; i < N_CACHES * N_OPERATIONS * 2; i++) {
        size_t cache = i / (N_OPERATIONS * 2), operation = i / 2 % N_OPERATIONS, miss = i % 2;
        cache_name(cache, operation, miss != 0, known, sizeof known);
        if (strcasecmp(name, known) != 0) continue;
        attr->type = PERF_TYPE_HW_CACHE;
        attr->config = cache | operation << 8 | miss << 16;
        return true;
    }
    return false;
}

static bool find_named(const char *name, struct perf_event_attr *attr, bool *in_kernel) {
    for (size_t i = 0; i < N_NAMED; i++) {
        if (strcasecmp(name, named_events[i].name) != 0) continue;
        attr->type = named_events[i].type;
        attr->config = named_events[i].config;
        *in_kernel = named_events[i].in_kernel;
        return true;
    }
    return false;
}

/* ---- tracepoints ---- */

static const char *const tracing_folders[] = {"/sys/kernel/tracing", "/sys/kernel/debug/tracing"};
enum { N_TRACING = sizeof tracing_folders / sizeof *tracing_folders };

/* "group:name" of letters, digits and '_', nothing that could leave the folder. */
static bool is_tracepoint_name(const char *name) {
    const char *colon = strchr(name, ':');
    if (colon == NULL || colon == name || colon[1] == '\0') return false;
    for (const char *c = name; *c != '\0'; c++) {
        if (c != colon && !isalnum((unsigned char)*c) && *c != '_') return false;
    }
    return true;
}

static bool find_tracepoint(const struct perf_system *system, const char *name,
                            struct perf_event_attr *attr) {
    char path[LONGEST_NAME + 128], text[32];
    int group = (int)(strchr(name, ':') - name);
    for (size_t i = 0; i < N_TRACING; i++) {
        snprintf(path, sizeof path, "%s/events/%.*s/%s/id", tracing_folders[i], group, name,
                 name + group + 1);
        char *end = NULL;
        if (!system->read_line(path, text, sizeof text)) continue;
        unsigned long long id = strtoull(text, &end, 10);
        if (end == text || *end != '\0') continue;
        attr->type = PERF_TYPE_TRACEPOINT;
        attr->config = id;
        return true;
    }
    return false;
}

/* Why a name of that form is no tracepoint here. */
static bool refuse_tracepoint(const struct perf_system *system, const char *name,
                              struct err *err) {
    char header[16];
    if (!system->exists("/sys/kernel/tracing/events/header_page") &&
        !system->exists("/sys/kernel/debug/tracing/events/header_page")) {
        return err_set(err, ERR_UNAVAILABLE,
                       "'%.80s' is no event of this processor, and tracepoints are not to be seen: "
                       "tracefs is not mounted or not for this user (as root: mount -t tracefs none "
                       "/sys/kernel/tracing)",
                       name);
    }
    if (!system->read_line("/sys/kernel/tracing/events/header_page", header, sizeof header) &&
        !system->read_line("/sys/kernel/debug/tracing/events/header_page", header,
                           sizeof header)) {
        return err_set(err, ERR_UNAVAILABLE,
                       "'%.80s' cannot be looked up: tracefs is not readable for this user "
                       "(tracepoints need root or CAP_PERFMON and readable files)",
                       name);
    }
    return err_set(err, ERR_UNAVAILABLE,
                   "'%.80s' is neither an event of this processor nor a tracepoint of this kernel",
                   name);
}

/* ---- libpfm4 ---- */

#ifdef WOOLLY_HAVE_PFM
static bool library_is_ready(void) {
    static int ready = -1;
    if (ready < 0) ready = pfm_initialize() == PFM_SUCCESS;
    return ready == 1;
}

/* PFM_SUCCESS or libpfm4's code. */
static int find_by_library(const char *name, struct perf_event_attr *attr) {
    if (!library_is_ready()) return PFM_ERR_NOINIT;
    pfm_perf_encode_arg_t encoding = {.attr = attr, .size = sizeof encoding};
    return pfm_get_os_event_encoding(name, PFM_PLM3, PFM_OS_PERF_EVENT_EXT, &encoding);
}

static bool refuse_by_library(const char *name, int code, struct err *err) {
    if (code == PFM_ERR_ATTR || code == PFM_ERR_ATTR_VAL || code == PFM_ERR_UMASK) {
        return err_set(err, ERR_UNAVAILABLE,
                       "event '%.80s': unit mask or modifier unknown (libpfm4: %s); "
                       "counters.lua --list shows the names",
                       name, pfm_strerror(code));
    }
    if (code == PFM_ERR_NOTSUPP) {
        return err_set(err, ERR_UNAVAILABLE,
                       "event '%.80s' has no counter that this kernel offers (libpfm4: %s)", name,
                       pfm_strerror(code));
    }
    return err_set(err, ERR_UNAVAILABLE,
                   "event '%.80s' is not known on this machine (libpfm4: %s); counters.lua --list "
                   "shows the names",
                   name, pfm_strerror(code));
}
#endif

bool perf_event_find(const struct perf_system *system, const char *name,
                     struct perf_event_attr *attr, struct err *err) {
    bool in_kernel = false;
    memset(attr, 0, sizeof *attr);
    attr->size = sizeof *attr;
    if (name[0] == '\0' || strlen(name) >= LONGEST_NAME) {
        return err_set(err, ERR_UNAVAILABLE,
                       "event '%.40s' is not known: names have 1 to %d letters", name,
                       LONGEST_NAME - 1);
    }
    bool found = find_named(name, attr, &in_kernel) || find_cache_event(name, attr);
    bool like_tracepoint = is_tracepoint_name(name);
    if (!found && like_tracepoint) {
        found = find_tracepoint(system, name, attr);
        in_kernel = found;
    }
    if (!found) {
#ifdef WOOLLY_HAVE_PFM
        int code = find_by_library(name, attr);
        if (code != PFM_SUCCESS) {
            if (code == PFM_ERR_NOTFOUND && like_tracepoint) {
                return refuse_tracepoint(system, name, err);
            }
            return refuse_by_library(name, code, err);
        }
        attr->size = sizeof *attr;
        in_kernel = attr->type == PERF_TYPE_TRACEPOINT;
#else
        if (like_tracepoint) return refuse_tracepoint(system, name, err);
        return err_set(err, ERR_UNAVAILABLE,
                       "event '%.80s' is not known: this build is without libpfm4 (package "
                       "libpfm4-dev), which has the processor's own names",
                       name);
#endif
    }
    attr->exclude_kernel = attr->exclude_hv = !in_kernel;
    return true;
}

bool perf_event_is_hardware(const struct perf_event_attr *attr) {
    return attr->type != PERF_TYPE_SOFTWARE && attr->type != PERF_TYPE_TRACEPOINT &&
           attr->type != PERF_TYPE_BREAKPOINT;
}

const char *perf_event_library(void) {
#ifdef WOOLLY_HAVE_PFM
    static char text[32];
    int version = pfm_get_version();
    snprintf(text, sizeof text, "libpfm4 %d.%d", PFM_MAJ_VERSION(version), PFM_MIN_VERSION(version));
    return text;
#else
    return "";
#endif
}

/* ---- the list ---- */

typedef void each_event(void *user, const char *name, const char *kind, const char *about);

static bool list_tracepoints(const char *folder, each_event *each, void *user) {
    char path[512], name[600];
    snprintf(path, sizeof path, "%s/events", folder);
    DIR *groups = opendir(path);
    if (groups == NULL) return false;
    for (struct dirent *group; (group = readdir(groups)) != NULL;) {
        if (group->d_name[0] == '.' || group->d_type != DT_DIR) continue;
        snprintf(path, sizeof path, "%s/events/%.200s", folder, group->d_name);
        DIR *events = opendir(path);
        for (struct dirent *event; events != NULL && (event = readdir(events)) != NULL;) {
            if (event->d_name[0] == '.' || event->d_type != DT_DIR) continue;
            snprintf(name, sizeof name, "%.200s:%.200s", group->d_name, event->d_name);
            each(user, name, "tracepoint", "tracepoint of the kernel");
        }
        if (events != NULL) closedir(events);
    }
    closedir(groups);
    return true;
}

#ifdef WOOLLY_HAVE_PFM
static void list_of_pmu(pfm_pmu_t pmu, each_event *each, void *user) {
    pfm_pmu_info_t info = {.size = sizeof info};
    if (pfm_get_pmu_info(pmu, &info) != PFM_SUCCESS || !info.is_present) return;
    if (pmu == PFM_PMU_PERF_EVENT || pmu == PFM_PMU_PERF_EVENT_RAW) return; /* named above */
    for (int i = info.first_event; i != -1; i = pfm_get_event_next(i)) {
        char name[LONGEST_NAME];
        pfm_event_info_t event = {.size = sizeof event};
        if (pfm_get_event_info(i, PFM_OS_PERF_EVENT_EXT, &event) != PFM_SUCCESS) continue;
        snprintf(name, sizeof name, "%s::%s", info.name, event.name);
        each(user, name, "processor", event.desc != NULL ? event.desc : "");
        for (int a = 0; a < event.nattrs; a++) {
            pfm_event_attr_info_t attr = {.size = sizeof attr};
            if (pfm_get_event_attr_info(i, a, PFM_OS_PERF_EVENT_EXT, &attr) != PFM_SUCCESS ||
                attr.type != PFM_ATTR_UMASK) {
                continue;
            }
            snprintf(name, sizeof name, "%s::%s:%s", info.name, event.name, attr.name);
            each(user, name, "processor", attr.desc != NULL ? attr.desc : "");
        }
    }
}
#endif

void perf_event_list(each_event *each, void *user) {
    char name[64], about[96];
    for (size_t i = 0; i < N_NAMED; i++) {
        const struct named_event *event = &named_events[i];
        each(user, event->name, event->type == PERF_TYPE_SOFTWARE ? "software" : "hardware",
             event->about);
    }
    for (size_t i = 0; i < N_CACHES * N_OPERATIONS * 2; i++) {
        size_t cache = i / (N_OPERATIONS * 2), operation = i / 2 % N_OPERATIONS, miss = i % 2;
        cache_name(cache, operation, miss != 0, name, sizeof name);
        snprintf(about, sizeof about, "%s of %s accesses to %s", miss ? "misses" : "number",
                 cache_operations[operation], caches[cache]);
        each(user, name, "hardware", about);
    }
    for (size_t i = 0; i < N_TRACING; i++) {
        if (list_tracepoints(tracing_folders[i], each, user)) break; /* both show the same ones */
    }
#ifdef WOOLLY_HAVE_PFM
    if (!library_is_ready()) return;
    pfm_pmu_t pmu;
    pfm_for_all_pmus(pmu) list_of_pmu(pmu, each, user);
#endif
}
