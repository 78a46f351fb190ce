/* switches.c - the presets: which switches each phase turns on, and which need each other. */
#include "engine/engine.h"
#include "engine/kernels/packed.h"
#include "engine/threads.h"

#include <string.h>

static const char *const names[] = {"p0", "p1", "p2", "p3", "p4", "p5", NULL};

/* Default budget of the weight cache: what measures best is little, because F32 weights are seven
 * times the bytes of Q4_0 (docs/internals.md). */
#define DEFAULT_CACHE_BYTES (16 * 1000 * 1000)

/* A pass of 8 columns costs little more than one while the memory is what it waits for. */
#define DEFAULT_LOOKUP 7

bool engine_preset(const char *name, struct engine_switches *out, struct err *err) {
    struct engine_switches s = {
        .isa = kernels_best(), .weight_cache_bytes = DEFAULT_CACHE_BYTES, .n_threads = 1};
    int phase = -1;
    for (int i = 0; names[i] != NULL; i++) {
        if (strcmp(names[i], name) == 0) phase = i;
    }
    if (phase < 0) {
        return err_set(err, ERR_INPUT, "preset \"%.40s\" is not known, allowed p0 to p5.", name);
    }
    if (phase >= 1) s.simd = s.weight_cache = s.pool = true;
    if (phase >= 2) {
        s.fused_matmul = s.fused_attention = true;
        s.weight_cache = false; /* nothing is decoded any more */
    }
    if (phase >= 3) {
        s.key_type = s.value_type = KV_F16;
        s.repack = s.huge_pages = true;
    }
    if (phase >= 4) s.n_threads = threads_available();
    if (phase >= 5) {
        s.tune = true;
        s.lookup = DEFAULT_LOOKUP;
    }
    *out = s;
    return true;
}

const char *const *engine_preset_names(void) {
    return names;
}

bool engine_check_switches(const struct engine_switches *s, struct err *err) {
    static const char advice[] = "Turn that on too (presets from p2 have it).";
    if (s->fused_matmul && !s->pool) {
        return err_set(err, ERR_INPUT, "context: fused_matmul needs the switch pool. %s", advice);
    }
    if (s->repack && !s->fused_matmul) {
        return err_set(err, ERR_INPUT, "context: repack needs the switch fused_matmul. %s", advice);
    }
    if ((s->key_type != KV_F32 || s->value_type != KV_F32) &&
        !(s->fused_attention && s->fused_matmul)) {
        return err_set(err, ERR_INPUT,
                       "context: keys of type %s and values of type %s need the switches "
                       "fused_matmul and fused_attention. %s",
                       kv_type_name(s->key_type), kv_type_name(s->value_type), advice);
    }
    if (s->n_threads < 1 || s->n_threads > MAX_THREADS) {
        return err_set(err, ERR_INPUT, "context: threads is %d, allowed 1..%d.", s->n_threads,
                       MAX_THREADS);
    }
    if (s->n_threads > 1 && !s->fused_matmul) {
        return err_set(err, ERR_INPUT,
                       "context: threads is %d, which needs the switch fused_matmul. %s",
                       s->n_threads, advice);
    }
    if ((s->tune || s->lookup > 0) && !s->fused_matmul) {
        return err_set(err, ERR_INPUT, "context: %s needs the switch fused_matmul. %s",
                       s->tune ? "tune" : "lookup", advice);
    }
    if (s->lookup < 0 || s->lookup >= PACKED_MAX_WIDTH) {
        return err_set(err, ERR_INPUT, "context: lookup is %d, allowed 0 (off) to %d.", s->lookup,
                       PACKED_MAX_WIDTH - 1);
    }
    if (s->weight_cache_bytes < 0) {
        return err_set(err, ERR_INPUT, "context: weight_cache_bytes is %lld, allowed 0 or more.",
                       (long long)s->weight_cache_bytes);
    }
    return true;
}
