/* bench_attention.c - times one layer's attention, naive and fused, split among threads as the fused
 * forward pass does it. */
#include "engine/bench_loop.h"

#include "base/alloc.h"
#include "engine/attention_naive.h"
#include "engine/fused.h"
#include "engine/kv_cache.h"

#include <math.h>

struct attention {
    const struct attention_bench *bench;
    const struct kernels *kernels;
    const struct attention_kernels *fused;
    struct threads *team;
    struct kv_cache naive_cache, fused_cache; /* one layer per turn */
    int64_t n_copies, positions, group, width, max_parts;
    float scale;
    float *q, *naive_out, *fused_out; /* [n_tokens, n_head * head_dim] */
    float *scores;                    /* [n_threads, positions] */
    uint8_t *scratch;                 /* [n_threads] of the fused kernels */
    size_t scratch_bytes;
    float *part_values;
    struct attention_part *parts; /* decode: [n_head_kv, max_parts]; else [n_threads] */
};

/* ---- both ways ---- */

static bool is_decode(const struct attention *a) {
    return a->bench->n_tokens == 1;
}

static int64_t query_tiles(const struct attention *a) {
    return (a->bench->n_tokens + FUSED_QUERY_TILE - 1) / FUSED_QUERY_TILE;
}

static void naive_tile(struct attention *a, int thread, int64_t copy, int64_t head, int64_t token,
                       int64_t n_tokens) {
    const struct attention_bench *b = a->bench;
    float *scores = a->scores + (int64_t)thread * a->positions;
    for (int64_t i = 0; i < n_tokens * a->group; i++) {
        int64_t at = (token + i / a->group) * a->width +
                     (head * a->group + i % a->group) * b->head_dim;
        attention_naive(a->kernels, a->naive_out + at, a->q + at,
                        kv_cache_keys(&a->naive_cache, copy, head),
                        kv_cache_values(&a->naive_cache, copy, head), scores,
                        b->n_past + token + i / a->group + 1, b->head_dim, a->scale);
    }
}

static struct attention_task task_of(const struct attention *a, int64_t copy, int64_t head,
                                     int64_t token, int64_t n_tokens, int64_t first, int64_t last) {
    const struct attention_bench *b = a->bench;
    return (struct attention_task){
        .q = a->q + token * a->width + head * a->group * b->head_dim, .q_stride = a->width,
        .n_tokens = n_tokens, .group = a->group, .head_dim = b->head_dim,
        .n_past = b->n_past + token, .first = first, .last = last,
        .keys = kv_cache_key_rows(&a->fused_cache, copy, head),
        .values = kv_cache_value_rows(&a->fused_cache, copy, head),
        .key_row = a->fused_cache.key_row, .value_row = a->fused_cache.value_row,
        .key_type = b->key_type, .value_type = b->value_type, .scale = a->scale};
}

static void *scratch_of(const struct attention *a, int thread) {
    return a->scratch + (size_t)thread * a->scratch_bytes;
}

static void fused_tile(struct attention *a, int thread, int64_t copy, int64_t head, int64_t token,
                       int64_t n_tokens) {
    const struct attention_bench *b = a->bench;
    struct attention_task task =
        task_of(a, copy, head, token, n_tokens, 0, b->n_past + token + n_tokens);
    a->fused->attend(&task, a->parts[thread], scratch_of(a, thread));
    attention_merge(a->fused_out + token * a->width + head * a->group * b->head_dim, a->width,
                    &a->parts[thread], 1, n_tokens, a->group, b->head_dim);
}

/* Prefill: tiles of queries by head, those that see most first. */
static void prefill(struct attention *a, int thread, int64_t copy,
                    void (*tile_of)(struct attention *a, int thread, int64_t copy, int64_t head,
                                    int64_t token, int64_t n_tokens)) {
    const struct attention_bench *b = a->bench;
    const int64_t tiles = query_tiles(a);
    int64_t first, last;
    while (threads_next(a->team, thread, tiles * b->n_head_kv, 1, &first, &last)) {
        int64_t token = (tiles - 1 - first / b->n_head_kv) * FUSED_QUERY_TILE;
        int64_t left = b->n_tokens - token;
        tile_of(a, thread, copy, first % b->n_head_kv, token,
                left < FUSED_QUERY_TILE ? left : FUSED_QUERY_TILE);
    }
}

static void call_naive(void *user, int thread, int64_t index) {
    struct attention *a = user;
    const int64_t copy = index % a->n_copies;
    int64_t first, last;
    if (is_decode(a)) {
        while (threads_next(a->team, thread, a->bench->n_head_kv, 1, &first, &last)) {
            naive_tile(a, thread, copy, first, 0, 1);
        }
    } else {
        prefill(a, thread, copy, naive_tile);
    }
    threads_barrier(a->team, thread);
}

