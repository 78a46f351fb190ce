/* tokenizer_merge.c - turns a text into ids by merging neighbours, best pair first.
 *
 * SPM and BPE differ in what a symbol is (a character; a byte) and in which pairs merge in which
 * order (those whose joined text is a token, by score; those in the list of merges, by rank).
 * The rest is one loop over a heap: n symbols, at most 2 n pairs, O(n log n). */
#include "engine/tokenizer_private.h"

#include "base/alloc.h"

#include <string.h>

struct symbol {
    int32_t prev, next; /* or -1 */
    uint32_t at, size;  /* bytes of the text; size 0: merged into one before it */
    int32_t id;
};

/* A pair that may merge: symbol `left` and the one behind it, as long as their sizes add up to
 * size. Symbols only grow, so a pair that has changed no longer does. */
struct pair {
    uint64_t key; /* priority << 32 | left: smallest first, equals from the left */
    uint32_t size;
    int32_t id; /* they become */
};

bool token_list_add(struct token_list *list, int32_t id) {
    if (list->n == list->room) {
        size_t room = list->room == 0 ? 64 : 2 * list->room;
        int32_t *ids = mem_realloc(list->ids, room * sizeof *ids);
        if (ids == NULL) return false;
        list->ids = ids;
        list->room = room;
    }
    list->ids[list->n++] = id;
    return true;
}

void encoder_free(struct encoder *e) {
    mem_free(e->symbols);
    mem_free(e->heap);
    mem_free(e->escaped);
    mem_free(e->glyphs);
}

/* Room for n symbols; what was there is gone. */
static bool make_room(struct encoder *e, size_t n) {
    if (n <= e->room) return true;
    if (n < 2 * e->room) n = 2 * e->room;
    mem_free(e->symbols);
    mem_free(e->heap);
    e->room = 0;
    e->symbols = mem_alloc(n * sizeof *e->symbols);
    e->heap = mem_alloc(2 * n * sizeof *e->heap);
    if (e->symbols == NULL || e->heap == NULL) return false;
    e->room = n;
    return true;
}

/* ---- the heap ---- */

static void heap_push(struct encoder *e, struct pair pair) {
    size_t i = e->n_heap++;
    for (size_t parent; i > 0 && e->heap[parent = (i - 1) / 2].key > pair.key; i = parent) {
        e->heap[i] = e->heap[parent];
    }
    e->heap[i] = pair;
}

static struct pair heap_pop(struct encoder *e) {
    struct pair *heap = e->heap, top = heap[0], moved = heap[--e->n_heap];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < e->n_heap; i = child) {
        if (child + 1 < e->n_heap && heap[child + 1].key < heap[child].key) child++;
        if (heap[child].key >= moved.key) break;
        heap[i] = heap[child];
    }
    heap[i] = moved;
    return top;
}

/* ---- merging ---- */

static void offer(struct encoder *e, int32_t left) {
    if (left < 0 || e->symbols[left].next < 0) return;
    const struct tokenizer *t = e->t;
    const struct symbol *a = &e->symbols[left], *b = &e->symbols[a->next];
    struct pair pair = {.size = a->size + b->size};
    uint32_t priority;
    if (t->pre != NULL) {
        const struct merge_slot *merge = vocab_merge(t, a->id, b->id);
        if (merge == NULL) return;
        priority = merge->rank;
        pair.id = merge->result;
    } else {
        if (pair.size > t->longest) return;
        pair.id = vocab_find(t, e->text + a->at, pair.size, NULL, 0);
        if (pair.id == TOKEN_NONE) return;
        priority = t->order[pair.id];
    }
    pair.key = (uint64_t)priority << 32 | (uint32_t)left;
    heap_push(e, pair);
}

/* n symbols in a chain, already linked. */
static void merge_all(struct encoder *e, size_t n) {
    e->n_heap = 0;
    for (size_t i = 0; i + 1 < n; i++)
        offer(e, (int32_t)i);
    while (e->n_heap > 0) {
        struct pair pair = heap_pop(e);
        int32_t left = (int32_t)(pair.key & UINT32_MAX);
        struct symbol *a = &e->symbols[left];
        if (a->size == 0 || a->next < 0) continue;
        struct symbol *b = &e->symbols[a->next];
        if (a->size + b->size != pair.size) continue;
        a->id = pair.id;
        a->size = pair.size;
        a->next = b->next;
        b->size = 0;
        if (a->next >= 0) e->symbols[a->next].prev = left;
        offer(e, a->prev);
        offer(e, left);
    }
}

