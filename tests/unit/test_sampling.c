/* Samples and what is made of them: rings of a played kernel, decoded instructions, and three loops
 * whose mix of instructions is known, sampled for real. */
#include "support/check.h"

#include "base/clock.h"
#include "counters/sampling.h"
#include "counters/simd_share.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- rings of a played kernel ---- */

enum { PAGE = 4096, RING_PAGES = 2 };

static struct {
    _Alignas(PAGE) unsigned char memory[(1 + RING_PAGES) * PAGE];
    size_t most_bytes; /* that may be mapped; more: EPERM */
    int refused;
    int n_open, n_maps;
} kernel;

static int fake_open(struct perf_event_attr *attr, pid_t tid, int cpu, int group_fd) {
    (void)tid;
    CHECK_INT(cpu, -1);
    CHECK_INT(group_fd, -1);
    CHECK_INT(attr->sample_freq, IP_SAMPLING_HZ);
    CHECK(attr->exclude_kernel && attr->freq);
    errno = kernel.refused;
    if (kernel.refused != 0) return -1;
    kernel.n_open++;
    return 99;
}

static int fake_close(int fd) {
    CHECK_INT(fd, 99);
    kernel.n_open--;
    return 0;
}

static int fake_ioctl(int fd, unsigned long request, unsigned long argument) {
    (void)request;
    return fd == 99 && argument == 0 ? 0 : -1;
}

static void *fake_map(size_t size, int fd) {
    (void)fd;
    kernel.n_maps++;
    errno = EPERM;
    return size > kernel.most_bytes ? MAP_FAILED : kernel.memory;
}

static void fake_unmap(void *page, size_t size) {
    CHECK(page == kernel.memory);
    CHECK_INT(size, kernel.most_bytes);
}

static bool no_line(const char *path, char *out, size_t size) {
    (void)path;
    snprintf(out, size, "2");
    return true;
}

static bool all_there(const char *path) {
    (void)path;
    return true;
}

static const struct perf_system played = {
    .open = fake_open, .close = fake_close, .ioctl = fake_ioctl, .map = fake_map,
    .unmap = fake_unmap, .read_line = no_line, .exists = all_there,
};

static uint64_t ring_head;

static void write_ring(const void *bytes, size_t n) {
    struct perf_event_mmap_page *page = (void *)kernel.memory;
    for (size_t i = 0; i < n; i++) {
        kernel.memory[PAGE + (ring_head + i) % (RING_PAGES * PAGE)] = ((const unsigned char *)bytes)[i];
    }
    ring_head += n;
    page->data_head = ring_head;
}

static void write_sample(uint64_t ip) {
    struct {
        struct perf_event_header header;
        uint64_t ip;
        uint32_t pid, tid;
    } record = {{PERF_RECORD_SAMPLE, 0, sizeof record}, ip, 1, 1};
    write_ring(&record, sizeof record);
}

static void write_lost(uint64_t n) {
    struct {
        struct perf_event_header header;
        uint64_t id, lost;
    } record = {{PERF_RECORD_LOST, 0, sizeof record}, 1, n};
    write_ring(&record, sizeof record);
}

/* 340 records of 24 bytes go round a ring of 8192 bytes: some lie across its end. */
static void test_records_are_taken_out_in_whole(void) {
    struct err err;
    struct ip_sampling_options options = {.system = &played};
    memset(&kernel, 0, sizeof kernel);
    kernel.most_bytes = sizeof kernel.memory;
    ring_head = 0;
    struct ip_sampling *sampling = ip_sampling_open(&options, &err);
    CHECK(sampling != NULL);
    if (sampling == NULL) return;
    CHECK_INT(kernel.n_maps, 6); /* 64, 32 .. 2 pages */
    write_sample(12345); /* before the window */
    CHECK(ip_sampling_start(sampling, &err));
    int64_t n = 0, sum = 0;
    for (uint64_t i = 1; i <= 1000; i++) {
        write_sample(i);
        if (i % 300 == 0) CHECK(ip_sampling_drain(sampling, &err));
    }
    write_lost(7);
    CHECK(ip_sampling_stop(sampling, &err));
    const uint64_t *ips = ip_sampling_ips(sampling, &n);
    CHECK_INT(n, 1000);
    for (int64_t i = 0; i < n; i++) sum += (int64_t)ips[i];
    CHECK_INT(sum, 1000 * 1001 / 2);
    CHECK_INT(ip_sampling_lost(sampling), 7);
    ip_sampling_close(sampling);
    CHECK_INT(kernel.n_open, 0);
}

