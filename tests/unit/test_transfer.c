/* Servers that behave badly, or unusually: each request ends in its class, and none counts as a
 * success that is none. */
#include "net/request.h"
#include "support/check.h"
#include "support/scripted_server.h"

static const int cancel = 0;
static int port;

static const char body[] = "{\"stream\":true,\"max_tokens\":16}";

static struct net_limits short_limits(void) {
    struct net_limits limits = net_limits_default();
    limits.first_ms = 150;
    limits.gap_ms = 150;
    limits.total_ms = 500;
    limits.max_body = 64 << 10;
    return limits;
}

static void ask(struct transfer *t, const char *name, const struct net_limits *limits) {
    char url[128];
    struct err err;
    snprintf(url, sizeof url, "http://127.0.0.1:%d/%s/v1/chat/completions", port, name);
    struct net_request request = {.method = "POST",
                                  .url = url,
                                  .body = body,
                                  .body_size = sizeof body - 1,
                                  .max_tokens = 16,
                                  .is_stream = true};
    CHECK(transfer_init(t, limits, &err));
    t->keeps_text = true;
    CHECK(request_run(t, &request, &cancel, &err));
}

static void test_all_behaviours(void) {
    struct net_limits limits = short_limits();
    int n = 0, bad = 0;
    for (const struct scripted_behaviour *row = scripted_behaviours(); row->name; row++, n++) {
        struct transfer t;
        ask(&t, row->name, &limits);
        /* The limits are short: a busy machine may be late where the server is not. */
        for (int i = 0; i < 2 && strcmp(net_failure_name(t.record.failure), row->expected) != 0;
             i++) {
            transfer_free(&t);
            ask(&t, row->name, &limits);
        }
        const char *found = net_failure_name(t.record.failure);
        if (strcmp(found, row->expected) != 0) {
            printf("%s: ended as %s (%s), expected %s\n", row->name, found, t.message,
                   row->expected);
            CHECK_STR(found, row->expected);
        }
        CHECK_INT(t.message[0] != '\0', t.record.failure != NET_OK);
        CHECK(t.record.end_ns >= t.record.send_ns);
        if (strcmp(row->expected, "ok") != 0) bad++;
        transfer_free(&t);
    }
    CHECK(bad >= 60);
    printf("%d behaviours, %d of them bad\n", n, bad);
}

static void test_text(void) {
    static const struct {
        const char *name, *text;
    } rows[] = {{"plain", "ab"},     {"split_utf8", "é🐑"},          {"escapes", "é🐑\n\""},
                {"cr", "a"},         {"batched_tokens", "a b c d"}, {"reasoning", "a"},
                {"odd_chunks", "a"}, {"many_data_lines", "a"}};
    struct net_limits limits = net_limits_default();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct transfer t;
        ask(&t, rows[i].name, &limits);
        CHECK_INT(t.text.size, strlen(rows[i].text));
        if (t.text.size > 0) CHECK(memcmp(t.text.bytes, rows[i].text, t.text.size) == 0);
        transfer_free(&t);
    }
}

static void test_record(void) {
    struct net_limits limits = net_limits_default();
    struct transfer t;
    ask(&t, "timed-20-5-6", &limits);
    const struct net_record *r = &t.record;
    CHECK_INT(r->failure, NET_OK);
    CHECK_INT(r->status, 200);
    CHECK_INT(r->n_pieces, 6);
    CHECK_INT(r->n_tokens, 6);
    CHECK_INT(r->n_prompt, 4);
    CHECK_STR(r->finish_reason, "length");
    CHECK(t.has_done);
    CHECK(r->send_ns < r->header_ns && r->header_ns <= r->first_ns && r->first_ns < r->last_ns &&
          r->last_ns <= r->end_ns);
    CHECK_INT(t.times[0], r->first_ns);
    CHECK_INT(t.times[5], r->last_ns);
    CHECK(r->first_ns - r->send_ns >= 20000000);
    char *at = t.text.bytes; /* no piece came before the server sent it */
    for (int i = 0; i < 6; i++) {
        long long sent = strtoll(at, &at, 10);
        CHECK(t.times[i] >= sent);
    }
    transfer_free(&t);
    ask(&t, "reasoning", &limits);
    CHECK(t.record.answer_ns >= t.record.first_ns);
    CHECK_INT(t.record.n_pieces, 2);
    CHECK_INT(t.record.n_tokens, -1);
    transfer_free(&t);
}

static void test_done_optional(void) {
    struct net_limits limits = net_limits_default();
    limits.done_optional = true;
    struct transfer t;
    ask(&t, "no_done", &limits);
    CHECK_INT(t.record.failure, NET_OK);
    transfer_free(&t);
    ask(&t, "no_finish", &limits);
    CHECK_INT(t.record.failure, NET_NO_FINISH);
    transfer_free(&t);
}

static void test_hang_up(void) {
    struct net_limits limits = net_limits_default();
    char url[128];
    struct err err;
    struct transfer t;
    snprintf(url, sizeof url, "http://127.0.0.1:%d/timed-1-1-1000/", port);
    struct net_request request = {
        .method = "POST", .url = url, .body = body, .body_size = 5, .is_stream = true};
    CHECK(transfer_init(&t, &limits, &err));
    t.keeps_events = true;
    t.hang_up_events = 3;
    CHECK(request_run(&t, &request, &cancel, &err));
    CHECK_INT(t.record.failure, NET_CANCELLED);
    CHECK_INT(t.record.n_events, 3);
    CHECK_CONTAINS(t.message, "hung up");
    transfer_free(&t);
}

static void test_nobody_there(void) {
    struct net_limits limits = short_limits();
    struct err err;
    struct transfer t;
    struct net_request request = {.method = "GET", .url = "http://127.0.0.1:1/"};
    CHECK(transfer_init(&t, &limits, &err));
    CHECK(request_run(&t, &request, &cancel, &err));
    CHECK_INT(t.record.failure, NET_CONNECT);
    transfer_free(&t);
    CHECK(transfer_init(&t, &limits, &err));
    request.url = "ftp://127.0.0.1/";
    bool ran = request_run(&t, &request, &cancel, &err);
    CHECK(!ran || t.record.failure == NET_BAD_HTTP);
    transfer_free(&t);
    char url[64];
    snprintf(url, sizeof url, "https://127.0.0.1:%d/plain/", port); /* no TLS there */
    request.url = url;
    CHECK(transfer_init(&t, &limits, &err));
    CHECK(request_run(&t, &request, &cancel, &err));
    CHECK(t.record.failure == NET_TLS || t.record.failure == NET_FIRST_TIMEOUT);
    transfer_free(&t);
}

int main(void) {
    port = scripted_server_start();
    CHECK(port > 0);
    test_all_behaviours();
    test_text();
    test_record();
    test_done_optional();
    test_hang_up();
    test_nobody_there();
    return check_done();
}
