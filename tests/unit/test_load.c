/* The load client: arrivals, records and values against a server whose delays are known. Bounds
 * from below only, and consistency: how late a shared machine wakes is no property of the code. */
#include "net/arrivals.h"
#include "net/load.h"
#include "net/saturation.h"
#include "support/check.h"
#include "support/scripted_server.h"

static int cancel = 0;
static int port;
static char url[128];
static const struct load_body bodies[] = {{"{\"n\":1}", 7}, {"{\"n\":2}", 7}, {"{\"n\":3}", 7}};

static struct load_options options_for(const char *behaviour, enum load_shape shape) {
    struct load_options o = load_options_default();
    snprintf(url, sizeof url, "http://127.0.0.1:%d/%s/v1/chat/completions", port, behaviour);
    o.shape = shape;
    o.url = url;
    o.bodies = bodies;
    o.n_bodies = 3;
    o.keeps_text = true;
    o.max_in_flight = 64;
    return o;
}

static struct load run(const struct load_options *options) {
    struct load load;
    struct err err;
    bool ok = load_run(&load, options, &cancel, &err);
    if (!ok) CHECK_STR(err.message, "no error");
    return load;
}

/* ---- arithmetic ---- */

static void test_arrivals(void) {
    struct arrivals constant = {.shape = ARRIVE_CONSTANT, .rate = 4, .rate_end = 4};
    for (int i = 0; i < 5; i++)
        CHECK_NEAR(arrivals_next(&constant), i * 0.25, 1e-12);
    /* from 2/s to 6/s in 4 s: 16 requests, the count at t is 2 t + t^2 / 2 */
    struct arrivals ramp = {.shape = ARRIVE_CONSTANT, .rate = 2, .rate_end = 6, .ramp_s = 4};
    for (int i = 0; i <= 16; i++) {
        double t = arrivals_next(&ramp);
        CHECK_NEAR(2 * t + t * t / 2, i, 1e-9);
    }
    CHECK_NEAR(arrivals_next(&ramp), 4 + 1 / 6.0, 1e-9);
    struct arrivals down = {.shape = ARRIVE_CONSTANT, .rate = 6, .rate_end = 2, .ramp_s = 4};
    double last = -1;
    for (int i = 0; i < 40; i++) {
        double t = arrivals_next(&down);
        CHECK(t > last);
        last = t;
    }
    CHECK_NEAR(last, 4 + (39 - 16) / 2.0, 1e-9);
    struct arrivals poisson = {.shape = ARRIVE_POISSON, .rate = 100, .rate_end = 100, .state = 7};
    double sum = 0, squares = 0, before = 0;
    for (int i = 0; i < 20000; i++) {
        double t = arrivals_next(&poisson), step = t - before;
        sum += step;
        squares += step * step;
        before = t;
    }
    double mean = sum / 20000;
    CHECK_NEAR(mean, 0.01, 0.0003);                                /* 4 standard errors */
    CHECK_NEAR(sqrt(squares / 20000 - mean * mean), 0.01, 0.0006); /* exponential: sd = mean */
    struct arrivals again = {.shape = ARRIVE_POISSON, .rate = 100, .rate_end = 100, .state = 7};
    struct arrivals other = again;
    other.state = 8;
    double first = arrivals_next(&again);
    CHECK(first != arrivals_next(&other));
}

static void test_saturation(void) {
    struct line_fit fit = {.n = 0};
    for (int i = 0; i < 10; i++)
        line_fit_add(&fit, i, 3 + (i % 2));
    CHECK(fabs(line_fit_t(&fit)) < 1);
    struct line_fit up = {.n = 0};
    for (int i = 0; i < 10; i++)
        line_fit_add(&up, i, i + 0.1 * (i % 2));
    CHECK(line_fit_t(&up) > 30);
    struct line_fit flat = {.n = 0};
    for (int i = 0; i < 10; i++)
        line_fit_add(&flat, i, 1);
    CHECK_NEAR(line_fit_t(&flat), 0, 0);
    struct saturation over = {.ttft = {.n = 0}}, steady = over;
    for (int i = 0; i < 100; i++) {
        saturation_in_flight(&over, i * 0.1, i / 4);
        saturation_ttft(&over, i * 0.1, 0.1 + i * 0.01);
        saturation_in_flight(&steady, i * 0.1, 3 + i % 3);
        saturation_ttft(&steady, i * 0.1, 0.1 + (i * 7 % 10) * 0.01);
    }
    CHECK(saturation_reached(&over, 10));
    CHECK(!saturation_reached(&over, 4)); /* too early to say */
    CHECK(!saturation_reached(&steady, 10));
}

