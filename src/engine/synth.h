/* synth.h - synthetic models, between the synth_*.c files; private to src/engine.
 *
 * A model of random weights has the shapes, bytes and speed of a real one and can be made anywhere
 * without a download. The same spec gives the same bytes on every machine. */
#ifndef WOOLLY_ENGINE_SYNTH_H
#define WOOLLY_ENGINE_SYNTH_H

#include "engine/engine.h"

/* Figures of a published model; 0 or NULL: the architecture has no such thing. */
struct synth_shape {
    const char *name, *arch;
    int64_t n_layer, n_embd, n_head, n_head_kv, n_ff, n_vocab, n_ctx_train;
    double rms_eps, rope_base;
    const char *pre; /* byte-level BPE with this pre-tokenizer; NULL: SPM */
    bool adds_bos, tied, qkv_bias;
    bool rope_factors; /* a rope_freqs tensor as llama 3 has it */
    double embedding_scale, residual_scale, attention_scale, logit_divisor; /* 0: no such key */
};

/* A file being written through a buffer. After the first failure it swallows everything. */
struct synth_out {
    int fd; /* -1: only counts */
    uint8_t *buffer;
    size_t used;
    uint64_t done; /* bytes put, buffer included */
    uint64_t total;
    void (*progress)(void *user, uint64_t done_bytes, uint64_t total_bytes);
    void *user;
    const volatile int *cancel;
    const char *path;
    bool failed;
    struct err *err;
};
#define SYNTH_BUFFER_BYTES (1u << 20)

void synth_put(struct synth_out *out, const void *data, size_t size);
/* Room for size bytes (at most SYNTH_BUFFER_BYTES) to be filled by the caller at once. */
uint8_t *synth_room(struct synth_out *out, size_t size);
void synth_flush(struct synth_out *out);
/* Notes what the system said; nothing more is written. */
void synth_fail(struct synth_out *out, int error_number);

/* Pieces of the GGUF encoding. */
void synth_put_u32(struct synth_out *out, uint32_t value);
void synth_put_u64(struct synth_out *out, uint64_t value);
void synth_put_text(struct synth_out *out, const char *text, size_t size);
void synth_key_u32(struct synth_out *out, const char *key, uint32_t value);
void synth_key_f32(struct synth_out *out, const char *key, double value);
void synth_key_bool(struct synth_out *out, const char *key, bool value);
void synth_key_text(struct synth_out *out, const char *key, const char *text);
void synth_key_array(struct synth_out *out, const char *key, enum gguf_kind kind, uint64_t count);

/* The tokenizer.* keys; returns how many. */
int synth_vocabulary(struct synth_out *out, const struct synth_shape *shape);

/* n random values of a type, standard deviation `spread` around `centre` (F32 alone), n a multiple
 * of the type's block. The stream depends on the seed alone. */
void synth_fill(struct synth_out *out, enum tensor_type type, uint64_t n, double centre,
                double spread, uint64_t seed);

#endif
