/* test_server.c - the server over real sockets: same text alone and in company, clients that leave,
 * sessions, models that come and go, refusals. Light enough for the sanitizers. */
#include "server/server.h"
#include "support/check.h"
#include "support/goldens.h"
#include "support/http_peer.h"

#include "base/alloc.h"
#include "base/json.h"

#include <pthread.h>
#include <stdatomic.h>

enum { CLIENTS = 8, N_TOKENS = 24 };

static struct server *server;
static int port;

static struct server *start(const char *faults) {
    struct server_model models[] = {{"stories", STORIES_Q4_0, true}, {"other", STORIES_F32, false}};
    struct server_options o = server_options_default();
    struct err err = {0};
    o.port = 0;
    o.models = models;
    o.n_models = 2;
    o.n_ctx = 512;
    o.max_streams = 4;
    o.max_queued = 8;
    o.switches.n_threads = 2;
    o.switches.tune = false;
    o.faults = faults;
    struct server *s = server_start(&o, &err);
    CHECK_STR(err.message, "");
    if (s == NULL) exit(check_done());
    port = server_port(s);
    return s;
}

static struct peer_answer post(const char *path, const char *body) {
    return peer_request(port, "POST", path, NULL, body);
}

static struct peer_answer get(const char *path) {
    return peer_request(port, "GET", path, NULL, NULL);
}

/* A value of /metrics. */
static double metric(const char *name) {
    struct peer_answer a = get("/metrics");
    char line[128];
    snprintf(line, sizeof line, "\nwoolly_%s ", name);
    const char *at = strstr(a.body, line);
    CHECK(at != NULL);
    double value = at == NULL ? -1 : strtod(at + strlen(line), NULL);
    peer_free(&a);
    return value;
}

static void wait_for_metric(const char *name, double wanted) {
    for (int i = 0; i < 2000 && metric(name) != wanted; i++)
        peer_sleep_ms(10);
    CHECK_NEAR(metric(name), wanted, 0);
}

/* ---- text ---- */

static const char *const prompts[] = {"Once upon a time", "The little dog", "Lily and Tom",
                                      "One day a big"};

static void completion_body(char *out, size_t size, int i, bool stream) {
    snprintf(
        out, size,
        "{\"prompt\":\"%s\",\"max_tokens\":%d,\"temperature\":0,\"ignore_eos\":true,\"stream\":%s}",
        prompts[i % 4], N_TOKENS + i % 3, stream ? "true" : "false");
}

/* The text of choice 0, into out. */
static void text_of(const struct peer_answer *a, char *out, size_t size) {
    struct err err = {0};
    struct json *j = json_parse(a->body, strlen(a->body), "answer", NULL, &err);
    CHECK_STR(err.message, "");
    out[0] = '\0';
    const struct json *choices = j == NULL ? NULL : json_get(j, "choices");
    if (choices != NULL && json_first(choices) != NULL) {
        snprintf(out, size, "%s", json_string(json_get(json_first(choices), "text")));
    }
    json_free(j);
}

/* Adds up the texts of a stream's chunks; true when it ended with [DONE]. */
static bool stream_text(const struct peer_answer *a, char *out, size_t size) {
    out[0] = '\0';
    bool done = false;
    for (const char *at = a->body; (at = strstr(at, "data: ")) != NULL;) {
        at += 6;
        const char *end = strstr(at, "\n\n");
        if (end == NULL) break;
        if (strncmp(at, "[DONE]", 6) == 0) {
            done = true;
            break;
        }
        struct json *j = json_parse(at, (size_t)(end - at), "chunk", NULL, NULL);
        CHECK(j != NULL);
        const struct json *choices = j == NULL ? NULL : json_get(j, "choices");
        const struct json *choice = choices == NULL ? NULL : json_first(choices);
        const struct json *text = choice == NULL ? NULL : json_get(choice, "text");
        if (text != NULL) snprintf(out + strlen(out), size - strlen(out), "%s", json_string(text));
        json_free(j);
    }
    return done;
}

static char alone[12][1024];

static void check_alone(void) {
    char body[256], again[1024];
    for (int i = 0; i < 12; i++) {
        completion_body(body, sizeof body, i, false);
        struct peer_answer a = post("/v1/completions", body);
        CHECK_INT(a.status, 200);
        text_of(&a, alone[i], sizeof alone[i]);
        CHECK(strlen(alone[i]) > 10);
        peer_free(&a);
    }
    completion_body(body, sizeof body, 0, false); /* A, B, A: the same A */
    struct peer_answer a = post("/v1/completions", body);
    text_of(&a, again, sizeof again);
    CHECK_STR(again, alone[0]);
    peer_free(&a);
}

