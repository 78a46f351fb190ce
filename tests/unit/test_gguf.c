/* GGUF files as they should be and damaged in every way the format allows: rows G1 to G6. */
#include "base/alloc.h"
#include "engine/gguf.h"
#include "support/check.h"
#include "support/gguf_bytes.h"
#include "support/goldens.h"

#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "hostile.gguf"
enum { ANYWHERE = -1 };
static int n_malformed;

/* A copy of exactly this size, so that a sanitizer sees the first byte read behind it. */
static struct gguf *open_exact(const void *bytes, size_t size, void **copy, struct err *err) {
    *copy = malloc(size > 0 ? size : 1);
    if (size > 0) memcpy(*copy, bytes, size);
    return gguf_open_memory(*copy, size, NAME, err);
}

/* ---- what must hold of every refusal, and of every file that is accepted ---- */

static void check_message(const char *what, const struct err *err, size_t size, int64_t at) {
    const char *byte = strstr(err->message, " at byte ");
    uint64_t found = byte != NULL ? strtoull(byte + 9, NULL, 10) : UINT64_MAX;
    int fine = err->code == ERR_INPUT && strstr(err->message, NAME) != NULL && found <= size + 4096;
    fine = fine && (at == ANYWHERE || found == (uint64_t)at);
    fine = fine && strchr(err->message, '\n') == NULL;
    const char *steps[] = {"ownload it again", "Convert", "Name a GGUF"}; /* what to do next */
    int advised = 0;
    for (int i = 0; i < 3; i++)
        advised |= strstr(err->message, steps[i]) != NULL;
    if (!fine || !advised)
        fprintf(stderr, "%s (expected at byte %lld): %s\n", what, (long long)at, err->message);
    CHECK(fine);
    CHECK(advised);
}

static void check_refused(const char *what, const void *bytes, size_t size, int64_t at,
                          const char *text, const char *tensor) {
    struct err err = {0};
    void *copy = NULL;
    uint64_t before = mem_thread_stats().bytes;
    struct gguf *file = open_exact(bytes, size, &copy, &err);
    uint64_t asked = mem_thread_stats().bytes - before;
    if (file != NULL) fprintf(stderr, "accepted: %s\n", what);
    CHECK(file == NULL);
    if (file == NULL) {
        check_message(what, &err, size, at);
        if (strstr(err.message, text) == NULL) fprintf(stderr, "%s:\n", what);
        CHECK_CONTAINS(err.message, text);
        if (tensor != NULL) CHECK_CONTAINS(err.message, tensor);
        CHECK(asked < 100000); /* refused from arithmetic, before large requests */
    }
    gguf_close(file);
    free(copy);
    n_malformed++;
}

static int inside(const struct gguf *file, const void *data, uint64_t size) {
    const uint8_t *start = data;
    return start >= file->base && size <= file->size &&
           (uint64_t)(start - file->base) <= file->size - size;
}

/* The promise of gguf.h, checked the long way. */
static int sane(const struct gguf *file) {
    int fine = 1;
    volatile uint8_t sink = 0;
    for (size_t i = 0; i < file->n_values; i++) {
        const struct gguf_value *v = &file->values[i];
        fine &= gguf_value(file, v->key) == v;
        fine &= v->element != GGUF_ARRAY && v->element < GGUF_KIND_COUNT;
        for (uint64_t j = 0; j < v->count && v->element == GGUF_STRING; j++) {
            fine &= inside(file, v->strings[j].data, v->strings[j].size);
        }
        if (v->element != GGUF_STRING && v->count > 0) {
            sink = sink ^ (uint8_t)gguf_element_i64(v, v->count - 1);
            sink = sink ^ (uint8_t)(gguf_element_f64(v, 0) > 0);
        }
    }
    for (size_t i = 0; i < file->n_tensors; i++) {
        const struct gguf_tensor *t = &file->tensors[i];
        fine &= gguf_tensor(file, t->name) == t;
        fine &= t->bytes > 0 && inside(file, t->data, t->bytes);
        fine &= t->n_dims >= 1 && t->n_dims <= 4 && t->offset % file->alignment == 0;
        if (fine) sink = sink ^ t->data[0] ^ t->data[t->bytes - 1];
        for (int d = 0; d < 4; d++)
            fine &= t->dims[d] >= 1;
        for (size_t j = 0; j < i; j++) {
            const struct gguf_tensor *o = &file->tensors[j];
            fine &= o->offset + o->bytes <= t->offset || t->offset + t->bytes <= o->offset;
        }
    }
    return fine;
}

/* Accepted and sane, or refused with a good message; anything else is caught by the sanitizers. */
static int check_either(const char *what, const void *bytes, size_t size) {
    struct err err = {0};
    struct gguf *file = gguf_open_memory(bytes, size, NAME, &err);
    int accepted = file != NULL;
    if (accepted) {
        CHECK(sane(file));
    } else {
        check_message(what, &err, size, ANYWHERE);
    }
    gguf_close(file);
    return accepted;
}

/* ---- healthy files ---- */

