/* test_http_watch.c - strict for every request of a connection: what comes behind good ones, at
 * once or later, in heads, bodies and chunks. */
#include "server/http_watch.h"
#include "server/server.h"
#include "support/bad_heads.h"
#include "support/check.h"
#include "support/goldens.h"
#include "support/http_peer.h"

#define GOOD "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
#define POST                                                                                       \
    "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define BODY "{\"prompt\":\"Once\",\"max_tokens\":3,\"temperature\":0}"

static int port;

static int count(const char *text, const char *part) {
    int n = 0;
    for (; (text = strstr(text, part)) != NULL; text += strlen(part))
        n++;
    return n;
}

/* ---- the bytes alone ---- */

/* Takes all of it in pieces of `piece` bytes; how many bytes were good. */
static size_t take(struct http_stream *s, const char *data, size_t n, size_t piece) {
    size_t good = 0;
    for (size_t at = 0; at < n; at += piece) {
        const size_t some = n - at < piece ? n - at : piece;
        const size_t taken = http_stream_take(s, data + at, some);
        good += taken;
        if (taken < some) break;
    }
    return good;
}

static void check_good(const char *data, unsigned n_requests) {
    const size_t n = strlen(data);
    for (size_t piece = 1; piece <= n; piece++) {
        struct http_stream s = {0};
        CHECK_INT(take(&s, data, n, piece), n);
        CHECK_INT(s.n_requests, n_requests);
        CHECK(s.phase == STREAM_HEAD && s.n_head == 0);
        http_stream_free(&s);
    }
}

static void check_bad(const char *data, const char *code) {
    const size_t n = strlen(data);
    for (size_t piece = 1; piece <= n; piece++) {
        struct http_stream s = {0};
        take(&s, data, n, piece);
        if (s.phase != STREAM_BAD) fprintf(stderr, "%s\n", data);
        CHECK(s.phase == STREAM_BAD);
        CHECK_STR(s.error.code, code);
        CHECK_INT(http_stream_take(&s, "x", 1), 0);
        http_stream_free(&s);
    }
}

static void check_streams(void) {
    check_good(GOOD GOOD GOOD, 3);
    check_good(POST "Content-Length: 5\r\n\r\nabcde" GOOD, 2);
    check_good(POST "Content-Length: 0\r\n\r\n" GOOD, 2);
    check_good(CHUNKED "3\r\nabc\r\n0a;x=\"y\"\r\n0123456789\r\n0\r\n\r\n" GOOD, 2);
    check_good(CHUNKED "00000001\r\nx\r\n0000\r\n\r\n", 1);
    static const char *const chunks[] = {
        "\r\n",       ";x\r\n",    "g\r\n",       "0x3\r\n",       "+3\r\n",        "-3\r\n",
        " 3\r\n",     "3 \r\n",    "3\n",         "3\rx",          "3;x\n",         "3;\001",
        "3\r\nabc\n", "3\r\nabcd", "3\r\nabc\rx", "000000001\r\n", "fffffffff\r\n", "0\r\n\rx",
    };
    for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
        char data[512];
        snprintf(data, sizeof data, "%s%s", CHUNKED, chunks[i]);
        check_bad(data, "bad_chunk");
    }
    check_bad(CHUNKED "0\r\nX: y\r\n\r\n", "trailer");
    check_bad(CHUNKED "0\r\nTransfer-Encoding: chunked\r\n\r\n", "trailer");
    check_bad(GOOD "\r\n" GOOD, "bad_request_line");
    check_bad(POST "Content-Length: 5\r\n\r\nabcde GET / HTTP/1.1\r\n", "bad_request_line");
}

/* ---- a server ---- */

static struct server *start(void) {
    struct server_model models[] = {{"stories", STORIES_Q4_0, true}};
    struct server_options o = server_options_default();
    struct err err = {0};
    o.port = 0;
    o.models = models;
    o.n_models = 1;
    o.n_ctx = 128;
    o.switches.n_threads = 1;
    o.switches.tune = false;
    struct server *s = server_start(&o, &err);
    CHECK_STR(err.message, "");
    if (s == NULL) exit(check_done());
    port = server_port(s);
    return s;
}

