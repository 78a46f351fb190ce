/* test_attention.c - attention kernels against softmax in double, for every ISA, type of keys and values,
 * and odd shapes; parts merged; NaN comes out; what lies behind the end has no say. */
#include "support/check.h"

#include "base/alloc.h"
#include "engine/kernels/attention.h"
#include "support/random_rows.h"

struct shape {
    int64_t head_dim, group, n_tokens, n_past;
};

struct scene {
    struct shape s;
    int64_t positions; /* with room for whole tiles */
    float *q, *k, *v, *out;
    uint8_t *keys, *values;
    struct attention_task task;
    const struct attention_kernels *kernels;
};

static float *random_floats(int64_t n) {
    float *x = mem_new_array((size_t)n, sizeof *x);
    for (int64_t i = 0; i < n; i++) x[i] = random_float();
    return x;
}

static struct scene scene_new(struct shape s, enum kv_type key_type, enum kv_type value_type,
                              enum isa isa) {
    struct scene z = {.s = s, .kernels = attention_kernels_get(isa)};
    const int64_t seen = s.n_past + s.n_tokens, queries = s.n_tokens * s.group, dim = s.head_dim;
    z.positions = (seen + KV_TILE - 1) / KV_TILE * KV_TILE;
    z.q = random_floats(queries * dim);
    z.k = random_floats(seen * dim);
    z.v = random_floats(seen * dim);
    z.out = random_floats(queries * dim);
    size_t key_bytes = (size_t)z.positions * kv_row_bytes(key_type, dim);
    size_t value_bytes = (size_t)z.positions * kv_row_bytes(value_type, dim);
    z.keys = mem_alloc_aligned(key_bytes, 64);
    z.values = mem_alloc_aligned(value_bytes, 64);
    /* NaN in half floats and in floats: what is not stored must not come in. */
    memset(z.keys, 0xff, key_bytes);
    memset(z.values, 0xff, value_bytes);
    for (int64_t p = 0; p < seen; p++) {
        z.kernels->store_key[key_type](z.keys, p, z.k + p * dim, dim);
        z.kernels->store_value[value_type](z.values, p, z.v + p * dim, dim);
    }
    z.task = (struct attention_task){.q = z.q, .q_stride = s.group * dim, .n_tokens = s.n_tokens,
        .group = s.group, .head_dim = dim, .n_past = s.n_past, .first = 0, .last = seen,
        .keys = z.keys, .values = z.values, .key_row = kv_row_bytes(key_type, dim),
        .value_row = kv_row_bytes(value_type, dim), .key_type = key_type, .value_type = value_type,
        .scale = 0.5f / sqrtf((float)dim)};
    return z;
}

static void scene_free(struct scene *z) {
    void *all[] = {z->q, z->k, z->v, z->out, z->keys, z->values};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) mem_free(all[i]);
}

static struct attention_part part_new(int64_t queries, int64_t dim) {
    return (struct attention_part){.acc = random_floats(queries * dim),
                                   .max = random_floats(queries), .sum = random_floats(queries)};
}

static void part_free(struct attention_part *part) {
    mem_free(part->acc);
    mem_free(part->max);
    mem_free(part->sum);
}

/* In parts of `step` positions. */
static void run(struct scene *z, int64_t step) {
    const int64_t queries = z->s.n_tokens * z->s.group, last = z->task.last;
    struct attention_part parts[64];
    void *scratch = mem_alloc_aligned(attention_scratch_bytes(z->s.n_tokens, z->s.group, z->s.head_dim), 64);
    int n = 0;
    for (int64_t first = 0; first < last; first += step, n++) {
        struct attention_task task = z->task;
        task.first = first;
        task.last = last - first < step ? last : first + step;
        task.next_keys = first == 0 ? NULL : z->keys; /* a hint, that changes nothing */
        task.next_values = first == 0 ? NULL : z->values;
        parts[n] = part_new(queries, z->s.head_dim);
        z->kernels->attend(&task, parts[n], scratch);
    }
    attention_merge(z->out, z->s.group * z->s.head_dim, parts, n, z->s.n_tokens, z->s.group,
                    z->s.head_dim);
    for (int i = 0; i < n; i++) part_free(&parts[i]);
    mem_free(scratch);
}

