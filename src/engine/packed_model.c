/* packed_model.c - see packed_model.h. */
#include "engine/packed_model.h"

#include "base/alloc.h"
#include "base/clock.h"
#include "base/flag.h"
#include "base/span.h"
#include "engine/packed_cache.h"
#include "engine/threads.h"

#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

#define GROUP_ALIGN 64u
/* Groups that a thread packs at a time. */
#define GROUPS_PER_PIECE 8

struct packing {
    struct model *model;
    struct packed_model *out;
    const struct weight **weights; /* [n_weights], by id; NULL where there is nothing to pack */
    struct threads *team;
    struct packing_options options;
    atomic_bool stopped;
    _Atomic uint64_t done;
};

static void add_weight(const struct weight **weights, const struct weight *w) {
    if (packed_supported(w->type)) weights[w->id] = w;
}

static void list_weights(const struct model *model, const struct weight **weights) {
    for (int64_t i = 0; i < model->params.n_layer; i++) {
        const struct layer *l = &model->layers[i];
        const struct weight *all[] = {&l->q, &l->k, &l->v, &l->attn_output, &l->gate, &l->up, &l->down};
        for (size_t k = 0; k < sizeof all / sizeof *all; k++) add_weight(weights, all[k]);
    }
    add_weight(weights, &model->output);
}

/* A place behind what is placed; false when the sum does not fit. */
static bool place(struct packing *p, const struct weight *w) {
    struct packed_model *out = p->out;
    const int rows = out->kernels->rows;
    uint64_t bytes = 0;
    if (p->weights[w->id] == NULL) return true;
    struct packed_matrix *m = &out->matrices[w->id];
    m->group_bytes = packed_group_bytes(w->type, rows, w->cols);
    m->n_groups = (w->rows + rows - 1) / rows;
    m->run = m->n_groups;
    m->data = (const uint8_t *)(uintptr_t)out->bytes; /* an offset until there is a base */
    return size_mul(m->group_bytes, (uint64_t)m->n_groups, &bytes) &&
           size_add(out->bytes, bytes, &out->bytes) && size_align(out->bytes, GROUP_ALIGN, &out->bytes);
}

/* Gate and up are read by turns. Where they are alike their runs lie by turns as well, so that reading is one stream. */
static bool place_pair(struct packing *p, const struct weight *gate, const struct weight *up) {
    const int rows = p->out->kernels->rows;
    struct packed_matrix *first = &p->out->matrices[gate->id], *second = &p->out->matrices[up->id];
    if (!place(p, gate) || !place(p, up)) return false;
    if (p->weights[gate->id] == NULL || gate->type != up->type || gate->cols != up->cols ||
        gate->rows != up->rows || gate->rows % PACKED_RUN_ROWS != 0) {
        return true;
    }
    first->run = second->run = PACKED_RUN_ROWS / rows;
    first->skip = second->skip = (size_t)first->run * first->group_bytes;
    second->data = first->data + second->skip;
    return true;
}

/* Places of all matrices, in the order of their use. */
static bool lay_out(struct packing *p) {
    const struct model *model = p->model;
    for (int64_t i = 0; i < model->params.n_layer; i++) {
        const struct layer *l = &model->layers[i];
        if (!place(p, &l->q) || !place(p, &l->k) || !place(p, &l->v) || !place(p, &l->attn_output) ||
            !place_pair(p, &l->gate, &l->up) || !place(p, &l->down)) {
            return false;
        }
    }
    return place(p, &model->output) && size_align(p->out->bytes + PACKED_CACHE_TRAILER, HUGE_PAGE, &p->out->bytes);
}

static void pack_groups(struct packing *p, const struct weight *w, int64_t first, int64_t last) {
    const struct packed_kernels *kernels = p->out->kernels;
    const struct packed_matrix *m = &p->out->matrices[w->id];
    for (int64_t g = first; g < last; g++) {
        const uint8_t *sources[PACKED_MAX_ROWS] = {NULL};
        for (int r = 0; r < kernels->rows && g * kernels->rows + r < w->rows; r++) {
            sources[r] = w->data + (uint64_t)(g * kernels->rows + r) * w->row_bytes;
        }
        uint8_t *to = p->out->base + (packed_matrix_group(m, g) - p->out->base);
        packed_group(to, w->type, kernels->rows, kernels->biased, sources, w->cols);
    }
    atomic_fetch_add(&p->done, (uint64_t)(last - first) * m->group_bytes);
}

/* The file's pages of this matrix are not needed any more; a read brings them back. */
static void give_back(const struct packing *p, const struct weight *w) {
    if (!p->model->file->mapped || w == &p->model->token_embd || p->model->tied_embeddings) return;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t first = ((uintptr_t)w->data + page - 1) / page * page;
    uintptr_t last = ((uintptr_t)w->data + (uintptr_t)w->tensor->bytes) / page * page;
    if (last > first) madvise((void *)first, last - first, MADV_DONTNEED);
}

