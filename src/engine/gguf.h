/* gguf.h - reads a GGUF v2 or v3 file whose every byte may be hostile.
 *
 * One promise: after gguf_open returned a file, every tensor's bytes lie inside the mapping or
 * buffer, every string is inside the file, counts and shapes are sane, no two tensors overlap.
 * Limits: 4,096 keys, 65,536 tensors, key 256 B, tensor name 64 B, string 16 MiB, vocabulary 2^20,
 * merges 2^21, 1 to 4 dimensions each 1..2^40, alignment a power of two 8..4096.
 * Nested arrays are refused. Source: GGUF specification (ggml/docs/gguf.md). */
#ifndef WOOLLY_ENGINE_GGUF_H
#define WOOLLY_ENGINE_GGUF_H

#include "base/err.h"
#include "engine/tensor_type.h"

#include <stddef.h>
#include <stdint.h>

enum gguf_kind { /* ids in the file */
    GGUF_U8, GGUF_I8, GGUF_U16, GGUF_I16, GGUF_U32, GGUF_I32, GGUF_F32, GGUF_BOOL,
    GGUF_STRING, GGUF_ARRAY, GGUF_U64, GGUF_I64, GGUF_F64, GGUF_KIND_COUNT,
};

struct gguf_string {
    const char *data; /* inside the file: NOT NUL-terminated, any bytes */
    uint64_t size;
};

struct gguf_value {
    const char *key; /* NUL-terminated copy owned by the file */
    enum gguf_kind kind;
    enum gguf_kind element; /* of an array */
    uint64_t count;         /* elements of an array, else 1 */
    const uint8_t *data;    /* the value's bytes in the file, unaligned; strings: see below */
    const struct gguf_string *strings; /* of a string or an array of strings: count of them */
};

struct gguf_tensor {
    const char *name; /* NUL-terminated copy owned by the file */
    enum tensor_type type;
    int n_dims;
    int64_t dims[4]; /* dims[0] is the row length (fastest); unused ones are 1 */
    uint64_t offset; /* from the start of the file */
    uint64_t bytes;
    const uint8_t *data;
};

struct gguf {
    char *path;
    uint32_t version;
    uint64_t alignment;
    uint64_t size; /* of the file in bytes */
    uint64_t data_offset;
    const uint8_t *base; /* the whole file: a private read-only mapping, or a 64-byte aligned buffer */
    bool mapped, borrowed; /* borrowed: gguf_open_memory's bytes */
    struct gguf_value *values;
    size_t n_values;
    struct gguf_tensor *tensors;
    size_t n_tensors;
    void *index; /* name and key look-up; private */
    /* Identity at open, to notice a file changed under a run. */
    uint64_t device, inode;
    int64_t mtime_ns;
};

struct gguf_options {
    bool use_mmap; /* else read into memory */
    const volatile int *cancel; /* polled while reading; may be NULL */
};

/* NULL and err on failure (ERR_INPUT for anything the file's bytes did; the message names file,
 * byte offset, tensor or key, found, allowed, next step). Regular files only; never blocks on a
 * FIFO. Memory beyond the file itself stays under 16 MiB plus what valid counts need. */
struct gguf *gguf_open(const char *path, const struct gguf_options *options, struct err *err);
/* The same over bytes in memory, which must outlive the result; name is used in messages. */
struct gguf *gguf_open_memory(const void *bytes, uint64_t size, const char *name, struct err *err);
void gguf_close(struct gguf *file); /* NULL is fine */

/* True while the file on disk is still the one that was opened. */
bool gguf_unchanged(const struct gguf *file);

const struct gguf_tensor *gguf_tensor(const struct gguf *file, const char *name); /* or NULL */
const struct gguf_value *gguf_value(const struct gguf *file, const char *key);    /* or NULL */

/* Typed access. Any integer kind converts when the value fits. False when the key is absent or of
 * another kind or out of range; *out is untouched then. */
bool gguf_get_u64(const struct gguf *file, const char *key, uint64_t *out);
bool gguf_get_f64(const struct gguf *file, const char *key, double *out);
bool gguf_get_bool(const struct gguf *file, const char *key, bool *out);
bool gguf_get_string(const struct gguf *file, const char *key, struct gguf_string *out);
/* Element i of a numeric array (or a scalar with i = 0). The caller checked i < count. */
double gguf_element_f64(const struct gguf_value *value, uint64_t i);
int64_t gguf_element_i64(const struct gguf_value *value, uint64_t i);
const char *gguf_kind_name(enum gguf_kind kind);

#endif
