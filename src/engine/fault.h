/* fault.h - faults planted on request, the ground truth that detectors are tested against.
 *
 * A context without faults pays one comparison with NULL per operation. */
#ifndef WOOLLY_ENGINE_FAULT_H
#define WOOLLY_ENGINE_FAULT_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct faults {
    int operation; /* enum fused_op that takes sleep_ns longer each time it runs; -1: none */
    int64_t sleep_ns;
    int64_t allocations; /* heap requests per token, given back at once */
    int64_t leak_bytes;  /* per token, never given back */
    double skip;         /* share of the tokens reported that were never run */
    double corrupt;      /* added to or taken from each logit */
    double drift;      /* share by which the clock of reported times runs slow: rates look higher */
    double throttle;   /* share of the time that every pass stands still */
    int64_t origin_ns; /* where the drifting clock agrees with the true one */
    double skip_debt;  /* tokens that are due to be skipped */
};

/* "sleep=attention:200,allocate=3,leak=4096,skip=0.25,corrupt=0.5,drift=0.1,throttle=0.3", each at
 * most once; sleep in microseconds. NULL and err when the text is none, or memory is short. */
struct faults *faults_new(const char *text, struct err *err);
void faults_free(struct faults *faults); /* NULL is fine; what leaked stays */

/* At the end of an operation on the calling thread. */
void faults_operation(const struct faults *faults, int operation);
/* After a pass over n tokens that began at start_ns. */
void faults_pass(const struct faults *faults, int64_t n, int64_t start_ns);
void faults_logits(const struct faults *faults, float *row, int64_t n_vocab, int64_t position);
/* Is the next token to be reported without being run? */
bool faults_skip(struct faults *faults);
/* Now, by the clock of reported times. */
int64_t faults_now_ns(const struct faults *faults);

#endif
