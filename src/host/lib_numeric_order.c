/* lib_numeric_order.c - sorting, ranks and medians of "woolly.numeric". */
#include "host/lib_numeric.h"

#include <math.h>
#include <stdlib.h>

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void numeric_sort(double *values, int64_t n) {
    qsort(values, (size_t)n, sizeof *values, compare);
}

int64_t numeric_rank(double share, int64_t n) {
    /* Ranks are products of decimal fractions: 0.025 * 10000 must not become 251. */
    double rank = ceil(share * (double)n - 1e-9);
    if (!(rank >= 1)) return 0;
    return rank >= (double)n ? n - 1 : (int64_t)rank - 1;
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
    numeric_sort(values, n);
    host_push_numbers(L, values, n);
    return 1;
}

void numeric_add_order(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"median", l_median},
        {"sort", l_sort},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
