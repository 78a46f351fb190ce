/* lib_numeric.c - Lua module "woolly.numeric": the bootstrap, whose loops are too slow in Lua. The
 * module's other functions are in lib_numeric_*.c.
 *
 * The steps are written out in lua/woolly/meta/numeric.lua; woolly.stats takes the same ones and
 * the results must be equal, so nothing here may be reordered. Indexes go into the sorted values:
 * a resample is then a histogram of indexes, and its median or percentile one walk over counts. */
#include "host/lib_numeric.h"

#include <string.h>

#define MAX_RESAMPLES 10000000

struct bootstrap_options {
    int64_t resamples;
    uint64_t seed;
    double confidence;
};

static struct bootstrap_options check_options(lua_State *L, int arg) {
    static const struct opt_spec spec[] = {
        OPT_INT64(bootstrap_options, resamples, 1, MAX_RESAMPLES),
        OPT_UINT64(bootstrap_options, seed),
        OPT_DOUBLE(bootstrap_options, confidence, 0.0, 1.0),
        OPT_END,
    };
    struct bootstrap_options options = {.resamples = 10000, .seed = 1, .confidence = 0.95};
    host_read_options(L, arg, spec, &options);
    return options;
}

struct sample {
    double *sorted;
    uint32_t *counts; /* how often the resample drew each index */
    int64_t n;
    int64_t low, high; /* ranks, from 0, whose mean is the resample's statistic */
};

static void draw(struct sample *sample, uint64_t *state) {
    uint32_t *counts = sample->counts;
    memset(counts, 0, (size_t)sample->n * sizeof *counts);
    for (int64_t i = 0; i < sample->n; i++)
        counts[numeric_index(state, sample->n)]++;
}

/* Of the drawn resample: the value at rank low, or the mean of those at low and high. */
static double statistic(const struct sample *sample) {
    int64_t i = 0, seen = sample->counts[0];
    while (seen <= sample->low)
        seen += sample->counts[++i];
    double low = sample->sorted[i];
    if (sample->high == sample->low) return low;
    while (seen <= sample->high)
        seen += sample->counts[++i];
    return (low + sample->sorted[i]) / 2;
}

/* The array at arg, sorted. False when memory is short; n may be 0. */
static bool check_sample(lua_State *L, int arg, struct sample *sample) {
    sample->sorted = host_check_numbers(L, arg, &sample->n);
    sample->counts = host_block(L, (uint64_t)sample->n, sizeof *sample->counts);
    if (sample->sorted == NULL || sample->counts == NULL) return false;
    numeric_sort(sample->sorted, sample->n);
    sample->low = (sample->n - 1) / 2;
    sample->high = sample->n / 2;
    return true;
}

/* Resamples a (and b, or NULL) and pushes the two bounds. */
static int push_interval(lua_State *L, struct sample *a, struct sample *b,
                         const struct bootstrap_options *options) {
    int64_t n = options->resamples;
    double *results = host_block(L, (uint64_t)n, sizeof *results);
    if (results == NULL) return host_fail_memory(L, "resamples", (uint64_t)n, sizeof *results);
    const volatile int *cancel = host_new_stop(L);
    uint64_t state = options->seed;
    for (int64_t r = 0; r < n; r++) {
        if (*cancel) return host_fail(L, ERR_CANCELLED, "bootstrap: stopped");
        draw(a, &state);
        results[r] = statistic(a);
        if (b == NULL) continue;
        draw(b, &state);
        results[r] /= statistic(b);
    }
    double alpha = (1 - options->confidence) / 2;
    lua_pushnumber(L, numeric_select(results, n, numeric_rank(alpha, n)));
    lua_pushnumber(L, numeric_select(results, n, numeric_rank(1 - alpha, n)));
    return 2;
}

static int fail_empty(lua_State *L) {
    return host_fail(L, ERR_INPUT, "bootstrap: no values; at least 1 is required");
}

/* numeric.bootstrap_median(values [, options]) -> low, high */
static int l_bootstrap_median(lua_State *L) {
    struct bootstrap_options options = check_options(L, 2);
    struct sample a;
    if (!check_sample(L, 1, &a)) return host_fail_memory(L, "samples", 12, (size_t)a.n);
    if (a.n == 0) return fail_empty(L);
    return push_interval(L, &a, NULL, &options);
}

/* numeric.bootstrap_percentile(values, percentile [, options]) -> low, high */
static int l_bootstrap_percentile(lua_State *L) {
    lua_Number percentile = luaL_checknumber(L, 2);
    luaL_argcheck(L, percentile >= 0 && percentile <= 100, 2, "allowed are 0..100");
    struct bootstrap_options options = check_options(L, 3);
    struct sample a;
    if (!check_sample(L, 1, &a)) return host_fail_memory(L, "samples", 12, (size_t)a.n);
    if (a.n == 0) return fail_empty(L);
    a.low = a.high = numeric_rank(percentile / 100, a.n);
    return push_interval(L, &a, NULL, &options);
}

/* numeric.bootstrap_ratio(a, b [, options]) -> low, high */
static int l_bootstrap_ratio(lua_State *L) {
    struct bootstrap_options options = check_options(L, 3);
    struct sample a, b;
    if (!check_sample(L, 1, &a)) return host_fail_memory(L, "samples", 12, (size_t)a.n);
    if (!check_sample(L, 2, &b)) return host_fail_memory(L, "samples", 12, (size_t)b.n);
    if (a.n == 0 || b.n == 0) return fail_empty(L);
    if (!(b.sorted[0] > 0)) {
        return host_fail(L, ERR_INPUT,
                         "bootstrap: %g divides the ratio; values above 0 are required",
                         b.sorted[0]);
    }
    return push_interval(L, &a, &b, &options);
}

int luaopen_woolly_numeric(lua_State *L);

int luaopen_woolly_numeric(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"bootstrap_median", l_bootstrap_median},
        {"bootstrap_ratio", l_bootstrap_ratio},
        {"bootstrap_percentile", l_bootstrap_percentile},
        {NULL, NULL},
    };
    luaL_newlib(L, functions);
    numeric_add_order(L);
    numeric_add_change(L);
    numeric_add_potts(L);
    numeric_add_trend(L);
    return 1;
}
