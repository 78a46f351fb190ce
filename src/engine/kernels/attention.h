/* attention.h - attention over a KV cache whose keys and values may be smaller than F32.
 *
 * Online softmax: one pass over keys and values in blocks of positions; all queries that share a KV
 * head go together, so a block is read and decoded once. How positions lie is the kernels' own: rows one
 * behind the other, or tiles of KV_TILE positions. What a position holds, and its bytes:
 *   f32   float v[n]                 f16   half v[n]
 *   q8_0  int8 q[n], half d[n / 32 or one more]: value j is q[j] * d[j / 32], d = largest |x| / 127
 *   q4_0  bytes [n / 32][16], half d[n / 32]: as GGUF's Q4_0, values j and j + 16 of a block in one byte
 */
#ifndef WOOLLY_ENGINE_ATTENTION_H
#define WOOLLY_ENGINE_ATTENTION_H

#include "engine/kernels/kernels.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Positions of a head are laid out in multiples of this. */
enum { KV_TILE = 16 };

enum kv_type { KV_F32, KV_F16, KV_Q8_0, KV_Q4_0, KV_TYPE_COUNT };

/* Bytes of a position of n values; 0 when the type does not allow n (q4_0 needs n % 32 == 0). */
size_t kv_row_bytes(enum kv_type type, int64_t n);
const char *kv_type_name(enum kv_type type); /* "f32", "f16", "q8_0", "q4_0" */
bool kv_type_from_name(const char *name, enum kv_type *type);

/* The queries of `n_tokens` tokens and `group` heads on the positions [first, last) of their KV head. */
struct attention_task {
    const float *q; /* of token t, member g: q + t * q_stride + g * head_dim; not scaled */
    int64_t q_stride, n_tokens, group, head_dim;
    int64_t n_past; /* token t sees positions 0 .. n_past + t */
    int64_t first, last; /* first: a multiple of 64 */
    const void *keys, *values; /* of the head's position 0, 64-byte aligned */
    size_t key_row, value_row; /* kv_row_bytes of their types */
    enum kv_type key_type, value_type;
    const void *next_keys, *next_values; /* likely read after this task; NULL: not known */
    float scale;
};

/* Per query: acc [n_tokens * group, head_dim] = sum of exp(s - max) v, and max and sum of these. A query
 * that sees nothing in the range has max -INFINITY and sum 0. */
struct attention_part {
    float *acc, *max, *sum;
};

struct attention_kernels {
    /* Writes one position's n values; base is that of the head's position 0. F32 is always rows. */
    void (*store_key[KV_TYPE_COUNT])(void *base, int64_t position, const float *x, int64_t n);
    void (*store_value[KV_TYPE_COUNT])(void *base, int64_t position, const float *x, int64_t n);
    /* scratch: attention_scratch_bytes, 64-byte aligned. Allocates nothing; any thread. Repeats are
     * bit-identical. NaN in keys or values comes out. */
    void (*attend)(const struct attention_task *task, struct attention_part part, void *scratch);
};

size_t attention_scratch_bytes(int64_t n_tokens, int64_t group, int64_t head_dim);
/* Of token t, member g to out + t * out_stride + g * head_dim: the parts together, in their order. */
void attention_merge(float *out, int64_t out_stride, const struct attention_part *parts, int n_parts,
                     int64_t n_tokens, int64_t group, int64_t head_dim);
/* Never NULL for an ISA that kernels_get has. */
const struct attention_kernels *attention_kernels_get(enum isa isa);

#endif
