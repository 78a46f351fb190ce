/* gguf.c - opens a GGUF file and proves every count, string and tensor to lie inside it.
 *
 * File layout (version 2 and 3, little-endian):
 *   1. "GGUF", u32 version, u64 n_tensors, u64 n_values
 *   2. n_values times: string key, u32 kind, value.  string = u64 length, bytes.
 *      array = u32 element kind, u64 count, elements
 *   3. n_tensors times: string name, u32 n_dims, u64 dims[n_dims], u32 type, u64 offset
 *   4. padding to the alignment, then the tensor data; offsets count from there */
#include "engine/gguf.h"

#include "base/alloc.h"
#include "base/flag.h"
#include "base/span.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MAX_VALUES = 4096,
    MAX_TENSORS = 65536,
    MAX_KEY_BYTES = 256,
    MAX_NAME_BYTES = 64,
    MAX_ARRAY = 1 << 21,   /* merges; the vocabulary's own limit is checked by the tokenizer */
    MIN_VALUE_BYTES = 13,  /* key length, kind, one byte */
    MIN_TENSOR_BYTES = 32, /* name length, n_dims, one dim, type, offset */
    READ_STEP = 4 << 20,
    MAX_SHOWN_PATH = 200, /* in messages */
};
#define MAX_STRING_BYTES (16u << 20)
#define MAX_DIM (1ll << 40)
#define DAMAGED "The file is damaged or not a GGUF model; download it again"

/* Open-addressing hash of names, for values and tensors: entry i + 1, 0 is free. */
struct name_table {
    uint32_t *slots;
    size_t mask;
};

struct gguf_index {
    struct name_table values, tensors;
    char *names;                 /* all keys and tensor names, NUL-terminated */
    struct gguf_string *strings; /* of every string value */
};

struct reader {
    struct span span;
    const char *path;
    struct err *err;
    size_t names_bytes; /* needed for all names */
    size_t n_strings;   /* needed for all string values */
};

