/* lib_numeric.c - Lua module "woolly.numeric": the bootstrap, whose loops are too slow in Lua. The
 * module's other functions are in lib_numeric_*.c.
 *
 * The steps are written out in lua/woolly/meta/numeric.lua; woolly.stats takes the same ones and
 * the results must be equal, so nothing here may be reordered. Indexes go into the sorted values:
 * a resample is then a histogram of indexes, and its median or percentile one walk over counts. */
#include "host/lib_numeric.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_RESAMPLES 10000000
/* Ranks are products of decimal fractions: 0.025 * 10000 must not become 251. */
#define RANK_SLACK 1e-9

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

/* ceil(share * n) from 1, as an index from 0 */
static int64_t rank_index(double share, int64_t n) {
    double rank = ceil(share * (double)n - RANK_SLACK);
    if (!(rank >= 1)) return 0;
    return rank >= (double)n ? n - 1 : (int64_t)rank - 1;
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

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The array at arg, sorted. False when memory is short; n may be 0. */
static bool check_sample(lua_State *L, int arg, struct sample *sample) {
    sample->sorted = host_check_numbers(L, arg, &sample->n);
    sample->counts = host_block(L, (uint64_t)sample->n, sizeof *sample->counts);
    if (sample->sorted == NULL || sample->counts == NULL) return false;
    qsort(sample->sorted, (size_t)sample->n, sizeof *sample->sorted, compare);
    sample->low = (sample->n - 1) / 2;
    sample->high = sample->n / 2;
    return true;
}

static void swap(double *values, int64_t i, int64_t j) {
    double kept = values[i];
    values[i] = values[j];
    values[j] = kept;
}

/* values[first .. end-1], more than two of them: the middle one of three goes to the end. */
static double move_pivot(double *values, int64_t first, int64_t end) {
    int64_t middle = first + (end - first) / 2, last = end - 1;
    if (values[middle] < values[first]) swap(values, middle, first);
    if (values[last] < values[first]) swap(values, last, first);
    if (values[middle] < values[last]) swap(values, middle, last);
    return values[last];
}

/* Moves the values below the pivot (or up to it) to the front; the first index behind them. Every
 * value is stored twice so that no branch depends on it: they come in no order to predict. */
static int64_t part(double *values, int64_t first, int64_t end, double pivot, bool with_equal) {
    int64_t kept = first;
    for (int64_t i = first; i < end; i++) {
        double value = values[i];
        values[i] = values[kept];
        values[kept] = value;
        kept += with_equal ? value <= pivot : value < pivot;
    }
    return kept;
}

static void sort_few(double *values, int64_t first, int64_t end) {
    for (int64_t i = first + 1; i < end; i++) {
        double value = values[i];
        int64_t at = i;
        for (; at > first && values[at - 1] > value; at--)
            values[at] = values[at - 1];
        values[at] = value;
    }
}

double numeric_select(double *values, int64_t n, int64_t k) {
    enum { FEW = 12 };
    int64_t first = 0, end = n;
    while (end - first > FEW) {
        double pivot = move_pivot(values, first, end);
        int64_t at = part(values, first, end - 1, pivot, false);
        swap(values, at, end - 1);
        if (k < at) {
            end = at;
            continue;
        }
        if (k == at) return pivot;
        /* When few were below the pivot there may be many like it: they need no more sorting. */
        first = at + 1;
        if (at - first > (end - first) / 8) continue;
        int64_t equal = part(values, first, end, pivot, true);
        if (k < equal) return pivot;
        first = equal;
    }
    sort_few(values, first, end);
    return values[k];
}

double numeric_median(double *values, int64_t n) {
    double low = numeric_select(values, n, (n - 1) / 2);
    if (n % 2 == 1) return low;
    /* What numeric_select leaves behind rank k - 1 is not below it. */
    double high = values[n / 2];
    for (int64_t i = n / 2 + 1; i < n; i++) {
        if (values[i] < high) high = values[i];
    }
    return (low + high) / 2;
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
    lua_pushnumber(L, numeric_select(results, n, rank_index(alpha, n)));
    lua_pushnumber(L, numeric_select(results, n, rank_index(1 - alpha, n)));
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
    a.low = a.high = rank_index(percentile / 100, a.n);
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

/* The array at 1; infinities have their place in an order, NaN has none. NULL: memory is short. */
static double *check_ordered(lua_State *L, lua_Integer *n) {
    luaL_checktype(L, 1, LUA_TTABLE);
    *n = luaL_len(L, 1);
    double *values = host_block(L, (uint64_t)*n, sizeof *values);
    if (values == NULL) return NULL;
    for (lua_Integer i = 0; i < *n; i++) {
        bool is_number = lua_geti(L, 1, i + 1) == LUA_TNUMBER;
        values[i] = is_number ? lua_tonumber(L, -1) : NAN;
        if (isnan(values[i])) {
            luaL_argerror(L, 1,
                          lua_pushfstring(L, "element %I is no number", (LUAI_UACINT)(i + 1)));
        }
        lua_pop(L, 1);
    }
    return values;
}

/* numeric.median(values) -> the median */
static int l_median(lua_State *L) {
    lua_Integer n;
    double *values = check_ordered(L, &n);
    luaL_argcheck(L, n > 0, 1, "one value or more is required");
    if (values == NULL) return host_fail_memory(L, "samples", (uint64_t)n, sizeof *values);
    lua_pushnumber(L, numeric_median(values, n));
    return 1;
}

/* numeric.sort(values) -> a sorted copy */
static int l_sort(lua_State *L) {
    lua_Integer n;
    double *values = check_ordered(L, &n);
    if (values == NULL) return host_fail_memory(L, "samples", (uint64_t)n, sizeof *values);
    qsort(values, (size_t)n, sizeof *values, compare);
    lua_createtable(L, n < INT_MAX ? (int)n : 0, 0);
    for (lua_Integer i = 0; i < n; i++) {
        lua_pushnumber(L, values[i]);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

int luaopen_woolly_numeric(lua_State *L);

int luaopen_woolly_numeric(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"bootstrap_median", l_bootstrap_median},
        {"bootstrap_ratio", l_bootstrap_ratio},
        {"bootstrap_percentile", l_bootstrap_percentile},
        {"median", l_median},
        {"sort", l_sort},
        {NULL, NULL},
    };
    luaL_newlib(L, functions);
    numeric_add_change(L);
    numeric_add_potts(L);
    numeric_add_trend(L);
    return 1;
}
