/* err.c - fills struct err; the text is bounded and free of control characters. */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void err_format(struct err *err, enum err_code code, const char *format, va_list args) {
    err->code = code;
    vsnprintf(err->message, sizeof err->message, format, args);
    for (char *c = err->message; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) *c = '?';
    }
}

bool err_set(struct err *err, enum err_code code, const char *format, ...) {
    if (err == NULL) return false;
    va_list args;
    va_start(args, format);
    err_format(err, code, format, args);
    va_end(args);
    return false;
}

bool err_set_errno(struct err *err, int error_number, const char *format, ...) {
    if (err == NULL) return false;
    va_list args;
    va_start(args, format);
    err_format(err, ERR_ENVIRONMENT, format, args);
    va_end(args);
    char reason[128] = "";
    const char *text = strerror_r(error_number, reason, sizeof reason);
    size_t used = strlen(err->message);
    snprintf(err->message + used, sizeof err->message - used, ": %s", text);
    return false;
}

const char *err_code_name(enum err_code code) {
    switch (code) {
    case ERR_NONE:
        return "none";
    case ERR_INPUT:
        return "input";
    case ERR_ENVIRONMENT:
        return "environment";
    case ERR_BUG:
        return "bug";
    case ERR_UNAVAILABLE:
        return "unavailable";
    case ERR_CANCELLED:
        return "cancelled";
    }
    return "bug";
}
