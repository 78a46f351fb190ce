/* Strict JSON: what RFC 8259 allows comes in, everything else is refused with its byte offset. */
#include "support/check.h"

#include "base/alloc.h"
#include "base/json.h"

struct text {
    const char *bytes;
    size_t size;
};
#define TEXT(literal)                                                                              \
    { literal, sizeof(literal) - 1 }

static struct json *parse(const char *text, size_t size, struct err *err) {
    /* An exact copy, so that a sanitizer sees reads past the end. */
    char *exact = malloc(size > 0 ? size : 1);
    memcpy(exact, text, size);
    *err = (struct err){.code = ERR_NONE};
    struct json *document = json_parse(exact, size, "test.json", NULL, err);
    free(exact);
    return document;
}

static void accepts(const char *text, size_t size) {
    struct err err;
    struct json *document = parse(text, size, &err);
    check_report(document != NULL, __FILE__, __LINE__, text, err.message);
    json_free(document);
}

static void refuses_at(const char *text, size_t size, size_t offset, const char *part, int line) {
    struct err err;
    char where[48];
    snprintf(where, sizeof where, "test.json: byte %zu: ", offset);
    struct json *document = parse(text, size, &err);
    check_report(document == NULL, __FILE__, line, text, "was accepted");
    check_report(err.code == ERR_INPUT, __FILE__, line, text, "code");
    check_report(strncmp(err.message, where, strlen(where)) == 0, __FILE__, line, err.message,
                 where);
    check_report(strstr(err.message, part) != NULL, __FILE__, line, err.message, part);
    json_free(document);
}
#define REFUSES(literal, offset, part)                                                             \
    refuses_at(literal, sizeof(literal) - 1, offset, part, __LINE__)

/* ---- what is JSON ---- */

