/* saturation.h - is a server offered more than it can do? Both the requests under way and the time
 * to the first token then grow with time, each by a slope that noise does not explain. */
#ifndef WOOLLY_NET_SATURATION_H
#define WOOLLY_NET_SATURATION_H

#include <stdbool.h>
#include <stdint.h>

/* Least squares by running sums. */
struct line_fit {
    double n, x, y, xx, xy, yy;
};
void line_fit_add(struct line_fit *fit, double x, double y);
/* The slope's t statistic; 0 with fewer than 3 points or none that differ. */
double line_fit_t(const struct line_fit *fit);

struct saturation {
    struct line_fit in_flight, ttft;
};
/* Seconds since the start. */
void saturation_in_flight(struct saturation *saturation, double at_s, int in_flight);
void saturation_ttft(struct saturation *saturation, double at_s, double ttft_s);
bool saturation_reached(const struct saturation *saturation, double at_s);

#endif
