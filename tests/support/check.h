/* check.h - the unit tests' assertions: they count, print what failed, and go on. */
#ifndef WOOLLY_TESTS_CHECK_H
#define WOOLLY_TESTS_CHECK_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int check_failures, check_count;

#define CHECK(condition) check_report((condition) != 0, __FILE__, __LINE__, #condition, "")
#define CHECK_INT(found, expected)                                                                 \
    do {                                                                                           \
        long long found_ = (long long)(found), expected_ = (long long)(expected);                  \
        char text_[96];                                                                            \
        snprintf(text_, sizeof text_, "found %lld, expected %lld", found_, expected_);             \
        check_report(found_ == expected_, __FILE__, __LINE__, #found, text_);                      \
    } while (0)
#define CHECK_NEAR(found, expected, tolerance)                                                     \
    do {                                                                                           \
        double found_ = (found), expected_ = (expected);                                           \
        char text_[128];                                                                           \
        snprintf(text_, sizeof text_, "found %.9g, expected %.9g", found_, expected_);             \
        check_report(fabs(found_ - expected_) <= (tolerance), __FILE__, __LINE__, #found, text_);  \
    } while (0)
#define CHECK_STR(found, expected)                                                                 \
    do {                                                                                           \
        const char *found_ = (found), *expected_ = (expected);                                     \
        check_report(strcmp(found_, expected_) == 0, __FILE__, __LINE__, found_, expected_);       \
    } while (0)
#define CHECK_CONTAINS(text, part)                                                                 \
    do {                                                                                           \
        const char *found_ = (text), *expected_ = (part);                                          \
        check_report(strstr(found_, expected_) != NULL, __FILE__, __LINE__, found_, expected_);    \
    } while (0)

static inline void check_report(int ok, const char *file, int line, const char *what,
                                const char *detail) {
    check_count++;
    if (ok) return;
    check_failures++;
    fprintf(stderr, "%s:%d: failed: %s  %s\n", file, line, what, detail);
}

/* Ends the test; ctest reads 77 as skipped. */
static inline void check_skip(const char *reason) {
    printf("skipped: %s\n", reason);
    exit(77);
}

static inline int check_done(void) {
    printf("%d checks, %d failed\n", check_count, check_failures);
    return check_failures == 0 ? 0 : 1;
}

#endif
