/* tokenizer_special.c - finds special tokens in a text.
 *
 * Every place where one begins is a candidate with its longest match. A heap gives them back
 * longest first; one that no longer fits is tried again with the next shorter match. */
#include "engine/tokenizer_private.h"

#include "base/alloc.h"

#include <stdlib.h>
#include <string.h>

struct candidate {
    uint32_t at, size;
    int32_t id;
};

struct finder {
    const struct tokenizer *t;
    const struct special_set *set;
    const char *text;
    size_t size;
    struct candidate *heap;
    size_t n_heap, room;
    unsigned char *covered; /* per byte: taken by a match or swallowed */
    struct special_match *matches;
    size_t n;
};

/* First of [low, high) whose byte at depth is >= byte; all are longer than depth. */
static uint32_t narrow(const struct special_text *items, uint32_t low, uint32_t high, size_t depth,
                       unsigned byte) {
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if ((unsigned char)items[middle].text[depth] < byte) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* The longest special text that begins at s and has at most n >= 1 bytes; NULL for none. */
static const struct special_text *longest_at(const struct special_set *set, const char *s,
                                             size_t n) {
    const struct special_text *best = NULL;
    unsigned byte = (unsigned char)s[0];
    uint32_t low = set->first[byte], high = set->first[byte + 1];
    for (size_t depth = 1; low < high; depth++) {
        const struct special_text *item = &set->items[low];
        if (high - low == 1) { /* one left: compare the rest at once */
            return item->size <= n && memcmp(item->text, s, item->size) == 0 ? item : best;
        }
        if (item->size == depth) { /* a text sorts before those it begins */
            best = item;
            low++;
        }
        if (depth == n) break;
        byte = (unsigned char)s[depth];
        low = narrow(set->items, low, high, depth, byte);
        high = narrow(set->items, low, high, depth, byte + 1);
    }
    return best;
}

static bool before(const struct candidate *a, const struct candidate *b) {
    return a->size != b->size ? a->size > b->size : a->at < b->at;
}

static void sink(struct finder *f, size_t i) {
    struct candidate moved = f->heap[i];
    for (size_t child; (child = 2 * i + 1) < f->n_heap; i = child) {
        if (child + 1 < f->n_heap && before(&f->heap[child + 1], &f->heap[child])) child++;
        if (!before(&f->heap[child], &moved)) break;
        f->heap[i] = f->heap[child];
    }
    f->heap[i] = moved;
}

static bool collect(struct finder *f) {
    for (size_t at = 0; at < f->size; at++) {
        const struct special_text *item = longest_at(f->set, f->text + at, f->size - at);
        if (item == NULL) continue;
        if (f->n_heap == f->room) {
            size_t room = f->room == 0 ? 32 : 2 * f->room;
            struct candidate *heap = mem_realloc(f->heap, room * sizeof *heap);
            if (heap == NULL) return false;
            f->heap = heap;
            f->room = room;
        }
        f->heap[f->n_heap++] = (struct candidate){(uint32_t)at, item->size, item->id};
    }
    return true;
}

static bool is_blank(char c) { /* as isspace in the C locale */
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void place(struct finder *f, const struct candidate *c) {
    uint32_t from = c->at, to = c->at + c->size;
    if (f->t->attributes[c->id] & TOKEN_LSTRIP) {
        while (from > 0 && !f->covered[from - 1] && is_blank(f->text[from - 1]))
            from--;
    }
    if (f->t->attributes[c->id] & TOKEN_RSTRIP) {
        while (to < f->size && !f->covered[to] && is_blank(f->text[to]))
            to++;
    }
    memset(f->covered + from, 1, to - from);
    f->matches[f->n++] = (struct special_match){c->at, c->size, from, to, c->id};
}

/* What is placed is at least as long as a candidate still in the heap, so an overlap covers the
 * candidate's first or last byte. */
static void resolve(struct finder *f) {
    for (size_t i = f->n_heap / 2; i-- > 0;)
        sink(f, i);
    while (f->n_heap > 0) {
        struct candidate *c = &f->heap[0];
        const struct special_text *shorter = NULL;
        if (!f->covered[c->at]) {
            if (!f->covered[c->at + c->size - 1]) {
                place(f, c);
            } else if (c->size > 1) {
                shorter = longest_at(f->set, f->text + c->at, c->size - 1);
            }
        }
        if (shorter != NULL) {
            c->size = shorter->size;
            c->id = shorter->id;
        } else {
            f->heap[0] = f->heap[--f->n_heap];
        }
        if (f->n_heap > 0) sink(f, 0);
    }
}

static int by_place(const void *a, const void *b) {
    const struct special_match *x = a, *y = b;
    return x->at < y->at ? -1 : x->at > y->at;
}

bool special_find(const struct tokenizer *t, const char *text, size_t size, bool parse_special,
                  struct special_match **matches, size_t *n) {
    struct finder f = {.t = t, .text = text, .size = size};
    f.set = parse_special ? &t->special : &t->user_defined;
    *matches = NULL;
    *n = 0;
    bool good = collect(&f);
    if (good && f.n_heap > 0) {
        f.covered = mem_new(size);
        f.matches = mem_new_array(f.n_heap, sizeof *f.matches);
        good = f.covered != NULL && f.matches != NULL;
        if (good) {
            resolve(&f);
            qsort(f.matches, f.n, sizeof *f.matches, by_place);
            *matches = f.matches;
            *n = f.n;
        } else {
            mem_free(f.matches);
        }
    }
    mem_free(f.covered);
    mem_free(f.heap);
    return good;
}
