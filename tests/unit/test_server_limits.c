/* test_server_limits.c - many and bad clients: 1,024 idle connections beside 32 streams, one
 * connection too many, no descriptor left, 1,000 clients that leave in mid-stream. With
 * WOOLLY_LONG=1 also 1,000 that never end their heads, which takes 12 s. The server is a process of
 * its own. */
#include "base/clock.h"
#include "server/server.h"
#include "support/check.h"
#include "support/goldens.h"
#include "support/http_peer.h"

#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum {
    IDLE = 1024,
    STREAMS = 32,
    LEAVING = 1000,
    LEAVERS = 8,
    SLOW = 1000,
    FEW_FDS = 64,
    CONNECTIONS = 1088
};

static int port;

/* ---- the server's process ---- */

static void serve(int to_parent, int n_fds) {
    struct server_model model = {"stories", STORIES_Q4_0, true};
    struct server_options o = server_options_default();
    struct err err = {0};
    struct rlimit limit = {.rlim_cur = (rlim_t)n_fds, .rlim_max = (rlim_t)n_fds};
    sigset_t end;
    int number = 0;
    sigemptyset(&end);
    sigaddset(&end, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &end, NULL);
    setrlimit(RLIMIT_NOFILE, &limit);
    o.port = 0;
    o.models = &model;
    o.n_models = 1;
    o.max_connections = CONNECTIONS;
    o.switches.n_threads = 1;
    o.switches.tune = false;
    struct server *s = server_start(&o, &err);
    int found = s == NULL ? -1 : server_port(s);
    if (s == NULL) fprintf(stderr, "%s\n", err.message);
    if (write(to_parent, &found, sizeof found) != (ssize_t)sizeof found || s == NULL) _exit(1);
    sigwait(&end, &number);
    server_stop(s);
    exit(0);
}

static pid_t start(int n_fds) {
    int ends[2];
    if (pipe(ends) != 0) check_skip("no pipe");
    fflush(stdout); /* or the child prints it once more */
    pid_t child = fork();
    if (child == 0) serve(ends[1], n_fds);
    port = -1;
    CHECK_INT(read(ends[0], &port, sizeof port), sizeof port);
    CHECK(port > 0);
    close(ends[0]);
    close(ends[1]);
    return child;
}

static void stop(pid_t child) {
    int status = -1;
    kill(child, SIGTERM);
    waitpid(child, &status, 0);
    CHECK_INT(status, 0); /* it lived until now, and ends well */
}

static double metric(const char *name) {
    struct peer_answer a = peer_request(port, "GET", "/metrics", NULL, NULL);
    char line[128];
    snprintf(line, sizeof line, "\nwoolly_%s ", name);
    const char *at = strstr(a.body, line);
    double value = at == NULL ? -1 : strtod(at + strlen(line), NULL);
    peer_free(&a);
    return value;
}

static bool is_healthy(void) {
    struct peer_answer a = peer_request(port, "GET", "/health", NULL, NULL);
    const bool good = a.status == 200;
    peer_free(&a);
    return good;
}

/* Ticks of processor time that a process has used. */
static long ticks_of(pid_t pid) {
    char path[64], text[1024] = "";
    unsigned long user = 0, system = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    if (file == NULL) return 0;
    if (fgets(text, sizeof text, file) == NULL) text[0] = '\0';
    fclose(file);
    const char *behind = strrchr(text, ')');
    if (behind != NULL)
        sscanf(behind + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system);
    return (long)(user + system);
}

/* ---- many ---- */

#define ASK(n)                                                                                     \
    "{\"prompt\":\"Once upon a time\",\"max_tokens\":" n                                           \
    ",\"temperature\":0,\"ignore_eos\":true,\"stream\":true}"

static char wanted[64 * 1024];

/* The chunks' texts one behind another: all that two answers to one request have in common. */
static void texts_of(const char *body, char *out, size_t size) {
    size_t n = 0;
    for (const char *at = body; (at = strstr(at, "\"text\":")) != NULL && n + 1 < size; at++) {
        for (const char *c = at; *c != '\0' && *c != ',' && n + 1 < size; c++)
            out[n++] = *c;
    }
    out[n] = '\0';
}

static void *stream(void *argument) {
    char *text = malloc(sizeof wanted);
    struct peer_answer a = peer_request(port, "POST", "/v1/completions", NULL, ASK("64"));
    texts_of(a.body, text, sizeof wanted);
    *(bool *)argument =
        a.status == 200 && strcmp(text, wanted) == 0 && strstr(a.body, "[DONE]") != NULL;
    peer_free(&a);
    free(text);
    return NULL;
}