/* As out, in double. */
static double *softmax(const struct scene *z) {
    const int64_t dim = z->s.head_dim, queries = z->s.n_tokens * z->s.group;
    double *weights = mem_new_array((size_t)z->task.last, sizeof *weights);
    double *out = mem_new_array((size_t)(queries * dim), sizeof *out);
    for (int64_t i = 0; i < queries; i++) {
        const int64_t seen = z->s.n_past + i / z->s.group + 1;
        const float *q = z->q + i * dim;
        double top = -INFINITY, sum = 0;
        for (int64_t p = 0; p < seen; p++) {
            double dot = 0;
            for (int64_t d = 0; d < dim; d++) dot += (double)q[d] * (double)z->k[p * dim + d];
            weights[p] = dot * (double)z->task.scale;
            if (weights[p] > top) top = weights[p];
        }
        for (int64_t p = 0; p < seen; p++) sum += weights[p] = exp(weights[p] - top);
        for (int64_t p = 0; p < seen; p++) {
            const double weight = weights[p] / sum;
            for (int64_t d = 0; d < dim; d++) out[i * dim + d] += weight * (double)z->v[p * dim + d];
        }
    }
    mem_free(weights);
    return out;
}

/* Largest distance to the softmax in double. */
static double worst(const struct scene *z, const double *exact) {
    double most = 0;
    for (int64_t i = 0; i < z->s.n_tokens * z->s.group * z->s.head_dim; i++) {
        double off = fabs(exact[i] - (double)z->out[i]);
        if (!(off <= most)) most = off;
    }
    return most;
}

/* What rounding to the types may cost: values are up to 2, keys move the scores. */
static double allowed(enum kv_type key_type, enum kv_type value_type) {
    static const double by_type[KV_TYPE_COUNT] = {2e-6, 1.5e-3, 3e-2, 0.4};
    return by_type[key_type] + by_type[value_type];
}

static const struct shape shapes[] = {
    {64, 8, 1, 0},  {64, 8, 1, 127}, {64, 4, 33, 40}, {32, 1, 1, 200}, {96, 3, 5, 61},
    {128, 7, 2, 64}, {64, 2, 70, 0},  {32, 5, 17, 15}, {160, 1, 4, 3},
    {64, 3, 23, 90}, {128, 7, 33, 31}, /* prompts of many queries */
    {64, 1, 1, 63},  {64, 1, 1, 64}, {64, 1, 1, 330}, {128, 1, 1, 199}, /* a query alone */
    {64, 5, 1, 330}, {128, 4, 1, 198}, {64, 2, 1, 63}, {64, 32, 1, 66}, {64, 33, 1, 66}, {96, 3, 1, 70}, /* a group alone */
};

enum { N_SHAPES = sizeof shapes / sizeof *shapes };
static double *exact[N_SHAPES]; /* of each shape's numbers, which are the same for every kernel */

static void test_types(enum isa isa, enum kv_type key_type, enum kv_type value_type) {
    for (size_t i = 0; i < N_SHAPES; i++) {
        state = i + 1;
        struct scene z = scene_new(shapes[i], key_type, value_type, isa);
        if (exact[i] == NULL) exact[i] = softmax(&z);
        run(&z, z.task.last);
        const double off = worst(&z, exact[i]);
        if (!(off <= allowed(key_type, value_type))) {
            fprintf(stderr, "%s keys %s values %s shape %zu: %g\n", isa_name(isa),
                    kv_type_name(key_type), kv_type_name(value_type), i, off);
        }
        CHECK(off <= allowed(key_type, value_type));
        /* Repeats are bit-identical; parts change the order of sums alone. */
        const size_t bytes = (size_t)(z.s.n_tokens * z.s.group * z.s.head_dim) * sizeof(float);
        float *first = mem_new(bytes);
        memcpy(first, z.out, bytes);
        run(&z, z.task.last);
        CHECK(memcmp(first, z.out, bytes) == 0);
        run(&z, 64);
        CHECK(worst(&z, exact[i]) <= allowed(key_type, value_type));
        mem_free(first);
        scene_free(&z);
    }
}

