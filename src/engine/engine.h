/* engine.h - the embedded GGUF inference engine, as the other rooms see it.
 *
 * A model (weights, vocabulary) is immutable once loaded; any number of contexts (KV cache,
 * scratch, counters, switches) run on it, each used by one thread at a time. Contexts must be
 * freed before their model. Failures: NULL or false and a filled struct err. */
#ifndef WOOLLY_ENGINE_H
#define WOOLLY_ENGINE_H

#include "base/err.h"
#include "engine/bench.h"
#include "engine/gguf.h"
#include "engine/kernels/attention.h"
#include "engine/kernels/kernels.h"
#include "engine/tensor_type.h"
#include "engine/tokenizer.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- switches and presets: DESIGN "Engine switches and presets" ---- */

struct engine_switches {
    bool simd;         /* all arithmetic by `isa`; off: scalar */
    bool weight_cache; /* LRU of F32 tensors, weight_cache_bytes at most */
    bool pool;         /* scratch laid out once; off: malloc and free per operation */
    enum isa isa;      /* with simd: the switch `backend`; default kernels_best() */
    int64_t weight_cache_bytes;
    /* Phase 2 */
    bool fused_matmul;    /* quantised weights times quantised activations, in one parallel region */
    bool fused_attention; /* online softmax; off: all scores of a query at once */
    /* Phase 3 */
    enum kv_type key_type, value_type; /* of the KV cache */
    bool repack;     /* weights in the interleaved layout, made once per model */
    bool huge_pages; /* ask for 2 MB pages for them */
    /* Phase 4 */
    int n_threads;
    /* Phase 5 */
    bool tune;  /* threads per kind of work by what measures fastest for this model, once per model */
    int lookup; /* greedy decode: guesses up to so many tokens after one that stands in the text already
                 * and checks them in one pass; same output. 0: off */
};

/* "p0" .. "p5". False and the list of presets in err when unknown. */
bool engine_preset(const char *name, struct engine_switches *out, struct err *err);
/* False and the reason when one switch needs another that is off. */
bool engine_check_switches(const struct engine_switches *switches, struct err *err);
/* NULL-terminated list of preset names. */
const char *const *engine_preset_names(void);

/* ---- model ---- */

struct model;

struct model_options {
    bool use_mmap;              /* default true; p0 reads the file into memory */
    const volatile int *cancel; /* may be NULL */
};
struct model_options model_options_default(void);

struct model *model_load(const char *path, const struct model_options *options, struct err *err);
void model_free(struct model *model);

struct model_info {
    const char *path, *arch, *name;
    const char *type_name; /* the type that most weight bytes have: "Q4_0" */
    uint64_t file_bytes, weight_bytes;
    uint64_t n_params;
    int64_t n_layer, n_embd, n_head, n_head_kv, head_dim, n_ff, n_vocab, n_ctx_train;
    bool tied_embeddings;
    const char *rope_scaling; /* "none", "linear", "yarn", "llama3" */
    double rope_freq_base, rms_eps;
};
struct model_info model_info(const struct model *model);
const struct gguf *model_file(const struct model *model);
const struct tokenizer *model_tokenizer(const struct model *model);
/* Weight and norm bytes that one decoded token reads (embedding row instead of table). */
uint64_t model_bytes_per_token(const struct model *model);
/* Reads every tensor: names the first one with a NaN or infinity and its block (row G7). */
bool model_check(const struct model *model, const volatile int *cancel, struct err *err);

/* ---- context ---- */

struct context;

struct context_options {
    int64_t n_ctx;   /* 0: min(n_ctx_train, 4096) */
    bool beyond_trained; /* a longer n_ctx than the model was trained for: its speed means something, its
                          * text does not */
    int64_t n_batch; /* prompt tokens per block; 0: 512 with fused_matmul, 64 with pool, else 1 */
    struct engine_switches switches;
    const volatile int *cancel; /* polled between tokens and between layers of a prefill block */
    bool keep_packed; /* with repack: the result in a file beside the model, read the next time */
    /* Called while weights are repacked, by the calling thread; may be NULL. */
    void (*progress)(void *user, uint64_t done_bytes, uint64_t total_bytes);
    void *progress_user;
    const char *faults; /* what to plant (engine/fault.h); NULL: nothing */
    /* Buffers, threads, switches and n_batch are those of this context, which must outlive the new one
     * and lend room for its n_ctx; one of them at a time runs. What is left is a KV cache and a row of
     * logits: many sequences on one machine. Needs fused_matmul. NULL: everything of its own. */
    struct context *lender;
    int64_t lends_n_ctx; /* the longest n_ctx that borrowers will ask for; 0: its own */
};
struct context_options context_options_default(void); /* preset p1 */

