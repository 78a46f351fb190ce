/* machine.c - reads what /proc, /sys and CPUID tell about the machine, and names it by a hash. */
#include "counters/machine.h"

#include "counters/proc_file.h"

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define CPU_FOLDER "/sys/devices/system/cpu/"

static void copy_text(char *out, size_t size, const char *text) {
    snprintf(out, size, "%s", text);
}

/* ---- /proc/cpuinfo ---- */

/* Physical cores as bits: package and core number, both small in practice. */
enum { MAX_PACKAGES = 64, MAX_CORES = 1024 };
struct cpu_lines {
    struct machine_info *out;
    int package, n_processors, n_cores;
    unsigned char seen[MAX_PACKAGES * MAX_CORES / 8];
};

/* Of the processor's features, those that kernels are written for, in this order. */
static void keep_isa(struct machine_info *out, const char *flags) {
    static const char *const wanted[] = {
        "sse4_2",      "avx",         "avx2",     "fma",      "f16c",     "bmi2",
        "avx_vnni",    "avx512f",     "avx512bw", "avx512dq", "avx512vl", "avx512_vnni",
        "avx512_bf16", "avx512_fp16", "amx_tile", "amx_int8", "amx_bf16", "asimd",
        "asimdhp",     "asimddp",     "i8mm",     "bf16",     "sve",      "sve2",
    };
    size_t used = 0;
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        size_t length = strlen(wanted[i]);
        const char *at = flags;
        while ((at = strstr(at, wanted[i])) != NULL) {
            bool begins = at == flags || at[-1] == ' ';
            if (begins && (at[length] == ' ' || at[length] == '\0')) break;
            at += length;
        }
        if (at == NULL || used + length + 2 > sizeof out->isa) continue;
        if (used > 0) out->isa[used++] = ' ';
        memcpy(out->isa + used, wanted[i], length + 1);
        used += length;
    }
}

static void take_line(struct cpu_lines *lines, const char *key, const char *value) {
    if (strcmp(key, "processor") == 0) {
        lines->n_processors++;
        lines->package = 0;
    } else if (strcmp(key, "model name") == 0 && lines->out->cpu[0] == '\0') {
        copy_text(lines->out->cpu, sizeof lines->out->cpu, value);
    } else if ((strcmp(key, "flags") == 0 || strcmp(key, "Features") == 0) &&
               lines->out->isa[0] == '\0') {
        keep_isa(lines->out, value);
    } else if (strcmp(key, "microcode") == 0) {
        copy_text(lines->out->microcode, sizeof lines->out->microcode, value);
    } else if (strcmp(key, "physical id") == 0) {
        lines->package = atoi(value);
    } else if (strcmp(key, "core id") == 0) {
        unsigned bit =
            (unsigned)lines->package % MAX_PACKAGES * MAX_CORES + (unsigned)atoi(value) % MAX_CORES;
        unsigned char mask = (unsigned char)(1u << bit % 8);
        if ((lines->seen[bit / 8] & mask) == 0) lines->n_cores++;
        lines->seen[bit / 8] |= mask;
    }
}

/* Arm names no model, only numbers. */
static void name_by_numbers(struct machine_info *out, const char *implementer, const char *part) {
    if (out->cpu[0] != '\0' || implementer[0] == '\0') return;
    snprintf(out->cpu, sizeof out->cpu, "%s implementer %s part %s", out->arch, implementer, part);
}

static void read_cpuinfo(struct machine_info *out) {
    FILE *file = fopen("/proc/cpuinfo", "re");
    if (file == NULL) return;
    struct cpu_lines lines = {.out = out};
    char line[8192], implementer[16] = "", part[16] = "";
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char *colon = strchr(line, ':');
        if (colon == NULL) continue;
        char *value = colon + 1 + strspn(colon + 1, " ");
        while (colon > line && (colon[-1] == '\t' || colon[-1] == ' '))
            colon--;
        *colon = '\0';
        take_line(&lines, line, value);
        if (strcmp(line, "CPU implementer") == 0)
            snprintf(implementer, sizeof implementer, "%.15s", value);
        if (strcmp(line, "CPU part") == 0) snprintf(part, sizeof part, "%.15s", value);
    }
    fclose(file);
    name_by_numbers(out, implementer, part);
    out->n_cores = lines.n_cores > 0 ? lines.n_cores : lines.n_processors;
}

/* ---- caches, clocks ---- */

static void read_caches(struct machine_info *out) {
    char path[128], level[8], type[32], size[32];
    for (int i = 0; i < 8; i++) {
        snprintf(path, sizeof path, CPU_FOLDER "cpu0/cache/index%d/level", i);
        if (!proc_read_line(path, level, sizeof level)) break;
        snprintf(path, sizeof path, CPU_FOLDER "cpu0/cache/index%d/type", i);
        proc_read_line(path, type, sizeof type);
        snprintf(path, sizeof path, CPU_FOLDER "cpu0/cache/index%d/size", i);
        proc_read_line(path, size, sizeof size);
        if (strcmp(type, "Instruction") == 0) continue;
        char *unit = NULL;
        int64_t bytes = strtoll(size, &unit, 10);
        if (*unit == 'K') bytes *= 1024;
        if (*unit == 'M') bytes *= 1024 * 1024;
        if (level[0] == '1') out->l1d_bytes = bytes;
        if (level[0] == '2') out->l2_bytes = bytes;
        if (level[0] == '3') out->l3_bytes = bytes;
    }
}

