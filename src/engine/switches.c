/* switches.c - the presets: which switches each phase turns on. */
#include "engine/engine.h"

#include <string.h>

static const char *const names[] = {"p0", "p1", NULL};

/* Default budget of the weight cache: what a last-level cache holds. F32 weights are seven times
 * the bytes of Q4_0 ones, so a larger cache saves decoding and pays more in bandwidth: a 110M Q4_0
 * model decoded at 82 tokens/s with 16 MB, 54 with 128 MB and 30 with all of it cached (one Zen 4
 * core, 32 MiB L3). */
#define DEFAULT_CACHE_BYTES (16 * 1000 * 1000)

bool engine_preset(const char *name, struct engine_switches *out, struct err *err) {
    struct engine_switches s = {
        .isa = kernels_best(), .weight_cache_bytes = DEFAULT_CACHE_BYTES, .n_threads = 1};
    if (strcmp(name, "p1") == 0) {
        s.simd = s.weight_cache = s.pool = true;
    } else if (strcmp(name, "p0") != 0) {
        return err_set(err, ERR_INPUT, "preset \"%.40s\" is not known, allowed p0, p1.", name);
    }
    *out = s;
    return true;
}

const char *const *engine_preset_names(void) {
    return names;
}