struct context *context_new(struct model *model, const struct context_options *options,
                            struct err *err);
void context_free(struct context *context);
void context_clear(struct context *context); /* forgets the tokens; keeps counters and caches */
int64_t context_n_past(const struct context *context);
int64_t context_n_ctx(const struct context *context);
struct engine_switches context_switches(const struct context *context);

/* Runs tokens at positions n_past .. . *start_ns and *end_ns (may be NULL) bracket the work.
 * On failure or cancellation n_past is what it was before the block that failed.
 * rows: when not NULL receives logits [n, n_vocab] of every token; else only the last token's
 * logits are computed. A non-finite logit is an error naming the position (row G7). */
bool context_prefill(struct context *context, const int32_t *tokens, int64_t n, float *rows,
                     int64_t *start_ns, int64_t *end_ns, struct err *err);
/* Logits [n_vocab] after the last token; valid until the next call on the context. */
const float *context_logits(const struct context *context);

struct sampling {
    float temperature; /* 0: greedy, the first of equal maxima */
    int top_k;         /* 0: off */
    float top_p;       /* 1: off */
    float min_p;       /* 0: off */
    float repetition_penalty; /* 1: off; over the last repetition_window tokens */
    int repetition_window;    /* default 64 */
    uint64_t seed;
};
struct sampling sampling_default(void); /* greedy, everything off, seed 0 */

enum finish_reason { FINISH_LENGTH, FINISH_END_TOKEN, FINISH_CONTEXT_FULL, FINISH_CANCELLED };
const char *finish_reason_name(enum finish_reason reason); /* "length", "eos", "context", ... */

struct decode_options {
    int64_t n_tokens;
    bool stop_at_end; /* default false: EOS is ignored, as benchmarks do */
    struct sampling sampling;
};

/* Generates from the logits at hand: sample, note the time, run the token. tokens [n_tokens] and
 * times_ns [n_tokens] (arrival of each sampled token) are the caller's; *n is how many were made.
 * logits: when not NULL [n_tokens, n_vocab], the row each token was sampled from.
 * No allocation with switches.pool on. The last token is run too, so that the next call goes on.
 * Cancellation is no failure: reason FINISH_CANCELLED, what was made is kept. */
bool context_decode(struct context *context, const struct decode_options *options, int32_t *tokens,
                    int64_t *times_ns, float *logits, int64_t *n, enum finish_reason *reason,
                    int64_t *start_ns, struct err *err);

/* How many sequences one pass takes. 1 without fused_matmul. */
int context_most_together(const struct context *context);
/* The same for n sequences at a time, in passes of up to context_most_together of them: all on one
 * model, with the same switches and n_ctx. tokens [n, n_tokens]; times_ns [n_tokens], of the last sequence
 * of each round. A cancelled run keeps the whole rounds. */
bool context_decode_together(struct context *const *contexts, int64_t n,
                             const struct decode_options *options, int32_t *tokens,
                             int64_t *times_ns, int64_t *n_rounds, enum finish_reason *reason,
                             int64_t *start_ns, struct err *err);

/* ---- one step at a time, for who schedules sequences that come and go ---- */

/* The next token by the logits at hand; runs nothing. */
bool context_sample(struct context *context, const struct sampling *sampling, int32_t *token,
                    struct err *err);
/* Runs tokens[i] on contexts[i], in passes of context_most_together: one lender and those that borrow from
 * it, or contexts that context_decode_together would take. A sequence's logits do not depend on the company.
 * On failure *n_moved sequences at the front have moved, the others have lost their logits but no token:
 * running them again is allowed. */
bool context_step(struct context *const *contexts, int64_t n, const int32_t *tokens, int64_t *n_moved,
                  struct err *err);
