/* tokenizer_lookup.c - the vocabulary's two tables: texts to tokens, pairs of tokens to merges.
 *
 * Open addressing, filled once. A probe sequence is bounded when filling, so it may be when looking
 * up: no file can make a look-up slow. */
#include "engine/tokenizer_private.h"

#include "base/alloc.h"

#include <string.h>

/* A power of two with at least half as many slots again as entries. */
static uint64_t table_size(uint64_t entries) {
    uint64_t size = 16;
    while (size < entries + entries / 2)
        size *= 2;
    return size;
}

/* ---- texts ---- */

#define HASH_START 0xcbf29ce484222325u

static uint64_t hash_more(uint64_t state, const char *s, size_t n) {
    for (size_t i = 0; i < n; i++)
        state = (state ^ (unsigned char)s[i]) * 0x100000001b3u;
    return state;
}

static uint64_t mixed(uint64_t state) {
    state = (state ^ state >> 32) * 0x9e3779b97f4a7c15u;
    return state ^ state >> 29;
}

bool vocab_texts_init(struct tokenizer *t) {
    uint64_t n = table_size((uint64_t)t->n_vocab);
    t->by_text = mem_alloc(n * sizeof *t->by_text);
    if (t->by_text == NULL) return false;
    t->by_text_mask = n - 1;
    for (uint64_t i = 0; i < n; i++)
        t->by_text[i].id = TOKEN_NONE;
    return true;
}

bool vocab_texts_add(struct tokenizer *t, int32_t id) {
    const struct gguf_string *s = &t->texts[id];
    uint64_t hash = mixed(hash_more(HASH_START, s->data, s->size));
    for (uint64_t i = 0; i < MAX_PROBES; i++) {
        struct text_slot *slot = &t->by_text[(hash + i) & t->by_text_mask];
        if (slot->id != TOKEN_NONE) continue;
        *slot = (struct text_slot){(uint32_t)(hash >> 32), id};
        return true;
    }
    return false;
}

int32_t vocab_find(const struct tokenizer *t, const char *a, size_t n_a, const char *b,
                   size_t n_b) {
    uint64_t hash = mixed(hash_more(hash_more(HASH_START, a, n_a), b, n_b));
    uint32_t tag = (uint32_t)(hash >> 32);
    for (uint64_t i = 0; i < MAX_PROBES; i++) {
        const struct text_slot *slot = &t->by_text[(hash + i) & t->by_text_mask];
        if (slot->id == TOKEN_NONE) break;
        if (slot->tag != tag) continue;
        const struct gguf_string *s = &t->texts[slot->id];
        if (s->size == n_a + n_b && memcmp(s->data, a, n_a) == 0 &&
            (n_b == 0 || memcmp(s->data + n_a, b, n_b) == 0)) {
            return slot->id;
        }
    }
    return TOKEN_NONE;
}

int32_t vocab_find_bytes(const struct tokenizer *t, const char *bytes, size_t n) {
    if (n > t->longest) return TOKEN_NONE;
    uint64_t state = HASH_START;
    size_t size = 0;
    for (size_t i = 0; i < n; i++) {
        const struct byte_text *c = &t->byte_text[(unsigned char)bytes[i]];
        state = hash_more(state, c->text, c->size);
        size += c->size;
    }
    uint64_t hash = mixed(state);
    for (uint64_t i = 0; i < MAX_PROBES; i++) {
        const struct text_slot *slot = &t->by_text[(hash + i) & t->by_text_mask];
        if (slot->id == TOKEN_NONE) break;
        const struct gguf_string *s = &t->texts[slot->id];
        if (slot->tag != (uint32_t)(hash >> 32) || s->size != size) continue;
        const char *at = s->data;
        size_t k = 0;
        for (; k < n; k++) {
            const struct byte_text *c = &t->byte_text[(unsigned char)bytes[k]];
            if (memcmp(at, c->text, c->size) != 0) break;
            at += c->size;
        }
        if (k == n) return slot->id;
    }
    return TOKEN_NONE;
}

/* ---- merges ---- */

bool vocab_merges_init(struct tokenizer *t, uint64_t count) {
    uint64_t n = table_size(count);
    t->merges = mem_alloc(n * sizeof *t->merges);
    if (t->merges == NULL) return false;
    t->merges_mask = n - 1;
    for (uint64_t i = 0; i < n; i++)
        t->merges[i].result = TOKEN_NONE;
    return true;
}

struct merge_slot *vocab_merge_slot(const struct tokenizer *t, int32_t left, int32_t right) {
    uint64_t pair = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    uint64_t hash = mixed(pair * 0xd6e8feb86659fd93u);
    for (uint64_t i = 0; i < MAX_PROBES; i++) {
        struct merge_slot *slot = &t->merges[(hash + i) & t->merges_mask];
        if (slot->result == TOKEN_NONE || (slot->left == left && slot->right == right)) return slot;
    }
    return NULL;
}

const struct merge_slot *vocab_merge(const struct tokenizer *t, int32_t left, int32_t right) {
    if (left == TOKEN_NONE || right == TOKEN_NONE) return NULL;
    const struct merge_slot *slot = vocab_merge_slot(t, left, right);
    return slot != NULL && slot->result != TOKEN_NONE ? slot : NULL;
}
