/* clock.c - see clock.h. */
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#define NS_PER_S 1000000000LL

static int64_t read_ns(clockid_t id) {
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec;
}

int64_t clock_now_ns(void) {
    return read_ns(CLOCK_MONOTONIC);
}

int64_t clock_thread_cpu_ns(void) {
    return read_ns(CLOCK_THREAD_CPUTIME_ID);
}

int64_t clock_process_cpu_ns(void) {
    return read_ns(CLOCK_PROCESS_CPUTIME_ID);
}

int64_t clock_wall_ns(void) {
    return read_ns(CLOCK_REALTIME);
}

int64_t clock_resolution_ns(void) {
    int64_t smallest = NS_PER_S;
    for (int i = 0; i < 1000; i++) {
        int64_t start = clock_now_ns(), next = start;
        while (next == start) next = clock_now_ns();
        if (next - start < smallest) smallest = next - start;
    }
    return smallest;
}

void clock_sleep_ns(int64_t ns, const volatile int *stop) {
    if (ns <= 0) return;
    struct timespec left = {.tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
        if (stop != NULL && *stop) return;
    }
}

void clock_format_utc(int64_t wall_ns, char *out, size_t size) {
    time_t seconds = (time_t)(wall_ns / NS_PER_S);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    char date[24];
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(out, size, "%s.%03dZ", date, (int)(wall_ns % NS_PER_S / 1000000));
}
