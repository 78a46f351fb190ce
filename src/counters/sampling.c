/* sampling.c - see sampling.h. */
#include "counters/sampling.h"

#include "base/alloc.h"
#include "counters/perf_events.h"
#include "counters/perf_refusal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MOST_RING_PAGES 64 /* 256 KiB: 10 s at 997 Hz; a power of two */

struct ring {
    int fd;
    struct perf_event_mmap_page *page;
    size_t bytes; /* of the mapping: one page and the ring */
};

struct ip_sampling {
    const struct perf_system *system;
    size_t page_size;
    bool is_running;
    int64_t n_ips, most_ips, n_lost;
    uint64_t *ips;
    int n_rings;
    struct ring rings[];
};

/* As large as the user's locked memory allows. */
static bool map_ring(struct ip_sampling *sampling, struct ring *ring, struct err *err) {
    for (size_t pages = MOST_RING_PAGES;; pages /= 2) {
        ring->bytes = (pages + 1) * sampling->page_size;
        void *mapped = sampling->system->map(ring->bytes, ring->fd);
        if (mapped != MAP_FAILED) {
            ring->page = mapped;
            return true;
        }
        if (pages == 1 || (errno != EPERM && errno != ENOMEM)) {
            return perf_refuse_map(errno, ring->bytes, err);
        }
    }
}

static bool open_ring(struct ip_sampling *sampling, struct ring *ring, pid_t tid, int hz,
                      struct err *err) {
    struct perf_event_attr attr = {
        .size = sizeof attr,
        .type = PERF_TYPE_SOFTWARE,
        .config = PERF_COUNT_SW_CPU_CLOCK,
        .sample_freq = (uint64_t)hz,
        .freq = 1,
        .sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_TID,
        .exclude_kernel = 1,
        .exclude_hv = 1,
        .disabled = 1,
    };
    ring->fd = sampling->system->open(&attr, tid, -1, -1);
    if (ring->fd < 0) return perf_refuse(sampling->system, "cpu-clock", &attr, errno, err);
    return map_ring(sampling, ring, err);
}

struct ip_sampling *ip_sampling_open(const struct ip_sampling_options *options, struct err *err) {
    pid_t tids[PERF_MAX_THREADS];
    int n = perf_thread_ids(options->pid, tids, PERF_MAX_THREADS, err);
    if (n == 0) return NULL;
    struct ip_sampling *sampling = mem_new(sizeof *sampling + (size_t)n * sizeof *sampling->rings);
    if (sampling == NULL) {
        err_set(err, ERR_ENVIRONMENT, "out of memory for the samples of %d threads", n);
        return NULL;
    }
    sampling->system = options->system != NULL ? options->system : &perf_system_linux;
    sampling->page_size = (size_t)sysconf(_SC_PAGESIZE);
    int hz = options->hz > 0 ? options->hz : IP_SAMPLING_HZ;
    struct err refusal = {.code = ERR_NONE};
    for (int i = 0; i < n; i++) {
        struct ring *ring = &sampling->rings[sampling->n_rings];
        *ring = (struct ring){.fd = -1};
        if (open_ring(sampling, ring, tids[i], hz, &refusal)) {
            sampling->n_rings++;
            continue;
        }
        if (ring->fd >= 0) sampling->system->close(ring->fd);
        /* A thread that has just ended is none to sample; all else spoils the shares. */
        if (strstr(refusal.message, "ESRCH") != NULL && n > 1) continue;
        if (err != NULL) *err = refusal;
        ip_sampling_close(sampling);
        return NULL;
    }
    if (sampling->n_rings > 0) return sampling;
    if (err != NULL) *err = refusal;
    ip_sampling_close(sampling);
    return NULL;
}

void ip_sampling_close(struct ip_sampling *sampling) {
    if (sampling == NULL) return;
    for (int i = 0; i < sampling->n_rings; i++) {
        sampling->system->unmap(sampling->rings[i].page, sampling->rings[i].bytes);
        sampling->system->close(sampling->rings[i].fd);
    }
    mem_free(sampling->ips);
    mem_free(sampling);
}

int ip_sampling_threads(const struct ip_sampling *sampling) {
    return sampling->n_rings;
}

/* ---- rings ---- */