static void test_allowed_texts(void) {
    static const struct text good[] = {
        /* any value may be the document; blanks are the four of the RFC */
        TEXT("null"),
        TEXT("true"),
        TEXT("false"),
        TEXT("0"),
        TEXT("\"\""),
        TEXT("[]"),
        TEXT("{}"),
        TEXT(" \t\r\n[ \n1\t, 2\r] \n"),
        TEXT("{ \"a\" : 1 , \"b\" : [ ] }"),
        TEXT("[[],{},[[]]]"),
        TEXT("{\"\":0}"),
        TEXT("{\"a\":{\"a\":1}}"),
        TEXT("[{\"a\":1},{\"a\":2}]"),
        TEXT("{\"a\":1,\"A\":2}"),
        TEXT("[null,true,false]"),
        /* numbers */
        TEXT("-0"),
        TEXT("-1"),
        TEXT("10"),
        TEXT("1.5"),
        TEXT("0.0"),
        TEXT("-0.0"),
        TEXT("1e2"),
        TEXT("1E2"),
        TEXT("1e+2"),
        TEXT("1e-2"),
        TEXT("0e1"),
        TEXT("0e+1"),
        TEXT("0.0e-999"),
        TEXT("123.456e78"),
        TEXT("1.7976931348623157e308"),
        TEXT("5e-324"),
        TEXT("9007199254740991"),
        TEXT("-9007199254740992"),
        TEXT("9007199254740994"),
        TEXT("9223372036854775808"),
        TEXT("0.000000000000000000000000000000000000000000000000000000000000000000000000000001"),
        TEXT("[-3.14159265358979323846264338327950288419716939937510582097494459230781640628,1]"),
        /* text */
        TEXT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
        TEXT("\"\\u0041\\u00e9\\u20AC\\ud83d\\ude00\""),
        TEXT("\"\xC2\x80 \xDF\xBF \xE0\xA0\x80 \xED\x9F\xBF \xEE\x80\x80 \xEF\xBF\xBF\""),
        TEXT("\"\xF0\x90\x80\x80 \xF4\x8F\xBF\xBF\""),
        TEXT("\"\x7F\""),
        TEXT("\"a//b/*c*/\""),
        TEXT("\"\xE2\x80\xA8\xE2\x80\xA9\""),
        TEXT("\"\\uFFFF\\uFDD0\\uDBFF\\uDFFF\""),
        TEXT("{\"a\\nb\":1,\"\xC3\xA9\":2}"),
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        accepts(good[i].bytes, good[i].size);
}

static void test_cut_texts_are_refused(void) {
    static const char whole[] =
        "{\"a\": [1.5e+3, -20, \"x\\u00e9\\ud83d\\ude00\\n\xE2\x82\xAC\"], \"b\": {\"c\": true, "
        "\"d\": false, \"e\": null}}";
    accepts(whole, sizeof whole - 1);
    for (size_t size = 0; size < sizeof whole - 1; size++) {
        struct err err;
        struct json *document = parse(whole, size, &err);
        CHECK(document == NULL);
        CHECK_INT(err.code, ERR_INPUT);
        json_free(document);
    }
}

/* Every byte of a text replaced by every byte value: accepted or refused, never a crash, and what
 * is accepted prints as text that is accepted again. */
static void test_changed_bytes(void) {
    static const char whole[] = "{\"a\\u00e9\":[-1.5e3,\"\xE2\x82\xAC\",true,null],\"b\":{}}";
    for (size_t at = 0; at < sizeof whole - 1; at++) {
        for (int byte = 0; byte < 256; byte++) {
            char text[sizeof whole];
            memcpy(text, whole, sizeof text);
            text[at] = (char)byte;
            struct err err;
            struct json *document = parse(text, sizeof whole - 1, &err);
            CHECK(document != NULL || err.code == ERR_INPUT);
            if (document == NULL) continue;
            char *printed = json_print(document, false);
            struct json *again = parse(printed, strlen(printed), &err);
            CHECK(again != NULL);
            json_free(again);
            mem_free(printed);
            json_free(document);
        }
    }
}

/* ---- J4: bytes ---- */

static void test_bytes_that_are_no_text(void) {
    struct err err;
    CHECK(parse("", 0, &err) == NULL);
    CHECK_STR(err.message, "test.json: is empty, JSON is required");
    REFUSES(" \n\t", 3, "the text ends");
    REFUSES("\xEF\xBB\xBF{}", 0, "byte order mark");
    REFUSES("\xFF\xFE{\0}\0", 0, "0xFF");
    REFUSES("\xFE\xFF\0{\0}", 0, "0xFE");
    REFUSES("{\0}\0", 1, "0x00");
    REFUSES("\0", 0, "0x00");
    REFUSES("[1]\0", 3, "the end of the text");
    REFUSES("[\"a\0b\"]", 3, "control character");
    REFUSES("[\"a\nb\"]", 3, "control character");
    REFUSES("[\"a\tb\"]", 3, "control character");
    REFUSES("[\"\x1F\"]", 2, "0x1F");
    REFUSES("\v[]", 0, "0x0B");
    REFUSES("\f[]", 0, "0x0C");
    REFUSES("[\xC2\xA0]", 1, "0xC2");
    REFUSES("[\xE2\x81\xA0]", 1, "0xE2");
}

static void test_bad_utf8(void) {
    static const struct text bad[] = {
        TEXT("\x80"),
        TEXT("\xBF"),
        TEXT("\xC0\x80"),
        TEXT("\xC1\xBF"),
        TEXT("\xC2"),
        TEXT("\xC2\x41"),
        TEXT("\xE0\x80\x80"),
        TEXT("\xE0\x9F\xBF"),
        TEXT("\xE2\x82"),
        TEXT("\xED\xA0\x80"),
        TEXT("\xED\xBF\xBF"),
        TEXT("\xF0\x80\x80\x80"),
        TEXT("\xF0\x8F\xBF\xBF"),
        TEXT("\xF4\x90\x80\x80"),
        TEXT("\xF5\x80\x80\x80"),
        TEXT("\xF8\x88\x80\x80"),
        TEXT("\xF0\x9F\x98"),
        TEXT("\xFE"),
        TEXT("\xFF"),
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[16] = "[\"a";
        memcpy(text + 3, bad[i].bytes, bad[i].size);
        memcpy(text + 3 + bad[i].size, "\"]", 2);
        refuses_at(text, bad[i].size + 5, 3, "valid UTF-8", __LINE__);
        refuses_at(text, bad[i].size + 3, 3, "valid UTF-8", __LINE__); /* at the very end */
    }
}

static void test_escapes(void) {
    REFUSES("\"\\x41\"", 2, "an escape");
    REFUSES("\"\\'\"", 2, "an escape");
    REFUSES("\"\\0\"", 2, "an escape");
    REFUSES("\"\\U0041\"", 2, "an escape");
    REFUSES("\"\\u00G0\"", 5, "hexadecimal");
    REFUSES("\"\\u004\"", 6, "hexadecimal");
    REFUSES("\"\\u\"", 3, "hexadecimal");
    REFUSES("\"a\\u0000\"", 2, "\\u0000");
    REFUSES("{\"\\u0000\":1}", 2, "\\u0000");
    REFUSES("\"\\ud800\"", 1, "lone high surrogate");
    REFUSES("\"\\ud800x1234567\"", 1, "lone high surrogate");
    REFUSES("\"\\uDBFF\\u0041\"", 1, "lone high surrogate");
    REFUSES("\"\\ud800\\ud800\\udc00\"", 1, "lone high surrogate");
    REFUSES("\"\\ud800\\n12345\"", 1, "lone high surrogate");
    REFUSES("\"\\udc00\"", 1, "lone low surrogate");
    REFUSES("\"\\ude00\\ud83d\"", 1, "lone low surrogate");
    REFUSES("\"abc", 0, "does not end");
    REFUSES("[1, \"abc\\\"]", 4, "does not end");
}

/* ---- J3: numbers ---- */

static void test_bad_numbers(void) {
    REFUSES("012", 0, "begins with 0");
    REFUSES("[-012]", 1, "begins with 0");
    REFUSES("00", 0, "begins with 0");
    REFUSES("1.", 2, "a digit");
    REFUSES("[1.]", 3, "a digit");
    REFUSES("1.e1", 2, "a digit");
    REFUSES(".5", 0, "a value");
    REFUSES("-", 1, "a digit");
    REFUSES("[-]", 2, "a digit");
    REFUSES("-.5", 1, "a digit");
    REFUSES("- 1", 1, "a digit");
    REFUSES("--1", 1, "a digit");
    REFUSES("+1", 0, "a value");
    REFUSES("1e", 2, "a digit");
    REFUSES("1e+", 3, "a digit");
    REFUSES("1e1.5", 3, "the end");
    REFUSES("1e1e1", 3, "the end");
    REFUSES("0x10", 1, "the end");
    REFUSES("1_000", 1, "the end");
    REFUSES("1 000", 2, "the end");
    REFUSES("1f", 1, "the end");
    REFUSES("NaN", 0, "NaN and Infinity are none");
    REFUSES("[Infinity]", 1, "NaN and Infinity are none");
    REFUSES("-Infinity", 1, "a digit");
    REFUSES("nan", 0, "a value");
    REFUSES("\xEF\xBC\x91", 0, "0xEF"); /* a full-width 1 */
    REFUSES("1e999", 0, "larger than any double");
    REFUSES("[-1e309]", 1, "larger than any double");
    REFUSES("1.7976931348623159e308", 0, "larger than any double");
    REFUSES("0.1e-400", 0, "smaller than any double");
    REFUSES("9007199254740993", 0, "not exact");
    REFUSES("-9007199254740993", 0, "not exact");
    REFUSES("9223372036854775807", 0, "not exact");
    REFUSES("18446744073709551615", 0, "not exact");
    REFUSES("100000000000000000000000000000000000000000000000000000000000000000000000000000001", 0,
            "not exact");
    char longest[1200] = "0.";
    memset(longest + 2, '1', 1100);
    accepts(longest, 1023);
    refuses_at(longest, 1024, 0, "allowed are 1023", __LINE__);
    memset(longest, '9', sizeof longest); /* a whole number larger than any double */
    refuses_at(longest, 400, 0, "larger than any double", __LINE__);
}

static double number_of(const char *text) {
    struct err err;
    struct json *document = parse(text, strlen(text), &err);
    CHECK(document != NULL && json_kind_of(document) == JSON_NUMBER);
    double value = document != NULL ? json_number(document) : NAN;
    json_free(document);
    return value;
}

static void test_numbers_keep_their_value(void) {
    static const char *const texts[] = {
        "0",
        "-0",
        "1",
        "0.1",
        "-1.5e-7",
        "1e22",
        "5e-324",
        "9007199254740992",
        "2.2250738585072014e-308",
        "123456789012345683968",
        "3.14159265358979323846264338327950288419716939937510582097494459230781640628",
        "0.000000000000000000000000000000000000000000000000000000000000000000000000000001",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        double value = number_of(texts[i]), expected = strtod(texts[i], NULL);
        CHECK(memcmp(&value, &expected, sizeof value) == 0); /* -0 too */
    }
}

/* ---- structure ---- */

static void test_bad_structure(void) {
    REFUSES("{} x", 3, "the end of the text");
    REFUSES("[1]]", 3, "the end of the text");
    REFUSES("[1][2]", 3, "the end of the text");
    REFUSES("1,", 1, "the end of the text");
    REFUSES("[1,]", 3, "a value");
    REFUSES("[,1]", 1, "a value");
    REFUSES("[1,,2]", 3, "a value");
    REFUSES("[1 2]", 3, "',' or ']'");
    REFUSES("[1;2]", 2, "',' or ']'");
    REFUSES("[1}", 2, "',' or ']'");
    REFUSES("[1:2]", 2, "',' or ']'");
    REFUSES("[", 1, "a value");
    REFUSES("[1", 2, "',' or ']'");
    REFUSES("]", 0, "a value");
    REFUSES("{", 1, "a key in quotes");
    REFUSES("}", 0, "a value");
    REFUSES("{\"a\":1,}", 7, "a key in quotes");
    REFUSES("{,\"a\":1}", 1, "a key in quotes");
    REFUSES("{a:1}", 1, "a key in quotes");
    REFUSES("{'a':1}", 1, "a key in quotes");
    REFUSES("{1:1}", 1, "a key in quotes");
    REFUSES("{null:1}", 1, "a key in quotes");
    REFUSES("{\"a\"}", 4, "':'");
    REFUSES("{\"a\":}", 5, "a value");
    REFUSES("{\"a\"::1}", 5, "a value");
    REFUSES("{\"a\" 1}", 5, "':'");
    REFUSES("{\"a\",1}", 4, "':'");
    REFUSES("{\"a\":1 \"b\":2}", 7, "',' or '}'");
    REFUSES("{\"a\":1]", 6, "',' or '}'");
    REFUSES("['a']", 1, "a value");
    REFUSES("True", 0, "a value");
    REFUSES("tru", 0, "a value");
    REFUSES("nul", 0, "a value");
    REFUSES("truex", 4, "the end of the text");
    REFUSES("[nulll]", 5, "',' or ']'");
    REFUSES("undefined", 0, "a value");
    REFUSES("// c\n1", 0, "found '/'");
    REFUSES("[1 /* c */]", 3, "found '/'");
    REFUSES("# c\n1", 0, "found '#'");
}

/* ---- J2: keys ---- */

static void test_duplicate_keys(void) {
    REFUSES("{\"a\":1,\"a\":2}", 7, "duplicate key \"a\", first at byte 1");
    REFUSES("{\"a\":1,\"b\":1,\"a\":1}", 13, "duplicate key");
    REFUSES("{\"ab\":1,\"\\u0061b\":2}", 8, "duplicate key");
    REFUSES("[0,{\"x\":{\"\xC3\xA9\":1,\"\\u00e9\":2}}]", 16, "duplicate key");
    REFUSES("{\"\xF0\x9F\x98\x80\":1,\"\\ud83d\\ude00\":2}", 10, "duplicate key");
    REFUSES("{\"/\":1,\"\\/\":2}", 7, "duplicate key");
    REFUSES("{\"\":1,\"\":2}", 6, "duplicate key");
}

static void test_get_is_case_sensitive(void) {
    static const char text[] = "{\"Max\":1,\"max\":2,\"m\":{\"deep\":3}}";
    struct err err;
    struct json *document = parse(text, sizeof text - 1, &err);
    CHECK(document != NULL);
    CHECK_NEAR(json_number(json_get(document, "max")), 2, 0);
    CHECK_NEAR(json_number(json_get(document, "Max")), 1, 0);
    CHECK(json_get(document, "MAX") == NULL);
    CHECK(json_get(document, "deep") == NULL);
    json_free(document);
}

/* ---- J1: limits, at the limit and one beyond ---- */

static char *repeat(const char *first, const char *part, size_t n, const char *last, size_t *size) {
    size_t a = strlen(first), b = strlen(part), c = strlen(last);
    char *text = malloc(a + n * b + c + 1);
    memcpy(text, first, a);
    for (size_t i = 0; i < n; i++)
        memcpy(text + a + i * b, part, b);
    memcpy(text + a + n * b, last, c + 1);
    *size = a + n * b + c;
    return text;
}

static void test_depth(void) {
    for (size_t depth = 63; depth <= 65; depth++) {
        char text[256];
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        if (depth <= 64) {
            accepts(text, 2 * depth);
        } else {
            refuses_at(text, 2 * depth, 64, "64 levels", __LINE__);
        }
    }
    size_t size = 0;
    char *text = repeat("", "[", 100000, "", &size);
    refuses_at(text, size, 64, "64 levels", __LINE__);
    free(text);
    text = repeat("", "{\"a\":", 100000, "", &size);
    refuses_at(text, size, 64 * 5, "64 levels", __LINE__);
    free(text);
}

static void test_size_limit(void) {
    size_t cap = 8u << 20, size = 0;
    char *text = repeat("1", " ", cap, "", &size);
    accepts(text, cap - 1);
    accepts(text, cap);
    refuses_at(text, cap + 1, cap, "8388609 bytes, allowed are 8388608", __LINE__);
    free(text);
}

static void test_string_limit(void) {
    size_t cap = 64u << 10, size = 0;
    for (size_t n = cap - 1; n <= cap + 1; n++) {
        char *text = repeat("[\"", "x", n, "\"]", &size);
        if (n <= cap) {
            accepts(text, size);
        } else {
            refuses_at(text, size, 1, "longer than 65536 bytes", __LINE__);
        }
        free(text);
    }
}

static char *many_keys(int n, size_t *size) {
    char *text = malloc((size_t)n * 16 + 3);
    size_t used = 0;
    text[used++] = '{';
    for (int i = 0; i < n; i++) {
        used += (size_t)sprintf(text + used, "%s\"k%d\":0", i > 0 ? "," : "", i);
    }
    text[used++] = '}';
    *size = used;
    return text;
}

static void test_key_and_value_limits(void) {
    struct err err;
    size_t size = 0;
    for (int n = 9999; n <= 10001; n++) {
        char *text = many_keys(n, &size);
        struct json *document = parse(text, size, &err);
        CHECK((document != NULL) == (n <= 10000));
        if (n > 10000) CHECK_CONTAINS(err.message, "more than 10000 keys");
        json_free(document);
        free(text);
    }
    struct json_limits limits = json_limits_default();
    limits.max_values = 3;
    struct json *document = json_parse("[1,2]", 5, "few", &limits, &err);
    CHECK(document != NULL);
    json_free(document);
    CHECK(json_parse("[1,2,3]", 7, "few", &limits, &err) == NULL);
    CHECK_STR(err.message, "few: byte 5: more than 3 values, which is the limit");
    char *text = repeat("[", "0,", 1000000, "0]", &size);
    refuses_at(text, size, 2 * 999999 + 1, "more than 1000000 values", __LINE__);
    free(text);
}

/* ---- the tree ---- */

static void test_walking(void) {
    static const char text[] = "{\"a\":[1,\"x\\u20ac\",true,null],\"b\":{}}";
    struct err err;
    struct json *document = parse(text, sizeof text - 1, &err);
    CHECK_INT(json_kind_of(document), JSON_OBJECT);
    const struct json *a = json_first(document);
    CHECK_STR(json_key(a), "a");
    CHECK_INT(json_kind_of(a), JSON_ARRAY);
    const struct json *item = json_first(a);
    CHECK_NEAR(json_number(item), 1, 0);
    item = json_next(item);
    CHECK_STR(json_string(item), "x\xE2\x82\xAC");
    item = json_next(item);
    CHECK_INT(json_kind_of(item), JSON_BOOL);
    CHECK(json_bool(item));
    item = json_next(item);
    CHECK_INT(json_kind_of(item), JSON_NULL);
    CHECK(json_next(item) == NULL);
    const struct json *b = json_next(a);
    CHECK_INT(json_kind_of(b), JSON_OBJECT);
    CHECK(json_first(b) == NULL && json_next(b) == NULL);
    json_free(document);
    json_free(NULL);
}

static struct json *build(void) {
    struct json *root = json_new_object(), *list = json_new_array();
    bool ok = json_append(list, json_new_number(0.1)) && json_append(list, json_new_null()) &&
              json_append(list, json_new_bool(true));
    ok = json_set(root, "list", list) && ok;
    ok = json_set(root, "text", json_new_string("a\"\n\x01", 4)) && ok;
    ok = json_set(root, "none", json_new_object()) && ok;
    if (ok) return root;
    json_free(root);
    return NULL;
}

static void test_building_and_printing(void) {
    struct json *root = build();
    char *text = json_print(root, false);
    CHECK_STR(text, "{\"list\":[0.1,null,true],\"text\":\"a\\\"\\n\\u0001\",\"none\":{}}");
    mem_free(text);
    text = json_print(root, true);
    CHECK_STR(text, "{\n  \"list\": [\n    0.1,\n    null,\n    true\n  ],\n"
                    "  \"text\": \"a\\\"\\n\\u0001\",\n  \"none\": {}\n}");
    struct err err;
    struct json *again = parse(text, strlen(text), &err);
    CHECK(again != NULL);
    json_free(again);
    mem_free(text);
    json_free(root);
}

static void prints(struct json *value, const char *expected) {
    char *text = json_print(value, false);
    CHECK_STR(text, expected);
    mem_free(text);
    json_free(value);
}

static void test_printed_values(void) {
    prints(json_new_number(NAN), "null");
    prints(json_new_number(-INFINITY), "null");
    prints(json_new_number(9007199254740991), "9007199254740991");
    prints(json_new_number(1e300), "1e+300");
    prints(json_new_number(-0.0), "-0");
    prints(json_new_number(1.0 / 3), "0.3333333333333333");
    prints(json_new_string("a\0b", 3), "\"a\xEF\xBF\xBD"
                                       "b\"");
    prints(json_new_string("\xC0\x80x\xE2\x82", 5),
           "\"\xEF\xBF\xBD\xEF\xBF\xBDx\xEF\xBF\xBD\xEF\xBF\xBD\"");
    prints(json_new_string("", 0), "\"\"");
    struct json *object = json_new_object();
    CHECK(json_set(object, "a\xFF\"\x7F", json_new_bool(false)));
    prints(object, "{\"a\xEF\xBF\xBD\\\"\x7F\":false}");
    /* any bits of a double come back from its text */
    uint64_t state = 7;
    for (int i = 0; i < 2000; i++) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        double value;
        memcpy(&value, &state, sizeof value);
        if (!isfinite(value)) continue;
        struct json *number = json_new_number(value);
        char *text = json_print(number, false);
        double back = strtod(text, NULL);
        CHECK(memcmp(&back, &value, sizeof value) == 0);
        mem_free(text);
        json_free(number);
    }
}