/* The checks count in plain variables: one thread at a time. */
static pthread_mutex_t checking = PTHREAD_MUTEX_INITIALIZER;

static void *client(void *argument) {
    const int first = (int)(intptr_t)argument;
    for (int i = first; i < first + 4; i++) {
        char body[256], text[1024];
        completion_body(body, sizeof body, i % 12, i % 2 == 0);
        struct peer_answer a = post("/v1/completions", body);
        for (int tries = 0; a.status == 429 && tries < 500; tries++) {
            peer_free(&a);
            peer_sleep_ms(10);
            a = post("/v1/completions", body);
        }
        pthread_mutex_lock(&checking);
        CHECK_INT(a.status, 200);
        if (i % 2 == 0) {
            CHECK(stream_text(&a, text, sizeof text));
        } else {
            text_of(&a, text, sizeof text);
        }
        CHECK_STR(text, alone[i % 12]);
        pthread_mutex_unlock(&checking);
        peer_free(&a);
    }
    return NULL;
}

static void check_company(void) {
    pthread_t threads[CLIENTS];
    for (int i = 0; i < CLIENTS; i++)
        pthread_create(&threads[i], NULL, client, (void *)(intptr_t)i);
    for (int i = 0; i < CLIENTS; i++)
        pthread_join(threads[i], NULL);
    CHECK(metric("step_tokens_total") > metric("steps_total")); /* they ran together */
    wait_for_metric("kv_bytes", 0);
}

/* ---- clients that leave ---- */

static void check_leaving(void) {
    static const char body[] = "{\"prompt\":\"Once\",\"max_tokens\":400,\"temperature\":0,\"ignore_"
                               "eos\":true,\"stream\":%s}";
    const double before = metric("generations_cancelled_total");
    for (int i = 0; i < 12; i++) {
        char text[256];
        snprintf(text, sizeof text, body, i % 3 == 0 ? "false" : "true");
        int fd = peer_send(port, "POST", "/v1/completions", NULL, text);
        if (i % 3 == 1) peer_wait(fd); /* in mid-stream */
        if (i % 2 == 0) peer_reset(fd);
        peer_close(fd);
    }
    wait_for_metric("active_streams", 0);
    wait_for_metric("queued_requests", 0);
    wait_for_metric("kv_bytes", 0);
    CHECK(metric("generations_cancelled_total") > before);
}

/* ---- sessions, models ---- */

static void check_sessions(void) {
    char id[64] = "", path[128], body[512];
    struct peer_answer a = post("/api/v1/sessions", "{\"metadata\":{\"a\":1}}");
    CHECK_INT(a.status, 201);
    sscanf(strstr(a.body, "sess-"), "%63[^\"]", id);
    peer_free(&a);
    for (int i = 0; i < 2; i++) {
        snprintf(
            body, sizeof body,
            "{\"session_id\":\"%s\",\"messages\":[{\"role\":\"user\",\"content\":\"Hello %d\"}],"
            "\"temperature\":0,\"max_tokens\":8}",
            id, i);
        a = post("/api/v1/inference/chat", body);
        CHECK_INT(a.status, 200);
        CHECK_CONTAINS(a.body, "\"usage\"");
        peer_free(&a);
    }
    CHECK(metric("cached_tokens_total") > 0 && metric("kv_bytes") > 0);
    snprintf(path, sizeof path, "/api/v1/sessions/%s", id);
    a = get(path);
    CHECK_CONTAINS(a.body, "\"messages\":4");
    peer_free(&a);
    a = peer_request(port, "DELETE", path, NULL, NULL);
    CHECK_INT(a.status, 200);
    peer_free(&a);
    wait_for_metric("kv_bytes", 0);
    a = get(path);
    CHECK_INT(a.status, 404);
    peer_free(&a);
}

