/* http_scan.c - see http_scan.h. */
#include "server/http_scan.h"

#include <string.h>
#include <strings.h>

static struct http_scan refuse(int status, const char *code, const char *problem) {
    return (struct http_scan){.status = status, .code = code, .problem = problem};
}

static bool is_token(unsigned char c) {
    return c > 0x20 && c < 0x7f && strchr("\"(),/:;<=>?@[\\]{}", c) == NULL;
}

static bool is_value(unsigned char c) {
    return c == '\t' || (c >= 0x20 && c != 0x7f);
}

struct head {
    bool old; /* HTTP/1.0 */
    int n_hosts, n_lengths, n_encodings;
    uint64_t length;
    bool too_long; /* the body that Content-Length announces */
    bool is_chunked;
};

/* The line [data, data + *size) without its CRLF; *size SIZE_MAX: it has not ended yet. */
static struct http_scan take_line(const char *data, size_t left, size_t *size) {
    const size_t look = left < HTTP_MAX_LINE + 1 ? left : HTTP_MAX_LINE + 1;
    for (size_t i = 0; i < look; i++) {
        if (data[i] == '\n') {
            return refuse(400, "bare_line_feed", "a line ends with LF alone; lines end with CR LF");
        }
        if (data[i] == '\0') return refuse(400, "nul_byte", "the head holds a byte 0");
        if (data[i] != '\r') continue;
        if (i + 1 == left) break;
        if (data[i + 1] != '\n') {
            return refuse(400, "bare_carriage_return",
                          "a CR stands inside a line; lines end with CR LF");
        }
        *size = i;
        return (struct http_scan){0};
    }
    *size = SIZE_MAX;
    return look < HTTP_MAX_LINE + 1 ? (struct http_scan){0} : refuse(431, "line_too_long", "");
}

static struct http_scan scan_request_line(const char *line, size_t size, struct head *head) {
    static const char problem[] = "the request line is not METHOD SP TARGET SP HTTP/1.1";
    size_t method = 0;
    while (method < size && is_token((unsigned char)line[method]))
        method++;
    if (method == 0 || method > 16 || method == size || line[method] != ' ') {
        return refuse(400, "bad_request_line", problem);
    }
    const char *target = line + method + 1;
    size_t left = size - method - 1, n = 0;
    while (n < left && (unsigned char)target[n] > 0x20 && (unsigned char)target[n] < 0x7f)
        n++;
    if (n == 0 || n == left || target[n] != ' ') return refuse(400, "bad_request_line", problem);
    if (target[0] != '/' && !(n == 1 && target[0] == '*')) {
        return refuse(400, "bad_target", "the request target does not begin with /");
    }
    const char *version = target + n + 1;
    size_t rest = left - n - 1;
    if (rest != 8 || memcmp(version, "HTTP/", 5) != 0 || version[6] != '.' || version[5] < '0' ||
        version[5] > '9' || version[7] < '0' || version[7] > '9') {
        return refuse(400, "bad_request_line", problem);
    }
    if (version[5] != '1' || version[7] > '1') {
        return refuse(505, "http_version", "the version is not HTTP/1.1 or HTTP/1.0");
    }
    head->old = version[7] == '0';
    return (struct http_scan){0};
}

static bool is_name(const char *line, size_t size, const char *name) {
    return strlen(name) == size && strncasecmp(line, name, size) == 0;
}

static struct http_scan scan_length(const char *value, size_t size, struct head *head) {
    if (head->n_lengths++ > 0)
        return refuse(400, "content_length", "Content-Length is there twice");
    if (size == 0) return refuse(400, "content_length", "Content-Length is empty");
    for (size_t i = 0; i < size; i++) {
        if (value[i] < '0' || value[i] > '9') {
            return refuse(400, "content_length", "Content-Length is not a plain decimal number");
        }
        if (head->length <= HTTP_MAX_BODY)
            head->length = head->length * 10 + (uint64_t)(value[i] - '0');
    }
    head->too_long = head->length > HTTP_MAX_BODY;
    return (struct http_scan){0};
}

