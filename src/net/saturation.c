/* saturation.c - the two-slope rule. */
#include "net/saturation.h"

#include <math.h>

#define LEAST_SECONDS 5.0
#define LEAST_POINTS 30
#define LEAST_T 3.3 /* one in a thousand by chance, if the points were independent */

void line_fit_add(struct line_fit *fit, double x, double y) {
    fit->n += 1;
    fit->x += x;
    fit->y += y;
    fit->xx += x * x;
    fit->xy += x * y;
    fit->yy += y * y;
}

double line_fit_t(const struct line_fit *fit) {
    if (fit->n < 3) return 0;
    double sxx = fit->xx - fit->x * fit->x / fit->n;
    double sxy = fit->xy - fit->x * fit->y / fit->n;
    double syy = fit->yy - fit->y * fit->y / fit->n;
    if (sxx <= 0 || syy <= 0) return 0;
    double slope = sxy / sxx;
    double rest = syy - slope * sxy;
    if (rest <= syy * 1e-12) rest = syy * 1e-12; /* points on a line */
    return slope / sqrt(rest / (fit->n - 2) / sxx);
}

void saturation_in_flight(struct saturation *saturation, double at_s, int in_flight) {
    line_fit_add(&saturation->in_flight, at_s, in_flight);
}

void saturation_ttft(struct saturation *saturation, double at_s, double ttft_s) {
    line_fit_add(&saturation->ttft, at_s, ttft_s);
}

bool saturation_reached(const struct saturation *saturation, double at_s) {
    return at_s >= LEAST_SECONDS && saturation->in_flight.n >= LEAST_POINTS &&
           saturation->ttft.n >= LEAST_POINTS && line_fit_t(&saturation->in_flight) > LEAST_T &&
           line_fit_t(&saturation->ttft) > LEAST_T;
}
