/* registry_config.c - see registry_config.h. */
#include "server/registry_config.h"

#include <math.h>
#include <string.h>

static bool read_integer(const struct json *value, const char *key, int64_t least, int64_t most,
                         int64_t *out, struct err *err) {
    const double number = json_kind_of(value) == JSON_NUMBER ? json_number(value) : NAN;
    if (!(number >= (double)least && number <= (double)most) || number != floor(number)) {
        return err_set(err, ERR_INPUT, "config.%s: a whole number of %lld to %lld is required", key,
                       (long long)least, (long long)most);
    }
    *out = (int64_t)number;
    return true;
}

static bool read_kv_type(const struct json *value, const char *key, enum kv_type *out,
                         struct err *err) {
    if (json_kind_of(value) == JSON_STRING && kv_type_from_name(json_string(value), out))
        return true;
    return err_set(err, ERR_INPUT, "config.switches.%s: one of f32, f16, q8_0, q4_0 is required",
                   key);
}

static bool read_switch(const struct json *value, struct engine_switches *s, struct err *err) {
    const char *key = json_key(value);
    const struct {
        const char *name;
        bool *field;
    } flags[] = {{"repack", &s->repack},
                 {"huge_pages", &s->huge_pages},
                 {"fused_attention", &s->fused_attention},
                 {"simd", &s->simd},
                 {"tune", &s->tune}};
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        if (strcmp(flags[i].name, key) != 0) continue;
        if (json_kind_of(value) != JSON_BOOL) {
            return err_set(err, ERR_INPUT, "config.switches.%s: true or false is required", key);
        }
        *flags[i].field = json_bool(value);
        return true;
    }
    if (strcmp(key, "key_type") == 0) return read_kv_type(value, key, &s->key_type, err);
    if (strcmp(key, "value_type") == 0) return read_kv_type(value, key, &s->value_type, err);
    if (strcmp(key, "kv_type") == 0) {
        return read_kv_type(value, key, &s->key_type, err) &&
               read_kv_type(value, key, &s->value_type, err);
    }
    return err_set(
        err, ERR_INPUT,
        "config.switches.%.40s: unknown; allowed are repack, huge_pages, fused_attention, simd, "
        "tune, kv_type, key_type, value_type",
        key);
}

bool registry_read_config(const struct json *config, struct runner_options *o, struct err *err) {
    if (config == NULL || json_kind_of(config) == JSON_NULL) return true;
    if (json_kind_of(config) != JSON_OBJECT)
        return err_set(err, ERR_INPUT, "config: an object is required");
    for (const struct json *v = json_first(config); v != NULL; v = json_next(v)) {
        const char *key = json_key(v);
        int64_t threads = 0;
        if (json_kind_of(v) == JSON_NULL) continue;
        if (strcmp(key, "n_ctx") == 0) {
            if (!read_integer(v, key, 1, 1 << 24, &o->n_ctx, err)) return false;
        } else if (strcmp(key, "n_threads") == 0) {
            if (!read_integer(v, key, 1, 256, &threads, err)) return false;
            o->switches.n_threads = (int)threads;
        } else if (strcmp(key, "switches") == 0 && json_kind_of(v) == JSON_OBJECT) {
            for (const struct json *s = json_first(v); s != NULL; s = json_next(s)) {
                if (!read_switch(s, &o->switches, err)) return false;
            }
        } else {
            return err_set(err, ERR_INPUT,
                           "config.%.40s: unknown; allowed are n_ctx, n_threads, switches", key);
        }
    }
    return engine_check_switches(&o->switches, err);
}
