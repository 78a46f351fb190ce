/* fused.c - sets up the fused pass: which form each matrix is multiplied in, threads, buffers. */
#include "engine/fused.h"

#include "base/alloc.h"
#include "engine/context.h"

#include <string.h>

static int64_t larger(int64_t a, int64_t b) {
    return a > b ? a : b;
}

static struct fused_matrix matrix_of(struct fused *f, const struct weight *w) {
    struct fused_matrix m = {.w = w, .n_units = (w->rows + f->kernels.unit - 1) / f->kernels.unit};
    m.product = (struct product_matrix){.type = w->type, .rows = w->rows, .cols = w->cols, .file = w->data,
                                        .row_bytes = w->row_bytes};
    if (f->model != NULL && f->model->matrices[w->id].data != NULL) {
        m.product.packed = &f->model->matrices[w->id];
    } else {
        m.is_float = !rows_supported(w->type) || w->cols % PACKED_BLOCK != 0;
    }
    f->takes[packed_activations(f->kernels.packed, w->type)] |= !m.is_float;
    return m;
}

static bool list_matrices(struct fused *f, const struct model *model) {
    f->layers = mem_new_array((size_t)model->params.n_layer, sizeof *f->layers);
    if (f->layers == NULL) return false;
    for (int64_t i = 0; i < model->params.n_layer; i++) {
        const struct layer *from = &model->layers[i];
        f->layers[i] = (struct fused_layer){
            .q = matrix_of(f, &from->q), .k = matrix_of(f, &from->k), .v = matrix_of(f, &from->v),
            .o = matrix_of(f, &from->attn_output), .gate = matrix_of(f, &from->gate),
            .up = matrix_of(f, &from->up), .down = matrix_of(f, &from->down)};
    }
    f->output = matrix_of(f, &model->output);
    return true;
}

static size_t records_bytes(enum qact_kind kind, int64_t n, int64_t cols) {
    int64_t tiles = (n + FUSED_WIDTH - 1) / FUSED_WIDTH;
    return (size_t)tiles * qact_bytes(kind, FUSED_WIDTH, fused_blocks(cols));
}

static void take_records(uint8_t **records, const struct fused *f, struct arena *arena, int64_t n, int64_t cols) {
    for (enum qact_kind kind = 0; kind < QACT_KINDS; kind++) {
        records[kind] = f->takes[kind] ? arena_take(arena, records_bytes(kind, n, cols)) : NULL;
    }
}

static float *take_floats(struct arena *arena, int64_t n) {
    return arena_take(arena, (size_t)n * sizeof(float));
}

static struct attention_part take_part(struct arena *arena, int64_t queries, int64_t dim) {
    return (struct attention_part){.acc = take_floats(arena, queries * dim),
                                   .max = take_floats(arena, queries),
                                   .sum = take_floats(arena, queries)};
}

/* Used twice: on an arena that only measures, and on the real one. */
static void lay_out(struct fused *f, struct arena *arena, const struct context *c,
                    struct fused_thread *threads) {
    const struct model_params *p = &c->model->params;
    /* A pass of several sequences may be wider than a block. */
    const int64_t n = larger(c->n_batch, FUSED_TOGETHER), heads = p->n_head * p->head_dim, dim = p->head_dim;
    const int64_t input = larger(p->n_embd, heads), widest = larger(input, p->n_ff);
    const int64_t small = f->kernels.width, group = p->n_head / p->n_head_kv;
    /* Columns of a chunk of gate and up, or those of as many chunks as are read as streams. */
    const int64_t streams = PACKED_STREAMS * f->kernels.packed->stream_width;
    const int64_t together = larger(larger(FUSED_WIDTH, streams), (int64_t)f->kernels.tiles_together * f->kernels.width);
    f->logits = arena_take(arena, (size_t)n * sizeof *f->logits);
    f->x = take_floats(arena, n * p->n_embd);
    f->q = take_floats(arena, n * heads);
    f->k = take_floats(arena, n * p->n_head_kv * dim);
    f->v = take_floats(arena, n * p->n_head_kv * dim);
    f->mixed = take_floats(arena, n * heads);
    f->h = take_floats(arena, n * p->n_ff);
    f->normed = take_floats(arena, n * p->n_embd);
    f->angles = take_floats(arena, n * 2 * c->model->rope.n_pairs);
    take_records(f->records, f, arena, n, input);
    f->h_records = arena_take(arena, records_bytes(f->takes[QACT_FOURS] ? QACT_FOURS : QACT_BLOCKS, n, p->n_ff));
    f->max_parts = (c->buffers_n_ctx + FUSED_PART - 1) / FUSED_PART;
    int64_t n_parts = FUSED_TOGETHER * p->n_head_kv * f->max_parts;
    struct attention_part *parts = arena_take(arena, (size_t)n_parts * sizeof *parts);
    for (int64_t i = 0; i < n_parts; i++) {
        struct attention_part part = take_part(arena, group, dim);
        if (parts != NULL) parts[i] = part;
    }
    f->parts = parts;
    const int64_t queries = group * FUSED_QUERY_TILE;
    size_t scratch = attention_scratch_bytes(FUSED_QUERY_TILE, group, dim);
    if (scratch < (size_t)c->buffers_n_ctx * sizeof(float)) scratch = (size_t)c->buffers_n_ctx * sizeof(float);
    for (int i = 0; i < c->switches.n_threads; i++) {
        struct fused_thread t = {
            .normed = take_floats(arena, small * p->n_embd),
            .tile = take_floats(arena, 2 * together * FUSED_CHUNK),
            .scratch = arena_take(arena, PRODUCT_SCRATCH),
            .rows = take_floats(arena, f->kernels.unit * widest),
            .attention = arena_take(arena, scratch),
            .part = take_part(arena, queries, dim),
        };
        take_records(t.records, f, arena, small, widest);
        if (threads != NULL) threads[i] = t;
    }
}

