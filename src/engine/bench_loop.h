/* bench_loop.h - repeats a piece of work by a team of threads and times it; private to bench_*.c. */
#ifndef WOOLLY_ENGINE_BENCH_LOOP_H
#define WOOLLY_ENGINE_BENCH_LOOP_H

#include "engine/bench.h"
#include "engine/threads.h"

struct bench_loop {
    /* One call's share of thread `thread`; must end with a barrier of the team. Index counts on. */
    void (*call)(void *user, int thread, int64_t index);
    void *user;
    struct threads *team;
    int n_threads;
    int64_t calls; /* per sample, set by bench_loop_prepare */
    int64_t index;
};

/* Runs it until a sample takes about min_ns: pages, caches, clock speed, number of calls. */
void bench_loop_prepare(struct bench_loop *loop, int64_t min_ns);
/* Nanoseconds per call of one sample, all calls in one parallel region. */
double bench_loop_sample(struct bench_loop *loop);

/* False and err when the window's figures are out of range or it was cancelled. */
bool bench_window_check(const char *what, const struct bench_window *window, struct err *err);
bool bench_cancelled(const char *what, const struct bench_window *window, struct err *err);

/* Random values: floats in -1..1, and whole blocks of a type with small finite scales of either
 * sign. */
void bench_fill_floats(float *values, int64_t n, uint64_t seed);
void bench_fill_blocks(uint8_t *blocks, enum tensor_type type, uint64_t bytes, uint64_t seed);

#endif