static bool fail_at(struct reader *r, uint64_t at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool fail_at(struct reader *r, uint64_t at, const char *format, ...) {
    char what[768];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return err_set(r->err, ERR_INPUT, "model: %s at byte %llu: %s", r->path, (unsigned long long)at,
                   what);
}

static bool truncated(struct reader *r, const char *what) {
    return fail_at(r, r->span.size,
                   "the file ends inside %s that starts at byte %llu. The file is cut short; "
                   "download it again",
                   what, (unsigned long long)r->span.at);
}

/* A count that the bytes left cannot hold, found before anything is allocated for it. */
static bool cut_short(struct reader *r, uint64_t count, const char *what) {
    return fail_at(r, r->span.size,
                   "the file ends inside the %llu %s that start at byte %llu. The file is cut "
                   "short; download it again",
                   (unsigned long long)count, what, (unsigned long long)r->span.at);
}

static bool read_u32(struct reader *r, uint32_t *out, const char *what) {
    return span_read(&r->span, out, 4) || truncated(r, what);
}

static bool read_u64(struct reader *r, uint64_t *out, const char *what) {
    return span_read(&r->span, out, 8) || truncated(r, what);
}

static bool read_string(struct reader *r, struct gguf_string *out, uint64_t max, const char *what) {
    uint64_t at = r->span.at;
    if (!read_u64(r, &out->size, what)) return false;
    if (out->size > max) {
        return fail_at(r, at, "length of %s is %llu, allowed 0..%llu. " DAMAGED, what,
                       (unsigned long long)out->size, (unsigned long long)max);
    }
    out->data = (const char *)span_take(&r->span, out->size);
    return out->data != NULL || truncated(r, what);
}

/* ---- values ---- */

static const uint8_t kind_bytes[GGUF_KIND_COUNT] = {
    [GGUF_U8] = 1,  [GGUF_I8] = 1,   [GGUF_U16] = 2, [GGUF_I16] = 2, [GGUF_U32] = 4, [GGUF_I32] = 4,
    [GGUF_F32] = 4, [GGUF_BOOL] = 1, [GGUF_U64] = 8, [GGUF_I64] = 8, [GGUF_F64] = 8,
};

const char *gguf_kind_name(enum gguf_kind kind) {
    static const char *const names[GGUF_KIND_COUNT] = {
        "u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
        "bool", "string", "array", "u64", "i64", "f64",
    };
    return (unsigned)kind < GGUF_KIND_COUNT ? names[kind] : "unknown";
}

/* Skips `count` elements of a value, counting strings for the second pass. */
static bool skip_elements(struct reader *r, const char *key, enum gguf_kind kind, uint64_t count) {
    if (kind != GGUF_STRING) {
        uint64_t bytes;
        if (!size_mul(count, kind_bytes[kind], &bytes) || span_take(&r->span, bytes) == NULL) {
            char what[MAX_KEY_BYTES + 32];
            snprintf(what, sizeof what, "the value of key \"%s\"", key);
            return truncated(r, what);
        }
        return true;
    }
    for (uint64_t i = 0; i < count; i++) {
        struct gguf_string s;
        if (!read_string(r, &s, MAX_STRING_BYTES, "a string value")) return false;
    }
    r->n_strings += count;
    return true;
}

static bool read_kind(struct reader *r, uint32_t *kind, const char *key, const char *what) {
    uint64_t at = r->span.at;
    if (!read_u32(r, kind, what)) return false;
    if (*kind < GGUF_KIND_COUNT) return true;
    return fail_at(r, at, "key \"%s\": %s is %u, allowed 0..%d. " DAMAGED, key, what, *kind,
                   GGUF_KIND_COUNT - 1);
}

/* Reads one key and value; the key's bytes stay in the file, its copy is made later. */
static bool read_value(struct reader *r, struct gguf_value *v, struct gguf_string *key) {
    uint64_t at = r->span.at;
    if (!read_string(r, key, MAX_KEY_BYTES, "a key")) return false;
    if (key->size == 0 || memchr(key->data, 0, key->size) != NULL) {
        return fail_at(r, at, "a key is empty or holds a zero byte. " DAMAGED);
    }
    char name[MAX_KEY_BYTES + 1];
    memcpy(name, key->data, key->size);
    name[key->size] = '\0';
    r->names_bytes += key->size + 1;
    uint32_t kind = 0, element = 0;
    if (!read_kind(r, &kind, name, "the kind of a value")) return false;
    *v = (struct gguf_value){
        .kind = (enum gguf_kind)kind, .element = (enum gguf_kind)kind, .count = 1};
    if (kind == GGUF_ARRAY) {
        at = r->span.at;
        if (!read_kind(r, &element, name, "the element kind of an array")) return false;
        if (element == GGUF_ARRAY) {
            return fail_at(r, at, "key \"%s\": arrays of arrays are not supported. " DAMAGED, name);
        }
        at = r->span.at;
        if (!read_u64(r, &v->count, "the length of an array")) return false;
        uint64_t least = element == GGUF_STRING ? 8 : kind_bytes[element];
        if (v->count > MAX_ARRAY) {
            return fail_at(r, at, "key \"%s\": an array of %llu elements, allowed 0..%d. " DAMAGED,
                           name, (unsigned long long)v->count, MAX_ARRAY);
        }
        if (v->count > span_left(&r->span) / least) return cut_short(r, v->count, "elements");
        v->element = (enum gguf_kind)element;
    }
    v->data = r->span.data + r->span.at;
    return skip_elements(r, name, v->element, v->count);
}

/* ---- tensors ---- */

static bool read_dims(struct reader *r, struct gguf_tensor *t, const char *name) {
    uint64_t at = r->span.at;
    uint32_t n_dims = 0;
    if (!read_u32(r, &n_dims, "a tensor's number of dimensions")) return false;
    if (n_dims < 1 || n_dims > 4) {
        return fail_at(r, at, "tensor \"%s\": %u dimensions, allowed 1..4. " DAMAGED, name, n_dims);
    }
    t->n_dims = (int)n_dims;
    for (int i = 0; i < 4; i++)
        t->dims[i] = 1;
    for (uint32_t i = 0; i < n_dims; i++) {
        at = r->span.at;
        uint64_t dim = 0;
        if (!read_u64(r, &dim, "a tensor's dimensions")) return false;
        if (dim < 1 || dim > (uint64_t)MAX_DIM) {
            return fail_at(r, at, "tensor \"%s\": dimension %u is %llu, allowed 1..2^40. " DAMAGED,
                           name, i, (unsigned long long)dim);
        }
        t->dims[i] = (int64_t)dim;
    }
    return true;
}

static bool read_type(struct reader *r, struct gguf_tensor *t, const char *name) {
    uint64_t at = r->span.at;
    uint32_t type = 0;
    if (!read_u32(r, &type, "a tensor's type")) return false;
    const struct tensor_type_info *info = tensor_type_info(type);
    if (info == NULL) {
        const char *known = tensor_type_known_name(type);
        return fail_at(r, at,
                       "tensor \"%s\": type %u (%s) is not supported by this build; supported: %s. "
                       "Convert the model to one of these",
                       name, type, known != NULL ? known : "unknown", tensor_type_list());
    }
    t->type = (enum tensor_type)type;
    if (t->dims[0] % info->block_values != 0) {
        return fail_at(
            r, at, "tensor \"%s\": rows of %lld values, allowed multiples of %d for %s. " DAMAGED,
            name, (long long)t->dims[0], info->block_values, info->name);
    }
    uint64_t blocks = (uint64_t)(t->dims[0] / info->block_values);
    bool fits = true;
    for (int i = 1; i < 4; i++)
        fits = fits && size_mul(blocks, (uint64_t)t->dims[i], &blocks);
    uint64_t values;
    fits = fits && size_mul(blocks, (uint64_t)info->block_bytes, &t->bytes) &&
           size_mul(blocks, (uint64_t)info->block_values, &values) && values <= INT64_MAX;
    if (!fits) {
        return fail_at(r, at,
                       "tensor \"%s\": shape [%lld, %lld, %lld, %lld] holds more than 2^63 values "
                       "or bytes. " DAMAGED,
                       name, (long long)t->dims[0], (long long)t->dims[1], (long long)t->dims[2],
                       (long long)t->dims[3]);
    }
    return true;
}

static bool read_tensor(struct reader *r, struct gguf_tensor *t, struct gguf_string *name) {
    uint64_t at = r->span.at;
    if (!read_string(r, name, MAX_NAME_BYTES, "a tensor's name")) return false;
    if (name->size == 0 || memchr(name->data, 0, name->size) != NULL) {
        return fail_at(r, at, "a tensor's name is empty or holds a zero byte. " DAMAGED);
    }
    char text[MAX_NAME_BYTES + 1];
    memcpy(text, name->data, name->size);
    text[name->size] = '\0';
    r->names_bytes += name->size + 1;
    return read_dims(r, t, text) && read_type(r, t, text) &&
           read_u64(r, &t->offset, "a tensor's offset");
}

/* ---- the index of names ---- */

static uint64_t hash_name(const char *name) {
    uint64_t h = 1469598103934665603ull; /* FNV-1a */
    for (; *name != '\0'; name++)
        h = (h ^ (uint8_t)*name) * 1099511628211ull;
    return h ^ h >> 29;
}

static bool name_table_init(struct name_table *table, size_t n) {
    size_t size = 16;
    while (size < 2 * n)
        size *= 2;
    table->slots = mem_new_array(size, sizeof *table->slots);
    table->mask = size - 1;
    return table->slots != NULL;
}

/* Slot of name: free, or that of an equal name. name_of gives entry i's name. */
static uint32_t *name_slot(const struct name_table *table, const char *name, const void *entries,
                           size_t stride) {
    size_t i = hash_name(name) & table->mask;
    for (;; i = (i + 1) & table->mask) {
        uint32_t entry = table->slots[i];
        if (entry == 0) break;
        /* Both entry kinds start with their name. */
        const char *const *first = (const void *)((const char *)entries + (entry - 1) * stride);
        if (strcmp(*first, name) == 0) break;
    }
    return &table->slots[i];
}

static const char *keep_name(char **names, const struct gguf_string *s) {
    char *name = *names;
    memcpy(name, s->data, s->size);
    name[s->size] = '\0';
    *names += s->size + 1;
    return name;
}

static void fill_strings(struct gguf_value *v, struct gguf_string **strings, uint64_t left) {
    struct span span = {.data = v->data, .size = left, .at = 0};
    v->strings = *strings;
    for (uint64_t i = 0; i < v->count; i++) {
        struct gguf_string *s = (*strings)++;
        span_read(&span, &s->size, 8); /* proved by the first pass */
        s->data = (const char *)span_take(&span, s->size);
    }
}

static bool out_of_memory(struct reader *r, const char *what) {
    return err_set(r->err, ERR_ENVIRONMENT, "model: %s: out of memory for %s", r->path, what);
}

/* ---- the whole file ---- */

static bool read_header(struct reader *r, struct gguf *file, uint64_t *n_tensors,
                        uint64_t *n_values) {
    uint8_t magic[4] = {0};
    if (r->span.size == 0) {
        return fail_at(r, 0, "the file is empty. Download it again");
    }
    if (!span_read(&r->span, magic, 4)) return truncated(r, "the magic number");
    if (memcmp(magic, "GGUF", 4) != 0) {
        return fail_at(
            r, 0,
            "starts with %02x %02x %02x %02x, a GGUF file starts with \"GGUF\". Name a GGUF model",
            magic[0], magic[1], magic[2], magic[3]);
    }
    if (!read_u32(r, &file->version, "the version")) return false;
    if (file->version != 2 && file->version != 3) {
        bool swapped = (file->version & 0xffff) == 0 && file->version != 0;
        return fail_at(
            r, 4, "version %u%s, allowed 2 and 3. Convert the model again with a present converter",
            file->version, swapped ? " (the file is big-endian)" : "");
    }
    uint64_t at = r->span.at;
    if (!read_u64(r, n_tensors, "the number of tensors")) return false;
    if (*n_tensors > MAX_TENSORS) {
        return fail_at(r, at, "%llu tensors, allowed 0..%d. " DAMAGED,
                       (unsigned long long)*n_tensors, MAX_TENSORS);
    }
    at = r->span.at;
    if (!read_u64(r, n_values, "the number of keys")) return false;
    if (*n_values > MAX_VALUES) {
        return fail_at(r, at, "%llu keys, allowed 0..%d. " DAMAGED, (unsigned long long)*n_values,
                       MAX_VALUES);
    }
    const uint64_t left = span_left(&r->span);
    if (*n_values > left / MIN_VALUE_BYTES) return cut_short(r, *n_values, "keys");
    if (*n_tensors > left / MIN_TENSOR_BYTES) return cut_short(r, *n_tensors, "tensors");
    return true;
}

/* general.alignment, before the names are indexed. */
static bool find_alignment(struct reader *r, struct gguf *file, const struct gguf_string *keys) {
    static const char key[] = "general.alignment";
    file->alignment = 32;
    for (size_t i = 0; i < file->n_values; i++) {
        const struct gguf_value *v = &file->values[i];
        if (keys[i].size != sizeof key - 1 || memcmp(keys[i].data, key, sizeof key - 1) != 0)
            continue;
        uint64_t at = (uint64_t)(v->data - file->base);
        uint32_t value = 0;
        if (v->kind != GGUF_U32) {
            return fail_at(r, at, "key \"%s\" is %s, u32 is required. " DAMAGED, key,
                           gguf_kind_name(v->kind));
        }
        memcpy(&value, v->data, sizeof value);
        if (value < 8 || value > 4096 || (value & (value - 1)) != 0) {
            return fail_at(r, at,
                           "key \"%s\" is %u, allowed powers of two from 8 to 4096. " DAMAGED, key,
                           value);
        }
        file->alignment = value;
    }
    return true;
}

static int by_offset(const void *a, const void *b) {
    const struct gguf_tensor *x = *(const struct gguf_tensor *const *)a;
    const struct gguf_tensor *y = *(const struct gguf_tensor *const *)b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* Turns offsets into places in the file and refuses those outside, unaligned or overlapping. */
static bool place_tensors(struct reader *r, struct gguf *file) {
    if (!size_align(r->span.at, file->alignment, &file->data_offset)) {
        return fail_at(r, r->span.at, "the padding before the data wraps. " DAMAGED);
    }
    const struct gguf_tensor **order = mem_new_array(file->n_tensors + 1, sizeof *order);
    if (order == NULL) return out_of_memory(r, "the tensor list");
    bool good = true;
    for (size_t i = 0; good && i < file->n_tensors; i++) {
        struct gguf_tensor *t = &file->tensors[i];
        uint64_t place;
        bool fits = size_add(file->data_offset, t->offset, &place);
        if (t->offset % file->alignment != 0) {
            good =
                fail_at(r, fits ? place : file->size,
                        "tensor \"%s\": offset %llu, allowed multiples of %llu. " DAMAGED, t->name,
                        (unsigned long long)t->offset, (unsigned long long)file->alignment);
        } else if (!fits || !size_inside(place, t->bytes, file->size)) {
            good = fail_at(r, file->size,
                           "tensor \"%s\" needs %llu bytes from byte %llu + %llu, the file ends "
                           "before that. The file is cut short; download it again",
                           t->name, (unsigned long long)t->bytes,
                           (unsigned long long)file->data_offset, (unsigned long long)t->offset);
        } else {
            t->offset = place;
            t->data = file->base + place;
            order[i] = t;
        }
    }
    if (good) qsort(order, file->n_tensors, sizeof *order, by_offset);
    for (size_t i = 1; good && i < file->n_tensors; i++) {
        const struct gguf_tensor *before = order[i - 1], *t = order[i];
        if (before->offset + before->bytes > t->offset) {
            good = fail_at(r, t->offset,
                           "tensor \"%s\" overlaps tensor \"%s\" that ends at byte %llu. " DAMAGED,
                           t->name, before->name,
                           (unsigned long long)(before->offset + before->bytes));
        }
    }
    mem_free(order);
    return good;
}

static bool index_names(struct reader *r, struct gguf *file, const struct gguf_string *keys,
                        const struct gguf_string *names) {
    struct gguf_index *index = mem_new(sizeof *index);
    file->index = index;
    if (index == NULL) return out_of_memory(r, "the index");
    index->names = mem_alloc(r->names_bytes + 1);
    index->strings = mem_new_array(r->n_strings + 1, sizeof *index->strings);
    if (index->names == NULL || index->strings == NULL ||
        !name_table_init(&index->values, file->n_values) ||
        !name_table_init(&index->tensors, file->n_tensors)) {
        return out_of_memory(r, "the index");
    }
    char *at = index->names;
    struct gguf_string *strings = index->strings;
    for (size_t i = 0; i < file->n_values; i++) {
        struct gguf_value *v = &file->values[i];
        v->key = keep_name(&at, &keys[i]);
        uint32_t *slot = name_slot(&index->values, v->key, file->values, sizeof *v);
        if (*slot != 0) {
            return fail_at(r, (uint64_t)((const uint8_t *)keys[i].data - file->base),
                           "key \"%s\" stands twice, allowed once. " DAMAGED, v->key);
        }
        *slot = (uint32_t)i + 1;
        if (v->element == GGUF_STRING) {
            fill_strings(v, &strings, file->size - (uint64_t)(v->data - file->base));
        }
    }
    for (size_t i = 0; i < file->n_tensors; i++) {
        struct gguf_tensor *t = &file->tensors[i];
        t->name = keep_name(&at, &names[i]);
        uint32_t *slot = name_slot(&index->tensors, t->name, file->tensors, sizeof *t);
        if (*slot != 0) {
            return fail_at(r, (uint64_t)((const uint8_t *)names[i].data - file->base),
                           "tensor \"%s\" stands twice, allowed once. " DAMAGED, t->name);
        }
        *slot = (uint32_t)i + 1;
    }
    return true;
}

/* Parses file->base .. size. keys and names are scratch that the caller frees. */
static bool parse(struct reader *r, struct gguf *file, struct gguf_string **keys,
                  struct gguf_string **names) {
    uint64_t n_tensors = 0, n_values = 0;
    if (!read_header(r, file, &n_tensors, &n_values)) return false;
    file->n_values = n_values;
    file->n_tensors = n_tensors;
    file->values = mem_new_array(n_values + 1, sizeof *file->values);
    file->tensors = mem_new_array(n_tensors + 1, sizeof *file->tensors);
    *keys = mem_new_array(n_values + 1, sizeof **keys);
    *names = mem_new_array(n_tensors + 1, sizeof **names);
    if (file->values == NULL || file->tensors == NULL || *keys == NULL || *names == NULL) {
        return out_of_memory(r, "the lists of keys and tensors");
    }
    for (size_t i = 0; i < n_values; i++) {
        if (!read_value(r, &file->values[i], &(*keys)[i])) return false;
    }
    for (size_t i = 0; i < n_tensors; i++) {
        if (!read_tensor(r, &file->tensors[i], &(*names)[i])) return false;
    }
    return find_alignment(r, file, *keys) && index_names(r, file, *keys, *names) &&
           place_tensors(r, file);
}

static bool parse_file(struct gguf *file, struct err *err) {
    const size_t length = strlen(file->path); /* the end of a long path tells more than its start */
    const char *path = length > MAX_SHOWN_PATH ? file->path + length - MAX_SHOWN_PATH : file->path;
    struct reader r = {.span = {.data = file->base, .size = file->size}, .path = path, .err = err};
    struct gguf_string *keys = NULL, *names = NULL;
    bool good = parse(&r, file, &keys, &names);
    mem_free(keys);
    mem_free(names);
    return good;
}

/* ---- opening ---- */

static bool read_whole(int fd, struct gguf *file, const volatile int *cancel, struct err *err) {
    uint8_t *buffer = mem_alloc_aligned(file->size, 64);
    file->base = buffer;
    if (buffer == NULL) {
        return err_set(err, ERR_ENVIRONMENT, "model: %s: out of memory for its %llu bytes",
                       file->path, (unsigned long long)file->size);
    }
    for (uint64_t done = 0; done < file->size;) {
        if (flag_is_set(cancel)) {
            return err_set(err, ERR_CANCELLED, "model: %s: reading was interrupted", file->path);
        }
        uint64_t left = file->size - done;
        ssize_t n = pread(fd, buffer + done, left < READ_STEP ? left : READ_STEP, (off_t)done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0)
            return err_set_errno(err, errno, "model: %s at byte %llu", file->path,
                                 (unsigned long long)done);
        if (n == 0) {
            return err_set(err, ERR_INPUT,
                           "model: %s: shrank to %llu bytes while it was read. Load it again",
                           file->path, (unsigned long long)done);
        }
        done += (uint64_t)n;
    }
    return true;
}

static bool load_bytes(int fd, struct gguf *file, const struct gguf_options *options,
                       struct err *err) {
    struct stat info;
    if (fstat(fd, &info) != 0) return err_set_errno(err, errno, "model: %s", file->path);
    if (!S_ISREG(info.st_mode)) {
        return err_set(err, ERR_INPUT, "model: %s: not a regular file. Name a GGUF file",
                       file->path);
    }
    file->size = (uint64_t)info.st_size;
    file->device = (uint64_t)info.st_dev;
    file->inode = (uint64_t)info.st_ino;
    file->mtime_ns = (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec;
    if (file->size == 0) return true; /* refused by the parser */
    if (!options->use_mmap) return read_whole(fd, file, options->cancel, err);
    void *map = mmap(NULL, file->size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED)
        return err_set_errno(err, errno, "model: %s: cannot be mapped", file->path);
    file->base = map;
    file->mapped = true;
    return true;
}

static struct gguf *file_new(const char *path, struct err *err) {
    struct gguf *file = mem_new(sizeof *file);
    if (file != NULL) file->path = mem_strdup(path);
    if (file == NULL || file->path == NULL) {
        err_set(err, ERR_ENVIRONMENT, "model: %s: out of memory", path);
        mem_free(file);
        return NULL;
    }
    return file;
}

struct gguf *gguf_open(const char *path, const struct gguf_options *options, struct err *err) {
    /* O_NONBLOCK: opening a FIFO must not wait for a writer. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        int error_number = errno;
        err_set_errno(err, error_number, "model: %s: cannot be opened", path);
        bool slip = error_number == ENOENT || error_number == ELOOP || error_number == ENOTDIR ||
                    error_number == ENAMETOOLONG;
        if (err != NULL && slip) err->code = ERR_INPUT;
        return NULL;
    }
    struct gguf *file = file_new(path, err);
    bool good = file != NULL && load_bytes(fd, file, options, err) && parse_file(file, err);
    close(fd);
    if (good) return file;
    gguf_close(file);
    return NULL;
}

struct gguf *gguf_open_memory(const void *bytes, uint64_t size, const char *name, struct err *err) {
    struct gguf *file = file_new(name, err);
    if (file == NULL) return NULL;
    file->base = bytes;
    file->size = size;
    file->borrowed = true;
    if (parse_file(file, err)) return file;
    gguf_close(file);
    return NULL;
}

void gguf_close(struct gguf *file) {
    if (file == NULL) return;
    if (file->mapped) {
        munmap((void *)(uintptr_t)file->base, file->size);
    } else if (!file->borrowed) {
        mem_free((void *)(uintptr_t)file->base);
    }
    struct gguf_index *index = file->index;
    if (index != NULL) {
        mem_free(index->names);
        mem_free(index->strings);
        mem_free(index->values.slots);
        mem_free(index->tensors.slots);
        mem_free(index);
    }
    mem_free(file->values);
    mem_free(file->tensors);
    mem_free(file->path);
    mem_free(file);
}

bool gguf_unchanged(const struct gguf *file) {
    struct stat info;
    if (file->borrowed) return true;
    return stat(file->path, &info) == 0 && (uint64_t)info.st_dev == file->device &&
           (uint64_t)info.st_ino == file->inode && (uint64_t)info.st_size == file->size &&
           (int64_t)info.st_mtim.tv_sec * 1000000000 + info.st_mtim.tv_nsec == file->mtime_ns;
}

/* ---- look-up ---- */

const struct gguf_tensor *gguf_tensor(const struct gguf *file, const char *name) {
    const struct gguf_index *index = file->index;
    uint32_t entry = *name_slot(&index->tensors, name, file->tensors, sizeof *file->tensors);
    return entry == 0 ? NULL : &file->tensors[entry - 1];
}

const struct gguf_value *gguf_value(const struct gguf *file, const char *key) {
    const struct gguf_index *index = file->index;
    uint32_t entry = *name_slot(&index->values, key, file->values, sizeof *file->values);
    return entry == 0 ? NULL : &file->values[entry - 1];
}

#define READ_AS(type)                                                                              \
    do {                                                                                           \
        type v_;                                                                                   \
        memcpy(&v_, value->data + i * sizeof v_, sizeof v_);                                       \
        return v_;                                                                                 \
    } while (0)

int64_t gguf_element_i64(const struct gguf_value *value, uint64_t i) {
    switch (value->element) {
    case GGUF_BOOL:
    case GGUF_U8:
        return value->data[i];
    case GGUF_I8:
        return (int8_t)value->data[i];
    case GGUF_U16:
        READ_AS(uint16_t);
    case GGUF_I16:
        READ_AS(int16_t);
    case GGUF_U32:
        READ_AS(uint32_t);
    case GGUF_I32:
        READ_AS(int32_t);
    case GGUF_I64:
        READ_AS(int64_t);
    case GGUF_U64: {
        uint64_t v;
        memcpy(&v, value->data + i * sizeof v, sizeof v);
        return v > INT64_MAX ? INT64_MAX : (int64_t)v;
    }
    default:
        return 0;
    }
}

double gguf_element_f64(const struct gguf_value *value, uint64_t i) {
    if (value->element == GGUF_F32) READ_AS(float);
    if (value->element == GGUF_F64) READ_AS(double);
    return (double)gguf_element_i64(value, i);
}

static bool is_integer(enum gguf_kind kind) {
    return kind <= GGUF_I32 || kind == GGUF_U64 || kind == GGUF_I64;
}

bool gguf_get_u64(const struct gguf *file, const char *key, uint64_t *out) {
    const struct gguf_value *v = gguf_value(file, key);
    if (v == NULL || !is_integer(v->kind)) return false;
    int64_t value = gguf_element_i64(v, 0);
    if (value < 0) return false;
    *out = (uint64_t)value;
    return true;
}

bool gguf_get_f64(const struct gguf *file, const char *key, double *out) {
    const struct gguf_value *v = gguf_value(file, key);
    if (v == NULL || !(is_integer(v->kind) || v->kind == GGUF_F32 || v->kind == GGUF_F64)) {
        return false;
    }
    *out = gguf_element_f64(v, 0);
    return true;
}

bool gguf_get_bool(const struct gguf *file, const char *key, bool *out) {
    const struct gguf_value *v = gguf_value(file, key);
    if (v == NULL || v->kind != GGUF_BOOL) return false;
    *out = v->data[0] != 0;
    return true;
}

bool gguf_get_string(const struct gguf *file, const char *key, struct gguf_string *out) {
    const struct gguf_value *v = gguf_value(file, key);
    if (v == NULL || v->kind != GGUF_STRING) return false;
    *out = v->strings[0];
    return true;
}