static struct symbol *link_symbol(struct encoder *e, size_t i, bool last, uint32_t at,
                                  uint32_t size) {
    struct symbol *s = &e->symbols[i];
    s->prev = (int32_t)i - 1;
    s->next = last ? -1 : (int32_t)i + 1;
    s->at = at;
    s->size = size;
    return s;
}

/* ---- SPM ---- */

#define SPM_BLANK "\xe2\x96\x81"

/* The text with blanks as U+2581, one more in front where asked for. Returns its size. */
static size_t escape_blanks(struct encoder *e, const char *text, size_t size, bool prefix) {
    size_t blanks = prefix;
    for (size_t i = 0; i < size; i++)
        blanks += text[i] == ' ';
    size_t needed = size + 3 * blanks;
    if (needed > e->escaped_room) {
        mem_free(e->escaped);
        e->escaped = mem_alloc(needed);
        e->escaped_room = e->escaped == NULL ? 0 : needed;
        if (e->escaped == NULL) return 0;
    }
    char *out = e->escaped;
    if (prefix) {
        memcpy(out, SPM_BLANK, 3);
        out += 3;
    }
    for (size_t i = 0; i < size; i++) {
        if (text[i] == ' ') {
            memcpy(out, SPM_BLANK, 3);
            out += 3;
        } else {
            *out++ = text[i];
        }
    }
    return (size_t)(out - e->escaped);
}

static bool add_bytes(struct encoder *e, const char *bytes, size_t n) {
    for (size_t i = 0; i < n; i++) {
        int32_t id = e->t->byte_ids[(unsigned char)bytes[i]];
        if (id == TOKEN_NONE) id = e->t->unknown;
        if (id != TOKEN_NONE && !token_list_add(&e->out, id)) return false;
    }
    return true;
}

static bool encode_spm(struct encoder *e, const char *text, size_t size) {
    size = escape_blanks(e, text, size, e->t->adds_space);
    if (size == 0 || !make_room(e, size)) return false;
    e->text = e->escaped;
    size_t n = 0;
    for (size_t at = 0, bytes; at < size; at += bytes, n++) {
        /* a broken byte stands alone, so that it cannot take a part of U+2581 with it */
        if (utf8_next(e->text + at, size - at, &bytes) < 0) bytes = 1;
        struct symbol *s = link_symbol(e, n, at + bytes == size, (uint32_t)at, (uint32_t)bytes);
        s->id = vocab_find(e->t, e->text + at, bytes, NULL, 0);
    }
    merge_all(e, n);
    for (int32_t i = 0; i >= 0; i = e->symbols[i].next) {
        const struct symbol *s = &e->symbols[i];
        if (s->id != TOKEN_NONE ? !token_list_add(&e->out, s->id)
                                : !add_bytes(e, e->text + s->at, s->size)) {
            return false;
        }
    }
    return true;
}

/* ---- byte-level BPE ---- */

/* Bytes that no token stands for are left out, as llama.cpp does. */
static bool encode_word(struct encoder *e, const char *word, size_t size) {
    if (e->t->pre->ignore_merges) {
        int32_t id = vocab_find_bytes(e->t, word, size);
        if (id != TOKEN_NONE) return token_list_add(&e->out, id);
    }
    if (!make_room(e, size)) return false;
    for (size_t i = 0; i < size; i++) {
        struct symbol *s = link_symbol(e, i, i + 1 == size, (uint32_t)i, 1);
        s->id = e->t->byte_ids[(unsigned char)word[i]];
    }
    merge_all(e, size);
    for (int32_t i = 0; i >= 0; i = e->symbols[i].next) {
        int32_t id = e->symbols[i].id;
        if (id != TOKEN_NONE && !token_list_add(&e->out, id)) return false;
    }
    return true;
}

static bool encode_bpe(struct encoder *e, const char *text, size_t size) {
    if (size > e->glyphs_room) {
        mem_free(e->glyphs);
        e->glyphs = mem_alloc(size * sizeof *e->glyphs);
        e->glyphs_room = e->glyphs == NULL ? 0 : size;
        if (e->glyphs == NULL) return false;
    }
    size_t n = pre_glyphs(text, size, e->glyphs);
    pre_split(e->t->pre, e->glyphs, n);
    const char *word = text, *end = text;
    for (size_t i = 0; i < n; end += e->glyphs[i++].size) {
        if (!e->glyphs[i].cut || end == word) continue;
        if (!encode_word(e, word, (size_t)(end - word))) return false;
        word = end;
    }
    return encode_word(e, word, (size_t)(end - word));
}

bool encode_text(struct encoder *e, const char *text, size_t size) {
    if (size == 0) return true;
    return e->t->pre != NULL ? encode_bpe(e, text, size) : encode_spm(e, text, size);
}
