/* simd_share.c - see simd_share.h. */
#include "counters/simd_share.h"

#include "base/alloc.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST_FUNCTION (1 << 20) /* bytes; what lies behind is treated as code without a symbol */
#define LONGEST_INSTRUCTION 15
#define Z_95 1.959964

struct decoded {
    uint32_t offset;
    struct code_instruction instruction;
    bool begins_block;
};

/* One function, decoded; the buffers serve the next one too. */
struct body {
    uint8_t *code;
    struct decoded *list;
    size_t n, most, size;
};

struct tally {
    double time[CODE_CLASSES], instructions[CODE_CLASSES];
    int64_t n_samples;
};

double simd_packed(const double shares[CODE_CLASSES]) {
    double sum = 0;
    for (int c = CODE_SCALAR + 1; c < CODE_CLASSES; c++) sum += shares[c];
    return sum;
}

void simd_interval(double share, int64_t n, double *low, double *high) {
    if (n < 1) {
        *low = 0;
        *high = 1;
        return;
    }
    double z2 = Z_95 * Z_95, count = (double)n;
    double middle = (share + z2 / (2 * count)) / (1 + z2 / count);
    double variance = share * (1 - share) / count + z2 / (4 * count * count);
    double half = Z_95 * sqrt(variance > 0 ? variance : 0) / (1 + z2 / count);
    *low = fmin(share, fmax(0, middle - half)); /* rounding must not leave the share outside */
    *high = fmax(share, fmin(1, middle + half));
}

/* ---- code ---- */

static bool reserve(struct body *body, size_t size, struct err *err) {
    if (size <= body->most) return true;
    uint8_t *code = mem_realloc(body->code, size);
    if (code != NULL) body->code = code;
    struct decoded *list = code == NULL ? NULL : mem_realloc(body->list, size * sizeof *list);
    if (list == NULL) {
        return err_set(err, ERR_ENVIRONMENT, "out of memory for %zu bytes of code", size);
    }
    body->list = list;
    body->most = size;
    return true;
}

/* The last instruction at or before offset. */
static size_t at_offset(const struct body *body, uint64_t offset) {
    size_t low = 0, high = body->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (body->list[middle].offset <= offset) low = middle + 1;
        else high = middle;
    }
    return low == 0 ? 0 : low - 1;
}

/* Blocks begin behind branches and where branches lead to. */
static void mark_blocks(struct body *body) {
    for (size_t i = 0; i < body->n; i++) {
        const struct decoded *d = &body->list[i];
        if (i == 0) body->list[i].begins_block = true;
        if (d->instruction.ends_block && i + 1 < body->n) body->list[i + 1].begins_block = true;
        if (!d->instruction.has_target) continue;
        int64_t target = (int64_t)d->offset + d->instruction.target;
        if (target < 0 || (size_t)target >= body->size) continue;
        size_t to = at_offset(body, (uint64_t)target);
        if (body->list[to].offset == (uint64_t)target) body->list[to].begins_block = true;
    }
}

static bool decode_function(struct code_map *map, const struct code_function *function,
                            struct body *body, struct err *err) {
    uint64_t size = function->end - function->begin;
    if (size > LONGEST_FUNCTION) size = LONGEST_FUNCTION;
    body->n = 0;
    body->size = 0;
    if (!reserve(body, size, err)) return false;
    body->size = code_map_read(map, function->begin, body->code, size);
    for (size_t at = 0; at < body->size;) {
        struct decoded *d = &body->list[body->n];
        if (!code_decode(body->code + at, body->size - at, &d->instruction)) {
            at++; /* padding or data: go on behind it */
            continue;
        }
        d->offset = (uint32_t)at;
        d->begins_block = false;
        body->n++;
        at += (size_t)d->instruction.length;
    }
    mark_blocks(body);
    return true;
}

static void spread(struct tally *tally, const struct decoded *first, size_t n, double weight) {
    for (size_t i = 0; i < n; i++) {
        tally->instructions[first[i].instruction.code_class] += weight / (double)n;
    }
}

/* `count` samples at one address of the decoded function. */
static bool add_in_body(struct tally *tally, const struct body *body, uint64_t offset,
                        int64_t count) {
    if (body->n == 0) return false;
    size_t at = at_offset(body, offset);
    const struct decoded *d = &body->list[at];
    if (offset < d->offset || offset - d->offset >= (uint64_t)d->instruction.length) return false;
    size_t first = at, last = at + 1;
    while (!body->list[first].begins_block) first--;
    while (last < body->n && !body->list[last].begins_block) last++;
    tally->time[d->instruction.code_class] += (double)count;
    spread(tally, &body->list[first], last - first, (double)count);
    tally->n_samples += count;
    return true;
}

/* Code without a symbol: from the sample on to the next branch. Where that leads back to or before
 * the sample it closes a loop, which is then the whole block. */