/* Forgets all but the first n_past tokens; there are no logits then. */
void context_rewind(struct context *context, int64_t n_past);
/* The tokens so far, [context_n_past]. */
const int32_t *context_history(const struct context *context);
/* Bytes of keys and values that a context of n_ctx positions with the lender's switches takes. */
uint64_t context_kv_bytes(const struct context *lender, int64_t n_ctx);

/* The same loop around an engine that does nothing: what the harness itself costs. */
void engine_null_decode(int64_t n_tokens, int32_t *tokens, int64_t *times_ns, int64_t *start_ns);

struct context_counters {
    uint64_t tokens;                            /* run through the network */
    uint64_t allocations, allocated_bytes;      /* heap requests made while running tokens */
    uint64_t cache_hits, cache_misses, cache_evictions;
    uint64_t cache_hit_bytes, cache_lookup_bytes; /* F32 bytes */
    uint64_t cache_bytes;                       /* held now */
    uint64_t weight_bytes_read, kv_bytes_read;  /* as stored; cached F32 counts as F32 */
    uint64_t dequantized_values;
    uint64_t minor_faults, major_faults;        /* while running tokens */
    uint64_t guessed_tokens, accepted_tokens;   /* with lookup */
    uint64_t kernel_calls, scalar_fallbacks;    /* fallbacks: scalar used although simd is on */
};
struct context_counters context_counters(const struct context *context);
void context_reset_counters(struct context *context);

struct context_memory {
    uint64_t kv_bytes, kv_used_bytes, scratch_bytes, cache_bytes;
    uint64_t packed_bytes; /* of the model, shared by its contexts */
};
struct context_memory context_memory(const struct context *context);

/* ---- profile ---- */

/* Where the time of passes went, by operation and thread; only with fused_matmul. */
struct profile_entry {
    const char *operation; /* "prepare", "qkv", .. "wait": at the barrier behind an operation */
    int thread;
    int64_t ns;
    uint64_t calls, bytes; /* bytes: of weights and of the KV cache read */
};
/* On or off; forgets what was counted. False without fused_matmul. */
bool context_set_profile(struct context *context, bool on);
/* Fills entries [most] and returns how many there are. */
int context_profile(const struct context *context, struct profile_entry *entries, int most);

/* ---- quality ---- */

struct logits_difference {
    int64_t n_rows;
    double max_abs, rms, nmse;      /* of the logits; nmse = sum d^2 / sum reference^2 */
    double max_relative;            /* max_abs / largest |reference| logit of the row, worst row */
    double kld_mean, kld_p99;       /* of softmax, reference first */
    double top1;                    /* share of rows with the same argmax */
    bool finite;                    /* no NaN or infinity on the tested side */
};
/* Compares rows of logits [n_rows, n_vocab]. */
struct logits_difference logits_compare(const float *reference, const float *tested,
                                        int64_t n_rows, int64_t n_vocab);

struct perplexity {
    double perplexity, nll_mean;
    int64_t n_scored, n_chunks;
};
/* llama-perplexity's definition: ids with BOS cut into chunks of n_ctx (the rest is left out), the
 * first id of each chunk replaced by BOS where the vocabulary adds one, positions n_ctx/2 ..
 * n_ctx-2 scored against the id that follows. progress may be NULL. The context needs n_ctx. */
bool context_perplexity(struct context *context, const int32_t *tokens, int64_t n, int64_t n_ctx,
                        void (*progress)(void *user, int64_t done, int64_t total), void *user,
                        struct perplexity *out, struct err *err);

/* ---- synthetic models ---- */

/* Makes (unless it is there already) the model `spec` = SHAPE-TYPE, "110m-q4_0", in folder and
 * writes its path to out. Deterministic bytes. Written beside and renamed, so an interrupted run
 * leaves nothing half-made. progress may be NULL. */
bool synth_model(const char *spec, const char *folder,
                 void (*progress)(void *user, uint64_t done_bytes, uint64_t total_bytes),
                 void *user, const volatile int *cancel, char *out, size_t out_size,
                 struct err *err);
/* "tiny, 110m, ...; types f16, q8_0, q4_0, q4_k": for help and messages. */
const char *synth_describe(void);

#endif
