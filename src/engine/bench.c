/* bench.c - micro-benchmarks of single kernels, timed where they run. */
#include "engine/engine.h"

#include "base/alloc.h"
#include "base/clock.h"

#include <string.h>

enum { CALLS_PER_LOOK = 4 };

/* Random blocks whose half-float scales are small and finite: no denormal or NaN is timed. */
static void fill_blocks(uint8_t *raw, size_t bytes) {
    uint64_t state = 1;
    for (size_t i = 0; i < bytes; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        raw[i] = (uint8_t)(state >> 56) & 0x2f; /* as a half float: below 0.12 */
    }
}

static void time_samples(dequantize_fn *dequantize, float *values, const uint8_t *raw,
                         const struct dequantize_bench *options, double *samples) {
    /* One sample's worth first, unrecorded: pages, caches, clock speed. */
    for (int s = -1; s < options->n_samples; s++) {
        int64_t calls = 0, start = clock_now_ns(), now = start;
        while (now - start < options->min_ns) {
            for (int i = 0; i < CALLS_PER_LOOK; i++) {
                dequantize(values, raw, options->n_values);
                __asm__ volatile("" : : "r"(values) : "memory"); /* the result is wanted */
            }
            calls += CALLS_PER_LOOK;
            now = clock_now_ns();
        }
        if (s >= 0) {
            samples[s] = (double)(now - start) / ((double)calls * (double)options->n_values);
        }
    }
}

bool bench_dequantize(enum tensor_type type, enum isa isa, const struct dequantize_bench *options,
                      double *samples_ns_per_value, struct err *err) {
    const struct kernels *k = kernels_get(isa);
    if (k == NULL) {
        return err_set(err, ERR_UNAVAILABLE,
                       "bench_dequantize: %s is not available on this machine, "
                       "the best one here is %s",
                       isa_name(isa), isa_name(kernels_best()));
    }
    int64_t block = tensor_type_info(type)->block_values;
    struct dequantize_bench bench = *options;
    bench.n_values = bench.n_values / block * block;
    if (bench.n_values <= 0 || bench.n_samples <= 0) {
        return err_set(err, ERR_INPUT,
                       "bench_dequantize: n_values %lld, at least one block of %lld is "
                       "required",
                       (long long)options->n_values, (long long)block);
    }
    size_t bytes = tensor_type_row_bytes(type, (uint64_t)bench.n_values);
    uint8_t *raw = mem_alloc_aligned(bytes, 64);
    float *values = mem_alloc_aligned((size_t)bench.n_values * sizeof *values, 64);
    bool ready = raw != NULL && values != NULL;
    if (ready) {
        fill_blocks(raw, bytes);
        time_samples(k->dequantize[type], values, raw, &bench, samples_ns_per_value);
    } else {
        err_set(err, ERR_ENVIRONMENT, "bench_dequantize: out of memory for %lld values",
                (long long)bench.n_values);
    }
    mem_free(raw);
    mem_free(values);
    return ready;
}