static void test_a_broken_record_ends_the_ring(void) {
    struct err err;
    struct ip_sampling_options options = {.system = &played};
    static const struct perf_event_header broken = {PERF_RECORD_SAMPLE, 0, 3};
    memset(&kernel, 0, sizeof kernel);
    kernel.most_bytes = sizeof kernel.memory;
    ring_head = 0;
    struct ip_sampling *sampling = ip_sampling_open(&options, &err);
    CHECK(ip_sampling_start(sampling, &err));
    write_sample(1);
    write_ring(&broken, sizeof broken);
    CHECK(ip_sampling_stop(sampling, &err));
    int64_t n = 0;
    ip_sampling_ips(sampling, &n);
    CHECK_INT(n, 1);
    ip_sampling_close(sampling);
}

static void test_refusals_come_with_the_reason(void) {
    struct err err;
    struct ip_sampling_options options = {.system = &played};
    memset(&kernel, 0, sizeof kernel);
    kernel.refused = EACCES;
    CHECK(ip_sampling_open(&options, &err) == NULL);
    CHECK_CONTAINS(err.message, "not permitted");
    kernel.refused = 0; /* no locked memory at all */
    CHECK(ip_sampling_open(&options, &err) == NULL);
    CHECK_CONTAINS(err.message, "perf_event_mlock_kb");
    CHECK_INT(kernel.n_open, 0);
    options.pid = 0x3fffffff;
    CHECK(ip_sampling_open(&options, &err) == NULL);
    CHECK_CONTAINS(err.message, "no process");
}

static void test_intervals_of_shares(void) {
    double low, high;
    simd_interval(0.5, 1000, &low, &high);
    CHECK_NEAR(low, 0.4691, 1e-3);
    CHECK_NEAR(high, 0.5309, 1e-3);
    simd_interval(0, 100, &low, &high);
    CHECK_NEAR(low, 0, 1e-12);
    CHECK_NEAR(high, 0.037, 1e-3);
    simd_interval(0.3, 0, &low, &high);
    CHECK(low == 0 && high == 1);
}

#if defined(__x86_64__)

/* ---- classes ---- */

static void expect_class(const char *what, const uint8_t *code, size_t n,
                         enum code_class expected) {
    struct code_instruction found;
    CHECK(code_decode(code, n, &found));
    CHECK_INT(found.length, n);
    if (found.code_class != expected) fprintf(stderr, "%s: ", what);
    CHECK_STR(code_class_name(found.code_class), code_class_name(expected));
}
#define EXPECT(what, expected, ...)                                                                \
    do {                                                                                           \
        static const uint8_t code_[] = {__VA_ARGS__};                                              \
        expect_class(what, code_, sizeof code_, expected);                                         \
    } while (0)

