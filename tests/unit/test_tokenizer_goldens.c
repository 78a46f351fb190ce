/* test_tokenizer_goldens.c - ids and texts against those of llama.cpp, for whole vocabularies. */
#include "support/check.h"

#include "base/alloc.h"
#include "engine/tokenizer.h"

#define SEPARATOR "\n__ggml_vocab_test__\n"
#define SHARED "../shared/data/tokenizers/"

static char *read_all(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) return NULL;
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    char *text = calloc(*size + 1, 1);
    if (fread(text, 1, *size, file) != *size) *size = 0;
    fclose(file);
    return text;
}

/* The pieces of the ids, without the blank that SPM puts in front. */
static void check_round_trip(const struct tokenizer *t, const char *text, size_t size,
                             const int32_t *ids, size_t n, int number) {
    char *back = calloc(4 * size + 256, 1);
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        used += tokenizer_piece(t, ids[i], false, back + used, 4 * size + 256 - used);
    }
    size_t skip = strcmp(tokenizer_kind(t), "spm") == 0 && used > 0;
    int good = used - skip == size && memcmp(back + skip, text, size) == 0;
    if (!good) fprintf(stderr, "text %d comes back as \"%s\"\n", number, back);
    CHECK(good);
    free(back);
}

static int compare_line(const int32_t *ids, size_t n, const char *line) {
    char *end;
    for (size_t i = 0; i < n; i++, line = end) {
        if (strtol(line, &end, 10) != ids[i] || end == line) return 0;
    }
    return line[strspn(line, " \r")] == '\n' || line[strspn(line, " \r")] == '\0';
}

/* Returns how many texts there were; 0 when a file is absent. */
static int check_goldens(const char *model, const char *base) {
    char path[512];
    size_t inp_size = 0, out_size = 0;
    snprintf(path, sizeof path, "%s.inp", base);
    char *inp = read_all(path, &inp_size);
    snprintf(path, sizeof path, "%s.out", base);
    char *out = read_all(path, &out_size);
    struct gguf_options options = {.use_mmap = true};
    struct err err = {0};
    struct gguf *file = gguf_open(model, &options, &err);
    if (file == NULL) fprintf(stderr, "%s\n", err.message);
    if (file == NULL || inp == NULL || out == NULL) {
        free(inp);
        free(out);
        gguf_close(file);
        return 0;
    }
    struct tokenizer *t = tokenizer_new(file, &err);
    if (t == NULL) fprintf(stderr, "%s\n", err.message);
    CHECK(t != NULL);
    int texts = 0, equal = 0;
    const char *line = out;
    for (char *at = inp, *end; t != NULL && (end = strstr(at, SEPARATOR)) != NULL;
         at = end + strlen(SEPARATOR), texts++) {
        struct tokenize_options plain = {false, false};
        size_t n, size = (size_t)(end - at);
        int32_t *ids = tokenizer_encode(t, at, size, &plain, &n, &err);
        CHECK(ids != NULL);
        int same = ids != NULL && compare_line(ids, n, line);
        equal += same;
        if (!same) {
            fprintf(stderr, "%s: text %d: expected %.*s\nfound", base, texts,
                    (int)strcspn(line, "\n"), line);
            for (size_t i = 0; i < n; i++)
                fprintf(stderr, " %d", ids[i]);
            fprintf(stderr, "\n");
        }
        check_round_trip(t, at, size, ids, n, texts);
        mem_free(ids);
        line += strcspn(line, "\n");
        line += *line == '\n';
    }
    printf("%s: %s, %s: %d of %d\n", base, t != NULL ? tokenizer_kind(t) : "-",
           t != NULL ? tokenizer_pre(t) : "-", equal, texts);
    CHECK_INT(equal, texts);
    tokenizer_free(t);
    gguf_close(file);
    free(inp);
    free(out);
    return texts;
}

/* More vocabularies may be named on the command line: each a path X with X.inp and X.out. */
int main(int argc, char **argv) {
    for (int i = 1; i < argc; i++)
        CHECK(check_goldens(argv[i], argv[i]) > 0);
    if (argc > 1) return check_done();
    CHECK_INT(check_goldens("tests/fixtures/stories260K.f32.gguf",
                            "tests/fixtures/tokenizers/stories260K"),
              46);
    static const char *const shared[] = {SHARED "ggml-vocab-llama-spm.gguf",
                                         SHARED "ggml-vocab-gpt-2.gguf"};
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++) {
        int texts = check_goldens(shared[i], shared[i]);
        if (texts == 0) {
            printf("not compared: %s is not there\n", shared[i]);
        } else {
            CHECK_INT(texts, 46);
        }
    }
    return check_done();
}
