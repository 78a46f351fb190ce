/* scratch.h - the working memory of a context: one slot per intermediate result.
 *
 * With the `pool` switch every slot has its place in one arena from the start. Without it each
 * operation takes what it needs from the heap and gives it back. The arithmetic around it is the
 * same, so both give the same bits. */
#ifndef WOOLLY_ENGINE_SCRATCH_H
#define WOOLLY_ENGINE_SCRATCH_H

#include "base/arena.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

enum slot {
    SLOT_RESIDUAL,   /* [n, n_embd] */
    SLOT_NORMED,     /* [n, n_embd] */
    SLOT_ANGLES,     /* [n, n_rot] */
    SLOT_Q,          /* [n, n_head * head_dim] */
    SLOT_K,          /* [n, n_head_kv * head_dim] */
    SLOT_V,          /* [n, n_head_kv * head_dim] */
    SLOT_SCORES,     /* [positions] of one head of one token */
    SLOT_MIXED,      /* [n, n_head * head_dim]: what attention gathered */
    SLOT_GATE,       /* [n, n_ff] */
    SLOT_UP,         /* [n, n_ff] */
    SLOT_BRANCH,     /* [n, n_embd]: what attention or the feed-forward adds */
    SLOT_WEIGHTS,    /* decoded weights: some rows with pool, a whole tensor without */
    SLOT_COLUMN,     /* [n]: one weight row times n columns */
    SLOT_LOGITS,     /* [n_vocab]: stays until the next run */
    SLOT_DRAFT,      /* [lookup + 1, n_vocab]: of a token and the ones guessed after it */
    SLOT_CANDIDATES, /* sampler: [n_vocab] tokens with their logits */
    SLOT_PENALIZED,  /* sampler: [n_vocab] */
    SLOT_COUNT,
};

struct scratch {
    bool pooled;
    struct arena arena;
    void *blocks[SLOT_COUNT];
    uint64_t sizes[SLOT_COUNT]; /* pooled: capacity; else bytes held now */
    uint64_t held, peak;        /* not pooled: bytes in slots */
};

/* sizes: bytes of each slot at their largest; used with pooled alone. */
bool scratch_init(struct scratch *scratch, bool pooled, const uint64_t sizes[SLOT_COUNT],
                  struct err *err);
void scratch_free(struct scratch *scratch);
/* A block of n elements of `size` bytes, 64-byte aligned, not zeroed. The slot must be empty. */
void *scratch_take(struct scratch *scratch, enum slot slot, int64_t n, size_t size,
                   struct err *err);
void scratch_give(struct scratch *scratch, enum slot slot); /* an empty slot is fine */
/* Gives back every slot but the logits: the way out of a failed run. */
void scratch_give_all(struct scratch *scratch);
/* Bytes of the pool, or the most that slots held at one time. */
uint64_t scratch_bytes(const struct scratch *scratch);

#endif
