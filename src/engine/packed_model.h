/* packed_model.h - a model's quantised matrices in the interleaved layout of kernels/packed.h.
 *
 * Made once per layout at the first context that asks, by all CPUs, and shared by all contexts until
 * the model goes. Pages of the file's mapping that have been packed are given back, so there is no
 * second copy of the weights in memory. */
#ifndef WOOLLY_ENGINE_PACKED_MODEL_H
#define WOOLLY_ENGINE_PACKED_MODEL_H

#include "engine/kernels/packed.h"
#include "engine/model.h"

/* Rows of gate and of up that lie by turns. */
enum { PACKED_RUN_ROWS = 32 };

struct packed_matrix {
    const uint8_t *data; /* NULL: this type has no packed form, use the file's rows */
    size_t group_bytes;
    int64_t n_groups; /* of kernels->rows rows */
    int64_t run;      /* groups that lie together; behind each run another matrix has `skip` bytes */
    size_t skip;
};

static inline const uint8_t *packed_matrix_group(const struct packed_matrix *m, int64_t group) {
    return m->data + (size_t)group * m->group_bytes + (size_t)(group / m->run) * m->skip;
}

struct packed_model {
    const struct packed_kernels *kernels;
    bool huge_pages;
    uint8_t *base;
    uint64_t bytes;
    int64_t made_ns;                /* time that packing took */
    struct packed_matrix *matrices; /* [n_weights], by weight id */
    struct packed_model *next;
};

struct packing_options {
    bool huge_pages;
    bool keep; /* in a file beside the model (packed_cache.h) */
    void (*progress)(void *user, uint64_t done_bytes, uint64_t total_bytes); /* may be NULL */
    void *user;
    const volatile int *cancel; /* may be NULL */
};
/* The packed form for these kernels, made or read when there is none yet. NULL and err when memory is
 * short, *cancel was raised or the file cannot be written. Thread-safe. */
const struct packed_model *model_packed(struct model *model, const struct packed_kernels *kernels,
                                        const struct packing_options *options, struct err *err);
/* Frees all packed forms; for model_free. */
void packed_models_free(struct model *model);

#endif
