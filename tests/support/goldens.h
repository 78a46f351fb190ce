/* goldens.h - reads the reference outputs under tests/fixtures/goldens and ../shared/data. */
#ifndef WOOLLY_TESTS_GOLDENS_H
#define WOOLLY_TESTS_GOLDENS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GOLDENS "tests/fixtures/goldens/"
#define STORIES_F32 "tests/fixtures/stories260K.f32.gguf"
#define STORIES_Q4_0 "tests/fixtures/stories260K.q4_0.gguf"
enum { STORIES_VOCAB = 512, GOLDEN_MAX = 512 };

/* A whole file with a NUL behind it, or NULL when it is not there; free it. */
static inline char *golden_file(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) return NULL;
    fseek(file, 0, SEEK_END);
    long length = ftell(file);
    rewind(file);
    char *text = malloc((size_t)length + 1);
    *size = fread(text, 1, (size_t)length, file);
    text[*size] = '\0';
    fclose(file);
    return text;
}

/* Floats of a file into out [n]; how many there were. */
static inline size_t golden_floats(const char *path, float *out, size_t n) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) return 0;
    size_t got = fread(out, sizeof *out, n, file);
    fclose(file);
    return got;
}

/* The array of whole numbers that follows the first `"key": [` after `mark` in a JSON text.
 * The index files are our own, so a look for words is enough. */
static inline int64_t golden_ids(const char *json, const char *mark, const char *key,
                                 int32_t out[GOLDEN_MAX]) {
    char wanted[80];
    snprintf(wanted, sizeof wanted, "\"%s\": [", key);
    const char *at = strstr(json, mark);
    if (at != NULL) at = strstr(at, wanted);
    if (at == NULL) return 0;
    at += strlen(wanted);
    int64_t n = 0;
    while (n < GOLDEN_MAX) {
        char *end = NULL;
        long id = strtol(at, &end, 10);
        if (end == at) break;
        out[n++] = (int32_t)id;
        at = end;
        while (*at == ',' || *at == ' ' || *at == '\n')
            at++;
    }
    return n;
}

struct golden_prompt {
    int32_t ids[GOLDEN_MAX], greedy[GOLDEN_MAX];
    int64_t n, n_greedy;
    float ref64[64 * STORIES_VOCAB]; /* the longest prompt has 29 tokens */
};

/* "v1", "v2", "v3". False when the fixture is not there. */
static inline int golden_prompt(const char *name, struct golden_prompt *out) {
    size_t size = 0;
    char mark[32], path[128];
    char *json = golden_file(GOLDENS "index.json", &size);
    if (json == NULL) return 0;
    snprintf(mark, sizeof mark, "\"id\": \"%s\"", name);
    out->n = golden_ids(json, mark, "token_ids", out->ids);
    const char *greedy = strstr(json, mark);
    out->n_greedy = golden_ids(greedy, "\"greedy\"", "token_ids", out->greedy);
    free(json);
    snprintf(path, sizeof path, GOLDENS "%s.logits.ref64.f32.bin", name);
    return golden_floats(path, out->ref64, sizeof out->ref64 / sizeof *out->ref64) ==
           (size_t)out->n * STORIES_VOCAB;
}

#endif
