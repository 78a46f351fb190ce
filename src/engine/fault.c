/* fault.c - planted faults; see fault.h. */
#include "engine/fault.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "engine/fused.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST_SLEEP_US 1e7
#define MOST_PER_TOKEN 1e9

/* What leaked stays reachable, so that a leak checker finds real leaks only. */
struct leaked {
    struct leaked *next;
};
static _Atomic(struct leaked *) leaked_blocks;

/* ---- reading ---- */

static const char usage[] = "Faults are sleep=OPERATION:MICROSECONDS, allocate=N, leak=BYTES, "
                            "skip=SHARE, corrupt=SIZE, drift=SHARE, throttle=SHARE";

static bool read_number(const char *name, const char *text, double most, double *out,
                        struct err *err) {
    char *end = NULL;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !(value >= 0 && value <= most)) {
        return err_set(err, ERR_INPUT, "faults: %s: found \"%.40s\", allowed 0..%g. %s.", name,
                       text, most, usage);
    }
    *out = value;
    return true;
}

static bool read_sleep(struct faults *f, char *text, struct err *err) {
    char *colon = strchr(text, ':');
    double microseconds = 0;
    if (colon == NULL) {
        return err_set(err, ERR_INPUT,
                       "faults: sleep: found \"%.40s\", OPERATION:MICROSECONDS is required", text);
    }
    *colon = '\0';
    if (!read_number("sleep", colon + 1, LONGEST_SLEEP_US, &microseconds, err)) return false;
    f->sleep_ns = (int64_t)(microseconds * 1e3);
    for (int op = 0; op < FUSED_WAIT; op++) {
        if (strcmp(fused_op_name(op), text) == 0) f->operation = op;
    }
    if (f->operation >= 0) return true;
    return err_set(err, ERR_INPUT,
                   "faults: sleep: unknown operation \"%.40s\", allowed prepare, qkv, attention, "
                   "attn_output, gate_up, down, output",
                   text);
}

static bool read_fault(struct faults *f, char *item, struct err *err) {
    char *value = strchr(item, '=');
    double number = 0;
    if (value == NULL) return err_set(err, ERR_INPUT, "faults: found \"%.40s\". %s.", item, usage);
    *value++ = '\0';
    if (strcmp(item, "sleep") == 0) return read_sleep(f, value, err);
    const struct {
        const char *name;
        int64_t *whole;
        double *share;
        double most;
    } known[] = {
        {"allocate", &f->allocations, NULL, MOST_PER_TOKEN},
        {"leak", &f->leak_bytes, NULL, MOST_PER_TOKEN},
        {"skip", NULL, &f->skip, 0.99},
        {"corrupt", NULL, &f->corrupt, 1e30},
        {"drift", NULL, &f->drift, 0.99},
        {"throttle", NULL, &f->throttle, 0.99},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (strcmp(item, known[i].name) != 0) continue;
        if (!read_number(item, value, known[i].most, &number, err)) return false;
        if (known[i].whole != NULL) *known[i].whole = (int64_t)number;
        if (known[i].share != NULL) *known[i].share = number;
        return true;
    }
    return err_set(err, ERR_INPUT, "faults: unknown fault \"%.40s\". %s.", item, usage);
}

struct faults *faults_new(const char *text, struct err *err) {
    struct faults *f = mem_new(sizeof *f);
    char *copy = mem_strdup(text), *rest = NULL;
    bool good = f != NULL && copy != NULL;
    if (!good) err_set(err, ERR_ENVIRONMENT, "faults: not enough memory");
    if (good) {
        f->operation = -1;
        f->origin_ns = clock_now_ns();
        for (char *item = strtok_r(copy, ",", &rest); good && item != NULL;
             item = strtok_r(NULL, ",", &rest)) {
            good = read_fault(f, item, err);
        }
    }
    mem_free(copy);
    if (good) return f;
    mem_free(f);
    return NULL;
}

void faults_free(struct faults *f) {
    mem_free(f);
}

/* ---- doing ---- */

/* Spins: a sleep of the kernel's is longer than asked for by as much as the fault. */
static void stand_still(int64_t ns) {
    for (int64_t until = clock_now_ns() + ns; clock_now_ns() < until;) {
    }
}

void faults_operation(const struct faults *f, int operation) {
    if (f->operation == operation) stand_still(f->sleep_ns);
}

static void leak(int64_t bytes) {
    struct leaked *block = mem_alloc((size_t)bytes < sizeof *block ? sizeof *block : (size_t)bytes);
    if (block == NULL) return;
    memset(block, 1, (size_t)bytes); /* resident, as a real leak is */
    block->next = atomic_load(&leaked_blocks);
    while (!atomic_compare_exchange_weak(&leaked_blocks, &block->next, block)) {
    }
}

void faults_pass(const struct faults *f, int64_t n, int64_t start_ns) {
    for (int64_t i = 0; i < n * f->allocations; i++)
        mem_free(mem_alloc(64));
    for (int64_t i = 0; i < n && f->leak_bytes > 0; i++)
        leak(f->leak_bytes);
    if (f->throttle > 0) {
        double ran = (double)(clock_now_ns() - start_ns);
        stand_still((int64_t)(ran * f->throttle / (1 - f->throttle)));
    }
}

void faults_logits(const struct faults *f, float *row, int64_t n_vocab, int64_t position) {
    if (f->corrupt == 0) return;
    uint32_t random = (uint32_t)position * 2654435761u + 1;
    for (int64_t i = 0; i < n_vocab; i++) {
        random = random * 1664525u + 1013904223u;
        row[i] += (float)(random >> 31 ? f->corrupt : -f->corrupt);
    }
}

bool faults_skip(struct faults *f) {
    f->skip_debt += f->skip;
    if (f->skip_debt < 1) return false;
    f->skip_debt -= 1;
    return true;
}

int64_t faults_now_ns(const struct faults *f) {
    int64_t now = clock_now_ns();
    return now - (int64_t)((double)(now - f->origin_ns) * f->drift);
}