/* Reads one answer that has a length, and leaves the connection open. */
static void read_one(int fd, int status) {
    char text[4096];
    size_t n = 0;
    const char *body = NULL;
    while (n + 1 < sizeof text && recv(fd, text + n, 1, 0) == 1) {
        text[++n] = '\0';
        if (body == NULL && strstr(text, "\r\n\r\n") != NULL) body = text + n;
        const char *length = body == NULL ? NULL : strstr(text, "Content-Length: ");
        if (length != NULL && (size_t)atoi(length + 16) == (size_t)(text + n - body)) break;
    }
    int found = 0;
    sscanf(text, "HTTP/1.1 %d", &found);
    CHECK_INT(found, status);
}

/* `first` answered, then `bad` in the same breath or after the answer: its status, and the end. */
static void check_behind(const char *first, const char *bad, int status, bool at_once) {
    char text[64 * 1024], wanted[32];
    int fd = peer_connect(port);
    snprintf(text, sizeof text, "%s%s", first, at_once ? bad : "");
    peer_write(fd, text);
    read_one(fd, 200);
    if (!at_once) peer_write(fd, bad);
    struct peer_answer a = peer_read(fd); /* to the end: the server closes */
    snprintf(wanted, sizeof wanted, "HTTP/1.1 %d", status);
    if (a.status != status) fprintf(stderr, "behind a good one: %s\n", bad);
    CHECK_INT(a.status, status);
    CHECK_INT(count(a.all, "HTTP/1.1 "), 1);
    CHECK_CONTAINS(a.all, "Connection: close");
    peer_free(&a);
}

static void check_connections(void) {
    const char *completion = POST "Content-Length: 48\r\n\r\n" BODY;
    CHECK_INT(strlen(BODY), 48);
    for (size_t i = 0; i < sizeof bad_heads / sizeof *bad_heads; i++) {
        check_behind(GOOD, bad_heads[i].head, bad_heads[i].status, false);
        check_behind(GOOD, bad_heads[i].head, bad_heads[i].status, true);
    }
    for (int i = 0; i < 2; i++) {
        check_behind(completion, "GET / HTTP/1.1\nHost: a\n\n", 400, i == 1);
        check_behind(GOOD, CHUNKED "3\nabc\r\n0\r\n\r\n", 400, i == 1);
        check_behind(GOOD, CHUNKED "30\r\n" BODY "\n0\r\n\r\n", 400, i == 1);
        check_behind(GOOD, CHUNKED "30\r\n" BODY "\r\n0\r\nHost: b\r\n\r\n", 400, i == 1);
    }
    /* A request inside another one's body stays its body. */
    int fd = peer_connect(port);
    peer_write(fd, POST "Content-Length: 41\r\n\r\n" GOOD GOOD);
    read_one(fd, 400);
    read_one(fd, 200);
    peer_close(fd);
}

static void check_good_connections(void) {
    int fd = peer_connect(port);
    for (int i = 0; i < 50; i++) {
        peer_write(fd, i % 2 == 0 ? GOOD : CHUNKED "30\r\n" BODY "\r\n0\r\n\r\n");
        read_one(fd, 200);
    }
    peer_write(fd, GOOD GOOD POST "Content-Length: 48\r\n\r\n" BODY GOOD);
    for (int i = 0; i < 4; i++)
        read_one(fd, 200);
    peer_write(fd, "GET /health HTTP/1.1\r\n");
    peer_sleep_ms(20);
    peer_write(fd, "Host: localhost\r\n");
    peer_sleep_ms(20);
    peer_write(fd, "\r\n");
    read_one(fd, 200);
    peer_close(fd);
}

int main(void) {
    check_streams();
    struct server *server = start();
    check_good_connections();
    check_connections();
    server_stop(server);
    return check_done();
}
