/* test_packed_cache.c - packed weights kept beside the model: read back with the same answers; a file that
 * is damaged, cut or of another model is made anew; a folder that cannot be written is an error. */
#include "base/path.h"
#include "engine/context.h"
#include "support/check.h"
#include "support/goldens.h"

#include <sys/stat.h>
#include <unistd.h>

enum { VOCAB = STORIES_VOCAB };

static char folder[64], model_path[128], packed_path[256];
static const int32_t prompt[] = {1, 403, 407, 261, 378};

static void copy_model(void) {
    size_t size = 0;
    char *bytes = golden_file(STORIES_Q4_0, &size);
    if (bytes == NULL) check_skip("the model is not there");
    CHECK(path_write_file(model_path, bytes, size, NULL));
    free(bytes);
}

/* Logits of the prompt into rows; false and err when there is no context. */
static bool run(float *rows, struct err *err) {
    struct context_options o = context_options_default();
    CHECK(engine_preset("p3", &o.switches, NULL));
    o.n_ctx = 64;
    o.keep_packed = true;
    struct model *model = model_load(model_path, NULL, err);
    CHECK(model != NULL);
    if (model == NULL) return false;
    struct context *c = context_new(model, &o, err);
    if (c != NULL) {
        snprintf(packed_path, sizeof packed_path, "%s.%s-%d.packed", model_path, c->fused->kernels.packed->name,
                 c->fused->kernels.packed->rows);
        CHECK(context_prefill(c, prompt, 5, rows, NULL, NULL, err));
    }
    context_free(c);
    model_free(model);
    return c != NULL;
}

static ino_t file_number(void) {
    struct stat info = {0};
    CHECK(stat(packed_path, &info) == 0);
    return info.st_ino;
}

static void change_byte(long at) {
    FILE *file = fopen(packed_path, "r+b");
    CHECK(file != NULL);
    if (file == NULL) return;
    fseek(file, at, at < 0 ? SEEK_END : SEEK_SET);
    int byte = fgetc(file);
    fseek(file, at, at < 0 ? SEEK_END : SEEK_SET);
    fputc(byte ^ 1, file);
    fclose(file);
}

int main(void) {
    static float wanted[5 * VOCAB], rows[5 * VOCAB];
    struct err err = {0};
    snprintf(folder, sizeof folder, "/tmp/woolly-packed-XXXXXX");
    if (mkdtemp(folder) == NULL) check_skip("no temporary folder");
    snprintf(model_path, sizeof model_path, "%s/model.gguf", folder);
    copy_model();
    CHECK(run(wanted, &err));
    ino_t made = file_number();
    CHECK(run(rows, &err));
    CHECK(memcmp(wanted, rows, sizeof rows) == 0);
    CHECK(file_number() == made); /* read, not written again: a new file has a new number */

    static const long damages[] = {0, 1000, -1, -20, -64};
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        change_byte(damages[i]);
        made = file_number();
        memset(rows, 0, sizeof rows);
        CHECK(run(rows, &err));
        CHECK(memcmp(wanted, rows, sizeof rows) == 0);
        CHECK(file_number() != made);
    }
    made = file_number();
    CHECK(truncate(packed_path, 100) == 0);
    CHECK(run(rows, &err));
    CHECK(memcmp(wanted, rows, sizeof rows) == 0);
    made = file_number();
    copy_model(); /* a newer file of the same size */
    CHECK(run(rows, &err));
    CHECK(file_number() != made);

    unlink(packed_path);
    CHECK(mkdir(packed_path, 0755) == 0); /* stands in the way, for root as well */
    CHECK(!run(rows, &err));
    CHECK_CONTAINS(err.message, "packed");
    rmdir(packed_path);
    unlink(model_path);
    rmdir(folder);
    return check_done();
}