static bool add_alone(struct code_map *map, struct tally *tally, uint64_t ip, int64_t count) {
    enum { BEFORE = 1024, AFTER = 1024 };
    uint8_t code[AFTER];
    struct decoded list[AFTER];
    size_t size = code_map_read(map, ip, code, sizeof code), n = 0;
    if (size == 0) size = code_map_read(map, ip, code, 64); /* the end of a mapping */
    int64_t target = 1;
    for (size_t at = 0; at < size && code_decode(code + at, size - at, &list[n].instruction);) {
        const struct code_instruction *i = &list[n++].instruction;
        if (i->has_target) target = (int64_t)at + i->target;
        at += (size_t)i->length;
        if (i->ends_block) break;
    }
    if (n == 0) return false;
    tally->time[list[0].instruction.code_class] += (double)count;
    tally->n_samples += count;
    if (target < 0 && target >= -BEFORE) {
        uint8_t before[BEFORE];
        size_t length = (size_t)-target, m = 0, at = 0;
        struct decoded loop[AFTER + BEFORE];
        if (code_map_read(map, ip - length, before, length) == length) {
            while (at < length && code_decode(before + at, length - at, &loop[m].instruction)) {
                at += (size_t)loop[m++].instruction.length;
            }
        }
        if (at == length) {
            memcpy(&loop[m], list, n * sizeof *list);
            spread(tally, loop, m + n, (double)count);
            return true;
        }
    }
    spread(tally, list, n, (double)count);
    return true;
}

/* ---- functions ---- */

static int by_value(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Into the list of those with the most samples. */
static void note_function(struct simd_profile *out, const struct code_function *function,
                          const struct tally *tally) {
    if (tally->n_samples == 0) return;
    int at = out->n_functions;
    if (at == SIMD_MOST_FUNCTIONS) {
        if (out->functions[--at].n_samples >= tally->n_samples) return;
    } else {
        out->n_functions++;
    }
    while (at > 0 && out->functions[at - 1].n_samples < tally->n_samples) {
        out->functions[at] = out->functions[at - 1];
        at--;
    }
    out->functions[at] = (struct simd_function){
        .function = *function,
        .n_samples = tally->n_samples,
        .packed = simd_packed(tally->instructions) / (double)tally->n_samples,
    };
}

static void add_tally(struct tally *sum, const struct tally *one) {
    sum->n_samples += one->n_samples;
    for (int c = 0; c < CODE_CLASSES; c++) {
        sum->time[c] += one->time[c];
        sum->instructions[c] += one->instructions[c];
    }
}

/* Pointers without a symbol, of one object after the other, make one entry per run. */
static bool add_function(struct code_map *map, struct body *body, const uint64_t *ips, int64_t n,
                         const struct code_function *function, struct tally *tally,
                         struct err *err) {
    bool has_body = function->name[0] != '\0';
    if (has_body && !decode_function(map, function, body, err)) return false;
    for (int64_t i = 0; i < n;) {
        int64_t same = 1;
        while (i + same < n && ips[i + same] == ips[i]) same++;
        if (!has_body || !add_in_body(tally, body, ips[i] - function->begin, same)) {
            add_alone(map, tally, ips[i], same);
        }
        i += same;
    }
    return true;
}

bool simd_profile_make(struct code_map *map, uint64_t *ips, int64_t n, struct simd_profile *out,
                       struct err *err) {
    struct tally all = {.n_samples = 0};
    struct body body = {.code = NULL};
    bool ok = code_decoder(err) != NULL;
    memset(out, 0, sizeof *out);
    if (n > 0) qsort(ips, (size_t)n, sizeof *ips, by_value);
    for (int64_t i = 0; ok && i < n;) {
        struct code_function function, next;
        int64_t last = i + 1;
        if (!code_map_find(map, ips[i], &function)) {
            i++;
            continue;
        }
        if (function.name[0] != '\0') {
            while (last < n && ips[last] < function.end) last++;
        } else {
            while (last < n && ips[last] < function.end && code_map_find(map, ips[last], &next) &&
                   next.name[0] == '\0') {
                last++;
            }
        }
        struct tally tally = {.n_samples = 0};
        ok = add_function(map, &body, ips + i, last - i, &function, &tally, err);
        note_function(out, &function, &tally);
        add_tally(&all, &tally);
        i = last;
    }
    mem_free(body.code);
    mem_free(body.list);
    if (!ok) return false;
    out->n_samples = all.n_samples;
    out->n_unknown = n - all.n_samples;
    for (int c = 0; c < CODE_CLASSES && all.n_samples > 0; c++) {
        out->time[c] = all.time[c] / (double)all.n_samples;
        out->instructions[c] = all.instructions[c] / (double)all.n_samples;
    }
    return true;
}
