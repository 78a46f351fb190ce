/* arena.c - see arena.h. */
#include "base/arena.h"

#include "base/alloc.h"

#include <stdint.h>
#include <string.h>

#define ARENA_ALIGN 64u

bool arena_init(struct arena *arena, size_t size, bool huge_pages) {
    *arena = (struct arena){.base = mem_alloc_pages(size, huge_pages), .size = size};
    if (arena->base == NULL) return false;
    memset(arena->base, 0, size); /* also touches the pages, so that no token pays for them */
    return true;
}

void arena_free(struct arena *arena) {
    mem_free(arena->base);
    *arena = (struct arena){0};
}

void *arena_take(struct arena *arena, size_t size) {
    size_t rounded = 0, used = 0;
    if (__builtin_add_overflow(size, ARENA_ALIGN - 1, &rounded)) return NULL;
    rounded &= ~(size_t)(ARENA_ALIGN - 1);
    if (__builtin_add_overflow(arena->used, rounded, &used) || used > arena->size) return NULL;
    void *block = arena->base == NULL ? NULL : arena->base + arena->used;
    arena->used = used;
    return block;
}
