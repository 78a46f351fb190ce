/* synth_out.c - the file of a synthetic model as it is written: a buffer, progress, cancelling, and
 * the pieces of the GGUF encoding. */
#include "engine/synth.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void synth_fail(struct synth_out *out, int error_number) {
    out->failed = true;
    err_set_errno(out->err, error_number,
                  "synth: %s: cannot be written at byte %llu; the model needs %llu bytes",
                  out->path, (unsigned long long)(out->done - out->used),
                  (unsigned long long)out->total);
}

static bool cancelled(struct synth_out *out) {
    if (out->failed || out->cancel == NULL || !*out->cancel) return out->failed;
    out->failed = true;
    err_set(out->err, ERR_CANCELLED, "synth: %s: cancelled; nothing was kept", out->path);
    return true;
}

void synth_flush(struct synth_out *out) {
    if (out->fd < 0) out->used = 0;
    for (size_t at = 0; at < out->used && !out->failed;) {
        ssize_t n = write(out->fd, out->buffer + at, out->used - at);
        if (n > 0) {
            at += (size_t)n;
        } else if (n == 0 || errno != EINTR) {
            synth_fail(out, n == 0 ? ENOSPC : errno);
        }
    }
    out->used = 0;
    if (out->fd < 0 || cancelled(out)) return;
    if (out->progress != NULL) out->progress(out->user, out->done, out->total);
    cancelled(out); /* the callback may have raised the flag */
}

uint8_t *synth_room(struct synth_out *out, size_t size) {
    if (out->used + size > SYNTH_BUFFER_BYTES) synth_flush(out);
    if (out->failed) return NULL;
    uint8_t *room = out->buffer + out->used;
    out->used += size;
    out->done += size;
    return room;
}

void synth_put(struct synth_out *out, const void *data, size_t size) {
    uint8_t *room = synth_room(out, size);
    if (room != NULL) memcpy(room, data, size);
}

void synth_put_u32(struct synth_out *out, uint32_t value) {
    synth_put(out, &value, sizeof value);
}

void synth_put_u64(struct synth_out *out, uint64_t value) {
    synth_put(out, &value, sizeof value);
}

void synth_put_text(struct synth_out *out, const char *text, size_t size) {
    synth_put_u64(out, size);
    synth_put(out, text, size);
}

static void put_key(struct synth_out *out, const char *key, enum gguf_kind kind) {
    synth_put_text(out, key, strlen(key));
    synth_put_u32(out, kind);
}

void synth_key_u32(struct synth_out *out, const char *key, uint32_t value) {
    put_key(out, key, GGUF_U32);
    synth_put_u32(out, value);
}

void synth_key_f32(struct synth_out *out, const char *key, double value) {
    float single = (float)value;
    put_key(out, key, GGUF_F32);
    synth_put(out, &single, sizeof single);
}

void synth_key_bool(struct synth_out *out, const char *key, bool value) {
    uint8_t byte = value;
    put_key(out, key, GGUF_BOOL);
    synth_put(out, &byte, sizeof byte);
}

void synth_key_text(struct synth_out *out, const char *key, const char *text) {
    put_key(out, key, GGUF_STRING);
    synth_put_text(out, text, strlen(text));
}

void synth_key_array(struct synth_out *out, const char *key, enum gguf_kind kind, uint64_t count) {
    put_key(out, key, GGUF_ARRAY);
    synth_put_u32(out, kind);
    synth_put_u64(out, count);
}
