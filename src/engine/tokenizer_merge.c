/* tokenizer_merge.c - joins neighbouring symbols, best rank first, with a heap of candidates. */
#include "engine/tokenizer_private.h"

#include "base/alloc.h"

#include <string.h>

struct merge_entry {
    int64_t rank;
    int32_t left;  /* symbol */
    uint32_t size; /* of both together: tells an outdated entry */
    int32_t id;
};

bool merge_reserve(struct merge_scratch *scratch, size_t n) {
    if (n > scratch->symbols_cap) {
        struct symbol *symbols = mem_realloc(scratch->symbols, n * sizeof *symbols);
        if (symbols == NULL) return false;
        scratch->symbols = symbols;
        scratch->symbols_cap = n;
    }
    /* n - 1 pairs at first; each of at most n - 1 merges adds two and took one */
    if (2 * n > scratch->heap_cap) {
        struct merge_entry *heap = mem_realloc(scratch->heap, 2 * n * sizeof *heap);
        if (heap == NULL) return false;
        scratch->heap = heap;
        scratch->heap_cap = 2 * n;
    }
    return true;
}

void merge_release(struct merge_scratch *scratch) {
    mem_free(scratch->symbols);
    mem_free(scratch->heap);
}

static bool before(const struct merge_entry *a, const struct merge_entry *b) {
    return a->rank != b->rank ? a->rank < b->rank : a->left < b->left;
}

static void push(struct merge_entry *heap, size_t *n, struct merge_entry entry) {
    size_t at = (*n)++;
    while (at > 0 && before(&entry, &heap[(at - 1) / 2])) {
        heap[at] = heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    heap[at] = entry;
}

static struct merge_entry pop(struct merge_entry *heap, size_t *n) {
    struct merge_entry top = heap[0], last = heap[--*n];
    size_t at = 0;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= *n) break;
        if (child + 1 < *n && before(&heap[child + 1], &heap[child])) child++;
        if (!before(&heap[child], &last)) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return top;
}

/* SPM ranks by the score of the joined text's token, BPE by the pair's place in the merge list. */
static bool candidate(const struct tokenizer *tokenizer, const struct symbol *left,
                      const struct symbol *right, const char *text, struct merge *out) {
    if (tokenizer->is_bpe) return merge_of(tokenizer, left->id, right->id, out);
    out->id = vocab_find(tokenizer, text + left->start, (size_t)left->size + right->size);
    if (out->id == TOKEN_NONE) return false;
    /* A float's bits, made to order like the number; highest score first. */
    int32_t bits = 0;
    memcpy(&bits, &tokenizer->tokens[out->id].score, sizeof bits);
    int64_t order = bits >= 0 ? bits : -(int64_t)(bits & 0x7FFFFFFF);
    out->rank = -order;
    return true;
}

static void consider(const struct tokenizer *tokenizer, struct merge_scratch *scratch,
                     size_t *n_heap, int32_t left, const char *text) {
    if (left < 0) return;
    const struct symbol *a = &scratch->symbols[left];
    if (a->next < 0) return;
    const struct symbol *b = &scratch->symbols[a->next];
    struct merge found;
    if (!candidate(tokenizer, a, b, text, &found)) return;
    push(scratch->heap, n_heap, (struct merge_entry){.rank = found.rank, .left = left,
                                                     .size = a->size + b->size, .id = found.id});
}

void merge_run(const struct tokenizer *tokenizer, struct merge_scratch *scratch, size_t n,
               const char *text) {
    size_t n_heap = 0;
    struct symbol *symbols = scratch->symbols;
    for (size_t i = 0; i + 1 < n; i++) consider(tokenizer, scratch, &n_heap, (int32_t)i, text);
    while (n_heap > 0) {
        struct merge_entry entry = pop(scratch->heap, &n_heap);
        struct symbol *left = &symbols[entry.left];
        if (left->size == 0 || left->next < 0) continue;
        struct symbol *right = &symbols[left->next];
        if (left->size + right->size != entry.size) continue; /* one of them has grown since */
        left->size = entry.size;
        left->id = entry.id;
        left->next = right->next;
        right->size = 0;
        if (left->next >= 0) symbols[left->next].prev = entry.left;
        consider(tokenizer, scratch, &n_heap, left->prev, text);
        consider(tokenizer, scratch, &n_heap, entry.left, text);
    }
}