static void test_builders_take_what_they_are_given(void) {
    CHECK(!json_append(NULL, json_new_null())); /* freed all the same */
    struct json *list = json_new_array();
    CHECK(!json_append(list, NULL));
    CHECK(!json_set(NULL, "a", json_new_number(1)));
    CHECK(!json_set(list, "a", NULL));
    json_free(list);
}

/* ---- memory ---- */

static void test_every_failing_allocation(void) {
    static const char text[] =
        "{\"a\":[1,\"x\",3.14159265358979323846264338327950288419716939937510582097494459230]}";
    int64_t before = mem_live_bytes();
    bool done = false;
    for (uint64_t n = 1; !done && n < 200; n++) {
        struct err err;
        mem_fail_at(n, n % 2 == 0);
        struct json *document = parse(text, sizeof text - 1, &err);
        done = document != NULL && n > 1;
        if (document == NULL) CHECK_INT(err.code, ERR_ENVIRONMENT);
        struct json *built = build();
        char *printed = built != NULL ? json_print(built, true) : NULL;
        done = done && printed != NULL;
        mem_fail_at(0, 0);
        mem_free(printed);
        json_free(built);
        json_free(document);
        CHECK_INT(mem_live_bytes(), before);
    }
    CHECK(done);
}

int main(void) {
    test_allowed_texts();
    test_cut_texts_are_refused();
    test_changed_bytes();
    test_bytes_that_are_no_text();
    test_bad_utf8();
    test_escapes();
    test_bad_numbers();
    test_numbers_keep_their_value();
    test_bad_structure();
    test_duplicate_keys();
    test_get_is_case_sensitive();
    test_depth();
    test_size_limit();
    test_string_limit();
    test_key_and_value_limits();
    test_walking();
    test_building_and_printing();
    test_printed_values();
    test_builders_take_what_they_are_given();
    test_every_failing_allocation();
    return check_done();
}
