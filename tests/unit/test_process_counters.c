/* Counters of the process: plausible, monotonic, free of allocations; the reasons are true ones. */
#include "support/check.h"

#include "base/alloc.h"
#include "counters/process_counters.h"

#include <sys/mman.h>
#include <unistd.h>

static void test_values_are_plausible(void) {
    struct process_counters c;
    process_counters_read(&c);
    CHECK(c.cpu_ns > 0 && c.thread_cpu_ns > 0 && c.thread_cpu_ns <= c.cpu_ns + 100000000);
    CHECK(c.wall_ns > 0);
    CHECK(c.minor_faults > 0 && c.major_faults >= 0);
    CHECK(c.voluntary_switches >= 0 && c.involuntary_switches >= 0);
    CHECK(c.steal_ns >= -1);
    if (access("/proc/self/status", R_OK) != 0) {
        CHECK_INT(c.rss_bytes, -1);
        return;
    }
    CHECK(c.rss_bytes > 100000 && c.peak_rss_bytes >= c.rss_bytes);
    CHECK(c.rss_anon_bytes > 0 && c.rss_anon_bytes + c.rss_file_bytes <= c.rss_bytes);
}

static void test_counters_never_go_back(void) {
    struct process_counters before, after;
    process_counters_read(&before);
    volatile double sum = 0;
    for (int i = 0; i < 1000000; i++)
        sum += i;
    process_counters_read(&after);
    CHECK(sum > 0 && after.cpu_ns > before.cpu_ns && after.wall_ns > before.wall_ns);
    CHECK(after.thread_cpu_ns > before.thread_cpu_ns);
    CHECK(after.minor_faults >= before.minor_faults && after.steal_ns >= before.steal_ns);
    CHECK(after.voluntary_switches >= before.voluntary_switches);
}

static void test_reading_allocates_nothing(void) {
    struct process_counters before, after;
    process_counters_read(&before);
    process_counters_read(&after);
    CHECK_INT(after.allocations, before.allocations);
    CHECK_INT(after.allocated_bytes, before.allocated_bytes);
    CHECK_INT(after.live_bytes, before.live_bytes);
}

static void test_allocations_are_counted_exactly(void) {
    struct process_counters before, during, after;
    process_counters_read(&before);
    void *a = mem_alloc(1000), *b = mem_new(24);
    process_counters_read(&during);
    mem_free(a);
    mem_free(b);
    process_counters_read(&after);
    CHECK_INT(during.allocations - before.allocations, 2);
    CHECK_INT(during.allocated_bytes - before.allocated_bytes, 1024);
    CHECK(during.live_bytes - before.live_bytes >= 1024);
    CHECK_INT(after.live_bytes, before.live_bytes);
}

/* 64 MB touched and given back: the peak keeps them until it is set back. */
static void test_the_peak_is_set_back(void) {
    struct process_counters start, peak, reset;
    struct err err;
    size_t size = 64000000;
    process_counters_read(&start);
    char *block = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(block != MAP_FAILED);
    memset(block, 1, size);
    munmap(block, size);
    process_counters_read(&peak);
    if (peak.peak_rss_bytes < 0) return;
    CHECK(peak.peak_rss_bytes >= start.rss_bytes + 60000000);
    if (!process_counters_reset_peak(&err)) {
        CHECK_INT(err.code, ERR_UNAVAILABLE);
        CHECK_CONTAINS(err.message, "clear_refs");
        return;
    }
    process_counters_read(&reset);
    CHECK(reset.peak_rss_bytes <= peak.peak_rss_bytes - 50000000);
    CHECK(reset.peak_rss_bytes >= reset.rss_bytes);
}

int main(void) {
    test_values_are_plausible();
    test_counters_never_go_back();
    test_reading_allocates_nothing();
    test_allocations_are_counted_exactly();
    test_the_peak_is_set_back();
    return check_done();
}
