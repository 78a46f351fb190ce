/* lib_http.h - what the files of the Lua module "woolly.http" share. */
#ifndef WOOLLY_HOST_LIB_HTTP_H
#define WOOLLY_HOST_LIB_HTTP_H

#include "host/host_util.h"
#include "net/net.h"

/* Options that requests and loads share; the file of certificates lives as long as the table. */
struct http_limits {
    double connect_s, first_s, gap_s, total_s;
    int64_t max_event, max_headers, max_body;
    bool done_optional;
    const char *ca_file;
};
#define HTTP_LIMIT_OPTIONS(tag)                                                                    \
    OPT_DOUBLE_AS("connect_s", tag, limits.connect_s, 0.001, 1e6),                                 \
        OPT_DOUBLE_AS("first_s", tag, limits.first_s, 0.001, 1e6),                                 \
        OPT_DOUBLE_AS("gap_s", tag, limits.gap_s, 0.001, 1e6),                                     \
        OPT_DOUBLE_AS("total_s", tag, limits.total_s, 0.001, 1e6),                                 \
        OPT_INT64_AS("max_event", tag, limits.max_event, 64, 1 << 26),                             \
        OPT_INT64_AS("max_headers", tag, limits.max_headers, 64, 1 << 20),                         \
        OPT_INT64_AS("max_body", tag, limits.max_body, 0, 1 << 28),                                \
        OPT_BOOL_AS("done_optional", tag, limits.done_optional),                                   \
        OPT_STRING_AS("ca_file", tag, limits.ca_file)

struct http_limits http_limits_default(void);
struct net_limits http_limits_for_net(const struct http_limits *limits);

/* The array of "Name: value" lines at arg (nil: none) as libcurl's list, in a userdata that is
 * pushed and frees it. False when memory is short; raises on what is no header line. */
bool http_check_headers(lua_State *L, int arg, struct curl_slist **headers);

/* http.load and class Load: lib_http_load.c */
int http_load(lua_State *L);
void http_open_load(lua_State *L);

#endif
