/* arena.h - one block, bump allocation, freed whole: the "pool" behind the hot path. */
#ifndef WOOLLY_BASE_ARENA_H
#define WOOLLY_BASE_ARENA_H

#include <stdbool.h>
#include <stddef.h>

struct arena {
    unsigned char *base;
    size_t size;
    size_t used;
};

/* With huge_pages in pages of 2 MB where it is that large.
 * Sizing pass: an arena without memory (base NULL, size SIZE_MAX) hands out NULL and counts, so
 * one layout function serves to measure and to place. */
bool arena_init(struct arena *arena, size_t size, bool huge_pages);
void arena_free(struct arena *arena);
/* 64-byte aligned, zeroed at arena_init. NULL when the arena is full (or only measuring). */
void *arena_take(struct arena *arena, size_t size);

#endif