static void check_healthy(void) {
    static const uint32_t alignments[] = {0, 8, 16, 32, 64, 512, 4096};
    struct gguf_bytes g = {0};
    for (size_t i = 0; i < sizeof alignments / sizeof *alignments; i++) {
        gguf_bytes_make(&g, alignments[i]);
        struct err err = {0};
        struct gguf *file = gguf_open_memory(g.b.data, g.b.size, NAME, &err);
        CHECK_STR(err.message, "");
        if (file == NULL) continue;
        CHECK(sane(file));
        CHECK_INT(file->version, 3);
        CHECK_INT(file->alignment, alignments[i] > 0 ? alignments[i] : 32);
        CHECK_INT(file->data_offset, g.at[DATA]);
        CHECK_INT(file->n_tensors, 3);
        const struct gguf_tensor *b = gguf_tensor(file, "b.weight");
        CHECK(b != NULL && b->type == TENSOR_Q4_0 && b->n_dims == 1 && b->bytes == 18);
        CHECK(b != NULL && b->dims[0] == 32 && b->dims[1] == 1 && b->dims[3] == 1);
        CHECK(gguf_tensor(file, "b.weigh") == NULL && gguf_tensor(file, "") == NULL);
        CHECK(gguf_unchanged(file));
        gguf_close(file);
    }
    gguf_bytes_make(&g, 32);
    uint32_t two = 2; /* version 2 has the same layout */
    gguf_bytes_set(&g, g.at[VERSION], &two, 4);
    CHECK(check_either("version 2", g.b.data, g.b.size));
    gguf_bytes_make(&g, 32); /* tensors out of order, and bytes behind the last one */
    uint64_t first = 64, last = 0;
    gguf_bytes_set(&g, g.at[A_OFFSET], &first, 8);
    gguf_bytes_set(&g, g.at[C_OFFSET], &last, 8);
    tiny_put(&g.b, g.b.data, 40);
    CHECK(check_either("reordered", g.b.data, g.b.size));
    gguf_bytes_make(&g, 32);
    gguf_bytes_set(&g, g.at[ARRAY_COUNT], &last, 8); /* an empty array; its data become a key */
    CHECK(!check_either("empty array", g.b.data, g.b.size));
    gguf_bytes_free(&g);
}

static void check_typed_access(void) {
    struct tiny_bytes b = {0};
    const float f = -2.5f;
    const double d = 1e100;
    const uint64_t large = UINT64_MAX;
    tiny_put(&b, "GGUF", 4), tiny_u32(&b, 3), tiny_u64(&b, 0), tiny_u64(&b, 13);
    tiny_text(&b, "u8"), tiny_u32(&b, GGUF_U8), tiny_put(&b, "\xff", 1);
    tiny_text(&b, "i8"), tiny_u32(&b, GGUF_I8), tiny_put(&b, "\xff", 1);
    tiny_text(&b, "u16"), tiny_u32(&b, GGUF_U16), tiny_put(&b, "\xfe\xff", 2);
    tiny_text(&b, "i16"), tiny_u32(&b, GGUF_I16), tiny_put(&b, "\xfe\xff", 2);
    tiny_text(&b, "u32"), tiny_u32(&b, GGUF_U32), tiny_u32(&b, 0xfffffffdu);
    tiny_text(&b, "i32"), tiny_u32(&b, GGUF_I32), tiny_u32(&b, 0xfffffffdu);
    tiny_text(&b, "f32"), tiny_u32(&b, GGUF_F32), tiny_put(&b, &f, 4);
    tiny_text(&b, "yes"), tiny_u32(&b, GGUF_BOOL), tiny_put(&b, "\x02", 1);
    tiny_text(&b, "text"), tiny_u32(&b, GGUF_STRING), tiny_u64(&b, 3), tiny_put(&b, "a\0b", 3);
    tiny_text(&b, "u64"), tiny_u32(&b, GGUF_U64), tiny_u64(&b, 1ull << 40);
    tiny_text(&b, "i64"), tiny_u32(&b, GGUF_I64), tiny_u64(&b, large);
    tiny_text(&b, "f64"), tiny_u32(&b, GGUF_F64), tiny_put(&b, &d, 8);
    tiny_text(&b, "list"), tiny_u32(&b, GGUF_ARRAY), tiny_u32(&b, GGUF_I16), tiny_u64(&b, 2);
    tiny_put(&b, "\x01\x00\xff\xff", 4);
    struct err err = {0};
    struct gguf *file = gguf_open_memory(b.data, b.size, NAME, &err);
    CHECK_STR(err.message, "");
    if (file == NULL) return;
    uint64_t u = 77;
    double x = 0;
    bool yes = false;
    struct gguf_string s = {0};
    CHECK(gguf_get_u64(file, "u8", &u) && u == 255);
    CHECK(gguf_get_u64(file, "u16", &u) && u == 65534);
    CHECK(gguf_get_u64(file, "u32", &u) && u == 4294967293u);
    CHECK(gguf_get_u64(file, "u64", &u) && u == 1ull << 40);
    u = 77;
    CHECK(!gguf_get_u64(file, "i8", &u) && !gguf_get_u64(file, "i64", &u)); /* negative */
    CHECK(!gguf_get_u64(file, "f32", &u) && !gguf_get_u64(file, "yes", &u));
    CHECK(!gguf_get_u64(file, "list", &u) && !gguf_get_u64(file, "none", &u));
    CHECK_INT(u, 77); /* untouched */
    CHECK(gguf_get_f64(file, "i8", &x) && x == -1);
    CHECK(gguf_get_f64(file, "i16", &x) && x == -2);
    CHECK(gguf_get_f64(file, "i32", &x) && x == -3);
    CHECK(gguf_get_f64(file, "f32", &x) && x == -2.5);
    CHECK(gguf_get_f64(file, "f64", &x) && x == 1e100);
    CHECK(!gguf_get_f64(file, "text", &x) && !gguf_get_f64(file, "list", &x));
    CHECK(gguf_get_bool(file, "yes", &yes) && yes);
    CHECK(!gguf_get_bool(file, "u8", &yes));
    CHECK(gguf_get_string(file, "text", &s) && s.size == 3 && memcmp(s.data, "a\0b", 3) == 0);
    CHECK(!gguf_get_string(file, "u8", &s));
    const struct gguf_value *list = gguf_value(file, "list");
    CHECK(list != NULL && list->kind == GGUF_ARRAY && list->count == 2);
    CHECK(list != NULL && gguf_element_i64(list, 1) == -1 && gguf_element_f64(list, 0) == 1);
    CHECK_STR(gguf_kind_name(GGUF_ARRAY), "array");
    CHECK_STR(gguf_kind_name((enum gguf_kind)99), "unknown");
    gguf_close(file);
    free(b.data);
}

