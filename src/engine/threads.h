/* threads.h - a team of threads that lives as long as its context and enters one parallel region
 * per token.
 *
 * Between regions the helpers spin for a while, then sleep. Within a region stages are separated by
 * barriers. Every thread has its share of a stage in one run, so that it reads memory in one stream,
 * and takes it piece by piece; who is done takes pieces of others, so a thread that the machine holds
 * up costs its present piece only. Results must not depend on who does what. */
#ifndef WOOLLY_ENGINE_THREADS_H
#define WOOLLY_ENGINE_THREADS_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum { MAX_THREADS = 256 };

struct threads;

/* n in 1..MAX_THREADS, the calling thread included; n = 1 makes no thread. pin: thread i stays on the
 * i-th CPU that the process may use. NULL and err when the machine refuses. */
struct threads *threads_new(int n, bool pin, struct err *err);
void threads_free(struct threads *threads); /* NULL is fine */
int threads_count(const struct threads *threads);
/* CPUs that this process may use. */
int threads_available(void);

/* Runs body(user, i) on thread i of the team, i = 0 on the caller, and returns when all did. The
 * first `n` threads take part (at most the team); the others stay asleep. */
void threads_run(struct threads *threads, int n, void (*body)(void *user, int thread), void *user);

/* Within a region, by every thread that takes part: waits for all of them. What any wrote before is
 * seen by all after. */
void threads_barrier(struct threads *threads, int thread);

/* Within a stage (from barrier to barrier), the next piece [*first, *last) of n, at most `step` long:
 * of the thread's own share first, then of others'. false when there is none left. All threads give
 * the same n and step. Each stage starts anew after the barrier. */
bool threads_next(struct threads *threads, int thread, int64_t n, int64_t step, int64_t *first,
                  int64_t *last);
/* Whether piece i of n is of the thread's own share, which it takes in order. */
bool threads_own(const struct threads *threads, int thread, int64_t n, int64_t i);
/* As threads_next, in pieces that become smaller: half of what is left of a share, but at most `most`, and multiples of
 * `least` (the last one may be fewer): long runs at first, and threads that are done at the same time. */
bool threads_next_half(struct threads *threads, int thread, int64_t n, int64_t least, int64_t most, int64_t *first,
                       int64_t *last);

#endif
