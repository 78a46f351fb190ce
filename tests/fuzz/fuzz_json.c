/* fuzz_json.c - any bytes are JSON or are refused with an offset inside them; what is JSON prints
 * as JSON of the same value. */
#include "base/alloc.h"
#include "base/json.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int ok) {
    if (!ok) abort();
}

/* Printed, read and printed again, the text is the same. */
static void check_round_trip(const struct json *document, bool indent) {
    struct err err;
    struct json_limits limits = json_limits_default();
    limits.max_bytes = SIZE_MAX; /* escapes and blanks make it longer */
    limits.max_string = SIZE_MAX;
    char *printed = json_print(document, indent);
    require(printed != NULL);
    struct json *again = json_parse(printed, strlen(printed), "printed", &limits, &err);
    require(again != NULL);
    char *twice = json_print(again, indent);
    require(twice != NULL && strcmp(printed, twice) == 0);
    json_free(again);
    mem_free(printed);
    mem_free(twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct err err = {.code = ERR_NONE};
    struct json *document = json_parse((const char *)data, size, "input", NULL, &err);
    if (document != NULL) {
        check_round_trip(document, false);
        check_round_trip(document, true);
        json_free(document);
        return 0;
    }
    require(err.code == ERR_INPUT);
    static const char prefix[] = "input: byte ";
    if (strncmp(err.message, prefix, sizeof prefix - 1) == 0) {
        require(strtoull(err.message + sizeof prefix - 1, NULL, 10) <= size);
    } else {
        require(size == 0);
    }
    /* the builder makes JSON of any bytes */
    struct json *text = json_new_string((const char *)data, size);
    require(text != NULL);
    check_round_trip(text, false);
    json_free(text);
    return 0;
}