static void check_models(void) {
    struct peer_answer a =
        post("/api/v1/models/other/load", "{\"config\":{\"n_ctx\":128,\"n_threads\":1}}");
    CHECK_INT(a.status, 200);
    CHECK_CONTAINS(a.body, "\"success\":true");
    peer_free(&a);
    a = post("/v1/completions", "{\"model\":\"other\",\"prompt\":\"Once\",\"max_tokens\":3}");
    CHECK_INT(a.status, 200);
    peer_free(&a);
    /* A stream that runs while its model goes. */
    int fd = peer_send(port, "POST", "/v1/completions", NULL,
                       "{\"model\":\"stories\",\"prompt\":\"Once\",\"max_tokens\":500,\"ignore_"
                       "eos\":true,\"stream\":true}");
    static const char *const names[] = {"/api/v1/models/stories/unload",
                                        "/api/v1/models/other/unload"};
    for (int i = 0; i < 2; i++) {
        a = post(names[i], "");
        CHECK_INT(a.status, 200);
        peer_free(&a);
    }
    peer_close(fd);
    a = get("/health/ready");
    CHECK_INT(a.status, 503);
    peer_free(&a);
    a = post("/v1/completions", "{\"prompt\":\"Once\"}");
    CHECK_INT(a.status, 409);
    peer_free(&a);
    a = post("/api/v1/models/stories/load", "{\"config\":{\"n_ctx\":4096000}}");
    CHECK_INT(a.status, 400);
    CHECK_CONTAINS(a.body, "\"success\":false");
    peer_free(&a);
    a = post("/api/v1/models/stories/load", "");
    CHECK_INT(a.status, 200);
    peer_free(&a);
}

/* ---- refusals ---- */

