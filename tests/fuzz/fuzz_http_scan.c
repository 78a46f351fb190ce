/* fuzz_http_scan.c - heads of requests as any bytes: a verdict with its reason, and the same
 * verdict however much of what follows is there; one that is accepted holds what the scanner
 * promises. */
#include "server/http_scan.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition) {
    if (!condition) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *copy = malloc(size > 0 ? size : 1); /* its own block: a read beyond the end is seen */
    if (copy == NULL) return 0;
    memcpy(copy, data, size);
    struct http_scan found = http_scan(copy, size);
    require(found.status == 0 || found.status == 200 ||
            (found.status >= 400 && found.status <= 505));
    require(found.status < 400 || (found.problem != NULL && found.code != NULL));
    if (found.status == 200) {
        require(found.head_size >= 4 && found.head_size <= size);
        require(memcmp(copy + found.head_size - 4, "\r\n\r\n", 4) == 0);
        require(memchr(copy, '\0', found.head_size) == NULL);
        for (size_t i = 0; i < found.head_size; i++) {
            if (copy[i] == '\n') require(i > 0 && copy[i - 1] == '\r');
            if (copy[i] == '\r') require(copy[i + 1] == '\n');
        }
        struct http_scan exact = http_scan(copy, found.head_size);
        require(exact.status == 200 && exact.head_size == found.head_size);
        require(http_scan(copy, found.head_size - 1).status == 0);
    }
    free(copy);
    return 0;
}