static bool make_buffers(struct fused *f, const struct context *c, struct err *err) {
    struct arena measure = {.size = SIZE_MAX};
    lay_out(f, &measure, c, NULL);
    f->threads = mem_alloc_aligned((size_t)c->switches.n_threads * sizeof *f->threads, 64);
    if (f->threads == NULL || !arena_init(&f->arena, measure.used, c->switches.huge_pages)) {
        return err_set(err, ERR_ENVIRONMENT,
                       "context: not enough memory for a pool of %zu bytes. Ask for a smaller n_ctx "
                       "or n_batch.",
                       measure.used);
    }
    lay_out(f, &f->arena, c, f->threads);
    return true;
}

bool fused_init(struct context *c, const struct context_options *o, struct err *err) {
    struct fused *f = mem_new(sizeof *f);
    if (f == NULL) return err_set(err, ERR_ENVIRONMENT, "context: not enough memory");
    c->fused = f;
    f->kernels = product_kernels_of(c->kernels->isa, c->switches.repack);
    if (c->switches.fused_attention) f->attention = attention_kernels_get(c->kernels->isa);
    if (c->switches.repack) {
        const struct packing_options packing = {
            .huge_pages = c->switches.huge_pages, .keep = o->keep_packed, .progress = o->progress,
            .user = o->progress_user, .cancel = o->cancel};
        f->model = model_packed(c->model, f->kernels.packed, &packing, err);
        if (f->model == NULL) return false;
    }
    f->team = threads_new(c->switches.n_threads, true, err);
    if (f->team == NULL) return false;
    if (!list_matrices(f, c->model)) return err_set(err, ERR_ENVIRONMENT, "context: not enough memory");
    return make_buffers(f, c, err);
}

void fused_free(struct context *c) {
    struct fused *f = c->fused;
    if (f == NULL) return;
    threads_free(f->team);
    arena_free(&f->arena);
    mem_free(f->threads);
    mem_free(f->layers);
    mem_free(f);
    c->fused = NULL;
}

uint64_t fused_bytes(const struct context *c) {
    return c->fused == NULL ? 0 : c->fused->arena.size;
}

uint64_t fused_packed_bytes(const struct context *c) {
    return c->fused == NULL || c->fused->model == NULL ? 0 : c->fused->model->bytes;
}

bool context_set_profile(struct context *c, bool on) {
    if (c->fused == NULL) return false;
    for (int t = 0; t < c->switches.n_threads; t++) {
        struct fused_thread *thread = &c->fused->threads[t];
        memset(thread->ops, 0, sizeof thread->ops);
        thread->bytes = 0;
    }
    c->fused->profile = on;
    return true;
}

const char *fused_op_name(int op) {
    static const char *const names[FUSED_OP_COUNT] = {"prepare", "qkv",  "attention", "attn_output",
                                                      "gate_up", "down", "output",    "wait"};
    return names[op];
}

int context_profile(const struct context *c, struct profile_entry *entries, int most) {
    int n = 0;
    for (int t = 0; c->fused != NULL && t < c->switches.n_threads; t++) {
        for (int op = 0; op < FUSED_OP_COUNT; op++, n++) {
            const struct fused_thread *thread = &c->fused->threads[t];
            if (n >= most) continue;
            entries[n] = (struct profile_entry){.operation = fused_op_name(op), .thread = t,
                                                .ns = thread->ops[op].ns,
                                                .calls = thread->ops[op].calls,
                                                .bytes = thread->ops[op].bytes};
        }
    }
    return n;
}