static void give_back_all(const struct packing *p) {
    for (int32_t id = 0; id < p->model->n_weights; id++) {
        if (p->weights[id] != NULL) give_back(p, p->weights[id]);
    }
}

static void pack_part(void *user, int thread) {
    struct packing *p = user;
    for (int32_t id = 0; id < p->model->n_weights; id++) {
        const struct weight *w = p->weights[id];
        if (w == NULL) continue;
        int64_t first, last;
        while (threads_next(p->team, thread, p->out->matrices[id].n_groups, GROUPS_PER_PIECE, &first,
                            &last)) {
            if (atomic_load_explicit(&p->stopped, memory_order_relaxed)) break;
            pack_groups(p, w, first, last);
        }
        if (thread == 0 && flag_is_set(p->options.cancel)) atomic_store(&p->stopped, true);
        threads_barrier(p->team, thread);
        if (atomic_load(&p->stopped)) return;
        if (thread == 0) {
            give_back(p, w);
            if (p->options.progress != NULL) {
                p->options.progress(p->options.user, atomic_load(&p->done), p->out->bytes);
            }
        }
    }
}

static void packed_free(struct packed_model *packed) {
    if (packed == NULL) return;
    mem_free(packed->base);
    mem_free(packed->matrices);
    mem_free(packed);
}

static bool pack(struct packing *p, struct err *err) {
    struct packed_model *out = p->out;
    int64_t start = clock_now_ns();
    if (!lay_out(p)) return err_set(err, ERR_INPUT, "model: its packed form is too large");
    out->base = mem_alloc_pages(out->bytes, out->huge_pages);
    if (out->base == NULL) {
        return err_set(err, ERR_ENVIRONMENT,
                       "model: not enough memory for %llu bytes of packed weights. Turn the switch "
                       "repack off.",
                       (unsigned long long)out->bytes);
    }
    for (int32_t id = 0; id < p->model->n_weights; id++) {
        if (p->weights[id] != NULL) out->matrices[id].data = out->base + (uintptr_t)out->matrices[id].data;
    }
    if (p->options.keep && packed_cache_read(out, p->model, p->options.cancel)) {
        give_back_all(p);
        out->made_ns = clock_now_ns() - start;
        return true;
    }
    /* Pinned: who packs a share of a matrix first touches its memory, and will read it (NUMA). */
    p->team = threads_new(threads_available(), true, err);
    if (p->team == NULL) return false;
    threads_run(p->team, threads_count(p->team), pack_part, p);
    threads_free(p->team);
    if (atomic_load(&p->stopped)) return err_set(err, ERR_CANCELLED, "model: packing was cancelled");
    out->made_ns = clock_now_ns() - start;
    return !p->options.keep || packed_cache_write(out, p->model, err);
}

static struct packed_model *packed_new(struct packing *p, const struct packed_kernels *kernels,
                                       struct err *err) {
    const size_t n = (size_t)p->model->n_weights;
    struct packed_model *out = mem_new(sizeof *out);
    p->weights = mem_new_array(n, sizeof *p->weights);
    if (out != NULL) out->matrices = mem_new_array(n, sizeof *out->matrices);
    bool ok = p->weights != NULL && out != NULL && out->matrices != NULL;
    if (!ok) {
        err_set(err, ERR_ENVIRONMENT, "model: not enough memory for %zu packed matrices", n);
    } else {
        out->kernels = kernels;
        out->huge_pages = p->options.huge_pages;
        p->out = out;
        list_weights(p->model, p->weights);
        ok = pack(p, err);
    }
    mem_free(p->weights);
    if (ok) return out;
    packed_free(out);
    return NULL;
}

const struct packed_model *model_packed(struct model *model, const struct packed_kernels *kernels,
                                        const struct packing_options *options, struct err *err) {
    pthread_mutex_lock(&model->packing);
    struct packed_model *found = model->packed;
    while (found != NULL && (found->kernels != kernels || found->huge_pages != options->huge_pages)) {
        found = found->next;
    }
    if (found == NULL) {
        struct packing p = {.model = model, .options = *options};
        found = packed_new(&p, kernels, err);
        if (found != NULL) {
            found->next = model->packed;
            model->packed = found;
        }
    }
    pthread_mutex_unlock(&model->packing);
    return found;
}

void packed_models_free(struct model *model) {
    while (model->packed != NULL) {
        struct packed_model *next = model->packed->next;
        packed_free(model->packed);
        model->packed = next;
    }
}
