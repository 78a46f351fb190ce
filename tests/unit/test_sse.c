/* The parser of server-sent events: the format's rules, and that pieces of any size mean the same.
 */
#include "net/sse.h"
#include "support/check.h"

#include <stdint.h>

/* Events as text: "type=data|type=data|". */
struct log {
    char text[4096];
    size_t size;
    int stop_after;
};

static bool on_event(void *user, const char *type, const char *data, size_t size) {
    struct log *log = user;
    log->size += (size_t)snprintf(log->text + log->size, sizeof log->text - log->size, "%s=%.*s|",
                                  type, (int)size, data);
    CHECK_INT(data[size], 0);
    return log->stop_after == 0 || --log->stop_after > 0;
}

static enum sse_result parse(struct log *log, const char *bytes, size_t size, size_t first,
                             size_t second) {
    struct sse sse;
    log->size = 0;
    log->text[0] = '\0';
    sse_init(&sse, 1000, on_event, log);
    enum sse_result result = sse_push(&sse, bytes, first);
    if (result == SSE_OK) result = sse_push(&sse, bytes + first, second - first);
    if (result == SSE_OK) result = sse_push(&sse, bytes + second, size - second);
    sse_free(&sse);
    return result;
}

/* Whole, in all three pieces that there are, and byte by byte. */
static void check_events(const char *bytes, const char *expected) {
    struct log log = {.size = 0};
    size_t size = strlen(bytes);
    for (size_t first = 0; first <= size; first++) {
        for (size_t second = first; second <= size; second++) {
            enum sse_result result = parse(&log, bytes, size, first, second);
            if (result == SSE_OK && strcmp(log.text, expected) == 0) continue;
            CHECK_INT(result, SSE_OK);
            CHECK_STR(log.text, expected);
            return;
        }
    }
    struct sse sse;
    log.size = 0;
    sse_init(&sse, 1000, on_event, &log);
    for (size_t i = 0; i < size; i++)
        CHECK_INT(sse_push(&sse, bytes + i, 1), SSE_OK);
    sse_free(&sse);
    CHECK_STR(log.text, expected);
}

static void test_lines(void) {
    check_events("data: a\n\n", "=a|");
    check_events("data: a\r\n\r\n", "=a|");
    check_events("data: a\r\r", "=a|");
    check_events("data: a\r\n\ndata: b\n\r\ndata: c\r\n\r", "=a|=b|=c|");
    check_events("\n\n\r\r\r\n", "");
    check_events("data: a\n\n\n\ndata: b\n\n", "=a|=b|");
}

static void test_fields(void) {
    check_events("data:a\n\n", "=a|");
    check_events("data:  a \n\n", "= a |");
    check_events("data\n\n", "=|");
    check_events("data\ndata\n\n", "=\n|");
    check_events("data: a\ndata: b\ndata:\n\n", "=a\nb\n|");
    check_events("data: a: b\n\n", "=a: b|");
    check_events("event: error\ndata: a\n\ndata: b\n\n", "error=a|=b|");
    check_events("event: x\n\ndata: b\n\n", "=b|");
    check_events("event: a name that is much longer than any name\ndata: 1\n\n",
                 "a name that is much longer than=1|");
    check_events("id: 1\nretry: 5\nfoo: x\ndatax: y\ndat: z\ndata: a\n\n", "=a|");
    check_events(": comment\n\n:\ndata: a\n: data: b\n\n", "=a|");
}

static void test_start_and_end(void) {
    check_events("\xEF\xBB\xBF"
                 "data: a\n\n",
                 "=a|");
    check_events("\n\xEF\xBB\xBF"
                 "data: a\n\n",
                 ""); /* only in front of everything */
    check_events("data: a\n\ndata: b", "=a|");
    check_events("data: a\n\ndata: b\n", "=a|");
    struct sse sse;
    struct log log = {.size = 0};
    sse_init(&sse, 1000, on_event, &log);
    CHECK(!sse_is_inside(&sse));
    sse_push(&sse, "data: a\n", 8);
    CHECK(sse_is_inside(&sse));
    sse_push(&sse, "\n:", 2);
    CHECK_INT(sse.events, 1);
    sse_reset(&sse);
    CHECK(!sse_is_inside(&sse));
    sse_push(&sse, "data: b\n\n", 9);
    CHECK_STR(log.text, "=a|=b|");
    sse_free(&sse);
}

static void test_limits(void) {
    char bytes[2048];
    struct log log = {.size = 0};
    memcpy(bytes, "data: ", 6);
    memset(bytes + 6, 'x', 994); /* a line of 1000 bytes */
    memcpy(bytes + 1000, "\n\n", 3);
    CHECK_INT(parse(&log, bytes, 1002, 0, 0), SSE_OK);
    CHECK_INT(parse(&log, bytes, 1002, 500, 1000), SSE_OK);
    memset(bytes + 6, 'x', 995);
    memcpy(bytes + 1001, "\n\n", 3);
    CHECK_INT(parse(&log, bytes, 1003, 0, 0), SSE_TOO_LARGE);
    CHECK_INT(parse(&log, bytes, 1003, 500, 1001), SSE_TOO_LARGE);
    struct sse sse; /* many short lines of one event */
    sse_init(&sse, 1000, on_event, &log);
    enum sse_result result = SSE_OK;
    int lines = 0;
    for (; result == SSE_OK && lines < 1000; lines++)
        result = sse_push(&sse, "data: 123456789\n", 16);
    CHECK_INT(result, SSE_TOO_LARGE);
    CHECK_INT(lines, 101);
    sse_free(&sse);
    log.stop_after = 2;
    CHECK_INT(parse(&log, "data: a\n\ndata: b\n\ndata: c\n\n", 27, 0, 0), SSE_STOPPED);
    CHECK_STR(log.text, "=a|=b|");
}

int main(void) {
    test_lines();
    test_fields();
    test_start_and_end();
    test_limits();
    return check_done();
}
