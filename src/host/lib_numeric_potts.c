/* lib_numeric_potts.c - Part of "woolly.numeric": L1 Potts segments, the steps of
 * lua/woolly/stats/potts.lua in the same order, so that both give equal numbers. */
#include "host/lib_numeric.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_VALUES 10000000
#define GOLDEN 0.6180339887498949
#define SECTIONS 12

struct potts {
    const double *values;
    int64_t n, most;
    double *cost;  /* [n * most]: of values[r - k .. r] around their median, at r * most + k */
    double *best;  /* [n + 1] */
    int64_t *left; /* [n] first value of the best segment that ends at r */
    int64_t *ends; /* [n] right ends (exclusive) of the segments found */
    int64_t n_ends;
    double *costs;   /* [n] of the segments */
    double *scratch; /* [n] */
    double *medians; /* [n] */
};

static double out_of(double low, double high, double x) {
    double away = low - x > x - high ? low - x : x - high;
    return away > 0 ? away : 0;
}

static void fill_costs(struct potts *p) {
    for (int64_t r = 0; r < p->n; r++) {
        double *sorted = p->scratch, cost = 0;
        int64_t reach = r + 1 < p->most ? r + 1 : p->most;
        for (int64_t k = 0; k < reach; k++) {
            double x = p->values[r - k];
            if (k > 0) cost += out_of(sorted[(k - 1) / 2], sorted[k / 2], x);
            int64_t low = 0, high = k;
            while (low < high) {
                int64_t middle = (low + high) / 2;
                if (sorted[middle] <= x) {
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
            memmove(sorted + low + 1, sorted + low, (size_t)(k - low) * sizeof *sorted);
            sorted[low] = x;
            p->cost[r * p->most + k] = cost;
        }
    }
}

/* The values that a segment of at most 64 can reach back to, in order. */
struct reach {
    int64_t n;
    double sorted[64];
    int64_t at[64];   /* by rank: which value */
    uint8_t rank[64]; /* by value, modulo 64 */
};

/* Takes values[r] in, and values[r - most] out. */
static void slide(struct reach *reach, const double *values, int64_t r, int64_t most) {
    if (reach->n == most) {
        int64_t out = reach->rank[(r - most) & 63], n_behind = --reach->n - out;
        memmove(reach->sorted + out, reach->sorted + out + 1, (size_t)n_behind * sizeof(double));
        memmove(reach->at + out, reach->at + out + 1, (size_t)n_behind * sizeof(int64_t));
    }
    int64_t in = reach->n++;
    for (; in > 0 && reach->sorted[in - 1] > values[r]; in--) {
        reach->sorted[in] = reach->sorted[in - 1];
        reach->at[in] = reach->at[in - 1];
    }
    reach->sorted[in] = values[r];
    reach->at[in] = r;
    for (int64_t i = 0; i < reach->n; i++)
        reach->rank[reach->at[i] & 63] = (uint8_t)i;
}

/* As fill_costs, for segments of at most 64: the ranks of a segment's values are bits of a word, in
 * which the median moves by one bit as each value comes. */
static void fill_short_costs(struct potts *p) {
    struct reach reach = {0};
    for (int64_t r = 0; r < p->n; r++) {
        slide(&reach, p->values, r, p->most);
        double *costs = p->cost + r * p->most, cost = 0;
        int low = reach.rank[r & 63], high = low; /* ranks of the median's one or two values */
        uint64_t taken = UINT64_C(1) << low;
        costs[0] = 0;
        for (int64_t k = 1; k < reach.n; k++) {
            int rank = reach.rank[(r - k) & 63];
            cost += out_of(reach.sorted[low], reach.sorted[high], p->values[r - k]);
            costs[k] = cost;
            taken |= UINT64_C(1) << rank;
            if (k % 2 == 1) { /* two in the middle now: the one there was, and its neighbour */
                uint64_t below = taken & ((UINT64_C(1) << low) - 1);
                uint64_t above = taken & ~((UINT64_C(2) << low) - 1);
                bool is_below = rank < low;
                low = is_below ? 63 - __builtin_clzll(below | 1) : low;
                high = is_below ? high : __builtin_ctzll(above | UINT64_C(1) << 63);
            } else { /* one: what lies between */
                low = rank < low ? low : rank > high ? high : rank;
                high = low;
            }
        }
    }
}

static void find_cheapest(struct potts *p, double price) {
    p->best[0] = -price;
    for (int64_t r = 0; r < p->n; r++) {
        double cost = INFINITY;
        const double *own = p->cost + r * p->most;
        int64_t at = r, reach = r + 1 < p->most ? r + 1 : p->most;
        for (int64_t k = 0; k < reach; k++) {
            double candidate = p->best[r - k] + price + own[k];
            if (candidate < cost) {
                cost = candidate;
                at = r - k;
            }
        }
        p->best[r + 1] = cost;
        p->left[r] = at;
    }
    p->n_ends = 0;
    for (int64_t r = p->n; r > 0; r = p->left[r - 1])
        p->ends[p->n_ends++] = r;
    for (int64_t i = 0, j = p->n_ends - 1; i < j; i++, j--) {
        int64_t kept = p->ends[i];
        p->ends[i] = p->ends[j];
        p->ends[j] = kept;
    }
}

static double around_median(const struct potts *p, int64_t first, int64_t end, double *median) {
    memcpy(p->scratch, p->values + first, (size_t)(end - first) * sizeof *p->scratch);
    *median = numeric_median(p->scratch, end - first);
    double cost = 0;
    for (int64_t i = first; i < end; i++)
        cost += fabs(p->values[i] - *median);
    return cost;
}

struct gain {
    int64_t i;
    double gain, cost;
};

static int compare_gains(const void *a, const void *b) {
    const struct gain *x = a, *y = b;
    if (x->gain != y->gain) return x->gain > y->gain ? -1 : 1;
    return (x->i > y->i) - (x->i < y->i);
}

static int64_t start_of(const struct potts *p, int64_t i) {
    return i > 0 ? p->ends[i - 1] : 0;
}

/* gains, taken, together [n]. Joins neighbours while that is cheaper than the step between them.
 * together: cost of segments i and i + 1 as one, below 0 when not known yet. */
static void join(struct potts *p, double price, struct gain *gains, char *taken, double *together) {
    double median;
    for (int64_t i = 0; i < p->n_ends; i++) {
        p->costs[i] = around_median(p, start_of(p, i), p->ends[i], &median);
        together[i] = -1;
    }
    while (p->n_ends > 1) {
        int64_t n_gains = 0;
        for (int64_t i = 0; i + 1 < p->n_ends; i++) {
            if (together[i] < 0) {
                together[i] = around_median(p, start_of(p, i), p->ends[i + 1], &median);
            }
            double gain = p->costs[i] + p->costs[i + 1] + price - together[i];
            if (gain > 0) gains[n_gains++] = (struct gain){i, gain, together[i]};
        }
        if (n_gains == 0) break;
        qsort(gains, (size_t)n_gains, sizeof *gains, compare_gains);
        memset(taken, 0, (size_t)p->n_ends);
        for (int64_t g = 0; g < n_gains; g++) {
            int64_t i = gains[g].i;
            if (taken[i] || taken[i + 1]) continue;
            taken[i] = 1; /* joined with the next one */
            taken[i + 1] = 2;
            p->costs[i + 1] = gains[g].cost;
        }
        int64_t kept = 0;
        for (int64_t i = 0; i < p->n_ends; i++) {
            if (taken[i] == 1) continue;
            bool unchanged = !taken[i] && i + 1 < p->n_ends && !taken[i + 1];
            p->ends[kept] = p->ends[i];
            together[kept] = unchanged ? together[i] : -1;
            p->costs[kept++] = p->costs[i];
        }
        p->n_ends = kept;
    }
}

/* Moves each step to where the levels on its sides fit best. */
static void move_steps(struct potts *p) {
    for (int64_t k = 0; k + 1 < p->n_ends; k++) {
        int64_t first = start_of(p, k), end = p->ends[k + 1], at = p->ends[k];
        double left, right, sum = 0, least = INFINITY;
        around_median(p, first, p->ends[k], &left);
        around_median(p, p->ends[k], end, &right);
        for (int64_t i = first; i + 1 < end; i++) {
            sum += fabs(p->values[i] - left) - fabs(p->values[i] - right);
            if (sum < least) {
                least = sum;
                at = i + 1;
            }
        }
        p->ends[k] = at;
    }
}

static double noise_at(const double *rest, int64_t n, double rho) {
    double sum = 0;
    for (int64_t i = 1; i < n; i++)
        sum += fabs(rest[i] - rho * rest[i - 1]);
    return sum;
}

/* Sum of |rest[i] - rho rest[i-1]| for the best rho in -1 .. 1, by golden section. */
static double remembered_noise(const double *rest, int64_t n) {
    double low = -1, high = 1;
    double a = high - GOLDEN * (high - low), b = low + GOLDEN * (high - low);
    double at_a = noise_at(rest, n, a), at_b = noise_at(rest, n, b);
    for (int i = 0; i < SECTIONS; i++) {
        if (at_a <= at_b) {
            high = b;
            b = a;
            at_b = at_a;
            a = high - GOLDEN * (high - low);
            at_a = noise_at(rest, n, a);
        } else {
            low = a;
            a = b;
            at_a = at_b;
            b = low + GOLDEN * (high - low);
            at_b = noise_at(rest, n, b);
        }
    }
    return at_a < at_b ? at_a : at_b;
}

static double criterion(struct potts *p, double beta) {
    double *rest = p->best; /* no longer needed */
    for (int64_t k = 0; k < p->n_ends; k++) {
        around_median(p, start_of(p, k), p->ends[k], &p->medians[k]);
        for (int64_t i = start_of(p, k); i < p->ends[k]; i++) {
            rest[i] = p->values[i] - p->medians[k];
        }
    }
    double noise = fabs(rest[0]) + remembered_noise(rest, p->n), least = INFINITY;
    if (p->n_ends > 2) {
        for (int64_t k = 1; k < p->n_ends; k++) {
            double step = 0.1 * fabs(p->medians[k] - p->medians[k - 1]);
            if (step < least) least = step;
        }
    } else {
        for (int64_t k = 0; k < p->n_ends; k++) {
            double level = 0.001 * fabs(p->medians[k]);
            if (level < least) least = level;
        }
    }
    if (least < 1e-300) least = 1e-300;
    return beta * (double)p->n_ends + log(noise + least);
}

/* numeric.potts(values, prices, most, beta) -> ends */
static int l_potts(lua_State *L) {
    struct potts p = {.most = luaL_checkinteger(L, 3)};
    lua_Number beta = luaL_checknumber(L, 4);
    int64_t n_prices;
    p.values = host_check_numbers(L, 1, &p.n);
    double *prices = host_check_numbers(L, 2, &n_prices);
    luaL_argcheck(L, p.n > 0 && p.n <= MAX_VALUES, 1, "1 to 10000000 values are required");
    luaL_argcheck(L, n_prices > 0, 2, "one price or more is required");
    luaL_argcheck(L, p.most > 0 && p.most <= p.n, 3, "1 to the number of values");
    uint64_t n = (uint64_t)p.n;
    p.cost = host_block(L, n, (size_t)p.most * sizeof *p.cost);
    double *reals = host_block(L, n + 1, 5 * sizeof *reals);
    int64_t *integers = host_block(L, n, 3 * sizeof *integers);
    struct gain *gains = host_block(L, n, sizeof *gains);
    char *taken = host_block(L, n, sizeof *taken);
    if (!p.values || !prices || !p.cost || !reals || !integers || !gains || !taken) {
        return host_fail_memory(L, "segments", n, (size_t)p.most * sizeof *p.cost);
    }
    p.best = reals;
    p.costs = p.best + n + 1;
    p.scratch = p.costs + n + 1;
    p.medians = p.scratch + n + 1;
    double *together = p.medians + n + 1;
    p.left = integers;
    p.ends = p.left + n;
    int64_t *chosen = p.ends + n, n_chosen = 0;
    const volatile int *cancel = host_new_stop(L);
    if (p.most <= 64) {
        fill_short_costs(&p);
    } else {
        fill_costs(&p);
    }
    double best = INFINITY;
    for (int64_t i = 0; i < n_prices; i++) {
        if (*cancel) return host_fail(L, ERR_CANCELLED, "steps: stopped");
        find_cheapest(&p, prices[i]);
        if (p.most < p.n) {
            join(&p, prices[i], gains, taken, together);
            move_steps(&p);
        }
        double score = criterion(&p, beta);
        if (score < best || n_chosen == 0) {
            best = score;
            n_chosen = p.n_ends;
            memcpy(chosen, p.ends, (size_t)p.n_ends * sizeof *chosen);
        }
    }
    lua_createtable(L, (int)n_chosen, 0);
    for (int64_t i = 0; i < n_chosen; i++) {
        lua_pushinteger(L, chosen[i]);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

void numeric_add_potts(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"potts", l_potts},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
