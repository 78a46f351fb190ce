/* fuzz_sse.c - any bytes as an event stream: the same events whatever pieces they come in, and what
 * the events' reader accepts as an object is JSON for the strict scanner too. */
#include "base/json.h"
#include "net/chunk.h"
#include "net/sse.h"

#include <stdlib.h>
#include <string.h>

#define MAX_EVENT 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int ok) {
    if (!ok) abort();
}

struct digest {
    uint64_t hash, events;
};

static bool on_event(void *user, const char *type, const char *data, size_t size) {
    struct digest *digest = user;
    digest->events++;
    digest->hash = digest->hash * 31 + strlen(type);
    for (size_t i = 0; i < size; i++) {
        digest->hash = (digest->hash ^ (unsigned char)data[i]) * 0x100000001B3u;
    }
    char text[256];
    struct chunk chunk = {.text = text, .text_capacity = sizeof text};
    struct err err;
    if (!chunk_read(&chunk, data, size)) return true;
    struct json_limits limits = json_limits_default();
    limits.max_depth = 65;
    struct json *document = json_parse(data, size, "event", &limits, &err);
    /* The scanner refuses some more on purpose: equal keys, NUL, numbers no double holds. */
    if (document == NULL) {
        require(err.code == ERR_INPUT);
    } else {
        require(json_kind_of(document) == JSON_OBJECT);
        json_free(document);
    }
    return true;
}

static struct digest parse(const uint8_t *data, size_t size, size_t piece,
                           enum sse_result *result) {
    struct digest digest = {0, 0};
    struct sse sse;
    sse_init(&sse, MAX_EVENT, on_event, &digest);
    *result = SSE_OK;
    for (size_t at = 0; at < size && *result == SSE_OK; at += piece) {
        size_t part = size - at < piece ? size - at : piece;
        *result = sse_push(&sse, (const char *)data + at, part);
    }
    require(sse.events == digest.events);
    sse_free(&sse);
    return digest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    enum sse_result whole, pieces;
    struct digest expected = parse(data, size, size > 0 ? size : 1, &whole);
    for (size_t piece = 1; piece <= 7; piece++) {
        struct digest found = parse(data, size, piece, &pieces);
        require(pieces == whole);
        require(found.events == expected.events && found.hash == expected.hash);
    }
    return 0;
}