static struct http_scan scan_encoding(const char *value, size_t size, struct head *head) {
    if (head->n_encodings++ > 0) {
        return refuse(400, "transfer_encoding", "Transfer-Encoding is there twice");
    }
    if (!is_name(value, size, "chunked")) {
        return refuse(501, "transfer_encoding", "Transfer-Encoding is not exactly chunked");
    }
    head->is_chunked = true;
    return (struct http_scan){0};
}

static struct http_scan scan_header(const char *line, size_t size, struct head *head) {
    size_t name = 0;
    if (line[0] == ' ' || line[0] == '\t') {
        return refuse(400, "folded_header",
                      "a header line begins with a blank; folding is not allowed");
    }
    while (name < size && is_token((unsigned char)line[name]))
        name++;
    if (name == 0 || name == size || line[name] != ':') {
        return refuse(400, "bad_header", "a header line is not NAME: VALUE");
    }
    const char *value = line + name + 1;
    size_t n = size - name - 1;
    for (size_t i = 0; i < n; i++) {
        if (!is_value((unsigned char)value[i])) {
            return refuse(400, "bad_header", "a header value holds a control character");
        }
    }
    while (n > 0 && (*value == ' ' || *value == '\t'))
        value++, n--;
    while (n > 0 && (value[n - 1] == ' ' || value[n - 1] == '\t'))
        n--;
    if (is_name(line, name, "host")) {
        if (head->n_hosts++ > 0) return refuse(400, "host", "Host is there twice");
    } else if (is_name(line, name, "content-length")) {
        return scan_length(value, n, head);
    } else if (is_name(line, name, "transfer-encoding")) {
        return scan_encoding(value, n, head);
    } else if (is_name(line, name, "expect") && !is_name(value, n, "100-continue")) {
        return refuse(417, "expect", "Expect is not 100-continue");
    }
    return (struct http_scan){0};
}

static struct http_scan conclude(const struct head *head, size_t head_size) {
    if (head->n_lengths > 0 && head->n_encodings > 0) {
        return refuse(400, "two_lengths", "both Content-Length and Transfer-Encoding are there");
    }
    if (head->old && head->n_encodings > 0) {
        return refuse(400, "transfer_encoding", "HTTP/1.0 has no Transfer-Encoding");
    }
    if (head->n_hosts == 0) return refuse(400, "host", "Host is missing");
    if (head->too_long) {
        return refuse(413, "body_too_large",
                      "Content-Length is over 8388608 bytes, the most allowed");
    }
    return (struct http_scan){.status = 200,
                              .head_size = head_size,
                              .length = head->length,
                              .is_chunked = head->is_chunked};
}

struct http_scan http_scan(const char *data, size_t size) {
    struct head head = {0};
    size_t at = 0, line = 0, first = 0;
    struct http_scan found = take_line(data, size, &line);
    if (found.status == 431) {
        return refuse(414, "target_too_long",
                      "the request line is over 8192 bytes, the most allowed");
    }
    if (found.status != 0 || line == SIZE_MAX) return found;
    found = scan_request_line(data, line, &head);
    if (found.status != 0) return found;
    first = at = line + 2;
    for (int n = 0;; n++) {
        found = take_line(data + at, size - at, &line);
        const bool ended = found.status == 0 && line != SIZE_MAX;
        if ((ended ? at + line : size) - first > HTTP_MAX_HEAD) {
            return refuse(431, "headers_too_large",
                          "the headers are over 32768 bytes, the most allowed");
        }
        if (found.status == 431) {
            return refuse(431, "header_too_large",
                          "one header is over 8192 bytes, the most allowed");
        }
        if (!ended) return found;
        if (line == 0) return conclude(&head, at + 2);
        if (n == HTTP_MAX_HEADERS) {
            return refuse(431, "too_many_headers",
                          "there are more than 64 headers, the most allowed");
        }
        found = scan_header(data + at, line, &head);
        if (found.status != 0) return found;
        at += line + 2;
    }
}