/* ---- one field damaged at a time ---- */

struct patch {
    enum place place;
    int width; /* bytes written, little-endian */
    uint64_t value;
    const char *text;   /* in the message */
    const char *tensor; /* in the message, or NULL */
    enum place seen;    /* where the message puts it; N_PLACES: anywhere */
};
#define ANY N_PLACES
#define MAX64 UINT64_MAX
#define HALF64 (1ull << 63)

static const struct patch patches[] = {
    {MAGIC, 4, 0x4c4d4747, "47 47 4d 4c", NULL, MAGIC},
    {MAGIC, 4, 0, "00 00 00 00", NULL, MAGIC},
    {MAGIC, 4, 0x46554747 ^ 1, "GGUF", NULL, MAGIC},
    {VERSION, 4, 0, "version 0", NULL, VERSION},
    {VERSION, 4, 1, "version 1", NULL, VERSION},
    {VERSION, 4, 4, "version 4", NULL, VERSION},
    {VERSION, 4, 0x03000000, "big-endian", NULL, VERSION},
    {VERSION, 4, 0x02000000, "big-endian", NULL, VERSION},
    {VERSION, 4, 0xffffffff, "version 4294967295", NULL, VERSION},
    {N_TENSORS, 8, 65537, "65537 tensors", NULL, N_TENSORS},
    {N_TENSORS, 8, 1000, "ends inside the 1000 tensors", NULL, ANY},
    {N_TENSORS, 8, 1ull << 32, "tensors, allowed", NULL, N_TENSORS},
    {N_TENSORS, 8, HALF64, "tensors, allowed", NULL, N_TENSORS},
    {N_TENSORS, 8, MAX64, "tensors, allowed", NULL, N_TENSORS},
    {N_TENSORS, 8, 4, "", NULL, ANY}, /* data read as a fourth one */
    {N_KEYS, 8, 4097, "4097 keys", NULL, N_KEYS},
    {N_KEYS, 8, 1000, "ends inside the 1000 keys", NULL, ANY},
    {N_KEYS, 8, 1ull << 32, "keys, allowed", NULL, N_KEYS},
    {N_KEYS, 8, HALF64, "keys, allowed", NULL, N_KEYS},
    {N_KEYS, 8, MAX64, "keys, allowed", NULL, N_KEYS},
    {N_KEYS, 8, 0, "dimensions", "general.architecture", ARCH_KIND}, /* keys read as tensors */
    {N_KEYS, 8, 4, "", NULL, ANY},
    {N_KEYS, 8, 6, "", NULL, ANY},
    {ARCH_LENGTH, 8, 0, "a key is empty", NULL, ARCH_LENGTH},
    {ARCH_LENGTH, 8, 257, "length of a key is 257, allowed 0..256", NULL, ARCH_LENGTH},
    {ARCH_LENGTH, 8, 1ull << 32, "length of a key", NULL, ARCH_LENGTH},
    {ARCH_LENGTH, 8, HALF64, "length of a key", NULL, ARCH_LENGTH},
    {ARCH_LENGTH, 8, MAX64, "18446744073709551615", NULL, ARCH_LENGTH},
    {ARCH_LENGTH, 8, MAX64 - 7, "length of a key", NULL, ARCH_LENGTH},
    {ARCH_KIND, 4, 13, "kind of a value is 13, allowed 0..12", NULL, ARCH_KIND},
    {ARCH_KIND, 4, 255, "kind of a value is 255", NULL, ARCH_KIND},
    {ARCH_KIND, 4, 0x80000000, "kind of a value", NULL, ARCH_KIND},
    {ARCH_KIND, 4, 0xffffffff, "kind of a value", NULL, ARCH_KIND},
    {ARCH_TEXT, 8, (16u << 20) + 1, "allowed 0..16777216", NULL, ARCH_TEXT},
    {ARCH_TEXT, 8, 16u << 20, "the file ends inside", NULL, ANY},
    {ARCH_TEXT, 8, HALF64, "length of a string", NULL, ARCH_TEXT},
    {ARCH_TEXT, 8, MAX64, "length of a string", NULL, ARCH_TEXT},
    {ARCH_TEXT, 8, MAX64 - 8, "length of a string", NULL, ARCH_TEXT},
    {ARCH_TEXT, 8, 600, "the file ends inside", NULL, ANY},
    {ALIGN_VALUE, 4, 0, "is 0, allowed powers of two", NULL, ALIGN_VALUE},
    {ALIGN_VALUE, 4, 1, "is 1, allowed", NULL, ALIGN_VALUE},
    {ALIGN_VALUE, 4, 3, "is 3, allowed", NULL, ALIGN_VALUE},
    {ALIGN_VALUE, 4, 4, "is 4, allowed", NULL, ALIGN_VALUE},
    {ALIGN_VALUE, 4, 12, "is 12, allowed", NULL, ALIGN_VALUE},
    {ALIGN_VALUE, 4, 33, "is 33, allowed", NULL, ALIGN_VALUE},
    {ALIGN_VALUE, 4, 4097, "is 4097, allowed", NULL, ALIGN_VALUE},
    {ALIGN_VALUE, 4, 8192, "is 8192, allowed", NULL, ALIGN_VALUE},
    {ALIGN_VALUE, 4, 0x80000000, "is 2147483648, allowed", NULL, ALIGN_VALUE},
    {ALIGN_VALUE, 4, 0xffffffff, "is 4294967295, allowed", NULL, ALIGN_VALUE},
    {ALIGN_VALUE, 4, 64, "multiples of 64", "b.weight", ANY},
    {ALIGN_VALUE, 4, 4096, "", NULL, ANY},
    {ALIGN_KIND, 4, GGUF_I32, "is i32, u32 is required", NULL, ALIGN_VALUE},
    {ALIGN_KIND, 4, GGUF_F32, "is f32, u32 is required", NULL, ALIGN_VALUE},
    {ALIGN_KIND, 4, GGUF_ARRAY, "", NULL, ANY},
    {ALIGN_KIND, 4, GGUF_U64, "", NULL, ANY},
    {BYTE_KIND, 4, GGUF_U64, "", NULL, ANY}, /* eats 7 bytes of the next key */
    {BYTE_KIND, 4, GGUF_STRING, "", NULL, ANY},
    {BYTE_KIND, 4, 77, "key \"k.u8\"", NULL, BYTE_KIND},
    {BYTE_KEY, 8, 3, "", NULL, ANY},
    {ARRAY_ELEMENT, 4, GGUF_ARRAY, "arrays of arrays", NULL, ARRAY_ELEMENT},
    {ARRAY_ELEMENT, 4, 13, "element kind of an array is 13", NULL, ARRAY_ELEMENT},
    {ARRAY_ELEMENT, 4, 0xffffffff, "element kind", NULL, ARRAY_ELEMENT},
    {ARRAY_ELEMENT, 4, GGUF_STRING, "length of a string", NULL, ANY},
    {ARRAY_ELEMENT, 4, GGUF_F64, "", NULL, ANY},
    {ARRAY_COUNT, 8, (1u << 21) + 1, "an array of 2097153 elements", NULL, ARRAY_COUNT},
    {ARRAY_COUNT, 8, 1000000, "ends inside the 1000000 elements", NULL, ANY},
    {ARRAY_COUNT, 8, 1ull << 32, "allowed 0..2097152", NULL, ARRAY_COUNT},
    {ARRAY_COUNT, 8, 1ull << 61, "an array of", NULL, ARRAY_COUNT},
    {ARRAY_COUNT, 8, 1ull << 62, "an array of", NULL, ARRAY_COUNT},
    {ARRAY_COUNT, 8, HALF64, "k.numbers", NULL, ARRAY_COUNT},
    {ARRAY_COUNT, 8, MAX64, "k.numbers", NULL, ARRAY_COUNT},
    {ARRAY_COUNT, 8, MAX64 / 4 + 2, "k.numbers", NULL, ARRAY_COUNT},
    {TEXTS_ELEMENT, 4, GGUF_ARRAY, "arrays of arrays", NULL, TEXTS_ELEMENT},
    {TEXTS_COUNT, 8, 1000, "ends inside the 1000 elements", NULL, ANY},
    {TEXTS_COUNT, 8, 1ull << 61, "k.texts", NULL, TEXTS_COUNT},
    {TEXTS_COUNT, 8, MAX64, "k.texts", NULL, TEXTS_COUNT},
    {TEXTS_COUNT, 8, 3, "", NULL, ANY},
    {TEXTS_COUNT, 8, 1, "", NULL, ANY},
    {TEXTS_FIRST, 8, MAX64, "length of a string", NULL, TEXTS_FIRST},
    {TEXTS_FIRST, 8, HALF64, "length of a string", NULL, TEXTS_FIRST},
    {TEXTS_FIRST, 8, 1000, "the file ends inside", NULL, ANY},
    {TEXTS_SECOND, 8, MAX64 - 15, "length of a string", NULL, TEXTS_SECOND},
    {A_NAME, 8, 0, "name is empty", NULL, A_NAME},
    {A_NAME, 8, 65, "length of a tensor's name is 65, allowed 0..64", NULL, A_NAME},
    {A_NAME, 8, HALF64, "length of a tensor's name", NULL, A_NAME},
    {A_NAME, 8, MAX64, "length of a tensor's name", NULL, A_NAME},
    {A_NAME, 8, 2, "", NULL, ANY},
    {A_DIMS, 4, 0, "0 dimensions, allowed 1..4", "\"a\"", A_DIMS},
    {A_DIMS, 4, 5, "5 dimensions", "\"a\"", A_DIMS},
    {A_DIMS, 4, 0x80000000, "dimensions", "\"a\"", A_DIMS},
    {A_DIMS, 4, 0xffffffff, "dimensions", "\"a\"", A_DIMS},
    {A_DIMS, 4, 1, "", NULL, ANY},
    {A_DIM0, 8, 0, "dimension 0 is 0, allowed 1..2^40", "\"a\"", A_DIM0},
    {A_DIM0, 8, (1ull << 40) + 1, "dimension 0 is 1099511627777", "\"a\"", A_DIM0},
    {A_DIM0, 8, HALF64, "dimension 0", "\"a\"", A_DIM0},
    {A_DIM0, 8, MAX64, "dimension 0", "\"a\"", A_DIM0},
    {A_DIM0, 8, 1ull << 40, "needs", "\"a\"", ANY},
    {A_DIM1, 8, 0, "dimension 1 is 0", "\"a\"", A_DIM1},
    {A_DIM1, 8, MAX64, "dimension 1", "\"a\"", A_DIM1},
    {A_DIM1, 8, 3, "overlaps tensor \"a\"", "b.weight", ANY},
    {A_TYPE, 4, 4, "type 4 (Q4_2) is not supported by this build; supported: F32", "\"a\"", A_TYPE},
    {A_TYPE, 4, 9, "type 9 (Q8_1)", "\"a\"", A_TYPE},
    {A_TYPE, 4, 15, "type 15 (Q8_K)", "\"a\"", A_TYPE},
    {A_TYPE, 4, 16, "type 16 (IQ2_XXS)", "\"a\"", A_TYPE},
    {A_TYPE, 4, 24, "type 24 (I8)", "\"a\"", A_TYPE},
    {A_TYPE, 4, 31, "type 31 (Q4_0_4_4)", "\"a\"", A_TYPE},
    {A_TYPE, 4, 39, "type 39 (MXFP4)", "\"a\"", A_TYPE},
    {A_TYPE, 4, 40, "type 40 (unknown)", "\"a\"", A_TYPE},
    {A_TYPE, 4, 0x7fffffff, "not supported", "\"a\"", A_TYPE},
    {A_TYPE, 4, 0xffffffff, "type 4294967295 (unknown)", "\"a\"", A_TYPE},
    {A_TYPE, 4, 2, "rows of 4 values, allowed multiples of 32 for Q4_0", "\"a\"", A_TYPE},
    {A_TYPE, 4, 12, "multiples of 256 for Q4_K", "\"a\"", A_TYPE},
    {B_DIM0, 8, 31, "rows of 31 values", "b.weight", B_TYPE},
    {B_DIM0, 8, 33, "rows of 33 values", "b.weight", B_TYPE},
    {B_DIM0, 8, 16, "rows of 16 values", "b.weight", B_TYPE},
    {B_DIM0, 8, 64, "\"c\" overlaps tensor \"b.weight\"", "b.weight", ANY},
    {B_DIM0, 8, 32ull << 30, "needs", "b.weight", ANY},
    {B_TYPE, 4, 14, "multiples of 256 for Q6_K", "b.weight", B_TYPE},
    {A_OFFSET, 8, 1, "offset 1, allowed multiples of 32", "\"a\"", ANY},
    {A_OFFSET, 8, 8, "offset 8", "\"a\"", ANY},
    {A_OFFSET, 8, 31, "offset 31", "\"a\"", ANY},
    {A_OFFSET, 8, MAX64, "offset 18446744073709551615", "\"a\"", ANY},
    {A_OFFSET, 8, MAX64 - 31, "the file ends before", "\"a\"", ANY}, /* + data offset wraps */
    {A_OFFSET, 8, MAX64 - 1023, "the file ends before", "\"a\"", ANY},
    {A_OFFSET, 8, HALF64, "the file ends before", "\"a\"", ANY},
    {A_OFFSET, 8, 1ull << 20, "cut short", "\"a\"", ANY},
    {A_OFFSET, 8, 32, "overlaps", "\"a\"", ANY},
    {B_OFFSET, 8, 0, "overlaps", "b.weight", ANY},
    {B_OFFSET, 8, 64, "the file ends before", "b.weight", ANY},
    {B_OFFSET, 8, 96, "the file ends before", "b.weight", ANY},
    {C_OFFSET, 8, 0, "overlaps", "\"c\"", ANY},
    {C_OFFSET, 8, 32, "overlaps", "\"c\"", ANY},
    {C_OFFSET, 8, 96, "the file ends before", "\"c\"", ANY},
    {C_DIM0, 8, 9, "the file ends before", "\"c\"", ANY},
    {C_TYPE, 4, 0, "the file ends before", "\"c\"", ANY}, /* F32: 32 bytes of 16 */
};

