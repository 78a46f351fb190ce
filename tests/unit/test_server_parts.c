/* test_server_parts.c - the server's pure parts: heads of requests, hosts and origins, JSON text,
 * faults, chat templates. */
#include "server/answer.h"
#include "server/chat.h"
#include "server/faults.h"
#include "server/http_scan.h"
#include "server/security.h"
#include "server/text.h"
#include "support/bad_heads.h"
#include "support/check.h"
#include "support/goldens.h"

#include "base/alloc.h"
#include "base/json.h"

/* ---- heads ---- */

static struct http_scan scan(const char *head) {
    return http_scan(head, strlen(head));
}

static void check_status(const char *head, int status) {
    struct http_scan found = scan(head);
    if (found.status != status) fprintf(stderr, "%s", head);
    CHECK_INT(found.status, status);
    CHECK(status == 0 || status == 200 || (found.problem != NULL && found.code != NULL));
}

static void check_good_heads(void) {
    static const char *const good[] = {
        "GET / HTTP/1.1\r\n" HOST "\r\n",
        "GET /health HTTP/1.0\r\n" HOST "\r\n",
        "OPTIONS * HTTP/1.1\r\n" HOST "\r\n",
        "GET /a?b=c&d=%20 HTTP/1.1\r\n" HOST "X-A:\t b \t\r\n\r\n",
        "POST /v1/completions HTTP/1.1\r\n" HOST "Content-Length: 0\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Content-Length: 8388608\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\n\r\n",
        "POST / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n",
        "GET / HTTP/1.1\r\n" HOST "X: \xc3\xa9\r\n\r\n",
        "GET / HTTP/1.1\r\n" HOST "X:\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        check_status(good[i], 200);
        CHECK_INT(scan(good[i]).head_size, strlen(good[i]));
        /* Every part of a good head is the beginning of one: no byte of it is refused. */
        for (size_t n = 0; n < strlen(good[i]); n++)
            CHECK_INT(http_scan(good[i], n).status, 0);
    }
}

static void check_bad_heads(void) {
    for (size_t i = 0; i < sizeof bad_heads / sizeof *bad_heads; i++)
        check_status(bad_heads[i].head, bad_heads[i].status);
    static const char nul[] = "GET / HTTP/1.1\r\nHost: a\0b\r\n";
    CHECK_INT(http_scan(nul, sizeof nul - 1).status, 400);
}

/* A request line of `line` bytes, n headers of `size` bytes each. */
static int scan_sized(size_t line, int n, size_t size) {
    struct text head = {0};
    text_puts(&head, "GET /");
    while (head.size + 9 < line)
        text_puts(&head, "a");
    text_puts(&head, " HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < n; i++) {
        const size_t begin = head.size;
        text_printf(&head, "X%d: ", i);
        while (head.size - begin < size)
            text_puts(&head, "b");
        text_puts(&head, "\r\n");
    }
    text_puts(&head, "\r\n");
    CHECK(!head.failed);
    const int status = http_scan(head.data, head.size).status;
    text_free(&head);
    return status;
}

static void check_caps(void) {
    CHECK_INT(scan_sized(HTTP_MAX_LINE, 0, 0), 200);
    CHECK_INT(scan_sized(HTTP_MAX_LINE + 1, 0, 0), 414);
    CHECK_INT(scan_sized(20, 1, HTTP_MAX_LINE), 200);
    CHECK_INT(scan_sized(20, 1, HTTP_MAX_LINE + 1), 431);
    CHECK_INT(scan_sized(20, HTTP_MAX_HEADERS - 1, 8), 200);
    CHECK_INT(scan_sized(20, HTTP_MAX_HEADERS, 8), 431);
    CHECK_INT(scan_sized(20, 4, 8000), 200);
    CHECK_INT(scan_sized(20, 5, 8000), 431);
    CHECK_INT(scan_sized(100000, 0, 0), 414);
    CHECK_INT(scan_sized(20, 100000, 4), 431);
}

/* ---- who may call ---- */