/* Decode: every part of a long context by whoever is free, then merged. */
static void fused_decode(struct attention *a, int thread, int64_t copy) {
    const struct attention_bench *b = a->bench;
    const int64_t n_parts = a->max_parts;
    int64_t first, last;
    while (threads_next(a->team, thread, b->n_head_kv * n_parts, 1, &first, &last)) {
        int64_t head = first / n_parts, from = first % n_parts * FUSED_PART, to = from + FUSED_PART;
        struct attention_task task =
            task_of(a, copy, head, 0, 1, from, to < a->positions ? to : a->positions);
        if (threads_own(a->team, thread, b->n_head_kv * n_parts, last)) {
            kv_cache_expect(&task, &a->fused_cache, copy, last / n_parts, last % n_parts * FUSED_PART);
        }
        a->fused->attend(&task, a->parts[first], scratch_of(a, thread));
    }
    threads_barrier(a->team, thread);
    while (threads_next(a->team, thread, b->n_head_kv, 1, &first, &last)) {
        attention_merge(a->fused_out + first * a->group * b->head_dim, a->width,
                        &a->parts[first * n_parts], (int)n_parts, 1, a->group, b->head_dim);
    }
}

static void call_fused(void *user, int thread, int64_t index) {
    struct attention *a = user;
    if (is_decode(a)) {
        fused_decode(a, thread, index % a->n_copies);
    } else {
        prefill(a, thread, index % a->n_copies, fused_tile);
    }
    threads_barrier(a->team, thread);
}

/* ---- setting up ---- */

static bool check(const struct attention_bench *b, struct err *err) {
    if (kernels_get(b->isa) == NULL) {
        return err_set(err, ERR_UNAVAILABLE,
                       "bench_attention: %s is not available on this machine, the best one here is "
                       "%s",
                       isa_name(b->isa), isa_name(kernels_best()));
    }
    if (b->n_head < 1 || b->n_head_kv < 1 || b->n_head % b->n_head_kv != 0 || b->n_head > 1024 ||
        b->head_dim < 1 || b->head_dim > 1024 || b->n_past < 0 || b->n_past > 1 << 24 ||
        b->n_tokens < 1 || b->n_tokens > 1 << 16 || b->footprint > (uint64_t)1 << 40) {
        return err_set(err, ERR_INPUT,
                       "bench_attention: %lld heads of %lld values, %lld for keys, %lld tokens "
                       "behind %lld; heads are a multiple of those for keys, at most 1024 of 1024, "
                       "tokens at most 2^16",
                       (long long)b->n_head, (long long)b->head_dim, (long long)b->n_head_kv,
                       (long long)b->n_tokens, (long long)b->n_past);
    }
    return bench_window_check("bench_attention", &b->window, err);
}

static bool make_caches(struct attention *a, struct err *err) {
    const struct attention_bench *b = a->bench;
    struct kv_shape shape = {.n_layer = a->n_copies, .n_head_kv = b->n_head_kv,
                             .head_dim = b->head_dim, .n_ctx = a->positions,
                             .key_type = KV_F32, .value_type = KV_F32};
    if (!kv_cache_init(&a->naive_cache, &shape, a->fused, true, err)) return false;
    shape.key_type = b->key_type;
    shape.value_type = b->value_type;
    if (!kv_cache_init(&a->fused_cache, &shape, a->fused, true, err)) return false;
    const int64_t n = b->n_head_kv * b->head_dim;
    float *row = mem_new_array((size_t)(2 * n), sizeof *row);
    if (row == NULL) return err_set(err, ERR_ENVIRONMENT, "bench_attention: not enough memory");
    for (int64_t i = 0; i < a->n_copies * a->positions; i++) {
        if (b->window.cancel != NULL && *b->window.cancel) break;
        bench_fill_floats(row, 2 * n, (uint64_t)i);
        kv_cache_store(&a->naive_cache, i / a->positions, i % a->positions, row, row + n);
        kv_cache_store(&a->fused_cache, i / a->positions, i % a->positions, row, row + n);
    }
    mem_free(row);
    return true;
}