static void check_patches(void) {
    struct gguf_bytes g = {0};
    for (size_t i = 0; i < sizeof patches / sizeof *patches; i++) {
        const struct patch *p = &patches[i];
        char what[64];
        gguf_bytes_make(&g, 32);
        gguf_bytes_set(&g, g.at[p->place], &p->value, (size_t)p->width);
        snprintf(what, sizeof what, "patch %zu, place %d = %llx", i, (int)p->place,
                 (unsigned long long)p->value);
        check_refused(what, g.b.data, g.b.size, p->seen == ANY ? ANYWHERE : (int64_t)g.at[p->seen],
                      p->text, p->tensor);
    }
    gguf_bytes_free(&g);
}

static void check_names(void) {
    struct gguf_bytes g = {0};
    gguf_bytes_make(&g, 32);
    gguf_bytes_set(&g, g.at[C_NAME] + 8, "a", 1);
    check_refused("tensor twice", g.b.data, g.b.size, (int64_t)g.at[C_NAME] + 8,
                  "tensor \"a\" stands twice", NULL);
    gguf_bytes_make(&g, 32);
    gguf_bytes_set(&g, g.at[C_NAME] + 8, "", 1);
    check_refused("zero byte in a name", g.b.data, g.b.size, (int64_t)g.at[C_NAME], "zero byte",
                  NULL);
    gguf_bytes_make(&g, 32);
    gguf_bytes_set(&g, g.at[ARCH_LENGTH] + 10, "", 1);
    check_refused("zero byte in a key", g.b.data, g.b.size, (int64_t)g.at[ARCH_LENGTH], "zero byte",
                  NULL);
    gguf_bytes_make(&g, 32); /* a terminal escape and a quote in a name come out harmless */
    gguf_bytes_set(&g, g.at[B_NAME] + 8, "\x1b[2J\"\n\r", 7);
    gguf_bytes_set(&g, g.at[B_TYPE], "\x09", 1);
    check_refused("escape in a name", g.b.data, g.b.size, (int64_t)g.at[B_TYPE], "?[2J", NULL);
    gguf_bytes_free(&g);

    struct tiny_bytes b = {0};
    tiny_put(&b, "GGUF", 4), tiny_u32(&b, 3), tiny_u64(&b, 0), tiny_u64(&b, 2);
    tiny_text(&b, "general.name"), tiny_u32(&b, 4), tiny_u32(&b, 1);
    size_t second = b.size + 8;
    tiny_text(&b, "general.name"), tiny_u32(&b, 4), tiny_u32(&b, 2);
    check_refused("key twice", b.data, b.size, (int64_t)second, "key \"general.name\" stands twice",
                  NULL);
    free(b.data);
}

