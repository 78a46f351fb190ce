/* http_head.c - what is said of a request by its head alone: who calls, whether they may, which
 * path. */
#include "server/server_private.h"

#include "server/http_scan.h"

#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

const char *http_header(const struct exchange *x, const char *name) {
    return MHD_lookup_connection_value(x->connection, MHD_HEADER_KIND, name);
}

static uint64_t hash_text(uint64_t hash, const char *text) {
    for (; text != NULL && *text != '\0'; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    return hash;
}

/* Whose turn a request takes: a named client, else the address it comes from. */
uint64_t http_client(const struct exchange *x) {
    const char *named = http_header(x, "X-Client-Id");
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(x->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    uint64_t hash = hash_text(0xcbf29ce484222325u, named);
    if (named != NULL || info == NULL || info->client_addr == NULL) return hash;
    const struct sockaddr *a = info->client_addr;
    for (size_t i = 0; i < sizeof a->sa_data && i >= 2; i++) {
        hash = (hash ^ (unsigned char)a->sa_data[i]) * 0x100000001b3u;
    }
    return hash;
}

static int hex_of(char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* The path percent-decoded into target; false: bad escapes, control characters, or too long. */
static bool decode_path(struct exchange *x, const char *url) {
    size_t n = 0;
    for (; *url != '\0'; url++) {
        int c = (unsigned char)*url;
        if (c == '%') {
            int high = hex_of(url[1]), low = high < 0 ? -1 : hex_of(url[2]);
            if (low < 0) return false;
            c = high * 16 + low;
            url += 2;
            if (c == '/' || c == '\\') return false; /* a name does not hold them */
        }
        if (c < 0x20 || c == 0x7f || n + 1 >= sizeof x->target) return false;
        x->target[n++] = (char)c;
    }
    x->target[n] = '\0';
    x->path = x->target;
    return true;
}

static bool is_open_path(const char *path) { /* without the key */
    if (strncmp(path, "/api/v1", 7) == 0) path += 7;
    return strcmp(path, "/health") == 0 || strncmp(path, "/health/", 8) == 0;
}

/* A second value of a header that may be there once; the door saw the first request only. */
static enum MHD_Result count_once(void *user, enum MHD_ValueKind kind, const char *key,
                                  const char *value) {
    int *counts = user;
    (void)kind;
    counts[0] += strcasecmp(key, "Host") == 0;
    counts[1] += strcasecmp(key, "Content-Length") == 0;
    counts[2] += strcasecmp(key, "Transfer-Encoding") == 0;
    if (counts[2] > 0 && strcasecmp(key, "Transfer-Encoding") == 0 &&
        strcasecmp(value, "chunked") != 0)
        counts[3]++;
    return MHD_YES;
}

/* Everything that can be said without the body; false: exchange_error was called. */
bool http_check_head(struct exchange *x, const char *url) {
    const struct security *security = &x->server->security;
    const struct faults *f = &x->server->faults;
    const char *origin = http_header(x, "Origin"), *length = http_header(x, "Content-Length");
    int counts[4] = {0};
    MHD_get_connection_values(x->connection, MHD_HEADER_KIND, count_once, counts);
    if (counts[0] != 1 || counts[1] > 1 || counts[2] > 1 || counts[1] + counts[2] > 1) {
        exchange_error(x, 400, "bad_header",
                       "Host, Content-Length or Transfer-Encoding is there twice or together",
                       NULL);
    } else if (counts[3] > 0) {
        exchange_error(x, 501, "transfer_encoding", "Transfer-Encoding is not exactly chunked",
                       NULL);
    } else if (!security_host(security, http_header(x, "Host"))) {
        exchange_error(x, 421, "host", "the Host header does not name this server", NULL);
    } else if (origin != NULL && !f->reflect_origin && !security_origin(security, origin)) {
        exchange_error(x, 403, "origin", "this Origin is not allowed", NULL);
    } else if (length != NULL &&
               (strlen(length) > 8 || strtoul(length, NULL, 10) > HTTP_MAX_BODY)) {
        exchange_error(x, 413, "body_too_large", "the body is over 8388608 bytes, the most allowed",
                       NULL);
    } else if (!decode_path(x, url)) {
        exchange_error(x, 404, "not_found", "there is no such path", NULL);
    } else if (!f->no_key && strcmp(x->method, "OPTIONS") != 0 && !is_open_path(x->path) &&
               !security_key(security, http_header(x, "Authorization"),
                             http_header(x, "X-API-Key"))) {
        exchange_error(x, 401, "api_key", "the API key is missing or wrong", NULL);
    } else if (strcmp(x->method, "POST") == 0 && !f->any_content_type &&
               !security_is_json(http_header(x, "Content-Type")) &&
               (http_header(x, "Content-Type") != NULL || counts[2] > 0 ||
                (length != NULL && strcmp(length, "0") != 0))) {
        exchange_error(x, 403, "content_type", "Content-Type: application/json is required", NULL);
    } else {
        return true;
    }
    return false;
}
