/* context.c - makes and frees contexts, runs prompts, generates, keeps the counters. */
#include "engine/context.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/flag.h"
#include "base/span.h"
#include "engine/sampler.h"

#include <string.h>
#include <sys/resource.h>

#define DEFAULT_N_CTX 4096
#define LONGEST_N_CTX (1 << 24)
#define DEFAULT_N_BATCH 64
#define FUSED_N_BATCH 512
#define MAX_N_BATCH 4096

struct context_options context_options_default(void) {
    struct context_options options = {.n_batch = 0};
    engine_preset("p1", &options.switches, NULL);
    return options;
}

/* ---- making ---- */

/* Takes over what comes from the lender. */
static bool check_lender(const struct model *model, struct context_options *o, struct err *err) {
    const struct context *lender = o->lender;
    if (lender->model != model || lender->fused == NULL) {
        return err_set(err, ERR_INPUT,
                       "context: it can borrow only from one of the same model with fused_matmul.");
    }
    if (o->n_ctx == 0) o->n_ctx = lender->buffers_n_ctx;
    if (o->n_ctx > lender->buffers_n_ctx) {
        return err_set(err, ERR_INPUT, "context: n_ctx is %lld, the context it borrows from has room for %lld.",
                       (long long)o->n_ctx, (long long)lender->buffers_n_ctx);
    }
    o->switches = lender->switches;
    o->n_batch = lender->n_batch;
    return true;
}

static bool check_options(const struct model *model, struct context_options *o, struct err *err) {
    const int64_t trained = model->params.n_ctx_train;
    if (o->lender != NULL && !check_lender(model, o, err)) return false;
    if (o->n_ctx == 0) o->n_ctx = trained < DEFAULT_N_CTX ? trained : DEFAULT_N_CTX;
    if (o->n_ctx < 1 || o->n_ctx > (o->beyond_trained ? LONGEST_N_CTX : trained)) {
        return err_set(err, ERR_INPUT,
                       "context: n_ctx is %lld, allowed 1..%lld, the length %s was trained for.",
                       (long long)o->n_ctx, (long long)(o->beyond_trained ? LONGEST_N_CTX : trained),
                       model->file->path);
    }
    if (o->lends_n_ctx > trained) {
        return err_set(err, ERR_INPUT, "context: lends_n_ctx is %lld, allowed 0..%lld.",
                       (long long)o->lends_n_ctx, (long long)trained);
    }
    if (o->n_batch == 0) o->n_batch = o->switches.fused_matmul ? FUSED_N_BATCH : DEFAULT_N_BATCH;
    if (o->n_batch < 1 || o->n_batch > MAX_N_BATCH) {
        return err_set(err, ERR_INPUT, "context: n_batch is %lld, allowed 1..%d.",
                       (long long)o->n_batch, MAX_N_BATCH);
    }
    return engine_check_switches(&o->switches, err);
}

/* Every slot at its largest; false when a product does not fit. */
static bool slot_sizes(const struct context *c, uint64_t sizes[SLOT_COUNT]) {
    const struct model_params *p = &c->model->params;
    const int64_t widest = p->n_embd > p->n_ff ? p->n_embd : p->n_ff;
    const int64_t heads = p->n_head * p->head_dim; /* may be wider than n_embd */
    const int64_t columns = widest > heads ? widest : heads;
    const struct {
        enum slot slot;
        int64_t n, each;
        size_t size;
    } all[] = {
        {SLOT_RESIDUAL, c->n_batch, p->n_embd, sizeof(float)},
        {SLOT_NORMED, c->n_batch, p->n_embd, sizeof(float)},
        {SLOT_ANGLES, c->n_batch, 2 * c->model->rope.n_pairs, sizeof(float)},
        {SLOT_Q, c->n_batch, heads, sizeof(float)},
        {SLOT_K, c->n_batch, p->n_head_kv * p->head_dim, sizeof(float)},
        {SLOT_V, c->n_batch, p->n_head_kv * p->head_dim, sizeof(float)},
        {SLOT_SCORES, 1, c->n_ctx, sizeof(float)},
        {SLOT_MIXED, c->n_batch, heads, sizeof(float)},
        {SLOT_GATE, c->n_batch, p->n_ff, sizeof(float)},
        {SLOT_UP, c->n_batch, p->n_ff, sizeof(float)},
        {SLOT_BRANCH, c->n_batch, p->n_embd, sizeof(float)},
        {SLOT_WEIGHTS, 1, columns > WEIGHT_CHUNK_VALUES ? columns : WEIGHT_CHUNK_VALUES,
         sizeof(float)},
        {SLOT_COLUMN, c->n_batch, 1, sizeof(float)},
        {SLOT_LOGITS, 1, c->model->n_vocab, sizeof(float)},
        {SLOT_DRAFT, c->switches.lookup > 0 ? c->switches.lookup + 1 : 0, c->model->n_vocab,
         sizeof(float)},
        {SLOT_CANDIDATES, 1, c->model->n_vocab, sizeof(struct candidate)},
        {SLOT_PENALIZED, 1, c->model->n_vocab, sizeof(float)},
    };
    _Static_assert(sizeof all / sizeof *all == SLOT_COUNT, "a slot without a size");
    for (size_t i = 0; i < SLOT_COUNT; i++) {
        uint64_t bytes = 0;
        if (c->switches.fused_matmul && all[i].slot < SLOT_LOGITS) continue; /* has its own */
        if (!size_mul((uint64_t)all[i].n, (uint64_t)all[i].each, &bytes) ||
            !size_mul(bytes, all[i].size, &sizes[all[i].slot])) {
            return false;
        }
    }
    return true;
}

