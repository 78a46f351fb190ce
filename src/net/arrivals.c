/* arrivals.c - the time at which the integral of the rate reaches the next count: whole numbers for
 * a constant stream, sums of exponential steps for a Poisson one. */
#include "net/arrivals.h"

#include <math.h>

/* splitmix64, as a real number in (0, 1]. */
static double next_uniform(uint64_t *state) {
    uint64_t z = *state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    return ((double)(z >> 11) + 1) * 0x1p-53;
}

/* t with: integral of the rate from 0 to t = count. */
static double time_of(const struct arrivals *a, double count) {
    if (a->ramp_s <= 0) return count / a->rate_end;
    double slope = (a->rate_end - a->rate) / a->ramp_s;
    double in_ramp = (a->rate + a->rate_end) / 2 * a->ramp_s;
    if (count >= in_ramp) return a->ramp_s + (count - in_ramp) / a->rate_end;
    if (slope == 0) return count / a->rate;
    /* rate t + slope t^2 / 2 = count, in the form that loses no digits for small slopes */
    return 2 * count / (a->rate + sqrt(a->rate * a->rate + 2 * slope * count));
}

double arrivals_next(struct arrivals *a) {
    double count = a->expected;
    double step = 1;
    if (a->shape == ARRIVE_POISSON) {
        step = -log(next_uniform(&a->state));
        count += step; /* the first one is not at 0 */
    }
    a->expected += step;
    return time_of(a, count);
}