static void check_many(void) {
    static int idle[CONNECTIONS];
    static bool good[STREAMS];
    pthread_t threads[STREAMS];
    struct peer_answer a = peer_request(port, "POST", "/v1/completions", NULL, ASK("64"));
    texts_of(a.body, wanted, sizeof wanted);
    peer_free(&a);
    for (int i = 0; i < IDLE; i++)
        idle[i] = peer_connect(port);
    for (int i = 0; i < STREAMS; i++)
        pthread_create(&threads[i], NULL, stream, &good[i]);
    for (int i = 0; i < STREAMS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < STREAMS; i++)
        CHECK(good[i]);
    for (int i = IDLE; i < CONNECTIONS; i++)
        idle[i] = peer_connect(port);
    int one_more = peer_connect(port);
    a = peer_read(one_more);
    CHECK_INT(a.status, 503);
    CHECK_CONTAINS(a.all, "Retry-After");
    peer_free(&a);
    int alive = 0;
    for (int i = 0; i < IDLE; i++) { /* they were held all the time */
        peer_write(idle[i], "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
        char text[32] = "";
        alive +=
            recv(idle[i], text, sizeof text - 1, 0) > 0 && strncmp(text, "HTTP/1.1 200", 12) == 0;
    }
    CHECK_INT(alive, IDLE);
    for (int i = 0; i < CONNECTIONS; i++)
        peer_close(idle[i]);
    for (int i = 0; i < 500 && metric("connections") > 1; i++)
        peer_sleep_ms(10);
    CHECK(is_healthy());
}

/* ---- clients that leave ---- */

static void *leave(void *argument) {
    (void)argument;
    for (int i = 0; i < LEAVING / LEAVERS; i++) {
        int fd = peer_send(port, "POST", "/v1/completions", NULL, ASK("1500"));
        char text[4096];
        ssize_t n;
        do {
            n = recv(fd, text, sizeof text - 1, 0);
            text[n > 0 ? n : 0] = '\0';
        } while (n > 0 && strstr(text, "data: ") == NULL);
        if (i % 2 == 0) peer_reset(fd);
        peer_close(fd);
    }
    return NULL;
}

static void check_leaving(void) {
    pthread_t threads[LEAVERS];
    const double cancelled = metric("generations_cancelled_total"),
                 begun = metric("generations_total");
    const double tokens = metric("completion_tokens_total");
    for (int i = 0; i < LEAVERS; i++)
        pthread_create(&threads[i], NULL, leave, NULL);
    for (int i = 0; i < LEAVERS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < 2000 && metric("kv_bytes") > 0; i++)
        peer_sleep_ms(5);
    CHECK_NEAR(metric("kv_bytes"), 0, 0);
    CHECK_NEAR(metric("generations_total") - begun, LEAVING, 0);
    CHECK_NEAR(metric("generations_cancelled_total") - cancelled, LEAVING, 0);
    /* 1,500 tokens were asked for; a client that reads one and leaves costs a few. */
    CHECK((metric("completion_tokens_total") - tokens) / LEAVING < 150);
}

/* ---- no descriptor left ---- */

static void check_descriptors(void) {
    enum { MORE = 200 };
    int fds[MORE];
    pid_t child = start(FEW_FDS);
    for (int i = 0; i < MORE; i++)
        fds[i] = peer_connect(port);
    const long before = ticks_of(child);
    peer_sleep_ms(1000);
    CHECK(ticks_of(child) - before <=
          sysconf(_SC_CLK_TCK) / 5); /* it rests; a spin would take all it gets */
    for (int i = 0; i < MORE; i++)
        peer_close(fds[i]);
    bool back = false;
    for (int i = 0; i < 500 && !(back = is_healthy()); i++)
        peer_sleep_ms(10);
    CHECK(back);
    stop(child);
}

/* ---- heads that never end ---- */

static int by_size(const void *a, const void *b) {
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static int64_t p99_of_health(int n) {
    static int64_t times[2000];
    for (int i = 0; i < n; i++) {
        const int64_t begin = clock_now_ns();
        CHECK(is_healthy());
        times[i] = clock_now_ns() - begin;
        peer_sleep_ms(4);
    }
    qsort(times, (size_t)n, sizeof *times, by_size);
    return times[n * 99 / 100];
}

static void check_slow_heads(void) {
    static int fds[SLOW];
    const int64_t alone = p99_of_health(1000), begin = clock_now_ns();
    for (int i = 0; i < SLOW; i++) {
        fds[i] = peer_connect(port);
        peer_write(fds[i], "GET /health HTTP/1.1\r\nHost: loc");
    }
    const int64_t beside = p99_of_health(1000);
    int cut = 0;
    for (int i = 0; i < SLOW; i++) {
        struct peer_answer a = peer_read(fds[i]);
        cut += a.status == 408;
        peer_free(&a);
    }
    const double seconds = (double)(clock_now_ns() - begin) / 1e9;
    printf("%d of %d slow heads cut after %.1f s; p99 of /health %.2f ms, alone %.2f ms\n", cut,
           SLOW, seconds, (double)beside / 1e6, (double)alone / 1e6);
    CHECK_INT(cut, SLOW);
    CHECK(seconds >= 10 && seconds < 12);
}

int main(void) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max < 2 * CONNECTIONS) check_skip("too few file descriptors are allowed");
    limit.rlim_cur = 2 * CONNECTIONS;
    setrlimit(RLIMIT_NOFILE, &limit);
    pid_t child = start(2 * CONNECTIONS);
    if (port > 0) {
        check_many();
        check_leaving();
        const char *is_long = getenv("WOOLLY_LONG");
        if (is_long != NULL && strcmp(is_long, "1") == 0) check_slow_heads();
        stop(child);
        check_descriptors();
    }
    return check_done();
}
