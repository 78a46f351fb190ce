/* Facts about the machine: filled where this one tells them, and a fingerprint that stays. */
#include "support/check.h"

#include "counters/machine.h"

#include <sched.h>
#include <stdbool.h>
#include <sys/utsname.h>
#include <unistd.h>

static void test_facts(void) {
    struct machine_info m;
    struct utsname names;
    machine_read(&m);
    CHECK_INT(uname(&names), 0);
    CHECK_STR(m.arch, names.machine);
    CHECK_CONTAINS(m.kernel, names.release);
    CHECK_STR(m.hostname, names.nodename);
    CHECK(m.n_online >= 1 && m.n_online <= sysconf(_SC_NPROCESSORS_CONF));
    if (access("/proc/cpuinfo", R_OK) == 0) CHECK(m.cpu[0] != '\0' && m.n_cores >= 1);
    CHECK(m.n_cores <= sysconf(_SC_NPROCESSORS_CONF));
    if (access("/proc/meminfo", R_OK) == 0) {
        int64_t pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
        CHECK_NEAR((double)m.memory_bytes, (double)(pages * page), 0.02 * (double)m.memory_bytes);
    }
    if (access("/proc/loadavg", R_OK) == 0) CHECK(m.load_1m >= 0);
    if (m.l1d_bytes > 0 && m.l2_bytes > 0) CHECK(m.l1d_bytes <= m.l2_bytes);
    CHECK(m.l1d_bytes >= 0 && m.l2_bytes >= 0 && m.l3_bytes >= 0);
}

static bool has_word(const char *words, const char *word) {
    size_t length = strlen(word);
    for (const char *at = strstr(words, word); at != NULL; at = strstr(at + 1, word)) {
        bool begins = at == words || at[-1] == ' ', ends = at[length] == ' ' || at[length] == '\0';
        if (begins && ends) return true;
    }
    return false;
}

static void test_instruction_sets_are_those_of_the_processor(void) {
    struct machine_info m;
    machine_read(&m);
#if defined(__x86_64__)
    if (m.isa[0] == '\0') return;
    CHECK_INT(has_word(m.isa, "avx2"), __builtin_cpu_supports("avx2") != 0);
    CHECK_INT(has_word(m.isa, "fma"), __builtin_cpu_supports("fma") != 0);
    CHECK_INT(has_word(m.isa, "avx512f"), __builtin_cpu_supports("avx512f") != 0);
    CHECK_INT(has_word(m.isa, "avx512_vnni"), __builtin_cpu_supports("avx512vnni") != 0);
#endif
    CHECK(!has_word(m.isa, "fpu"));
}

static void test_the_fingerprint_is_stable(void) {
    struct machine_info a, b;
    machine_read(&a);
    machine_read(&b);
    CHECK_INT(strlen(a.fingerprint), 16);
    CHECK_INT(strspn(a.fingerprint, "0123456789abcdef"), 16);
    CHECK_STR(a.fingerprint, b.fingerprint);
}

/* Fewer CPUs for this process are fewer schedulable ones, on the same machine. */
static void test_an_affinity_mask_changes_no_fingerprint(void) {
    struct machine_info all, one;
    cpu_set_t before, mask;
    machine_read(&all);
    if (sched_getaffinity(0, sizeof before, &before) != 0) return;
    int cpu = 0;
    while (!CPU_ISSET(cpu, &before))
        cpu++;
    CPU_ZERO(&mask);
    CPU_SET(cpu, &mask);
    if (sched_setaffinity(0, sizeof mask, &mask) != 0) return;
    machine_read(&one);
    sched_setaffinity(0, sizeof before, &before);
    CHECK_INT(one.n_online, 1);
    CHECK_INT(one.n_cores, all.n_cores);
    CHECK_STR(one.fingerprint, all.fingerprint);
}

int main(void) {
    test_facts();
    test_instruction_sets_are_those_of_the_processor();
    test_the_fingerprint_is_stable();
    test_an_affinity_mask_changes_no_fingerprint();
    return check_done();
}
