/* Synthetic models: the same bytes each time, whole or absent, and fit to run. */
#include "base/alloc.h"
#include "base/path.h"
#include "engine/engine.h"
#include "support/check.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[512];

static int n_files(const char *path) {
    DIR *dir = opendir(path);
    int n = 0;
    for (struct dirent *e = dir != NULL ? readdir(dir) : NULL; e != NULL; e = readdir(dir)) {
        n += e->d_name[0] != '.';
    }
    if (dir != NULL) closedir(dir);
    return n;
}

struct watched {
    int calls, cancel_at;
    volatile int cancel;
    uint64_t done, total;
    int backwards;
};

static void watch(void *user, uint64_t done, uint64_t total) {
    struct watched *w = user;
    w->calls++;
    w->backwards += done < w->done || done > total || (w->total != 0 && total != w->total);
    w->done = done;
    w->total = total;
    if (w->calls == w->cancel_at) w->cancel = 1;
}

static int same_bytes(const char *a, const char *b) {
    static char one[1 << 16], two[1 << 16];
    FILE *x = fopen(a, "rb"), *y = fopen(b, "rb");
    int same = x != NULL && y != NULL;
    for (size_t n = 1; same && n > 0;) {
        n = fread(one, 1, sizeof one, x);
        same = fread(two, 1, sizeof two, y) == n && memcmp(one, two, n) == 0;
    }
    if (x != NULL) fclose(x);
    if (y != NULL) fclose(y);
    return same;
}

/* Any text goes through the vocabulary and back, and words are more than their bytes. */
static void check_vocabulary(const struct tokenizer *tokenizer) {
    static const char text[] =
        "Hello world, the quick brown fox.\n 12 \xc3\xa9\xe2\x82\xac\t\x01  z";
    struct tokenize_options options = {.add_bos = false};
    struct err err = {0};
    char joined[256];
    size_t n = 0, used = 0;
    int32_t *ids = tokenizer_encode(tokenizer, text, sizeof text - 1, &options, &n, &err);
    CHECK(ids != NULL && n > 8 && n < sizeof text - 1);
    for (size_t i = 0; ids != NULL && i < n; i++) {
        used += tokenizer_piece(tokenizer, ids[i], false, joined + used, sizeof joined - used - 1);
    }
    joined[used] = '\0';
    int blank = joined[0] == ' '; /* SPM puts one in front */
    CHECK_STR(joined + blank, text);
    mem_free(ids);
    CHECK(tokenizer_eos(tokenizer) != TOKEN_NONE);
    CHECK(tokenizer_is_end(tokenizer, tokenizer_eos(tokenizer)));
}

