/* Any bytes as a GGUF file: the reader's promise holds, then metadata and vocabulary are read. */
#include "engine/model.h"

#include <stdlib.h>

static void require(bool promise) {
    if (!promise) abort();
}

static bool inside(const struct gguf *file, const void *data, uint64_t size) {
    const uint8_t *start = data;
    return start >= file->base && size <= file->size &&
           (uint64_t)(start - file->base) <= file->size - size;
}

static void walk_values(const struct gguf *file) {
    for (size_t i = 0; i < file->n_values; i++) {
        const struct gguf_value *v = &file->values[i];
        require(gguf_value(file, v->key) == v);
        for (uint64_t j = 0; j < v->count; j++) {
            if (v->element == GGUF_STRING) {
                require(inside(file, v->strings[j].data, v->strings[j].size));
            } else {
                gguf_element_i64(v, j);
                gguf_element_f64(v, j);
            }
        }
    }
}

static void walk_tensors(const struct gguf *file) {
    volatile uint8_t sink = 0;
    for (size_t i = 0; i < file->n_tensors; i++) {
        const struct gguf_tensor *t = &file->tensors[i];
        require(gguf_tensor(file, t->name) == t);
        require(t->bytes > 0 && inside(file, t->data, t->bytes));
        require(tensor_type_info(t->type) != NULL);
        sink = sink ^ t->data[0] ^ t->data[t->bytes - 1];
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct err err = {0};
    struct gguf *file = gguf_open_memory(data, size, "fuzz.gguf", &err);
    if (file == NULL) {
        require(err.code != ERR_NONE && err.message[0] != '\0');
        return 0;
    }
    walk_values(file);
    walk_tensors(file);
    struct model_params params;
    if (!model_params_read(file, &params, &err)) require(err.code == ERR_INPUT);
    struct tokenizer *tokenizer = tokenizer_new(file, &err);
    if (tokenizer == NULL) require(err.code == ERR_INPUT || err.code == ERR_ENVIRONMENT);
    tokenizer_free(tokenizer);
    gguf_close(file);
    return 0;
}
