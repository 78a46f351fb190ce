/* arrivals.h - when the requests of an open loop are due, decided before any answer is seen. */
#ifndef WOOLLY_NET_ARRIVALS_H
#define WOOLLY_NET_ARRIVALS_H

#include <stdbool.h>
#include <stdint.h>

enum arrival_shape { ARRIVE_CONSTANT, ARRIVE_POISSON };

/* The rate goes in a straight line from rate to rate_end over ramp_s, then stays. */
struct arrivals {
    enum arrival_shape shape;
    double rate, rate_end; /* requests/s, above 0 */
    double ramp_s;         /* 0: rate from the start on */
    uint64_t state;        /* of the random numbers: the seed at first */
    double expected;       /* private: requests due so far, as a real number */
};

/* Seconds from the start to the next arrival. */
double arrivals_next(struct arrivals *arrivals);

#endif
