/* scratch.c - see scratch.h. */
#include "engine/scratch.h"

#include "base/alloc.h"
#include "base/span.h"

#include <assert.h>

#define SCRATCH_ALIGN 64u

bool scratch_init(struct scratch *scratch, bool pooled, const uint64_t sizes[SLOT_COUNT],
                  struct err *err) {
    *scratch = (struct scratch){.pooled = pooled};
    if (!pooled) return true;
    uint64_t total = 0;
    bool fits = true;
    for (int i = 0; i < SLOT_COUNT && fits; i++) {
        uint64_t rounded = 0;
        scratch->sizes[i] = sizes[i];
        fits = size_align(sizes[i], SCRATCH_ALIGN, &rounded) && size_add(total, rounded, &total);
    }
    if (!fits || !arena_init(&scratch->arena, total, false)) {
        return err_set(err, ERR_ENVIRONMENT,
                       "context: not enough memory for a pool of %llu bytes. Ask for a smaller "
                       "n_ctx or n_batch.",
                       (unsigned long long)total);
    }
    for (int i = 0; i < SLOT_COUNT; i++) {
        scratch->blocks[i] = arena_take(&scratch->arena, sizes[i]);
    }
    return true;
}

void scratch_free(struct scratch *scratch) {
    if (scratch->pooled) {
        arena_free(&scratch->arena);
    } else {
        scratch_give_all(scratch);
        scratch_give(scratch, SLOT_LOGITS);
    }
    *scratch = (struct scratch){0};
}

void *scratch_take(struct scratch *scratch, enum slot slot, int64_t n, size_t size,
                   struct err *err) {
    uint64_t bytes = 0;
    bool fits = size_mul((uint64_t)n, size, &bytes);
    if (scratch->pooled) {
        assert(fits && bytes <= scratch->sizes[slot]);
        return scratch->blocks[slot];
    }
    assert(scratch->blocks[slot] == NULL);
    void *block = fits ? mem_alloc_aligned(bytes, SCRATCH_ALIGN) : NULL;
    if (block == NULL) {
        err_set(err, ERR_ENVIRONMENT, "context: not enough memory for %llu bytes",
                (unsigned long long)bytes);
        return NULL;
    }
    scratch->blocks[slot] = block;
    scratch->sizes[slot] = bytes;
    scratch->held += bytes;
    if (scratch->held > scratch->peak) scratch->peak = scratch->held;
    return block;
}

void scratch_give(struct scratch *scratch, enum slot slot) {
    if (scratch->pooled || scratch->blocks[slot] == NULL) return;
    mem_free(scratch->blocks[slot]);
    scratch->blocks[slot] = NULL;
    scratch->held -= scratch->sizes[slot];
}

void scratch_give_all(struct scratch *scratch) {
    for (int i = 0; i < SLOT_COUNT; i++) {
        if (i != SLOT_LOGITS) scratch_give(scratch, (enum slot)i);
    }
}

uint64_t scratch_bytes(const struct scratch *scratch) {
    return scratch->pooled ? scratch->arena.size : scratch->peak;
}