static void check_hosts(void) {
    const struct security s = {.bind = "127.0.0.1", .port = 8080, .allow_hosts = "box,box.lan"};
    static const char *const good[] = {"127.0.0.1",   "127.0.0.1:8080", "localhost:8080",
                                       "LOCALHOST",   "[::1]:8080",     "box",
                                       "box.lan:8080"};
    static const char *const bad[] = {"",
                                      "evil.com",
                                      "127.0.0.1:80",
                                      "127.0.0.1:",
                                      "127.0.0.1:8080x",
                                      "localhost.",
                                      "localhost.evil.com",
                                      "evil.com:8080",
                                      "[::1",
                                      "[::2]:8080",
                                      "0.0.0.0:8080",
                                      "127.0.0.1@evil.com",
                                      "box.lan.evil.com",
                                      "127.0.0.1:080801",
                                      "boxx",
                                      "bo"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        CHECK(security_host(&s, good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(!security_host(&s, bad[i]));
    CHECK(!security_host(&s, NULL));
    const struct security wide = {.bind = "0.0.0.0", .port = 80};
    CHECK(!security_host(&wide, "0.0.0.0") && security_host(&wide, "localhost"));
}

static void check_origins(void) {
    const struct security s = {
        .bind = "127.0.0.1", .port = 8080, .allow_origins = "https://ole.example,null"};
    static const char *const good[] = {
        "http://localhost",  "http://localhost:3000", "https://127.0.0.1:1", "tauri://localhost",
        "http://[::1]:5173", "app://localhost",       "https://ole.example", "null"};
    static const char *const bad[] = {"",
                                      "http://evil.com",
                                      "http://localhost.evil.com",
                                      "http://evil.com:8080",
                                      "file://",
                                      "http://localhost:3000/x",
                                      "https://ole.example.evil.com",
                                      "ftp://localhost",
                                      "localhost",
                                      "http://127.0.0.1.evil.com",
                                      "https://ole.exampl",
                                      "http://localhost@evil.com"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        CHECK(security_origin(&s, good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(!security_origin(&s, bad[i]));
    const struct security closed = {.bind = "127.0.0.1"};
    CHECK(!security_origin(&closed, "null"));
}

static void check_keys(void) {
    const struct security s = {.api_key = "secret"}, none = {0};
    CHECK(security_key(&none, NULL, NULL));
    CHECK(security_key(&s, "Bearer secret", NULL) && security_key(&s, "bearer secret", NULL));
    CHECK(security_key(&s, NULL, "secret"));
    static const char *const bad[] = {"",
                                      "Bearer",
                                      "Bearer ",
                                      "Bearer secre",
                                      "Bearer secrets",
                                      "Bearer secretsecret",
                                      "Basic secret",
                                      "secret",
                                      "Bearer  secret"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(!security_key(&s, bad[i], NULL));
    CHECK(!security_key(&s, NULL, NULL) && !security_key(&s, "Bearer x", "secret"));
    CHECK(security_is_json("application/json") &&
          security_is_json("Application/JSON; charset=utf-8"));
    CHECK(!security_is_json("text/plain") && !security_is_json("application/jsonx") &&
          !security_is_json(NULL));
}

/* ---- text ---- */

static void check_json_of(const char *bytes, size_t size, const char *wanted) {
    struct text t = {0};
    text_json(&t, bytes, size);
    CHECK_STR(text_string(&t), wanted);
    struct json *parsed = json_parse(t.data, t.size, "test", NULL, NULL);
    CHECK(parsed != NULL);
    json_free(parsed);
    text_free(&t);
}

static void check_texts(void) {
    check_json_of("", 0, "\"\"");
    check_json_of("a\"b\\c\nd\te\x7f", 10, "\"a\\\"b\\\\c\\nd\\u0009e\\u007f\"");
    check_json_of("\xc3\xa9\xf0\x9f\x98\x80", 6, "\"\xc3\xa9\xf0\x9f\x98\x80\"");
    check_json_of("\xc3", 1, "\"\xef\xbf\xbd\"");
    check_json_of("\xed\xa0\x80", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""); /* a surrogate */
    check_json_of("\xf4\x90\x80\x80", 4, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    check_json_of("\xe0\x80\xaf", 3, "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
    struct text t = {0};
    text_puts(&t, "0123456789");
    text_drop(&t, 3);
    CHECK_STR(text_string(&t), "3456789");
    text_drop(&t, 99);
    CHECK_INT(t.size, 0);
    text_number(&t, (double)NAN, 2);
    text_number(&t, 1.005, 1);
    CHECK_STR(text_string(&t), "null1.0");
    mem_fail_at(1, 1);
    for (int i = 0; i < 1000; i++)
        text_puts(&t, "longer than what is there");
    mem_fail_at(0, 0);
    CHECK(t.failed);
    text_free(&t);
}

static void check_errors(void) {
    struct text t = {0};
    answer_error(&t, NULL, 429, "queue_full", "a \"b\"", "n");
    struct json *parsed = json_parse(t.data, t.size, "test", NULL, NULL);
    const struct json *error = parsed == NULL ? NULL : json_get(parsed, "error");
    CHECK(error != NULL);
    static const char *const keys[] = {"type",       "message",   "code",      "param",
                                       "suggestion", "timestamp", "request_id"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys && error != NULL; i++)
        CHECK(json_get(error, keys[i]) != NULL);
    if (error != NULL) CHECK_STR(json_string(json_get(error, "message")), "a \"b\"");
    json_free(parsed);
    text_free(&t);
}

static void check_faults(void) {
    struct faults f;
    struct err err;
    CHECK(faults_read(NULL, &f, &err) && !f.any);
    CHECK(faults_read("no_done,stall_ms=500", &f, &err) && f.any && f.no_done &&
          f.stall_ms == 500 && !f.no_usage);
    static const char *const bad[] = {"no_such",
                                      "no_done=1",
                                      "stall_ms",
                                      "stall_ms=",
                                      "stall_ms=x",
                                      "stall_ms=-1",
                                      "stall_ms=99999999999999999999",
                                      "stall_ms=1x",
                                      "=",
                                      "no_done,oops"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(!faults_read(bad[i], &f, &err));
    int n = 0;
    while (faults_describe(n) != NULL)
        n++;
    CHECK(n > 40);
}

/* ---- conversations ---- */

static void check_chat(void) {
    struct err err = {0};
    struct model *model = model_load(STORIES_F32, NULL, &err);
    CHECK(model != NULL);
    if (model == NULL) return;
    const struct chat_template *plain = chat_template_find(NULL, model, &err);
    CHECK(plain != NULL);
    CHECK_STR(chat_template_name(plain), "plain");
    CHECK(chat_template_find("no such", model, &err) == NULL);
    struct message talk[] = {{"system", "Be brief."},
                             {"user", "Hello there"},
                             {"assistant", "Hello."},
                             {"user", "Once upon"}};
    static const char *const names[] = {"plain",   "chatml", "llama2", "llama3", "gemma",  "phi3",
                                        "mistral", "zephyr", "vicuna", "alpaca", "granite"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct chat_template *chat = chat_template_find(names[i], model, &err);
        size_t n = 0;
        CHECK(chat != NULL);
        int32_t *ids = chat_encode(chat, model_tokenizer(model), talk, 4, &n, &err);
        CHECK(ids != NULL && n > 10);
        char text[2048] = "";
        for (size_t j = 0, at = 0; j < n && ids != NULL && at + 64 < sizeof text; j++) {
            at += tokenizer_piece(model_tokenizer(model), ids[j], false, text + at, 64);
            text[at] = '\0';
        }
        CHECK_CONTAINS(text, "Be brief.");
        CHECK_CONTAINS(text, "Hello there");
        CHECK_CONTAINS(text, "Once upon");
        mem_free(ids);
    }
    model_free(model);
}

int main(void) {
    check_good_heads();
    check_bad_heads();
    check_caps();
    check_hosts();
    check_origins();
    check_keys();
    check_texts();
    check_errors();
    check_faults();
    check_chat();
    return check_done();
}