struct sample_record {
    struct perf_event_header header;
    uint64_t ip;
    uint32_t pid, tid;
};
struct lost_record {
    struct perf_event_header header;
    uint64_t id, lost;
};

static bool keep(struct ip_sampling *sampling, uint64_t ip, struct err *err) {
    if (sampling->n_ips == sampling->most_ips) {
        int64_t most = sampling->most_ips > 0 ? 2 * sampling->most_ips : 4096;
        uint64_t *larger = mem_realloc(sampling->ips, (size_t)most * sizeof *larger);
        if (larger == NULL) {
            return err_set(err, ERR_ENVIRONMENT, "out of memory for %lld samples", (long long)most);
        }
        sampling->ips = larger;
        sampling->most_ips = most;
    }
    sampling->ips[sampling->n_ips++] = ip;
    return true;
}

/* Copies out of the ring, whose end may lie within a record. */
static void copy_out(const char *data, uint64_t size, uint64_t at, void *out, size_t n) {
    uint64_t begin = at % size, first = size - begin < n ? size - begin : n;
    memcpy(out, data + begin, first);
    memcpy((char *)out + first, data, n - first);
}

static bool drain_ring(struct ip_sampling *sampling, struct ring *ring, struct err *err) {
    const char *data = (const char *)ring->page + sampling->page_size;
    const uint64_t size = ring->bytes - sampling->page_size;
    uint64_t head = __atomic_load_n(&ring->page->data_head, __ATOMIC_ACQUIRE);
    uint64_t tail = ring->page->data_tail;
    bool ok = true;
    while (ok && tail < head) {
        union {
            struct perf_event_header header;
            struct sample_record sample;
            struct lost_record lost;
        } record;
        copy_out(data, size, tail, &record, sizeof record.header);
        size_t n = record.header.size;
        if (n < sizeof record.header || n > head - tail) { /* no kernel writes that */
            tail = head;
            break;
        }
        copy_out(data, size, tail, &record, n < sizeof record ? n : sizeof record);
        if (record.header.type == PERF_RECORD_SAMPLE && n >= sizeof record.sample) {
            ok = keep(sampling, record.sample.ip, err);
        } else if (record.header.type == PERF_RECORD_LOST && n >= sizeof record.lost) {
            sampling->n_lost += (int64_t)record.lost.lost;
        }
        tail += n;
    }
    __atomic_store_n(&ring->page->data_tail, tail, __ATOMIC_RELEASE);
    return ok;
}

bool ip_sampling_drain(struct ip_sampling *sampling, struct err *err) {
    for (int i = 0; i < sampling->n_rings; i++) {
        if (!drain_ring(sampling, &sampling->rings[i], err)) return false;
    }
    return true;
}

static bool switch_all(struct ip_sampling *sampling, bool on, struct err *err) {
    unsigned long request = on ? PERF_EVENT_IOC_ENABLE : PERF_EVENT_IOC_DISABLE;
    for (int i = 0; i < sampling->n_rings; i++) {
        if (sampling->system->ioctl(sampling->rings[i].fd, request, 0) != 0) {
            return err_set(err, ERR_UNAVAILABLE, "sampling cannot be %s: %s",
                           on ? "started" : "stopped", strerror(errno));
        }
    }
    return true;
}

bool ip_sampling_start(struct ip_sampling *sampling, struct err *err) {
    for (int i = 0; i < sampling->n_rings; i++) { /* what came between two windows */
        struct perf_event_mmap_page *page = sampling->rings[i].page;
        page->data_tail = __atomic_load_n(&page->data_head, __ATOMIC_ACQUIRE);
    }
    sampling->n_ips = 0;
    sampling->n_lost = 0;
    sampling->is_running = true;
    return switch_all(sampling, true, err);
}

bool ip_sampling_stop(struct ip_sampling *sampling, struct err *err) {
    if (!sampling->is_running) return true;
    sampling->is_running = false;
    return switch_all(sampling, false, err) && ip_sampling_drain(sampling, err);
}

uint64_t *ip_sampling_ips(struct ip_sampling *sampling, int64_t *n) {
    *n = sampling->n_ips;
    return sampling->ips;
}

int64_t ip_sampling_lost(const struct ip_sampling *sampling) {
    return sampling->n_lost;
}