/* A load made by hand: every value by pencil. */
static void test_values(void) {
    int64_t ms = 1000000;
    struct net_record records[] = {
        /* due 0, sent 1, pieces at 11, 13, 19; 3 tokens */
        {.plan_ns = 0,
         .send_ns = 1 * ms,
         .first_ns = 11 * ms,
         .last_ns = 19 * ms,
         .n_pieces = 3,
         .n_tokens = 3,
         .queue_ms = 2,
         .prefill_ms = NAN},
        /* due 10, sent 10, pieces at 20, 40; usage says 5 tokens: pieces of several tokens */
        {.plan_ns = 10 * ms,
         .send_ns = 10 * ms,
         .first_ns = 20 * ms,
         .last_ns = 40 * ms,
         .n_pieces = 2,
         .n_tokens = 5,
         .times_at = 3,
         .queue_ms = NAN,
         .prefill_ms = 4},
        /* one token: no tpot, no gap */
        {.plan_ns = 20 * ms,
         .send_ns = 22 * ms,
         .first_ns = 30 * ms,
         .last_ns = 30 * ms,
         .n_pieces = 1,
         .n_tokens = -1,
         .times_at = 5,
         .queue_ms = NAN,
         .prefill_ms = NAN},
        /* failed: counts for the lag alone */
        {.plan_ns = 30 * ms,
         .send_ns = 37 * ms,
         .first_ns = 40 * ms,
         .last_ns = 41 * ms,
         .n_pieces = 2,
         .n_tokens = 2,
         .times_at = 6,
         .failure = NET_RESET,
         .queue_ms = 1},
    };
    int64_t times[] = {11 * ms, 13 * ms, 19 * ms, 20 * ms, 40 * ms, 30 * ms, 40 * ms, 41 * ms};
    struct load load = {.records = records, .times = times, .n_records = 4, .n_times = 8};
    static const struct {
        enum load_value which;
        int n;
        double values[4];
    } rows[] = {
        {LOAD_TTFT, 3, {10, 10, 8}},
        {LOAD_TTFT_PLAN, 3, {11, 10, 10}},
        {LOAD_TTST, 2, {2, 20}},
        {LOAD_TPOT, 2, {4, 5}},
        {LOAD_ITL, 2, {2, 6}},
        {LOAD_ICL, 3, {2, 6, 20}},
        {LOAD_MAX_GAP, 2, {6, 20}},
        {LOAD_E2E, 3, {18, 30, 8}},
        {LOAD_E2E_PLAN, 3, {19, 30, 10}},
        {LOAD_LAG, 4, {1, 0, 2, 7}},
        {LOAD_DECODE_RATE, 2, {250, 200}},
        {LOAD_QUEUE, 1, {2}},
        {LOAD_PREFILL, 1, {4}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        double found[8];
        size_t n = load_values(&load, rows[i].which, -1, 1, found, 8);
        CHECK_INT(n, rows[i].n);
        for (size_t k = 0; k < n && k < 4; k++)
            CHECK_NEAR(found[k], rows[i].values[k], 1e-9);
    }
    double one;
    CHECK_INT(load_values(&load, LOAD_TTFT, 0.005, 0.015, &one, 1), 1);
    CHECK_NEAR(one, 10, 1e-9);
    CHECK_INT(load_values(&load, LOAD_TTFT, -1, 1, &one, 1), 3); /* counted beyond the room */
    CHECK_INT(load_pieces_between(&load, 0.011, 0.030), 4);
}

/* ---- against a server ---- */

static void test_closed(void) {
    struct load_options o = options_for("timed-10-2-5", LOAD_CLOSED);
    o.users = 4;
    o.requests = 12;
    o.max_tokens = 5;
    struct load load = run(&o);
    CHECK_INT(load.n_records, 12);
    CHECK_INT(load.by_failure[NET_OK], 12);
    CHECK_INT(load.n_times, 60);
    int seen[3] = {0};
    for (size_t i = 0; i < load.n_records; i++) {
        const struct net_record *r = &load.records[i];
        seen[r->body]++;
        CHECK_INT(r->n_pieces, 5);
        CHECK(r->first_ns - r->send_ns >= 10000000);
        CHECK(r->last_ns - r->first_ns >= 0);
        char *at = load.text + r->text_at; /* the text of each piece is when it was sent */
        for (int k = 0; k < 5; k++) {
            long long sent = strtoll(at, &at, 10);
            CHECK(load.times[r->times_at + (uint64_t)k] >= sent);
        }
    }
    for (int i = 0; i < 3; i++)
        CHECK_INT(seen[i], 4);
    double values[64];
    CHECK_INT(load_values(&load, LOAD_ITL, -1, 1e9, values, 64), 48);
    load_free(&load);
}

static void test_open(void) {
    struct load_options o = options_for("timed-5-1-3", LOAD_CONSTANT);
    o.rate = 100;
    o.duration_s = 0.3;
    struct load load = run(&o);
    CHECK_INT(load.n_records + (size_t)load.dropped, 30);
    CHECK_INT(load.by_failure[NET_OK], load.n_records);
    double lag[64];
    size_t n = load_values(&load, LOAD_LAG, -1, 1e9, lag, 64);
    for (size_t i = 0; i < n; i++)
        CHECK(lag[i] >= 0);
    load_free(&load);
    o.shape = LOAD_POISSON;
    o.requests = 10;
    load = run(&o);
    CHECK(load.n_records <= 10);
    load_free(&load);
}

/* Half a second without answers: an open loop shows it to all who came meanwhile, a closed one to
 * one alone. */
static void test_stall(void) {
    struct load_options o = options_for("stall-200-700", LOAD_CONSTANT);
    o.rate = 100;
    o.duration_s = 1;
    struct load load = run(&o);
    double ttft[128];
    size_t n = load_values(&load, LOAD_TTFT_PLAN, -1, 1e9, ttft, 128), waited = 0;
    for (size_t i = 0; i < n; i++)
        waited += ttft[i] > 100;
    CHECK_INT(load.by_failure[NET_OK], load.n_records);
    CHECK(waited >= 30); /* 40 of those who came in the first 400 ms of it */
    load_free(&load);
}

static void test_trace(void) {
    static const double at_s[] = {0, 0, 0.05, 0.1};
    static const int32_t which[] = {2, 0, 0, 1};
    struct load_options o = options_for("timed-1-1-2", LOAD_TRACE);
    o.trace_s = at_s;
    o.trace_body = which;
    o.n_trace = 4;
    struct load load = run(&o);
    CHECK_INT(load.n_records, 4);
    int seen[3] = {0};
    for (size_t i = 0; i < load.n_records; i++) {
        seen[load.records[i].body]++;
        double at = (double)(load.records[i].plan_ns - load.start_ns) / 1e9;
        CHECK(at == 0 || fabs(at - 0.05) < 1e-6 || fabs(at - 0.1) < 1e-6);
    }
    CHECK_INT(seen[0], 2);
    CHECK_INT(seen[1], 1);
    CHECK_INT(seen[2], 1);
    load_free(&load);
}

static void test_failures(void) {
    struct load_options o = options_for("resets_in_stream", LOAD_CLOSED);
    o.users = 2;
    o.requests = 4;
    struct load load = run(&o);
    CHECK_INT(load.by_failure[NET_RESET], 4);
    CHECK_INT(load.by_failure[NET_OK], 0);
    CHECK(load.examples[NET_RESET][0] != '\0');
    double none[4];
    CHECK_INT(load_values(&load, LOAD_TTFT, -1, 1e9, none, 4), 0);
    load_free(&load);
    o = options_for("timed-2000-1-1", LOAD_CLOSED); /* the load's end gives up the last ones */
    o.users = 2;
    o.requests = 2;
    o.drain_s = 0.1;
    load = run(&o);
    CHECK_INT(load.by_failure[NET_CANCELLED], 2);
    load_free(&load);
}

static void test_dropped(void) {
    struct load_options o = options_for("timed-300-1-1", LOAD_CONSTANT);
    o.rate = 100;
    o.duration_s = 0.2;
    o.max_in_flight = 4;
    struct load load = run(&o);
    CHECK_INT(load.n_records, 4);
    CHECK_INT(load.dropped, 16);
    load_free(&load);
}

static void test_cancel(void) {
    struct load_options o = options_for("timed-1-1-1", LOAD_CLOSED);
    struct load load;
    struct err err;
    o.duration_s = 100;
    cancel = 1;
    CHECK(!load_run(&load, &o, &cancel, &err));
    CHECK_INT(err.code, ERR_CANCELLED);
    cancel = 0;
    load_free(&load);
}

int main(void) {
    test_arrivals();
    test_saturation();
    test_values();
    port = scripted_server_start();
    CHECK(port > 0);
    test_closed();
    test_open();
    test_stall();
    test_trace();
    test_failures();
    test_dropped();
    test_cancel();
    return check_done();
}