/* Shapes whose size passes 64 bits in every order of multiplication. */
static void check_large_shapes(void) {
    static const struct {
        uint32_t type, n_dims;
        uint64_t dims[4];
        const char *text;
    } shapes[] = {
        {0, 2, {1ull << 40, 1ull << 40}, "2^63"},
        {0, 4, {1 << 20, 1 << 20, 1 << 20, 1 << 20}, "2^63"},
        {0, 4, {1ull << 40, 1ull << 40, 1ull << 40, 1ull << 40}, "2^63"},
        {0, 2, {1ull << 32, 1ull << 30}, "needs 18446744073709551615"}, /* 2^64 bytes: see below */
        {0, 2, {1ull << 40, 1ull << 22}, "2^63"},
        {1, 3, {1ull << 31, 1ull << 31, 2}, "2^63"},
        {1, 2, {1ull << 40, 1ull << 22}, "needs"},
        {2, 2, {32ull << 30, 1ull << 30}, "2^63"},
        {12, 3, {256, 1ull << 40, 1ull << 20}, "2^63"},
        {8, 4, {32, 1ull << 30, 1ull << 30, 3}, "2^63"},
        {0, 4, {1, 1, 1, 1ull << 40}, "needs"},
        {14, 1, {1ull << 40}, "needs"},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct tiny_bytes b = {0};
        tiny_put(&b, "GGUF", 4), tiny_u32(&b, 3), tiny_u64(&b, 1), tiny_u64(&b, 0);
        tiny_text(&b, "big"), tiny_u32(&b, shapes[i].n_dims);
        for (uint32_t d = 0; d < shapes[i].n_dims; d++)
            tiny_u64(&b, shapes[i].dims[d]);
        tiny_u32(&b, shapes[i].type), tiny_u64(&b, 0);
        while (b.size < 512)
            tiny_put(&b, "", 1);
        const char *text = i == 3 ? "2^63" : shapes[i].text;
        char what[32];
        snprintf(what, sizeof what, "shape %zu", i);
        check_refused(what, b.data, b.size, ANYWHERE, text, "\"big\"");
        free(b.data);
    }
}