static const struct kernels *choose_kernels(const struct engine_switches *s, struct err *err) {
    enum isa isa = s->simd ? s->isa : ISA_SCALAR;
    const struct kernels *kernels = kernels_get(isa);
    if (kernels == NULL) {
        err_set(err, ERR_UNAVAILABLE,
                "context: backend %s: this build or this machine does not have it; here there are "
                "%s.",
                isa_name(isa), isa_names(true));
    }
    return kernels;
}

static bool set_up(struct context *c, const struct context_options *o, struct err *err) {
    const struct model_params *p = &c->model->params;
    c->switches = o->switches;
    c->cancel = o->cancel;
    c->n_ctx = o->n_ctx;
    c->buffers_n_ctx = o->lends_n_ctx > o->n_ctx ? o->lends_n_ctx : o->n_ctx;
    c->n_batch = o->n_batch < c->buffers_n_ctx || o->lender != NULL ? o->n_batch : c->buffers_n_ctx;
    if (!c->switches.pool) c->n_batch = 1;
    c->kernels = choose_kernels(&c->switches, err);
    uint64_t sizes[SLOT_COUNT] = {0};
    if (c->kernels == NULL) return false;
    if (!slot_sizes(c, sizes)) {
        return err_set(err, ERR_INPUT, "context: n_batch %lld x n_ctx %lld is too large.",
                       (long long)c->n_batch, (long long)c->n_ctx);
    }
    c->history = mem_new_array((size_t)c->n_ctx, sizeof *c->history);
    if (c->history == NULL) {
        return err_set(err, ERR_ENVIRONMENT, "context: not enough memory for %lld token ids",
                       (long long)c->n_ctx);
    }
    if (c->switches.weight_cache && !weight_cache_init(&c->weights, c->model->n_weights,
                                                       (uint64_t)c->switches.weight_cache_bytes)) {
        return err_set(err, ERR_ENVIRONMENT,
                       "context: not enough memory for a weight cache of %d entries",
                       c->model->n_weights);
    }
    const struct kv_shape shape = {.n_layer = p->n_layer, .n_head_kv = p->n_head_kv,
                                   .head_dim = p->head_dim, .n_ctx = c->n_ctx,
                                   .key_type = c->switches.key_type,
                                   .value_type = c->switches.value_type,
                                   .huge_pages = c->switches.huge_pages};
    if (!scratch_init(&c->scratch, c->switches.pool, sizes, err) ||
        !kv_cache_init(&c->kv, &shape, attention_kernels_get(c->kernels->isa), c->switches.pool,
                       err)) {
        return false;
    }
    if (o->lender != NULL) {
        c->fused = o->lender->fused;
        c->borrows = true;
        return true;
    }
    return (!c->switches.fused_matmul || fused_init(c, o, err)) &&
           (!c->switches.tune || fused_tune(c, err));
}

struct context *context_new(struct model *model, const struct context_options *options,
                            struct err *err) {
    struct context_options o = options != NULL ? *options : context_options_default();
    if (!check_options(model, &o, err)) return NULL;
    struct context *c = mem_new(sizeof *c);
    if (c == NULL) {
        err_set(err, ERR_ENVIRONMENT, "context: not enough memory for %zu bytes", sizeof *c);
        return NULL;
    }
    c->model = model;
    bool good = set_up(c, &o, err);
    if (good && o.faults != NULL) {
        c->faults = faults_new(o.faults, err);
        good = c->faults != NULL;
    }
    if (good) return c;
    context_free(c);
    return NULL;
}

void context_free(struct context *c) {
    if (c == NULL) return;
    faults_free(c->faults);
    if (!c->borrows) fused_free(c);
    kv_cache_free(&c->kv);
    scratch_free(&c->scratch);
    weight_cache_free(&c->weights);
    mem_free(c->history);
    mem_free(c);
}

void context_clear(struct context *c) {
    c->n_past = 0;
    c->logits = NULL;
}

void context_rewind(struct context *c, int64_t n_past) {
    c->n_past = n_past;
    c->logits = NULL;
}

const int32_t *context_history(const struct context *c) {
    return c->history;
}

int64_t context_n_past(const struct context *c) {
    return c->n_past;
}

int64_t context_n_ctx(const struct context *c) {
    return c->n_ctx;
}

struct engine_switches context_switches(const struct context *c) {
    return c->switches;
}

const float *context_logits(const struct context *c) {
    return c->logits;
}

/* ---- counters ---- */

