/* bench_loop.c - see bench_loop.h. */
#include "engine/bench_loop.h"

#include "base/clock.h"
#include "engine/kernels/blocks.h"

#include <stddef.h>
#include <string.h>

static void run_calls(void *user, int thread) {
    const struct bench_loop *loop = user;
    for (int64_t i = 0; i < loop->calls; i++) loop->call(loop->user, thread, loop->index + i);
}

double bench_loop_sample(struct bench_loop *loop) {
    int64_t start = clock_now_ns();
    threads_run(loop->team, loop->n_threads, run_calls, loop);
    int64_t ns = clock_now_ns() - start;
    loop->index += loop->calls;
    return (double)ns / (double)loop->calls;
}

void bench_loop_prepare(struct bench_loop *loop, int64_t min_ns) {
    loop->calls = 1;
    bench_loop_sample(loop);
    for (;;) {
        double ns = bench_loop_sample(loop) * (double)loop->calls;
        if (ns * 2 >= (double)min_ns || loop->calls >= (int64_t)1 << 40) {
            double calls = (double)loop->calls * ((double)min_ns / (ns > 1 ? ns : 1));
            loop->calls = calls < 1 ? 1 : (int64_t)calls;
            return;
        }
        loop->calls *= 2;
    }
}

bool bench_window_check(const char *what, const struct bench_window *window, struct err *err) {
    if (window->n_threads < 1 || window->n_threads > MAX_THREADS) {
        return err_set(err, ERR_INPUT, "%s: threads is %d, allowed 1..%d", what, window->n_threads,
                       MAX_THREADS);
    }
    if (window->n_samples < 1 || window->min_ns < 1) {
        return err_set(err, ERR_INPUT, "%s: %d samples of %lld ns, at least one of 1 ns is required",
                       what, window->n_samples, (long long)window->min_ns);
    }
    return true;
}

bool bench_cancelled(const char *what, const struct bench_window *window, struct err *err) {
    if (window->cancel == NULL || !*window->cancel) return false;
    err_set(err, ERR_CANCELLED, "%s: cancelled", what);
    return true;
}

/* ---- random data ---- */

static uint64_t next(uint64_t *state) { /* SplitMix64 */
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static float next_float(uint64_t *state) {
    return (float)(next(state) >> 40) * 0x1p-23f - 1.0f;
}

void bench_fill_floats(float *values, int64_t n, uint64_t seed) {
    for (int64_t i = 0; i < n; i++) values[i] = next_float(&seed);
}

/* Where a block keeps its half-float scale and minimum; -1: it has none. */
struct scale_place {
    int d, min;
};

static struct scale_place scale_place(enum tensor_type type) {
    switch (type) {
    case TENSOR_Q4_1:
        return (struct scale_place){offsetof(struct block_q4_1, d), offsetof(struct block_q4_1, m)};
    case TENSOR_Q5_1:
        return (struct scale_place){offsetof(struct block_q5_1, d), offsetof(struct block_q5_1, m)};
    case TENSOR_Q2_K:
        return (struct scale_place){offsetof(struct block_q2_k, d),
                                    offsetof(struct block_q2_k, dmin)};
    case TENSOR_Q3_K:
        return (struct scale_place){offsetof(struct block_q3_k, d), -1};
    case TENSOR_Q4_K:
        return (struct scale_place){offsetof(struct block_q4_k, d),
                                    offsetof(struct block_q4_k, dmin)};
    case TENSOR_Q5_K:
        return (struct scale_place){offsetof(struct block_q5_k, d),
                                    offsetof(struct block_q5_k, dmin)};
    case TENSOR_Q6_K:
        return (struct scale_place){offsetof(struct block_q6_k, d), -1};
    default:
        return (struct scale_place){0, -1}; /* Q4_0, Q5_0, Q8_0, IQ4_NL, IQ4_XS begin with it */
    }
}

static void fill_floats_of(uint8_t *out, enum tensor_type type, uint64_t bytes, uint64_t seed) {
    const uint64_t size = type == TENSOR_F32 ? 4 : 2;
    for (uint64_t i = 0; i < bytes; i += size) {
        float value = next_float(&seed) * 0.05f;
        uint32_t bits;
        memcpy(&bits, &value, sizeof bits);
        uint16_t half = type == TENSOR_F16 ? f16_from_f32(value) : (uint16_t)(bits >> 16);
        if (type == TENSOR_F32) memcpy(out + i, &bits, 4);
        if (type != TENSOR_F32) memcpy(out + i, &half, 2);
    }
}

void bench_fill_blocks(uint8_t *blocks, enum tensor_type type, uint64_t bytes, uint64_t seed) {
    if (type == TENSOR_F32 || type == TENSOR_F16 || type == TENSOR_BF16) {
        fill_floats_of(blocks, type, bytes, seed);
        return;
    }
    const uint64_t size = (uint64_t)tensor_type_info(type)->block_bytes;
    const struct scale_place at = scale_place(type);
    for (uint64_t i = 0; i < bytes; i += 8) {
        uint64_t word = next(&seed), left = bytes - i;
        memcpy(blocks + i, &word, left < 8 ? left : 8);
    }
    for (uint64_t b = 0; b < bytes; b += size) {
        uint16_t d = f16_from_f32(next_float(&seed) * 0.01f);
        uint16_t min = f16_from_f32(next_float(&seed) * 0.01f);
        memcpy(blocks + b + at.d, &d, sizeof d);
        if (at.min >= 0) memcpy(blocks + b + at.min, &min, sizeof min);
    }
}