/* The alignment under other kinds, whole files each. */
static void check_alignment_kinds(void) {
    static const uint32_t kinds[] = {GGUF_U8,  GGUF_U16,    GGUF_U64,  GGUF_I64,
                                     GGUF_F64, GGUF_STRING, GGUF_BOOL, GGUF_ARRAY};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct tiny_bytes b = {0};
        tiny_put(&b, "GGUF", 4), tiny_u32(&b, 3), tiny_u64(&b, 0), tiny_u64(&b, 1);
        tiny_text(&b, "general.alignment"), tiny_u32(&b, kinds[i]);
        if (kinds[i] == GGUF_ARRAY) tiny_u32(&b, GGUF_U32), tiny_u64(&b, 1);
        if (kinds[i] == GGUF_STRING) {
            tiny_text(&b, "32");
        } else {
            tiny_u64(&b, 32);
        }
        check_refused(gguf_kind_name((enum gguf_kind)kinds[i]), b.data, b.size, ANYWHERE,
                      "u32 is required", NULL);
        free(b.data);
    }
}

/* ---- cut and flipped ---- */

static void check_cut_small(void) {
    struct gguf_bytes g = {0};
    gguf_bytes_make(&g, 32);
    for (size_t size = 0; size < g.b.size; size++) {
        char what[48];
        snprintf(what, sizeof what, "cut to %zu bytes", size);
        check_refused(what, g.b.data, size, ANYWHERE, "", NULL);
        n_malformed--; /* counted apart */
    }
    gguf_bytes_free(&g);
}

