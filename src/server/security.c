/* security.c - see security.h. */
#include "server/security.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool in_list(const char *list, const char *item, size_t size) {
    while (list != NULL && *list != '\0') {
        size_t n = strcspn(list, ",");
        if (n == size && strncasecmp(list, item, size) == 0) return true;
        list += n + (list[n] == ',');
    }
    return false;
}

/* "name:port", "[::1]:port", "name": the parts; false when malformed. *port -1: none. */
static bool split(const char *text, size_t *name_size, int *port) {
    size_t n = text[0] == '[' ? strcspn(text, "]") + 1 : strcspn(text, ":");
    if (n == 0 || n > strlen(text)) return false;
    *name_size = n;
    *port = -1;
    if (text[n] == '\0') return true;
    if (text[n] != ':' || strlen(text + n + 1) > 5 || text[n + 1] == '\0') return false;
    for (const char *p = text + n + 1; *p != '\0'; p++) {
        if (*p < '0' || *p > '9') return false;
    }
    *port = atoi(text + n + 1);
    return true;
}

static bool is_local(const char *name, size_t size) {
    return in_list("localhost,127.0.0.1,[::1]", name, size);
}

bool security_host(const struct security *s, const char *host) {
    size_t size = 0;
    int port = -1;
    if (s->any_host) return true;
    if (host == NULL || !split(host, &size, &port)) return false;
    if (port >= 0 && port != s->port) return false;
    const bool is_bound = strcmp(s->bind, "0.0.0.0") != 0 && strcmp(s->bind, "::") != 0 &&
                          in_list(s->bind, host, size);
    return is_local(host, size) || is_bound || in_list(s->allow_hosts, host, size);
}

bool security_origin(const struct security *s, const char *origin) {
    static const char *const schemes[] = {"http://", "https://", "tauri://", "app://"};
    if (s->any_origin || in_list(s->allow_origins, origin, strlen(origin))) return true;
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        const size_t n = strlen(schemes[i]);
        size_t size = 0;
        int port = -1;
        if (strncasecmp(origin, schemes[i], n) != 0) continue;
        return split(origin + n, &size, &port) && is_local(origin + n, size);
    }
    return false;
}

/* Looks at every byte given, whatever it finds. */
static bool equals(const char *key, const char *given, size_t n_given) {
    const size_t n = strlen(key);
    unsigned char differs = n != n_given;
    for (size_t i = 0; i < n_given; i++) {
        differs |=
            (unsigned char)((unsigned char)given[i] ^ (unsigned char)key[n == 0 ? 0 : i % n]);
    }
    return differs == 0;
}

bool security_key(const struct security *s, const char *authorization, const char *x_api_key) {
    static const char scheme[] = "Bearer ";
    if (s->api_key == NULL) return true;
    if (authorization != NULL && strncasecmp(authorization, scheme, sizeof scheme - 1) == 0) {
        const char *key = authorization + sizeof scheme - 1;
        return equals(s->api_key, key, strlen(key));
    }
    return x_api_key != NULL && equals(s->api_key, x_api_key, strlen(x_api_key));
}

bool security_is_json(const char *type) {
    static const char json[] = "application/json";
    const size_t n = sizeof json - 1;
    return type != NULL && strncasecmp(type, json, n) == 0 &&
           (type[n] == '\0' || type[n] == ';' || type[n] == ' ');
}