/* Heads that are no multiple of 32 values. */
static void test_odd_heads(enum isa isa) {
    static const enum kv_type types[] = {KV_F32, KV_F16, KV_Q8_0};
    static const int64_t dims[] = {8, 20, 72};
    static const struct shape shapes_of[] = {{0, 2, 3, 70}, {0, 7, 1, 70}, {0, 8, 1, 70}};
    for (size_t i = 0; i < 27; i++) {
        const enum kv_type type = types[i / 3 % 3];
        struct shape shape = shapes_of[i / 9];
        shape.head_dim = dims[i % 3];
        struct scene z = scene_new(shape, type, type, isa);
        run(&z, 64);
        double *all = softmax(&z);
        CHECK(worst(&z, all) <= allowed(type, type));
        mem_free(all);
        scene_free(&z);
    }
}

/* A token's result does not depend on the tokens that run with it in one task of one token each. */
static void test_alone(enum isa isa, enum kv_type type, int64_t group) {
    struct scene z = scene_new((struct shape){64, group, 1, 90}, type, type, isa);
    run(&z, z.task.last);
    const size_t bytes = (size_t)group * 64 * sizeof(float);
    float *alone = mem_new(bytes);
    memcpy(alone, z.out, bytes);
    float k[64], v[64];
    for (int i = 0; i < 64; i++) k[i] = v[i] = (float)NAN;
    if (z.positions > 91) { /* a later token, damaged at that, stands behind it in the tile */
        z.kernels->store_key[type](z.keys, 91, k, 64);
        z.kernels->store_value[type](z.values, 91, v, 64);
    }
    run(&z, z.task.last);
    CHECK(memcmp(alone, z.out, bytes) == 0);
    mem_free(alone);
    scene_free(&z);
}

static void test_nan(enum isa isa, enum kv_type type, int64_t group, bool in_keys) {
    struct scene z = scene_new((struct shape){64, group, 1, 70}, type, type, isa);
    float *x = in_keys ? z.k : z.v;
    x[20 * 64 + 40] = (float)NAN;
    if (in_keys) {
        z.kernels->store_key[type](z.keys, 20, x + 20 * 64, 64);
    } else {
        z.kernels->store_value[type](z.values, 20, x + 20 * 64, 64);
    }
    run(&z, z.task.last);
    bool found = false;
    for (int i = 0; i < group * 64; i++) found = found || isnan(z.out[i]);
    if (!found) fprintf(stderr, "%s %s %d %d\n", isa_name(isa), kv_type_name(type), (int)group, in_keys);
    CHECK(found);
    scene_free(&z);
}

int main(void) {
    for (int isa = 0; isa < ISA_COUNT; isa++) {
        if (kernels_get((enum isa)isa) == NULL) continue;
        for (int k = 0; k < KV_TYPE_COUNT; k++) {
            for (int v = 0; v < KV_TYPE_COUNT; v++) {
                test_types((enum isa)isa, (enum kv_type)k, (enum kv_type)v);
            }
            for (int64_t group = 1; group <= 8; group += 7) test_alone((enum isa)isa, (enum kv_type)k, group);
            for (int64_t group = 1; group <= 4; group += 3) {
                test_nan((enum isa)isa, (enum kv_type)k, group, true);
                test_nan((enum isa)isa, (enum kv_type)k, group, false);
            }
        }
        test_odd_heads((enum isa)isa);
    }
    for (size_t i = 0; i < N_SHAPES; i++) mem_free(exact[i]);
    return check_done();
}