/* Every length of a real file. The message names the first byte that is missing. */
static void check_cut_fixture(void) {
    size_t size = 0;
    char *bytes = golden_file(STORIES_Q4_0, &size);
    CHECK(bytes != NULL);
    if (bytes == NULL) return;
    struct err err = {0};
    struct gguf *whole = gguf_open_memory(bytes, size, NAME, &err);
    CHECK(whole != NULL && sane(whole));
    size_t header = whole != NULL ? whole->data_offset : 0, accepted = 0, wrong = 0;
    gguf_close(whole);
    for (size_t length = 1; length < size; length++) {
        void *copy = bytes;
        int exact = length <= header && length % 7 == 0;
        struct gguf *file = exact ? open_exact(bytes, length, &copy, &err)
                                  : gguf_open_memory(bytes, length, NAME, &err);
        accepted += file != NULL;
        char place[48];
        snprintf(place, sizeof place, NAME " at byte %zu: ", length);
        wrong += file == NULL && (err.code != ERR_INPUT || strstr(err.message, place) == NULL);
        gguf_close(file);
        if (exact) free(copy);
    }
    CHECK_INT(accepted, 0);
    CHECK_INT(wrong, 0);
    printf("%zu lengths of the fixture refused\n", size - 1);
    free(bytes);
}

/* Every bit of the small file, and of the fixture's header. */
static void check_flips(void) {
    struct gguf_bytes g = {0};
    gguf_bytes_make(&g, 32);
    int accepted = 0;
    for (size_t bit = 0; bit < g.b.size * 8; bit++) {
        g.b.data[bit / 8] ^= (unsigned char)(1u << bit % 8);
        accepted += check_either("flip", g.b.data, g.b.size);
        g.b.data[bit / 8] ^= (unsigned char)(1u << bit % 8);
    }
    CHECK(accepted > 400); /* data, text */
    uint64_t state = 11;
    for (int round = 0; round < 4000; round++) { /* several bytes at once */
        gguf_bytes_make(&g, round % 2 ? 32 : 64);
        for (int i = 0; i <= round % 5; i++) {
            state = state * 6364136223846793005u + 1442695040888963407u;
            size_t at = (size_t)(state >> 33) % g.at[DATA];
            static const unsigned char odd[] = {0, 1, 0x7f, 0x80, 0xff};
            g.b.data[at] = round % 3 ? odd[state >> 20 & 3] : (unsigned char)(state >> 24);
        }
        check_either("bytes", g.b.data, g.b.size);
    }
    gguf_bytes_free(&g);

    size_t size = 0;
    char *bytes = golden_file(STORIES_Q4_0, &size);
    if (bytes == NULL) return;
    struct err err = {0};
    struct gguf *whole = gguf_open_memory(bytes, size, NAME, &err);
    size_t header = whole != NULL ? whole->data_offset : 0;
    gguf_close(whole);
    for (size_t bit = 0; bit < header * 8; bit++) {
        bytes[bit / 8] ^= (char)(1u << bit % 8);
        check_either("flip in the fixture", bytes, size);
        bytes[bit / 8] ^= (char)(1u << bit % 8);
    }
    free(bytes);
}