static void test_instructions_have_their_class(void) {
    EXPECT("add eax, ecx", CODE_SCALAR, 0x01, 0xc8);
    EXPECT("addss xmm0, xmm1", CODE_SCALAR, 0xf3, 0x0f, 0x58, 0xc1);
    EXPECT("movsd xmm0, [rdi]", CODE_SCALAR, 0xf2, 0x0f, 0x10, 0x07);
    EXPECT("cvtsi2ss xmm0, eax", CODE_SCALAR, 0xf3, 0x0f, 0x2a, 0xc0);
    EXPECT("movd xmm0, eax", CODE_SCALAR, 0x66, 0x0f, 0x6e, 0xc0);
    EXPECT("pxor xmm0, xmm0", CODE_SCALAR, 0x66, 0x0f, 0xef, 0xc0);
    EXPECT("vxorps ymm0, ymm0, ymm0", CODE_SCALAR, 0xc5, 0xfc, 0x57, 0xc0);
    EXPECT("vzeroupper", CODE_SCALAR, 0xc5, 0xf8, 0x77);
    EXPECT("vfmadd231ss xmm0, xmm1, xmm2", CODE_SCALAR, 0xc4, 0xe2, 0x71, 0xb9, 0xc2);
    EXPECT("prefetcht0 [rdi]", CODE_SCALAR, 0x0f, 0x18, 0x0f);
    EXPECT("crc32 eax, ecx", CODE_SCALAR, 0xf2, 0x0f, 0x38, 0xf1, 0xc1);
    EXPECT("popcnt eax, ecx", CODE_SCALAR, 0xf3, 0x0f, 0xb8, 0xc1);
    EXPECT("addps xmm0, xmm1", CODE_SSE, 0x0f, 0x58, 0xc1);
    EXPECT("pxor xmm0, xmm1", CODE_SSE, 0x66, 0x0f, 0xef, 0xc1);
    EXPECT("pmaddubsw xmm0, xmm1", CODE_SSE, 0x66, 0x0f, 0x38, 0x04, 0xc1);
    EXPECT("pabsd xmm0, xmm1", CODE_SSE, 0x66, 0x0f, 0x38, 0x1e, 0xc1);
    EXPECT("vaddps ymm0, ymm0, ymm1", CODE_AVX, 0xc5, 0xfc, 0x58, 0xc1);
    EXPECT("vcvtph2ps ymm0, [rdi]", CODE_AVX, 0xc4, 0xe2, 0x7d, 0x13, 0x07);
    EXPECT("vbroadcastss ymm0, [rdi]", CODE_AVX, 0xc4, 0xe2, 0x7d, 0x18, 0x07);
    EXPECT("vpaddd ymm0, ymm0, ymm1", CODE_AVX2, 0xc5, 0xfd, 0xfe, 0xc1);
    EXPECT("vpabsd ymm0, ymm1", CODE_AVX2, 0xc4, 0xe2, 0x7d, 0x1e, 0xc1);
    EXPECT("vfmadd231ps ymm0, ymm1, ymm2", CODE_FMA, 0xc4, 0xe2, 0x75, 0xb8, 0xc2);
    EXPECT("vfmadd231ps zmm0, zmm1, zmm2", CODE_FMA, 0x62, 0xf2, 0x75, 0x48, 0xb8, 0xc2);
    EXPECT("vaddps zmm0, zmm0, zmm1", CODE_AVX512, 0x62, 0xf1, 0x7c, 0x48, 0x58, 0xc1);
    EXPECT("vpdpbusd zmm0, zmm1, zmm2", CODE_VNNI, 0x62, 0xf2, 0x75, 0x48, 0x50, 0xc2);
    EXPECT("{vex} vpdpbusd ymm0, ymm1, ymm2", CODE_VNNI, 0xc4, 0xe2, 0x75, 0x50, 0xc2);
}

static void test_branches_tell_where_they_lead(void) {
    static const uint8_t back[] = {0x75, 0xf0}, call[] = {0xe8, 0, 0, 0, 0}, ret[] = {0xc3};
    struct code_instruction found;
    CHECK(code_decode(back, sizeof back, &found));
    CHECK(found.ends_block && found.has_target);
    CHECK_INT(found.target, -14);
    CHECK(code_decode(call, sizeof call, &found));
    CHECK(!found.ends_block && !found.has_target);
    CHECK(code_decode(ret, sizeof ret, &found));
    CHECK(found.ends_block && !found.has_target);
    CHECK(!code_decode(call, 3, &found));
}

/* ---- loops whose mix is known ---- */

/* Load, multiply and add, four times over, and three instructions of the loop: in the scalar loop none
 * of 15 is packed, in the others 12 of 15. */