static void check_refusals(void) {
    static const struct {
        int status;
        const char *method, *path, *headers, *body, *part;
    } cases[] = {
        {404, "GET", "/nothing", NULL, NULL, "not_found"},
        {404, "GET", "/api/v1/models/no%20such", NULL, NULL, "model_not_found"},
        {404, "GET", "/health%00", NULL, NULL, "not_found"},
        {404, "GET", "/..%2fhealth", NULL, NULL, "not_found"},
        {405, "DELETE", "/health", NULL, NULL, "method_not_allowed"},
        {405, "GET", "/v1/completions", NULL, NULL, "method_not_allowed"},
        {403, "GET", "/health", "Origin: http://evil.com\r\n", NULL, "origin"},
        {403, "POST", "/v1/completions", "Content-Type: text/plain\r\n", "{}", "content_type"},
        {400, "POST", "/v1/completions", NULL, "{", "bad_json"},
        {400, "POST", "/v1/completions", NULL, "[]", "wrong_type"},
        {400, "POST", "/v1/completions", NULL, "{}", "\"param\":\"prompt\""},
        {400, "POST", "/v1/completions", NULL, "{\"prompt\":\"a\",\"prompt\":\"b\"}", "bad_json"},
        {400, "POST", "/v1/completions", NULL, "{\"prompt\":{}}", "wrong_type"},
        {400, "POST", "/v1/completions", NULL, "{\"prompt\":[1,99999]}", "out_of_range"},
        {400, "POST", "/v1/completions", NULL, "{\"prompt\":[]}", "wrong_type"},
        {400, "POST", "/v1/completions", NULL, "{\"prompt\":\"a\",\"n\":1000000000}",
         "\"param\":\"n\""},
        {400, "POST", "/v1/completions", NULL, "{\"prompt\":\"a\",\"n\":1.5}", "\"param\":\"n\""},
        {400, "POST", "/v1/completions", NULL, "{\"prompt\":\"a\",\"max_tokens\":-1}",
         "\"param\":\"max_tokens\""},
        {400, "POST", "/v1/completions", NULL, "{\"prompt\":\"a\",\"max_tokens\":511}",
         "context_length"},
        {400, "POST", "/v1/completions", NULL, "{\"prompt\":\"a\",\"temperature\":\"hot\"}",
         "wrong_type"},
        {400, "POST", "/v1/completions", NULL, "{\"prompt\":\"a\",\"temperature\":3}",
         "out_of_range"},
        {400, "POST", "/v1/completions", NULL, "{\"prompt\":\"a\",\"top_p\":1.1}", "out_of_range"},
        {400, "POST", "/v1/completions", NULL,
         "{\"prompt\":\"a\",\"stop\":[\"a\",\"b\",\"c\",\"d\",\"e\"]}", "\"param\":\"stop\""},
        {400, "POST", "/v1/completions", NULL, "{\"prompt\":\"a\",\"stop\":[\"\"]}",
         "\"param\":\"stop\""},
        {400, "POST", "/v1/completions", NULL, "{\"prompt\":\"a\",\"logit_bias\":{\"1\":9}}",
         "unsupported"},
        {400, "POST", "/v1/completions", NULL, "{\"prompt\":\"a\",\"stream\":1}",
         "\"param\":\"stream\""},
        {400, "POST", "/v1/completions", NULL, "{\"prompt\":\"a\",\"logprobs\":99}",
         "\"param\":\"logprobs\""},
        {404, "POST", "/v1/completions", NULL, "{\"model\":\"nope\",\"prompt\":\"a\"}",
         "model_not_found"},
        {404, "POST", "/v1/completions", NULL, "{\"session_id\":\"nope\",\"prompt\":\"a\"}",
         "session_not_found"},
        {400, "POST", "/v1/chat/completions", NULL, "{\"messages\":[]}", "\"param\":\"messages\""},
        {400, "POST", "/v1/chat/completions", NULL,
         "{\"messages\":[{\"role\":\"king\",\"content\":\"a\"}]}", "role"},
        {400, "POST", "/v1/chat/completions", NULL,
         "{\"messages\":[{\"role\":\"user\",\"content\":1}]}", "content"},
        {400, "POST", "/api/v1/models/stories/load", NULL, "{\"config\":{\"n_cxt\":1}}", "n_cxt"},
        {400, "POST", "/api/v1/sessions", NULL, "{\"metadata\":1}", "wrong_type"},
        {400, "POST", "/api/v1/mcp", NULL, "{\"method\":\"x\"}", "-32600"},
        {404, "POST", "/api/v1/mcp/tools/nope", NULL, "{}", "tool_not_found"},
        {404, "DELETE", "/api/v1/mcp/sessions/nope", NULL, NULL, "session_not_found"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct peer_answer a =
            peer_request(port, cases[i].method, cases[i].path, cases[i].headers, cases[i].body);
        if (a.status != cases[i].status)
            fprintf(stderr, "%s %s %s\n", cases[i].method, cases[i].path, cases[i].body);
        CHECK_INT(a.status, cases[i].status);
        CHECK_CONTAINS(a.body, cases[i].part);
        peer_free(&a);
    }
    int fd = peer_connect(port);
    peer_write(fd, "GET /health HTTP/1.1\nHost: localhost\n\n");
    struct peer_answer a = peer_read(fd);
    CHECK_INT(a.status, 400);
    peer_free(&a);
    a = peer_request(port, "GET", "/health", "X-Twice: Host\r\nHost: evil.com\r\n", NULL);
    CHECK_INT(a.status, 400);
    peer_free(&a);
}

/* ---- turns ---- */

/* The rank in which requests end: of one client many, of another one that came last. */
struct turn {
    const char *client;
    int rank;
};
static atomic_int n_ended;

static void *take_turn(void *argument) {
    struct turn *turn = argument;
    char header[64];
    snprintf(header, sizeof header, "X-Client-Id: %s\r\n", turn->client);
    struct peer_answer a = peer_request(
        port, "POST", "/v1/completions", header,
        "{\"prompt\":\"Once\",\"max_tokens\":40,\"temperature\":0,\"ignore_eos\":true}");
    turn->rank = a.status == 200 ? atomic_fetch_add(&n_ended, 1) : -1;
    peer_free(&a);
    return NULL;
}

/* 11 of A fill the 4 places and the queue; B's one comes last and is not the last to be served. One
 * more than the queue takes is refused. */
static void check_turns(void) {
    enum { OF_A = 11 };
    server = start("token_ms=4");
    struct turn turns[OF_A + 1];
    pthread_t threads[OF_A + 1];
    for (int i = 0; i <= OF_A; i++) {
        turns[i] = (struct turn){.client = i < OF_A ? "a" : "b"};
        pthread_create(&threads[i], NULL, take_turn, &turns[i]);
        for (int j = 0; j < 500 && metric("active_streams") + metric("queued_requests") < i + 1;
             j++)
            peer_sleep_ms(1);
    }
    struct peer_answer a = post("/v1/completions", "{\"prompt\":\"Once\",\"max_tokens\":4}");
    CHECK_INT(a.status, 429);
    CHECK_CONTAINS(a.all, "Retry-After: ");
    peer_free(&a);
    for (int i = 0; i <= OF_A; i++)
        pthread_join(threads[i], NULL);
    int behind_b = 0;
    for (int i = 0; i < OF_A; i++)
        behind_b += turns[i].rank > turns[OF_A].rank;
    CHECK(turns[OF_A].rank >= 0 && behind_b >= 2);
    server_stop(server);
}

/* ---- tools, faults ---- */

static void *answer_one_call(void *argument) {
    struct server_call call;
    (void)argument;
    for (int i = 0; i < 100 && !server_next_call(server, 100, &call); i++) {
    }
    CHECK_STR(call.tool, "echo");
    CHECK(server_answer_call(server, call.id, call.arguments, strlen(call.arguments), false));
    CHECK(!server_answer_call(server, call.id, "", 0, false));
    return NULL;
}

static void check_tools(void) {
    struct err err = {0};
    pthread_t thread;
    CHECK(!server_set_tools(server, "{}", &err));
    CHECK(server_set_tools(server, "[{\"name\":\"echo\"}]", &err));
    struct peer_answer a =
        post("/api/v1/mcp", "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"tools/list\"}");
    CHECK_CONTAINS(a.body, "\"id\":7");
    CHECK_CONTAINS(a.body, "echo");
    peer_free(&a);
    pthread_create(&thread, NULL, answer_one_call, NULL);
    a = post(
        "/api/v1/mcp",
        "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"tools/call\",\"params\":{\"name\":\"echo\","
        "\"arguments\":{\"a\":1}}}");
    pthread_join(thread, NULL);
    CHECK_CONTAINS(a.body, "\"id\":\"x\"");
    CHECK_CONTAINS(a.body, "{\\\"a\\\":1}");
    peer_free(&a);
}

static void check_fault(const char *fault, const char *body, bool done, const char *part) {
    char text[1024];
    server = start(fault);
    struct peer_answer a = post("/v1/completions", body);
    CHECK_INT(stream_text(&a, text, sizeof text), done);
    if (part != NULL) CHECK_CONTAINS(a.body, part);
    peer_free(&a);
    server_stop(server);
}

static void check_faults(void) {
    static const char body[] = "{\"prompt\":\"Once\",\"max_tokens\":6,\"temperature\":0,\"ignore_"
                               "eos\":true,\"stream\":true,"
                               "\"stream_options\":{\"include_usage\":true}}";
    check_fault(NULL, body, true, "\"completion_tokens\":6");
    check_fault("no_done", body, false, "\"finish_reason\":\"length\"");
    check_fault("wrong_usage", body, true, "\"completion_tokens\":13");
    check_fault("error_event", body, false, "\"error\":");
    check_fault("cut_stream", body, false, NULL);
    check_fault("mock_stream,no_timings", body, true, NULL);
    check_fault("first_ms=30,token_ms=5,stall_ms=20", body, true, NULL);
}

/* ---- short of memory: a refusal or an ended connection, never a wrong answer, and life goes on
 * ---- */

static void check_memory(void) {
    static const char *const bodies[] = {
        "{\"prompt\":\"Once upon a "
        "time\",\"max_tokens\":24,\"temperature\":0,\"ignore_eos\":true,\"logprobs\":1}",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"max_tokens\":4,\"temperature\":0,"
        "\"stream\":true}"};
    static const char *const paths[] = {"/v1/completions", "/v1/chat/completions"};
    for (int which = 0; which < 2; which++) {
        for (unsigned nth = 1; nth < 90; nth++) {
            mem_fail_at(nth, 0);
            struct peer_answer a = post(paths[which], bodies[which]);
            mem_fail_at(0, 0);
            CHECK(a.status == 200 || a.status == 400 || a.status == 429 || a.status == 500 ||
                  a.status == 0);
            if (which == 0 && a.status == 200) {
                char text[1024];
                text_of(&a, text, sizeof text);
                CHECK_STR(text, alone[0]);
            }
            peer_free(&a);
        }
    }
    for (unsigned nth = 1; nth < 40; nth++) {
        struct server_options o = server_options_default();
        struct err err = {0};
        o.port = 0;
        mem_fail_at(nth, 1);
        struct server *s = server_start(&o, &err);
        mem_fail_at(0, 0);
        CHECK(s != NULL || err.message[0] != '\0');
        server_stop(s);
    }
    wait_for_metric("active_streams", 0);
    wait_for_metric("kv_bytes", 0);
}

int main(void) {
    server = start(NULL);
    check_alone();
    check_company();
    check_leaving();
    check_sessions();
    check_refusals();
    check_memory();
    check_tools();
    check_models();
    server_stop(server);
    check_turns();
    check_faults();
    return check_done();
}
