/* lib_numeric_trend.c - Part of "woolly.numeric": the quadratic loops of lua/woolly/stats/trend.lua
 * and the resamples of bootstrap.lua, same steps and numbers. */
#include "host/lib_numeric.h"

#include <math.h>

#define MAX_POINTS 20000 /* 2e8 slopes */
#define MAX_RESAMPLES 10000000

/* numeric.theil_sen(y, x or nil, shares) -> values, number of slopes */
static int l_theil_sen(lua_State *L) {
    int64_t n, n_x, n_shares;
    double *x = NULL, *y = host_check_numbers(L, 1, &n);
    luaL_argcheck(L, n >= 2 && n <= MAX_POINTS, 1, "2 to 20000 values are required");
    if (!lua_isnoneornil(L, 2)) {
        x = host_check_numbers(L, 2, &n_x);
        luaL_argcheck(L, n_x == n, 2, "as many values as in y are required");
    }
    double *shares = host_check_numbers(L, 3, &n_shares);
    double *slopes = host_block(L, (uint64_t)(n * (n - 1) / 2), sizeof *slopes);
    if (!y || !shares || !slopes || (x == NULL && !lua_isnoneornil(L, 2))) {
        return host_fail_memory(L, "slopes", (uint64_t)(n * (n - 1) / 2), sizeof *slopes);
    }
    int64_t count = 0;
    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = i + 1; j < n; j++) {
            double run = x ? x[j] - x[i] : (double)(j - i);
            if (run != 0) slopes[count++] = (y[j] - y[i]) / run;
        }
    }
    lua_createtable(L, (int)n_shares, 0);
    for (int64_t i = 0; i < n_shares && count > 0; i++) {
        double share = shares[i] < 0 ? 0 : shares[i] > 1 ? 1 : shares[i];
        double rank = share * (double)(count - 1);
        double low = numeric_select(slopes, count, (int64_t)floor(rank));
        double high = numeric_select(slopes, count, (int64_t)ceil(rank));
        lua_pushnumber(L, (low + high) / 2);
        lua_rawseti(L, -2, i + 1);
    }
    lua_pushinteger(L, count);
    return 2;
}

/* numeric.correlated_pairs(ranks, bound, lags) -> sum */
static int l_correlated_pairs(lua_State *L) {
    int64_t n;
    lua_Number bound = luaL_checknumber(L, 2);
    lua_Integer lags = luaL_checkinteger(L, 3);
    double *rank = host_check_numbers(L, 1, &n);
    luaL_argcheck(L, lags < n, 3, "fewer lags than values are required");
    if (rank == NULL) return host_fail_memory(L, "ranks", (uint64_t)n, sizeof *rank);
    double variance = 0, sum = 0, mean = (double)(n + 1) / 2;
    for (int64_t i = 0; i < n; i++) {
        rank[i] -= mean;
        variance += rank[i] * rank[i];
    }
    const volatile int *cancel = host_new_stop(L);
    for (int64_t lag = 1; lag <= lags && variance > 0; lag++) {
        if (*cancel) return host_fail(L, ERR_CANCELLED, "trend: stopped");
        double product = 0;
        for (int64_t i = 0; i < n - lag; i++)
            product += rank[i] * rank[i + lag];
        double r = product / variance, k = (double)(n - lag);
        if (fabs(r) > bound) sum += k * (k - 1) * (k - 2) * r;
    }
    lua_pushnumber(L, sum);
    return 1;
}

struct resample_options {
    int64_t resamples;
    uint64_t seed;
    double percentile; /* below 0: the mean */
};

static double statistic(double *drawn, int64_t n, double percentile) {
    if (percentile < 0) {
        double sum = 0;
        for (int64_t i = 0; i < n; i++)
            sum += drawn[i];
        return sum / (double)n;
    }
    if (percentile == 50) return numeric_median(drawn, n);
    return numeric_select(drawn, n, numeric_rank(percentile / 100, n));
}

/* numeric.resample(values, options) -> sorted statistics of the resamples */
static int l_resample(lua_State *L) {
    static const struct opt_spec spec[] = {
        OPT_INT64(resample_options, resamples, 1, MAX_RESAMPLES),
        OPT_UINT64(resample_options, seed),
        OPT_DOUBLE(resample_options, percentile, -1.0, 100.0),
        OPT_END,
    };
    struct resample_options options = {.resamples = 10000, .seed = 1, .percentile = 50};
    int64_t n;
    double *values = host_check_numbers(L, 1, &n);
    luaL_argcheck(L, n > 0, 1, "one value or more is required");
    host_read_options(L, 2, spec, &options);
    double *drawn = host_block(L, (uint64_t)n, sizeof *drawn);
    double *results = host_block(L, (uint64_t)options.resamples, sizeof *results);
    if (!values || !drawn || !results) {
        return host_fail_memory(L, "resamples", (uint64_t)options.resamples, sizeof *results);
    }
    const volatile int *cancel = host_new_stop(L);
    uint64_t state = options.seed;
    for (int64_t r = 0; r < options.resamples; r++) {
        if (*cancel) return host_fail(L, ERR_CANCELLED, "resamples: stopped");
        for (int64_t i = 0; i < n; i++)
            drawn[i] = values[numeric_index(&state, n)];
        results[r] = statistic(drawn, n, options.percentile);
    }
    numeric_sort(results, options.resamples);
    host_push_numbers(L, results, options.resamples);
    return 1;
}

void numeric_add_trend(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"theil_sen", l_theil_sen},
        {"correlated_pairs", l_correlated_pairs},
        {"resample", l_resample},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
