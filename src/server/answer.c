/* answer.c - see answer.h. */
#include "server/answer.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

static const struct kind {
    int status;
    const char *text, *type, *suggestion;
} kinds[] = {
    {200, "OK", "none", ""},
    {201, "Created", "none", ""},
    {204, "No Content", "none", ""},
    {400, "Bad Request", "invalid_request_error", "Correct the request and send it again."},
    {401, "Unauthorized", "authentication_error",
     "Send the server's key as Authorization: Bearer KEY."},
    {403, "Forbidden", "permission_error",
     "Call from an allowed origin with Content-Type: application/json, or allow the origin when "
     "the server starts."},
    {404, "Not Found", "not_found_error",
     "GET /api/v1/models lists the models; docs/http.md the routes."},
    {405, "Method Not Allowed", "invalid_request_error",
     "docs/http.md lists the methods of each route."},
    {408, "Request Timeout", "timeout_error", "Send the request faster."},
    {409, "Conflict", "conflict_error", "Load a model with POST /api/v1/models/NAME/load."},
    {413, "Content Too Large", "invalid_request_error", "Send a smaller body."},
    {414, "URI Too Long", "invalid_request_error", "Send a shorter target."},
    {417, "Expectation Failed", "invalid_request_error", "Leave the Expect header out."},
    {421, "Misdirected Request", "permission_error",
     "Call the server by the address that it listens on."},
    {429, "Too Many Requests", "rate_limit_error", "Wait for as long as Retry-After says."},
    {431, "Request Header Fields Too Large", "invalid_request_error",
     "Send fewer or shorter headers."},
    {500, "Internal Server Error", "server_error",
     "Try again; if it stays, report it with the request_id."},
    {501, "Not Implemented", "invalid_request_error", "Use what docs/http.md describes."},
    {503, "Service Unavailable", "unavailable_error", "Try again later."},
    {505, "HTTP Version Not Supported", "invalid_request_error", "Use HTTP/1.1."},
};

static const struct kind *kind_of(int status) {
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (kinds[i].status == status) return &kinds[i];
    }
    return kind_of(500);
}

const char *answer_status_text(int status) {
    return kind_of(status)->text;
}

void answer_timestamp(struct text *out) {
    char now[32];
    clock_format_utc(clock_wall_ns(), now, sizeof now);
    text_printf(out, "\"%s\"", now);
}

void answer_id(const char *prefix, char *out, size_t size) {
    unsigned char bytes[12];
    int n = snprintf(out, size, "%s", prefix);
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
        int64_t now = clock_now_ns();
        memset(bytes, 0x5a, sizeof bytes);
        memcpy(bytes, &now, sizeof now);
    }
    for (size_t i = 0; i < sizeof bytes && (size_t)n + 3 < size; i++, n += 2) {
        snprintf(out + n, size - (size_t)n, "%02x", bytes[i]);
    }
}

void answer_error(struct text *out, const struct faults *faults, int status, const char *code,
                  const char *message, const char *param) {
    const struct kind *kind = kind_of(status);
    if (faults != NULL && faults->html_errors) {
        text_printf(out, "<html><body><h1>%d %s</h1></body></html>", status, kind->text);
        return;
    }
    text_puts(out, "{\"error\":{\"type\":");
    text_jsons(out, kind->type);
    text_puts(out, ",\"message\":");
    text_jsons(out, message);
    text_puts(out, ",\"code\":");
    text_jsons(out, code);
    if (param != NULL) {
        text_puts(out, ",\"param\":");
        text_jsons(out, param);
    }
    if (faults == NULL || !faults->no_suggestion) {
        char id[48];
        answer_id("req-", id, sizeof id);
        text_puts(out, ",\"suggestion\":");
        text_jsons(out, kind->suggestion);
        text_puts(out, ",\"timestamp\":");
        answer_timestamp(out);
        text_printf(out, ",\"request_id\":\"%s\"", id);
    }
    text_puts(out, "}}");
}