/* Makes the spec twice, in two folders; the bytes agree and the model runs in p1. */
static void check_spec(const char *spec) {
    char here[600], first[700], second[700];
    struct err err = {0};
    struct watched w = {0};
    CHECK(synth_model(spec, folder, watch, &w, &w.cancel, first, sizeof first, &err));
    CHECK_STR(err.message, "");
    CHECK(w.calls > 0 && w.done == w.total && w.backwards == 0);
    struct stat info;
    CHECK(stat(first, &info) == 0 && (uint64_t)info.st_size == w.total);
    w.calls = 0;
    CHECK(synth_model(spec, folder, watch, &w, NULL, second, sizeof second, &err));
    CHECK_INT(w.calls, 0); /* it is there already */
    CHECK_STR(second, first);
    snprintf(here, sizeof here, "%s/again/%s", folder, spec);
    CHECK(synth_model(spec, here, NULL, NULL, NULL, second, sizeof second, &err));
    CHECK(same_bytes(first, second));
    unlink(second);
    rmdir(here);

    struct model *model = model_load(first, NULL, &err);
    CHECK_STR(err.message, "");
    if (model == NULL) return;
    struct model_info m = model_info(model);
    CHECK(model_check(model, NULL, &err));
    check_vocabulary(model_tokenizer(model));
    struct context_options options = context_options_default();
    options.n_ctx = 24;
    options.switches.weight_cache = false;
    struct context *context = context_new(model, &options, &err);
    static const int32_t prompt[] = {1, 300, 400, 17, 5, 301, 302, 44};
    CHECK(context_prefill(context, prompt, 8, NULL, NULL, NULL, &err));
    CHECK_STR(err.message, "");
    const float *logits = context_logits(context);
    double sum = 0, squares = 0;
    for (int64_t i = 0; logits != NULL && i < m.n_vocab; i++) {
        sum += (double)logits[i];
        squares += (double)logits[i] * (double)logits[i];
    }
    double n = (double)m.n_vocab, mean = sum / n;
    double spread = sqrt(squares / n - mean * mean);
    if (!(spread > 1.5 && spread < 6)) fprintf(stderr, "%s: spread of logits %g\n", spec, spread);
    CHECK(spread > 1.5 && spread < 6);
    CHECK_NEAR(mean, 0.0, 0.7);

    /* A greedy run that repeats one token would judge nothing. */
    struct decode_options decode = {.n_tokens = 12, .sampling = sampling_default()};
    int32_t tokens[12];
    int64_t times[12], made = 0;
    enum finish_reason reason = FINISH_CANCELLED;
    CHECK(context_decode(context, &decode, tokens, times, NULL, &made, &reason, NULL, &err));
    CHECK_INT(made, 12);
    int different = 0;
    for (int i = 1; i < made; i++)
        different += tokens[i] != tokens[i - 1];
    CHECK(different >= 1);
    context_free(context);
    model_free(model);
    unlink(first);
}

static void check_cancelled(void) {
    for (int at = 1; at <= 2; at++) {
        char path[700];
        struct err err = {0};
        struct watched w = {.cancel_at = at};
        CHECK(!synth_model("tiny-f16", folder, watch, &w, &w.cancel, path, sizeof path, &err));
        CHECK_INT(err.code, ERR_CANCELLED);
        CHECK(!path_exists(path));
        CHECK_INT(n_files(folder), 0);
    }
}

static void check_refused(void) {
    static const char *const specs[] = {"",           "-",         "tiny",     "tiny-",
                                        "tiny-q4_1",  "huge-q4_0", "q4_0",     "-q4_0",
                                        "tiny-q4_0-", "TINY-q4_0", "../x-q4_0"};
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
        char path[700];
        struct err err = {0};
        CHECK(!synth_model(specs[i], folder, NULL, NULL, NULL, path, sizeof path, &err));
        CHECK_INT(err.code, ERR_INPUT);
        CHECK_CONTAINS(err.message, "granite-3.3-8b");
        CHECK_CONTAINS(err.message, "q4_k");
    }
    char path[20];
    struct err err = {0};
    CHECK(!synth_model("tiny-q4_0", folder, NULL, NULL, NULL, path, sizeof path, &err));
    CHECK_CONTAINS(err.message, "too long");
    char longer[700];
    CHECK(!synth_model("tiny-q4_0", "/proc/none", NULL, NULL, NULL, longer, sizeof longer, &err));
    CHECK_INT(err.code, ERR_ENVIRONMENT);
    CHECK_INT(n_files(folder), 0);
}

int main(int argc, char **argv) {
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/woolly-synth-%ld", base != NULL ? base : "/tmp",
             (long)getpid());
    if (mkdir(folder, 0755) != 0) check_skip("no temporary folder");
    check_refused();
    check_cancelled();
    check_spec("tiny-f16");
    check_spec("tiny-q8_0");
    check_spec("tiny-q4_0");
    check_spec("tiny-q4_k");
    for (int i = 1; i < argc; i++)
        check_spec(argv[i]); /* larger ones by hand */
    CHECK_STR(synth_describe(), "tiny, 110m, qwen2.5-0.5b, llama-3.2-1b, tinyllama-1.1b, "
                                "granite-3.3-8b; types f16, q8_0, q4_0, q4_k");
    char again[600];
    snprintf(again, sizeof again, "%s/again", folder);
    rmdir(again);
    CHECK(rmdir(folder) == 0);
    return check_done();
}