static void read_clocks(struct machine_info *out) {
    char text[16];
    proc_read_line(CPU_FOLDER "cpu0/cpufreq/scaling_governor", out->governor, sizeof out->governor);
    proc_read_line(CPU_FOLDER "smt/control", out->smt, sizeof out->smt);
    if (proc_read_line(CPU_FOLDER "intel_pstate/no_turbo", text, sizeof text)) {
        copy_text(out->turbo, sizeof out->turbo, text[0] == '0' ? "on" : "off");
    } else if (proc_read_line(CPU_FOLDER "cpufreq/boost", text, sizeof text)) {
        copy_text(out->turbo, sizeof out->turbo, text[0] == '0' ? "off" : "on");
    }
}

static void count_nodes(struct machine_info *out) {
    char path[64];
    do {
        snprintf(path, sizeof path, "/sys/devices/system/node/node%d", out->n_numa_nodes);
    } while (access(path, F_OK) == 0 && ++out->n_numa_nodes < 4096);
}

static int count_online(void) {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) == 0) return CPU_COUNT(&set);
    long n = sysconf(_SC_NPROCESSORS_ONLN); /* more CPUs than the set has bits */
    return n > 0 ? (int)n : 0;
}

/* ---- the system around it ---- */

static void read_memory(struct machine_info *out) {
    char text[4096];
    proc_read("/proc/meminfo", text, sizeof text);
    int64_t kib = proc_field(text, "MemTotal");
    out->memory_bytes = kib > 0 ? kib * 1024 : 0;
}

static void read_os(struct machine_info *out) {
    char text[4096];
    proc_read("/etc/os-release", text, sizeof text);
    static const char key[] = "PRETTY_NAME=";
    for (char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += strspn(line, "\n");
        if (strncmp(line, key, sizeof key - 1) != 0) continue;
        line += sizeof key - 1;
        if (*line == '"' || *line == '\'') line++;
        line[strcspn(line, "\"'\n")] = '\0';
        copy_text(out->os, sizeof out->os, line);
        return;
    }
}

#if defined(__x86_64__)
static void read_hypervisor(struct machine_info *out) {
    static const struct {
        const char *signature, *name;
    } known[] = {{"KVMKVMKVM", "KVM"},          {"VMwareVMware", "VMware"},
                 {"Microsoft Hv", "Hyper-V"},   {"XenVMMXenVMM", "Xen"},
                 {"TCGTCGTCGTCG", "QEMU"},      {"VBoxVBoxVBox", "VirtualBox"},
                 {" lrpepyh  vr", "Parallels"}, {"bhyve bhyve ", "bhyve"}};
    unsigned a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & 1u << 31) == 0) return;
    unsigned words[3];
    char signature[13];
    __cpuid(0x40000000, a, words[0], words[1], words[2]);
    memcpy(signature, words, 12);
    signature[12] = '\0';
    for (char *at = signature; *at != '\0'; at++) {
        if (*at < 0x20 || *at > 0x7E) *at = '?';
    }
    copy_text(out->hypervisor, sizeof out->hypervisor,
              signature[0] == '\0' ? "unnamed" : signature);
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(signature, known[i].signature) == 0) {
            copy_text(out->hypervisor, sizeof out->hypervisor, known[i].name);
        }
    }
}
#else
static void read_hypervisor(struct machine_info *out) {
    proc_read_line("/sys/hypervisor/type", out->hypervisor, sizeof out->hypervisor);
}
#endif

/* FNV-1a, 64 bits. */
static void make_fingerprint(struct machine_info *out) {
    char text[512];
    long long gib = (long long)((out->memory_bytes + (1LL << 29)) >> 30);
    snprintf(text, sizeof text, "%s|%d|%lld|%s|%s", out->cpu, out->n_cores, gib, out->kernel,
             out->hypervisor);
    uint64_t hash = 0xCBF29CE484222325u;
    for (const char *at = text; *at != '\0'; at++)
        hash = (hash ^ (unsigned char)*at) * 0x100000001B3u;
    snprintf(out->fingerprint, sizeof out->fingerprint, "%016llx", (unsigned long long)hash);
}

void machine_read(struct machine_info *out) {
    *out = (struct machine_info){.load_1m = -1};
    struct utsname names;
    if (uname(&names) == 0) {
        snprintf(out->arch, sizeof out->arch, "%.31s", names.machine);
        snprintf(out->kernel, sizeof out->kernel, "%.60s %.64s", names.sysname, names.release);
        snprintf(out->hostname, sizeof out->hostname, "%.63s", names.nodename);
    }
    read_cpuinfo(out);
    out->n_online = count_online();
    read_caches(out);
    read_clocks(out);
    count_nodes(out);
    read_memory(out);
    read_os(out);
    read_hypervisor(out);
    char load[64];
    if (proc_read("/proc/loadavg", load, sizeof load)) out->load_1m = atof(load);
    make_fingerprint(out);
}
