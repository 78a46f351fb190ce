/* lib_numeric.h - what the files of the Lua module "woolly.numeric" share. */
#ifndef WOOLLY_HOST_LIB_NUMERIC_H
#define WOOLLY_HOST_LIB_NUMERIC_H

#include "host/host_util.h"

/* splitmix64, as in lua/woolly/stats/random.lua. */
static inline uint64_t numeric_next(uint64_t *state) {
    uint64_t z = *state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

/* An index below n. */
static inline int64_t numeric_index(uint64_t *state, int64_t n) {
    return (int64_t)((double)(numeric_next(state) >> 11) * 0x1p-53 * (double)n);
}

/* values [n], ascending; none may be NaN. */
void numeric_sort(double *values, int64_t n);
/* ceil(share * n), counted from 1, as an index from 0 of n > 0 values. */
int64_t numeric_rank(double share, int64_t n);
/* values [n], reordered; the value of rank k, from 0. */
double numeric_select(double *values, int64_t n, int64_t k);
/* values [n], n > 0, reordered; their median. */
double numeric_median(double *values, int64_t n);

/* Add their functions to the module's table on top of the stack. */
void numeric_add_order(lua_State *L);
void numeric_add_change(lua_State *L);
void numeric_add_potts(lua_State *L);
void numeric_add_trend(lua_State *L);

#endif