static bool make_buffers(struct attention *a, struct err *err) {
    const struct attention_bench *b = a->bench;
    const int64_t n_threads = b->window.n_threads;
    const int64_t tile = b->n_tokens < FUSED_QUERY_TILE ? b->n_tokens : FUSED_QUERY_TILE;
    const int64_t n_parts = is_decode(a) ? b->n_head_kv * a->max_parts : n_threads;
    const int64_t queries = tile * a->group, of_part = queries * (b->head_dim + 2);
    const size_t n_out = (size_t)(b->n_tokens * a->width);
    a->scratch_bytes = (attention_scratch_bytes(tile, a->group, b->head_dim) + 63) / 64 * 64;
    a->q = mem_new_array(n_out, sizeof *a->q);
    a->naive_out = mem_new_array(n_out, sizeof *a->naive_out);
    a->fused_out = mem_new_array(n_out, sizeof *a->fused_out);
    a->scores = mem_new_array((size_t)(n_threads * a->positions), sizeof *a->scores);
    a->scratch = mem_alloc_aligned((size_t)n_threads * a->scratch_bytes, 64);
    a->part_values = mem_new_array((size_t)(n_parts * of_part), sizeof *a->part_values);
    a->parts = mem_new_array((size_t)n_parts, sizeof *a->parts);
    if (a->q == NULL || a->naive_out == NULL || a->fused_out == NULL || a->scores == NULL ||
        a->scratch == NULL || a->part_values == NULL || a->parts == NULL) {
        return err_set(err, ERR_ENVIRONMENT, "bench_attention: not enough memory");
    }
    for (int64_t i = 0; i < n_parts; i++) {
        float *values = a->part_values + i * of_part;
        a->parts[i] = (struct attention_part){.acc = values + 2 * queries, .max = values,
                                              .sum = values + queries};
    }
    bench_fill_floats(a->q, (int64_t)n_out, UINT64_MAX);
    return true;
}

static double error_of(const struct attention *a) {
    double error = 0, power = 0;
    for (int64_t i = 0; i < a->bench->n_tokens * a->width; i++) {
        double d = (double)a->fused_out[i] - (double)a->naive_out[i];
        error += d * d;
        power += (double)a->naive_out[i] * (double)a->naive_out[i];
    }
    return power > 0 ? error / power : error;
}

static bool time_both(struct attention *a, double *naive_ns, double *fused_ns,
                      struct attention_bench_result *result, struct err *err) {
    const struct bench_window *window = &a->bench->window;
    struct bench_loop naive = {.call = call_naive, .user = a, .team = a->team,
                               .n_threads = window->n_threads, .calls = 1};
    struct bench_loop fused = naive;
    fused.call = call_fused;
    bench_loop_sample(&naive);
    bench_loop_sample(&fused);
    result->nmse = error_of(a); /* both were on the first cache */
    bench_loop_prepare(&naive, window->min_ns);
    bench_loop_prepare(&fused, window->min_ns);
    for (int i = 0; i < window->n_samples; i++) {
        for (int turn = 0; turn < 2; turn++) { /* ABBA */
            if ((turn + i) % 2 == 0) {
                naive_ns[i] = bench_loop_sample(&naive);
            } else {
                fused_ns[i] = bench_loop_sample(&fused);
            }
        }
        if (bench_cancelled("bench_attention", window, err)) return false;
    }
    return true;
}

bool bench_attention(const struct attention_bench *b, double *naive_ns, double *fused_ns,
                     struct attention_bench_result *result, struct err *err) {
    if (!check(b, err)) return false;
    struct attention a = {.bench = b, .kernels = kernels_get(b->isa),
                          .fused = attention_kernels_get(b->isa),
                          .positions = b->n_past + b->n_tokens, .group = b->n_head / b->n_head_kv,
                          .width = b->n_head * b->head_dim,
                          .scale = (float)(1 / sqrt((double)b->head_dim))};
    a.max_parts = (a.positions + FUSED_PART - 1) / FUSED_PART;
    const uint64_t bytes = 8 * (uint64_t)(b->n_head_kv * b->head_dim * a.positions);
    a.n_copies = (int64_t)((b->footprint + bytes - 1) / bytes);
    if (a.n_copies < 1) a.n_copies = 1;
    bool ok = make_caches(&a, err) && make_buffers(&a, err);
    if (ok) a.team = threads_new(b->window.n_threads, true, err);
    ok = ok && a.team != NULL && !bench_cancelled("bench_attention", &b->window, err) &&
         time_both(&a, naive_ns, fused_ns, result, err);
    if (ok) {
        result->naive_bytes = bytes;
        result->fused_bytes = kv_cache_bytes(&a.fused_cache, a.positions) / (uint64_t)a.n_copies;
    }
    threads_free(a.team);
    kv_cache_free(&a.naive_cache);
    kv_cache_free(&a.fused_cache);
    mem_free(a.q);
    mem_free(a.naive_out);
    mem_free(a.fused_out);
    mem_free(a.scores);
    mem_free(a.scratch);
    mem_free(a.part_values);
    mem_free(a.parts);
    return ok;
}