#define LOOP(name, body)                                                                           \
    __attribute__((noinline)) static void name(const float *data, int64_t rounds) {                \
        __asm__ volatile("1:\n" body "add $0, %[data]\n"                                           \
                         "sub $1, %[n]\n"                                                          \
                         "jnz 1b\n"                                                                \
                         : [n] "+r"(rounds), [data] "+r"(data)                                     \
                         :                                                                         \
                         : "xmm0", "xmm1", "xmm2", "xmm3", "cc", "memory");                        \
    }
#define FOUR(one) one one one one
LOOP(loop_scalar, FOUR("movss (%[data]), %%xmm0\n mulss %%xmm1, %%xmm0\n addss %%xmm0, %%xmm2\n"))
LOOP(loop_sse, FOUR("movups (%[data]), %%xmm0\n mulps %%xmm1, %%xmm0\n addps %%xmm0, %%xmm2\n"))
LOOP(loop_avx2, FOUR("vmovdqu (%[data]), %%ymm0\n vpmulld %%ymm1, %%ymm0, %%ymm0\n"
                     "vpaddd %%ymm0, %%ymm2, %%ymm2\n") "vzeroupper\n")

static _Alignas(64) float data[64];

/* Samples `loop` for a while. NULL when this machine does not allow it, with the reason. */
static bool sample(void (*loop)(const float *, int64_t), struct simd_profile *out,
                   struct err *err) {
    struct ip_sampling_options options = {.pid = 0};
    struct ip_sampling *sampling = ip_sampling_open(&options, err);
    if (sampling == NULL) return false;
    bool ok = ip_sampling_start(sampling, err);
    int64_t cpu_end = clock_thread_cpu_ns() + 300000000;
    while (clock_thread_cpu_ns() < cpu_end) loop(data, 100000);
    ok = ok && ip_sampling_stop(sampling, err);
    int64_t n = 0;
    uint64_t *ips = ip_sampling_ips(sampling, &n);
    struct code_map *map = code_map_open(0, err);
    ok = ok && map != NULL && simd_profile_make(map, ips, n, out, err);
    code_map_close(map);
    ip_sampling_close(sampling);
    return ok;
}

static void expect_mix(const char *name, const struct simd_profile *p, double packed,
                       enum code_class main_class) {
    double sum = 0;
    for (int c = 0; c < CODE_CLASSES; c++) sum += p->instructions[c];
    CHECK_NEAR(sum, 1, 1e-9);
    CHECK(p->n_samples >= 100);
    CHECK(p->n_unknown <= p->n_samples / 20);
    CHECK_NEAR(simd_packed(p->instructions), packed, 0.05);
    if (packed > 0) CHECK(p->instructions[main_class] > 0.6 * packed); /* ymm moves are AVX's */
    CHECK(p->n_functions >= 1);
    CHECK_STR(p->functions[0].function.name, name);
    CHECK_NEAR(p->functions[0].packed, packed, 0.01);
    printf("# %s: packed %.1f %% of instructions, %.1f %% of time, %lld samples\n", name,
           100 * simd_packed(p->instructions), 100 * simd_packed(p->time),
           (long long)p->n_samples);
}

static void test_known_loops(void) {
    struct simd_profile profile;
    struct err err = {.message = ""};
    if (!sample(loop_scalar, &profile, &err)) {
        if (check_failures > 0) return;
        CHECK_INT(err.code, ERR_UNAVAILABLE);
        check_skip(err.message);
    }
    expect_mix("loop_scalar", &profile, 0, CODE_SCALAR);
    CHECK(sample(loop_sse, &profile, &err));
    expect_mix("loop_sse", &profile, 12.0 / 15, CODE_SSE);
    if (!__builtin_cpu_supports("avx2")) return;
    CHECK(sample(loop_avx2, &profile, &err));
    expect_mix("loop_avx2", &profile, 12.0 / 16, CODE_AVX2);
}

