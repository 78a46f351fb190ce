/* lib_numeric_change.c - Part of "woolly.numeric": the loops behind change points.
 *
 * split and levels are the loops of lua/woolly/stats/hunter.lua, permuted_energy the permutation
 * test of energy.lua: same steps in the same order, so that both give equal numbers. */
#include "host/lib_numeric.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WINDOW 100000 /* the search takes the square of it in time */
#define MAX_PERMUTATIONS 1000000

/* The best split of x [n_all], n_all > 1: its position (values left of it) and statistic. ahead,
 * all [n_all]. */
static int64_t best_window_split(const double *x, int64_t n_all, double *ahead, double *all,
                                 double *statistic) {
    for (int64_t j = 0; j < n_all; j++) {
        ahead[j] = all[j] = 0;
        for (int64_t i = 0; i < j; i++)
            all[j] += fabs(x[j] - x[i]);
    }
    double best = -INFINITY, within_left = 0;
    int64_t at = 0;
    for (int64_t tau = 1; tau < n_all; tau++) {
        within_left += ahead[tau - 1];
        double n = (double)tau, across = 0, within_right = 0;
        for (int64_t kappa = tau; kappa < n_all; kappa++) {
            double m = (double)(kappa - tau + 1);
            ahead[kappa] += fabs(x[kappa] - x[tau - 1]);
            across += ahead[kappa];
            within_right += all[kappa] - ahead[kappa];
            double q = 2 / (m + n) * across;
            if (tau > 1) q -= 2 * m / (m + n) / (n - 1) * within_left;
            if (kappa > tau) q -= 2 * n / (m + n) / (m - 1) * within_right;
            if (q > best) {
                best = q;
                at = tau;
            }
        }
    }
    *statistic = best;
    return at;
}

/* numeric.split(values, first, last) -> index, statistic */
static int l_split(lua_State *L) {
    int64_t n;
    lua_Integer first = luaL_checkinteger(L, 2), last = luaL_checkinteger(L, 3);
    double *values = host_check_numbers(L, 1, &n);
    luaL_argcheck(L, first >= 1 && first < last && last <= n, 2,
                  "first and last must name two values or more of the array");
    luaL_argcheck(L, last - first < MAX_WINDOW, 3, "the window is longer than 100000 values");
    double *scratch = host_block(L, 2 * (uint64_t)n, sizeof *scratch);
    if (values == NULL || scratch == NULL)
        return host_fail_memory(L, "window", n, 3 * sizeof *values);
    double statistic;
    int64_t at =
        best_window_split(values + first - 1, last - first + 1, scratch, scratch + n, &statistic);
    lua_pushinteger(L, first + at);
    lua_pushnumber(L, statistic);
    return 2;
}

/* ---- the levels on both sides of a split ---- */

static double mean_and_square(const double *x, int64_t n, double *square) {
    double sum = 0, mean;
    for (int64_t i = 0; i < n; i++)
        sum += x[i];
    mean = sum / (double)n;
    *square = 0;
    for (int64_t i = 0; i < n; i++)
        *square += (x[i] - mean) * (x[i] - mean);
    return mean;
}

static double neighbours(const double *x, int64_t n, double mean) {
    double sum = 0;
    for (int64_t i = 1; i < n; i++)
        sum += (x[i - 1] - mean) * (x[i] - mean);
    return sum;
}

/* numeric.levels(values, first, at, last) -> left, its square, right, its square, neighbours */
static int l_levels(lua_State *L) {
    lua_Integer first = luaL_checkinteger(L, 2), at = luaL_checkinteger(L, 3);
    lua_Integer last = luaL_checkinteger(L, 4);
    int64_t n_left = at - first, n_right = last - at + 1;
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_argcheck(L, first >= 1 && first < at && at <= last && last <= luaL_len(L, 1), 2,
                  "first, at and last must name a value or more on both sides");
    double *left = host_block(L, (uint64_t)(n_left + n_right), sizeof *left);
    if (left == NULL) return host_fail_memory(L, "levels", n_left + n_right, sizeof *left);
    double *right = left + n_left, square_left, square_right;
    for (lua_Integer i = 0; i < n_left + n_right; i++) {
        bool is_number = lua_rawgeti(L, 1, first + i) == LUA_TNUMBER;
        if (!is_number) return luaL_argerror(L, 1, "numbers are required");
        left[i] = lua_tonumber(L, -1);
        lua_pop(L, 1);
    }
    double mean_left = mean_and_square(left, n_left, &square_left);
    double mean_right = mean_and_square(right, n_right, &square_right);
    double together = neighbours(left, n_left, mean_left);
    lua_pushnumber(L, mean_left);
    lua_pushnumber(L, square_left);
    lua_pushnumber(L, mean_right);
    lua_pushnumber(L, square_right);
    lua_pushnumber(L, together + neighbours(right, n_right, mean_right));
    return 5;
}

/* ---- permutation test ---- */

/* A window of the series by ranks (from 0); two Fenwick trees over them, element 0 unused. */
struct window {
    int64_t n;
    double *sorted, *total; /* by rank: value, sum of distances to all others */
    int64_t *rank;          /* by position */
    int64_t *counts;        /* [n + 1] */
    double *sums;           /* [n + 1] */
};

struct keyed {
    double value;
    int64_t position;
};

static int compare_keyed(const void *a, const void *b) {
    const struct keyed *x = a, *y = b;
    if (x->value != y->value) return x->value < y->value ? -1 : 1;
    return (x->position > y->position) - (x->position < y->position);
}

