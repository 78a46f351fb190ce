/* err.h - the one way a library room reports a failure: a code and a message made for people. */
#ifndef WOOLLY_BASE_ERR_H
#define WOOLLY_BASE_ERR_H

#include <stdbool.h>

enum err_code {
    ERR_NONE = 0,
    ERR_INPUT,       /* command line, config, model, script: exit status 3 */
    ERR_ENVIRONMENT, /* disk, permission, memory, network: exit status 4 */
    ERR_BUG,         /* ours: exit status 5 */
    ERR_UNAVAILABLE, /* this machine or build cannot measure it: the metric is missing */
    ERR_CANCELLED,   /* the caller's cancel flag was raised */
};

struct err {
    enum err_code code;
    char message[1024]; /* one line: what, where, found, allowed, next step */
};

/* Fills *err (may be NULL) and returns false, so that `return err_set(...)` reads well.
 * Control characters in the result are replaced by '?': messages quote untrusted names. */
bool err_set(struct err *err, enum err_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same with ": strerror(error_number)" at the end; ENOENT, EACCES ... are ERR_ENVIRONMENT. */
bool err_set_errno(struct err *err, int error_number, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "input", "environment", "bug", "unavailable", "cancelled", "none": the third result in Lua. */
const char *err_code_name(enum err_code code);

#endif
