/* The roofs: sizes that are measured, figures that are finite, and what is refused. No speed is
 * asserted: the machine may be busy. */
#include "support/check.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "counters/roofline.h"

#include <pthread.h>
#include <stdbool.h>

enum { N_SAMPLES = 3, SAMPLE_NS = 200000 };

static void check_samples(enum roofline_what what, struct roofline_options options) {
    double samples[N_SAMPLES] = {0};
    struct err err = {0};
    CHECK(roofline_measure(what, &options, samples, &err));
    CHECK_STR(err.message, "");
    for (int i = 0; i < options.n_samples; i++)
        CHECK(isfinite(samples[i]) && samples[i] > 0);
}

static void test_every_loop_of_every_instruction_set_yields_samples(void) {
    int n = 0;
    for (const char *const *isa = roofline_isas(); *isa != NULL; isa++, n++) {
        for (int what = ROOFLINE_READ; what <= ROOFLINE_INT4; what++) {
            check_samples((enum roofline_what)what,
                          (struct roofline_options){.isa = *isa,
                                                    .n_threads = 1,
                                                    .bytes = 65536,
                                                    .n_samples = N_SAMPLES,
                                                    .sample_ns = SAMPLE_NS});
        }
    }
    CHECK(n >= 1);
}

/* Sizes that are no multiple of anything, threads more than there are processors. */
static void test_odd_sizes_and_many_threads(void) {
    static const int64_t sizes[] = {4096, 4097, 5000, 100003, 3 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        check_samples(ROOFLINE_READ, (struct roofline_options){.n_threads = 1 + (int)i,
                                                               .bytes = sizes[i],
                                                               .n_samples = 2,
                                                               .sample_ns = SAMPLE_NS});
    }
}

static void test_refusals_say_what_is_allowed(void) {
    double sample = 0;
    struct err err;
    struct roofline_options options = {.n_threads = 1, .bytes = 4096, .n_samples = 1};
    options.isa = "mmx";
    CHECK(!roofline_measure(ROOFLINE_F32, &options, &sample, &err));
    CHECK_INT(err.code, ERR_UNAVAILABLE);
    CHECK_CONTAINS(err.message, "mmx");
    options.isa = NULL;
    options.bytes = 4095;
    CHECK(!roofline_measure(ROOFLINE_READ, &options, &sample, &err));
    CHECK_INT(err.code, ERR_INPUT);
    CHECK_CONTAINS(err.message, "4095");
    options.n_threads = 0;
    CHECK(!roofline_measure(ROOFLINE_F32, &options, &sample, &err));
    CHECK_INT(err.code, ERR_INPUT);
    options.n_threads = 2;
    options.bytes = INT64_MAX / 2;
    CHECK(!roofline_measure(ROOFLINE_READ, &options, &sample, &err));
}

static void test_short_memory_is_a_failure_without_a_leak(void) {
    double sample = 0;
    struct err err;
    struct roofline_options options = {
        .n_threads = 2, .bytes = 65536, .n_samples = 1, .sample_ns = SAMPLE_NS};
    for (uint64_t nth = 1; nth <= 2; nth++) {
        int64_t live = mem_live_bytes();
        mem_fail_at(nth, 0);
        CHECK(!roofline_measure(ROOFLINE_READ, &options, &sample, &err));
        mem_fail_at(0, 0);
        CHECK_INT(err.code, ERR_ENVIRONMENT);
        CHECK_INT(mem_live_bytes(), live);
    }
}

static void *raise_later(void *flag) {
    clock_sleep_ns(20000000, NULL);
    __atomic_store_n((int *)flag, 1, __ATOMIC_RELAXED);
    return NULL;
}

static void test_cancelling_ends_a_measurement_soon(void) {
    for (int what = ROOFLINE_READ; what <= ROOFLINE_INT4; what++) {
        volatile int cancel = 0;
        double samples[2];
        struct err err;
        pthread_t thread;
        struct roofline_options options = {.n_threads = 2,
                                           .bytes = 1 << 20,
                                           .n_samples = 2,
                                           .sample_ns = INT64_C(600000000000),
                                           .cancel = &cancel};
        CHECK_INT(pthread_create(&thread, NULL, raise_later, (void *)&cancel), 0);
        CHECK(!roofline_measure((enum roofline_what)what, &options, samples, &err));
        CHECK_INT(err.code, ERR_CANCELLED);
        pthread_join(thread, NULL);
    }
}

static void test_working_sets_follow_the_caches(void) {
    struct machine_info machine = {
        .l1d_bytes = 32 << 10, .l2_bytes = 1 << 20, .l3_bytes = 32 << 20, .n_online = 2};
    CHECK_INT(roofline_set(&machine, ROOFLINE_L1, 1).bytes, 16 << 10);
    CHECK_INT(roofline_set(&machine, ROOFLINE_L1, 2).bytes, 16 << 10);
    CHECK_INT(roofline_set(&machine, ROOFLINE_L1, 2).capacity, 64 << 10);
    CHECK_INT(roofline_set(&machine, ROOFLINE_L2, 1).bytes, 512 << 10);
    struct roofline_set l3 = roofline_set(&machine, ROOFLINE_L3, 1);
    CHECK(l3.bytes > machine.l2_bytes && l3.bytes <= l3.capacity);
    struct roofline_set one = roofline_set(&machine, ROOFLINE_DRAM, 1);
    struct roofline_set two = roofline_set(&machine, ROOFLINE_DRAM, 2);
    CHECK(one.bytes > 0 && one.bytes <= 1 << 30);
    CHECK(two.bytes <= one.bytes && two.bytes >= one.bytes / 4);
    CHECK_INT(one.capacity, 0);
    machine = (struct machine_info){0}; /* nothing told */
    CHECK_INT(roofline_set(&machine, ROOFLINE_L1, 1).bytes, 0);
    CHECK_INT(roofline_set(&machine, ROOFLINE_L3, 1).bytes, 0);
    const int64_t untold = roofline_set(&machine, ROOFLINE_DRAM, 1).bytes;
    machine.l2_bytes = 1 << 20;
    machine.l3_bytes = 8 << 20;
    const int64_t told = roofline_set(&machine, ROOFLINE_DRAM, 1).bytes;
    CHECK(told > 0 && told <= 256 << 20);
    CHECK(untold >= told);
}

static void test_names(void) {
    enum roofline_what what = ROOFLINE_READ;
    CHECK(roofline_what_from_name("int8", &what));
    CHECK_INT(what, ROOFLINE_INT8);
    CHECK_STR(roofline_what_name(ROOFLINE_F32), "f32");
    CHECK(!roofline_what_from_name("f64", &what));
    CHECK_STR(roofline_level_name(ROOFLINE_DRAM), "dram");
}

int main(void) {
    test_every_loop_of_every_instruction_set_yields_samples();
    test_odd_sizes_and_many_threads();
    test_refusals_say_what_is_allowed();
    test_short_memory_is_a_failure_without_a_leak();
    test_cancelling_ends_a_measurement_soon();
    test_working_sets_follow_the_caches();
    test_names();
    return check_done();
}