static void fill_window(struct window *w, const double *values, struct keyed *keys) {
    double sum = 0, below = 0;
    for (int64_t i = 0; i < w->n; i++)
        keys[i] = (struct keyed){values[i], i};
    qsort(keys, (size_t)w->n, sizeof *keys, compare_keyed);
    for (int64_t r = 0; r < w->n; r++) {
        w->sorted[r] = keys[r].value;
        w->rank[keys[r].position] = r;
        sum += keys[r].value;
    }
    for (int64_t r = 0; r < w->n; r++) {
        double value = w->sorted[r];
        w->total[r] =
            (value * (double)r - below) + (sum - below - value - value * (double)(w->n - 1 - r));
        below += value;
    }
}

static double best_energy(struct window *w) {
    memset(w->counts, 0, (size_t)(w->n + 1) * sizeof *w->counts);
    memset(w->sums, 0, (size_t)(w->n + 1) * sizeof *w->sums);
    double left = 0, right = 0, across = 0, passed = 0, best = 0;
    for (int64_t r = 0; r < w->n; r++)
        right += w->total[r];
    right /= 2;
    for (int64_t tau = 1; tau < w->n; tau++) {
        int64_t r = w->rank[tau - 1], below = 0;
        double value = w->sorted[r], sum_below = 0;
        for (int64_t i = r + 1; i > 0; i &= i - 1) {
            below += w->counts[i];
            sum_below += w->sums[i];
        }
        double behind = (value * (double)below - sum_below) +
                        (passed - sum_below - value * (double)(tau - 1 - below));
        double ahead = w->total[r] - behind;
        for (int64_t i = r + 1; i <= w->n; i += i & -i) {
            w->counts[i]++;
            w->sums[i] += value;
        }
        passed += value;
        left += behind;
        right -= ahead;
        across = across - behind + ahead;
        double k = (double)tau, m = (double)(w->n - tau);
        double e = 2 * across / (k * m) - 2 * left / (k * k) - 2 * right / (m * m);
        double t = k * m / (double)w->n * e;
        if (t > best) best = t;
    }
    return best;
}

static void shuffle(int64_t *list, int64_t n, uint64_t *state) {
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = numeric_index(state, i + 1), kept = list[i];
        list[i] = list[j];
        list[j] = kept;
    }
}

struct permutation_options {
    int64_t permutations, allowed;
    uint64_t seed;
};

/* The window starts at arg (from 1, ascending, the last one n + 1) as windows over shared arrays.
 */
static struct window *check_windows(lua_State *L, int arg, const double *values, int64_t n,
                                    int64_t *n_windows) {
    int64_t n_bounds;
    double *bounds = host_check_numbers(L, arg, &n_bounds);
    luaL_argcheck(L, n_bounds >= 2, arg, "two bounds or more are required");
    uint64_t total = (uint64_t)n + (uint64_t)n_bounds;
    struct window *windows = host_block(L, (uint64_t)n_bounds, sizeof *windows);
    double *reals = host_block(L, total, 3 * sizeof *reals);
    int64_t *integers = host_block(L, total, 2 * sizeof *integers);
    struct keyed *keys = host_block(L, total, sizeof *keys);
    if (!bounds || !windows || !reals || !integers || !keys) return NULL;
    for (int64_t i = 0, used = 0; i + 1 < n_bounds; i++) {
        luaL_argcheck(
            L, bounds[i] >= 1 && bounds[i] < bounds[i + 1] && bounds[i + 1] <= (double)(n + 1), arg,
            "bounds must ascend from 1 to the number of values + 1");
        struct window *w = &windows[i];
        int64_t first = (int64_t)bounds[i] - 1;
        w->n = (int64_t)bounds[i + 1] - 1 - first;
        w->sorted = reals + 3 * used;
        w->total = w->sorted + w->n;
        w->sums = w->total + w->n;
        w->rank = integers + 2 * used;
        w->counts = w->rank + w->n;
        used += w->n + 1;
        fill_window(w, values + first, keys);
    }
    *n_windows = n_bounds - 1;
    return windows;
}

/* numeric.permuted_energy(values, bounds, best, options) -> count */
static int l_permuted_energy(lua_State *L) {
    static const struct opt_spec spec[] = {
        OPT_INT64(permutation_options, permutations, 1, MAX_PERMUTATIONS),
        OPT_INT64(permutation_options, allowed, 0, MAX_PERMUTATIONS),
        OPT_UINT64(permutation_options, seed),
        OPT_END,
    };
    struct permutation_options options = {.permutations = 100, .allowed = 5, .seed = 1};
    lua_Number best = luaL_checknumber(L, 3);
    host_read_options(L, 4, spec, &options);
    int64_t n, n_windows = 0;
    double *values = host_check_numbers(L, 1, &n);
    struct window *windows = values ? check_windows(L, 2, values, n, &n_windows) : NULL;
    if (windows == NULL) return host_fail_memory(L, "windows", n, sizeof *values);
    const volatile int *cancel = host_new_stop(L);
    uint64_t state = options.seed;
    int64_t reached = 0;
    for (int64_t k = 0; k < options.permutations && reached <= options.allowed; k++) {
        if (*cancel) return host_fail(L, ERR_CANCELLED, "permutation test: stopped");
        double most = 0;
        for (int64_t i = 0; i < n_windows; i++) {
            shuffle(windows[i].rank, windows[i].n, &state);
            double t = best_energy(&windows[i]);
            if (t > most) most = t;
        }
        if (most >= best) reached++;
    }
    lua_pushinteger(L, reached);
    return 1;
}

void numeric_add_change(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"split", l_split},
        {"levels", l_levels},
        {"permuted_energy", l_permuted_energy},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
