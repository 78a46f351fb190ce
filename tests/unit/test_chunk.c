/* What one object of a stream says, and which bytes are none. */
#include "net/chunk.h"
#include "support/check.h"

static char text[256];

static struct chunk read_chunk(const char *json) {
    struct chunk chunk = {.text = text, .text_capacity = sizeof text};
    CHECK(chunk_read(&chunk, json, strlen(json)));
    return chunk;
}

static void check_text(const char *json, const char *expected) {
    struct chunk chunk = read_chunk(json);
    CHECK_INT(chunk.text_size, strlen(expected));
    CHECK(memcmp(text, expected, chunk.text_size) == 0);
    CHECK_INT(chunk.has_text, expected[0] != '\0');
}

static void test_text(void) {
    check_text("{\"choices\":[{\"delta\":{\"content\":\"a\"}}]}", "a");
    check_text("{\"choices\":[{\"message\":{\"content\":\"a\"}}]}", "a");
    check_text(" { \"choices\" : [ { \"text\" : \"a\" } ] } ", "a");
    check_text("{\"choices\":[{\"delta\":{\"content\":\"\"}}]}", "");
    check_text("{\"choices\":[{\"delta\":{\"content\":null}}]}", "");
    check_text("{\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}", "");
    check_text("{\"choices\":[{\"text\":\"a\"},{\"text\":\"b\"}]}", "a"); /* the first choice */
    check_text("{\"choices\":[{\"delta\":{\"content\":\"a\"},\"text\":\"a\"}]}", "a");
    check_text("{\"choices\":[{\"text\":\"\\u00e9\\ud83d\\udc11\\n\\/\\\"\"}]}", "é🐑\n/\"");
    check_text("{\"choices\":[{\"text\":\"é🐑\"}]}", "é🐑");
    check_text("{\"content\":\"x\",\"text\":\"y\",\"delta\":{\"content\":\"z\"}}", "");
    check_text("{\"a\":{\"choices\":[{\"text\":\"x\"}]}}", "");
    struct chunk chunk = {.text = text, .text_capacity = 2};
    const char *json = "{\"choices\":[{\"text\":\"abcdef\"}]}";
    CHECK(chunk_read(&chunk, json, strlen(json)));
    CHECK_INT(chunk.text_size, 6); /* counted whole, kept as far as it fits */
}

static void test_rest(void) {
    struct chunk chunk = read_chunk("{\"choices\":[{\"delta\":{},\"finish_reason\":\"length\"}],"
                                    "\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":2,"
                                    "\"total_tokens\":5,\"prompt_tokens_details\":"
                                    "{\"cached_tokens\":1}},\"timings\":{\"queue_ms\":1.5,"
                                    "\"prefill_ms\":2e1}}");
    CHECK_STR(chunk.finish_reason, "length");
    CHECK(chunk.has_usage);
    CHECK_INT(chunk.prompt_tokens, 3);
    CHECK_INT(chunk.completion_tokens, 2);
    CHECK_INT(chunk.total_tokens, 5);
    CHECK_INT(chunk.cached_tokens, 1);
    CHECK_NEAR(chunk.queue_ms, 1.5, 0);
    CHECK_NEAR(chunk.prefill_ms, 20, 0);
    chunk = read_chunk("{\"choices\":[{\"finish_reason\":null}],\"usage\":null,\"error\":null}");
    CHECK_STR(chunk.finish_reason, "");
    CHECK(!chunk.has_usage && !chunk.is_error);
    CHECK_INT(chunk.completion_tokens, -1);
    CHECK(isnan(chunk.queue_ms));
    chunk = read_chunk("{\"usage\":{\"completion_tokens\":-1,\"prompt_tokens\":1.5,"
                       "\"total_tokens\":\"7\"}}");
    CHECK_INT(chunk.completion_tokens, -1);
    CHECK_INT(chunk.prompt_tokens, -1);
    CHECK_INT(chunk.total_tokens, -1);
    chunk = read_chunk("{\"error\":{\"message\":\"boom\",\"code\":500}}");
    CHECK(chunk.is_error);
    CHECK_STR(chunk.error, "boom");
    chunk = read_chunk("{\"error\":\"bang\"}");
    CHECK(chunk.is_error);
    CHECK_STR(chunk.error, "bang");
    chunk = read_chunk("{\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"}}]}");
    CHECK(chunk.has_reasoning && !chunk.has_text);
    CHECK_INT(chunk.n_choices, 1);
}

static void test_refused(void) {
    static const char *const bad[] = {
        "",
        " ",
        "[]",
        "1",
        "null",
        "\"a\"",
        "{",
        "}",
        "{}{}",
        "{} x",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{a:1}",
        "{\"a\":01}",
        "{\"a\":1.}",
        "{\"a\":.5}",
        "{\"a\":+1}",
        "{\"a\":1e}",
        "{\"a\":-}",
        "{\"a\":tru}",
        "{\"a\":nul}",
        "{\"a\":NaN}",
        "{\"a\":[1,]}",
        "{\"a\":[1 2]}",
        "{\"a\":\"\x01\"}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12\"}",
        "{\"a\":\"\\ud800\"}",
        "{\"a\":\"\\udc00\"}",
        "{\"a\":\"\\ud800\\u0041\"}",
        "{\"a\":\"\xFF\"}",
        "{\"a\":\"\xC3\"}",
        "{\"a\":\"\xED\xA0\x80\"}",
        "{\"a\":\"b}",
        "{\"a\":\"b\\",
        "{\"a\" 1}",
        "{'a':1}",
        "\xEF\xBB\xBF{}",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct chunk chunk = {.text = NULL};
        if (chunk_read(&chunk, bad[i], strlen(bad[i]))) CHECK_STR(bad[i], "refused");
    }
    char deep[200];
    for (int depth = 60; depth <= 70; depth++) {
        int n = snprintf(deep, sizeof deep, "{\"a\":");
        memset(deep + n, '[', (size_t)depth);
        memset(deep + n + depth, ']', (size_t)depth);
        strcpy(deep + n + 2 * depth, "}");
        struct chunk chunk = {.text = NULL};
        CHECK_INT(chunk_read(&chunk, deep, strlen(deep)), depth < 65);
    }
}

/* Every front part of an object is refused, without a byte read behind it (ASan sees that). */
static void test_cut(void) {
    const char *json = "{\"choices\":[{\"delta\":{\"content\":\"\\u00e9é\"},\"finish_reason\":"
                       "\"stop\"}],\"usage\":{\"prompt_tokens\":-1.5e+3},\"x\":[true,null,{}]}";
    for (size_t size = 0; size < strlen(json); size++) {
        char *cut = malloc(size > 0 ? size : 1);
        memcpy(cut, json, size);
        struct chunk chunk = {.text = text, .text_capacity = sizeof text};
        CHECK(!chunk_read(&chunk, cut, size));
        free(cut);
    }
    read_chunk(json);
}

int main(void) {
    test_text();
    test_rest();
    test_refused();
    test_cut();
    return check_done();
}
