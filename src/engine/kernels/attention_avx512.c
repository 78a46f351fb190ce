/* attention_avx512.c - attention with the registers of vf_avx512.h; half-float keys in tiles. */
#include "engine/kernels/vf_avx512.h"

#define ATTENTION_TILES
#define ATTENTION_FLOATS attention_floats_avx2
#include "engine/kernels/vf_exp.h"

#include "engine/kernels/attention_rows.h"
#include "engine/kernels/attention_tiles_f16.h"

static bool keys_in_tiles(enum kv_type type, int64_t n) {
    (void)n;
    return type == KV_F16;
}

static bool values_in_tiles(enum kv_type type, int64_t n) {
    (void)type, (void)n;
    return false;
}

static void tile_queries(void *to, const struct attention_task *t) {
    (void)to;
    (void)t;
}

INLINE void scores_tiles(float *s, const struct attention_task *t, const void *queries, int64_t first,
                         const int n_queries, const float *const *q, const uint8_t *rows,
                         const uint8_t *next, int64_t n_rows) {
    (void)queries;
    (void)first;
    scores_f16(s, n_queries, q, rows, next, n_rows, t->head_dim, t->scale);
}

INLINE void add_values_tiles(float *const *acc, const float *p, const float *share, const int n_queries,
                             const uint8_t *rows, const uint8_t *next, int64_t seen, int64_t n) {
    (void)acc, (void)p, (void)share, (void)n_queries, (void)rows, (void)next, (void)seen, (void)n;
}

#include "engine/kernels/attention_simd.h"

const struct attention_kernels attention_kernels_avx512 = {
    .store_key = {store_f32, store_key_f16, store_q8_0, store_q4_0},
    .store_value = {store_f32, store_f16, store_q8_0, store_q4_0},
    .attend = attend,
};