static struct rusage thread_usage(void) {
    struct rusage usage = {0};
#ifdef RUSAGE_THREAD
    getrusage(RUSAGE_THREAD, &usage);
#else
    getrusage(RUSAGE_SELF, &usage);
#endif
    return usage;
}

struct work_mark context_work_begin(void) {
    struct rusage usage = thread_usage();
    struct mem_stats heap = mem_thread_stats();
    return (struct work_mark){.allocations = heap.allocations,
                              .bytes = heap.bytes,
                              .minor_faults = usage.ru_minflt,
                              .major_faults = usage.ru_majflt};
}

void context_work_end(struct context *c, struct work_mark begin) {
    struct mem_stats heap = mem_thread_stats();
    struct rusage usage = thread_usage();
    c->counters.allocations += heap.allocations - begin.allocations;
    c->counters.allocated_bytes += heap.bytes - begin.bytes;
    c->counters.minor_faults += (uint64_t)(usage.ru_minflt - begin.minor_faults);
    c->counters.major_faults += (uint64_t)(usage.ru_majflt - begin.major_faults);
}

struct context_counters context_counters(const struct context *c) {
    struct context_counters counters = c->counters;
    counters.cache_hits = c->weights.hits;
    counters.cache_misses = c->weights.misses;
    counters.cache_evictions = c->weights.evictions;
    counters.cache_hit_bytes = c->weights.hit_bytes;
    counters.cache_lookup_bytes = c->weights.lookup_bytes;
    counters.cache_bytes = c->weights.bytes;
    return counters;
}

void context_reset_counters(struct context *c) {
    c->counters = (struct context_counters){0};
    c->weights.hits = c->weights.misses = c->weights.evictions = 0;
    c->weights.hit_bytes = c->weights.lookup_bytes = 0;
}

struct context_memory context_memory(const struct context *c) {
    return (struct context_memory){.kv_bytes = kv_cache_bytes(&c->kv, c->n_ctx),
                                   .kv_used_bytes = kv_cache_bytes(&c->kv, c->n_past),
                                   .scratch_bytes = scratch_bytes(&c->scratch) + fused_bytes(c),
                                   .cache_bytes = c->weights.bytes,
                                   .packed_bytes = fused_packed_bytes(c)};
}

int64_t context_now_ns(const struct context *c) {
    return c->faults == NULL ? clock_now_ns() : faults_now_ns(c->faults);
}

uint64_t context_kv_bytes(const struct context *lender, int64_t n_ctx) {
    return kv_cache_bytes(&lender->kv, (n_ctx + KV_TILE - 1) / KV_TILE * KV_TILE);
}

/* ---- prefill ---- */

static bool check_prompt(const struct context *c, const int32_t *tokens, int64_t n,
                         struct err *err) {
    if (n < 1) {
        return err_set(err, ERR_INPUT, "prompt: it has no token, allowed 1..%lld.",
                       (long long)c->n_ctx);
    }
    if (n > c->n_ctx - c->n_past) {
        return err_set(err, ERR_INPUT,
                       "prompt: %lld tokens after %lld do not fit n_ctx %lld. Ask for a larger "
                       "n_ctx or a shorter prompt.",
                       (long long)n, (long long)c->n_past, (long long)c->n_ctx);
    }
    for (int64_t i = 0; i < n; i++) {
        if (tokens[i] < 0 || tokens[i] >= c->model->n_vocab) {
            return err_set(err, ERR_INPUT, "prompt: token %lld is %d, allowed 0..%lld.",
                           (long long)i, tokens[i], (long long)c->model->n_vocab - 1);
        }
    }
    return true;
}

/* Blocks of n_batch; want is that of the last block, the others need none unless it is all. */
static bool run_prompt(struct context *c, const int32_t *tokens, int64_t n,
                       enum forward_logits want, float *rows, struct err *err) {
    for (int64_t at = 0; at < n;) {
        int64_t some = n - at < c->n_batch ? n - at : c->n_batch;
        bool last = at + some == n;
        enum forward_logits here = last || want == LOGITS_ALL ? want : LOGITS_NONE;
        float *here_rows = rows == NULL ? NULL : rows + at * c->model->n_vocab;
        if (flag_is_set(c->cancel)) {
            return err_set(err, ERR_CANCELLED, "context: cancelled at position %lld",
                           (long long)c->n_past);
        }
        if (!context_forward(c, tokens + at, some, here, here_rows, err)) return false;
        at += some;
    }
    return true;
}

bool context_prefill(struct context *c, const int32_t *tokens, int64_t n, float *rows,
                     int64_t *start_ns, int64_t *end_ns, struct err *err) {
    if (!check_prompt(c, tokens, n, err)) return false;
    struct work_mark mark = context_work_begin();
    int64_t start = context_now_ns(c);
    bool done = run_prompt(c, tokens, n, rows != NULL ? LOGITS_ALL : LOGITS_LAST, rows, err);
    int64_t end = context_now_ns(c);
    context_work_end(c, mark);
    if (start_ns != NULL) *start_ns = start;
    if (end_ns != NULL) *end_ns = end;
    return done;
}