/* A child that runs a loop, seen from outside by its pid. */
static void test_another_process_is_sampled(void) {
    struct err err;
    pid_t child = fork();
    if (child == 0) {
        void (*volatile loop)(const float *, int64_t) = loop_sse; /* not a copy for these arguments */
        for (;;) loop(data, 100000);
    }
    struct ip_sampling_options options = {.pid = child};
    struct ip_sampling *sampling = ip_sampling_open(&options, &err);
    struct code_map *map = code_map_open(child, &err);
    CHECK(sampling != NULL && map != NULL);
    if (sampling != NULL && map != NULL) {
        struct simd_profile profile = {.n_samples = 0};
        int64_t n = 0;
        CHECK(ip_sampling_start(sampling, &err));
        for (int i = 0; i < 60 && n < 100; i++) {
            usleep(100000);
            CHECK(ip_sampling_drain(sampling, &err));
            ip_sampling_ips(sampling, &n);
        }
        CHECK(ip_sampling_stop(sampling, &err));
        uint64_t *ips = ip_sampling_ips(sampling, &n);
        CHECK(simd_profile_make(map, ips, n, &profile, &err));
        expect_mix("loop_sse", &profile, 12.0 / 15, CODE_SSE);
    }
    code_map_close(map);
    ip_sampling_close(sampling);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
}

/* Functions without a symbol: a loop that was written to memory. */
static void test_code_without_symbols_is_spread_over_its_loop(void) {
    /* 1: movups xmm0, [rdi]; addps xmm1, xmm0; dec rsi; jnz 1b; ret */
    static const uint8_t code[] = {0x0f, 0x10, 0x07, 0x0f, 0x58, 0xc8, 0x48, 0xff,
                                   0xce, 0x75, 0xf5, 0xc3};
    struct err err;
    uint8_t *block = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memcpy(block, code, sizeof code);
    mprotect(block, 4096, PROT_READ | PROT_EXEC);
    struct code_map *map = code_map_open(0, &err);
    struct simd_profile profile;
    uint64_t at = (uint64_t)(uintptr_t)block, ips[] = {at + 3, at + 3, at + 6, at, 16, at + 9};
    CHECK(map != NULL && simd_profile_make(map, ips, 6, &profile, &err));
    CHECK_INT(profile.n_samples, 5);
    CHECK_INT(profile.n_unknown, 1); /* nothing is mapped at 16 */
    CHECK_NEAR(profile.instructions[CODE_SSE], 0.5, 1e-9);
    CHECK_NEAR(profile.time[CODE_SSE], 0.6, 1e-9);
    code_map_close(map);
    munmap(block, 4096);
}

static void test_addresses_have_their_function(void) {
    struct err err;
    struct code_function function;
    struct code_map *map = code_map_open(0, &err);
    CHECK(map != NULL);
    CHECK(code_map_find(map, (uint64_t)(uintptr_t)loop_sse + 1, &function));
    CHECK_STR(function.name, "loop_sse");
    CHECK_INT(function.begin, (uint64_t)(uintptr_t)loop_sse);
    CHECK(function.end > function.begin && function.end - function.begin < 4096);
    CHECK_CONTAINS(function.object, "test_sampling");
    CHECK(!code_map_find(map, 16, &function));
    code_map_close(map);
    CHECK(code_map_open(0x3fffffff, &err) == NULL);
    CHECK_CONTAINS(err.message, "cannot be read");
}

#endif

int main(void) {
    test_records_are_taken_out_in_whole();
    test_a_broken_record_ends_the_ring();
    test_refusals_come_with_the_reason();
    test_intervals_of_shares();
#if defined(__x86_64__)
    struct err reason;
    if (code_decoder(&reason) == NULL) {
        if (check_failures == 0) check_skip(reason.message);
        return check_done();
    }
    test_instructions_have_their_class();
    test_branches_tell_where_they_lead();
    test_addresses_have_their_function();
    test_code_without_symbols_is_spread_over_its_loop();
    test_known_loops();
    test_another_process_is_sampled();
#endif
    return check_done();
}