/* ---- paths ---- */

static void check_path(const char *path, const char *text) {
    for (int mapped = 0; mapped < 2; mapped++) {
        struct err err = {0};
        struct gguf_options options = {.use_mmap = mapped};
        CHECK(gguf_open(path, &options, &err) == NULL);
        CHECK_INT(err.code, ERR_INPUT);
        CHECK_CONTAINS(err.message, text);
        CHECK(strlen(path) > 200 || strstr(err.message, path) != NULL);
    }
    n_malformed++;
}

static void check_paths(void) {
    char folder[300], path[400], loop[400], text[PATH_MAX];
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/woolly-gguf-%ld", base != NULL ? base : "/tmp",
             (long)getpid());
    CHECK(mkdir(folder, 0755) == 0);
    check_path(folder, "not a regular file");
    check_path("/dev/zero", "not a regular file");
    check_path("/dev/null", "not a regular file");
    snprintf(path, sizeof path, "%s/fifo", folder);
    CHECK(mkfifo(path, 0600) == 0);
    check_path(path, "not a regular file"); /* and does not wait for a writer */
    unlink(path);
    snprintf(loop, sizeof loop, "%s/loop", folder);
    CHECK(symlink(loop, loop) == 0);
    check_path(loop, "cannot be opened");
    unlink(loop);
    snprintf(path, sizeof path, "%s/none.gguf", folder);
    check_path(path, "No such file");
    snprintf(path, sizeof path, "%s/empty.gguf", folder);
    FILE *file = fopen(path, "wb");
    CHECK(file != NULL && fclose(file) == 0);
    check_path(path, "the file is empty");
    snprintf(text, sizeof text, "%s/inside", path);
    check_path(text, "cannot be opened");
    memset(text, 'x', sizeof text - 1);
    text[0] = '/', text[sizeof text - 1] = '\0';
    check_path(text, "");

    struct gguf_bytes g = {0};
    gguf_bytes_make(&g, 32);
    file = fopen(path, "wb");
    CHECK(file != NULL && fwrite(g.b.data, 1, g.b.size, file) == g.b.size && fclose(file) == 0);
    for (int mapped = 0; mapped < 2; mapped++) {
        struct err err = {0};
        int cancel = 1;
        struct gguf_options options = {.use_mmap = mapped};
        struct gguf *open = gguf_open(path, &options, &err);
        CHECK_STR(err.message, "");
        CHECK(open != NULL && sane(open) && open->mapped == (mapped == 1) && gguf_unchanged(open));
        if (open == NULL) continue;
        CHECK(memcmp(open->base, g.b.data, g.b.size) == 0);
        CHECK_STR(open->path, path);
        CHECK(truncate(path, (off_t)g.b.size + 1) == 0);
        CHECK(!gguf_unchanged(open));
        gguf_close(open);
        CHECK(truncate(path, (off_t)g.b.size) == 0);
        options.cancel = &cancel;
        open = gguf_open(path, &options, &err);
        CHECK(mapped || (open == NULL && err.code == ERR_CANCELLED));
        gguf_close(open);
    }
    gguf_bytes_free(&g);
    unlink(path);
    CHECK(rmdir(folder) == 0);
}

/* Every request fails once: an error of the environment, no leak. */
static void check_short_memory(void) {
    struct gguf_bytes g = {0};
    gguf_bytes_make(&g, 32);
    struct gguf *file = NULL;
    for (uint64_t nth = 1; file == NULL && nth < 100; nth++) {
        struct err err = {0};
        mem_fail_at(nth, 0);
        file = gguf_open_memory(g.b.data, g.b.size, NAME, &err);
        mem_fail_at(0, 0);
        if (file != NULL) CHECK(nth > 8);
        if (file == NULL) CHECK_INT(err.code, ERR_ENVIRONMENT);
        if (file == NULL) CHECK_CONTAINS(err.message, "out of memory");
    }
    CHECK(file != NULL);
    gguf_close(file);
    gguf_bytes_free(&g);
}

int main(void) {
    int64_t live = mem_live_bytes();
    check_healthy();
    check_typed_access();
    check_patches();
    check_names();
    check_large_shapes();
    check_alignment_kinds();
    check_paths();
    printf("%d malformed files refused\n", n_malformed);
    CHECK(n_malformed >= 150);
    check_cut_small();
    check_cut_fixture();
    check_flips();
    check_short_memory();
    gguf_close(NULL);
    CHECK_INT(mem_live_bytes(), live);
    return check_done();
}
