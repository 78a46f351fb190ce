/* faults.c - see faults.h. */
#include "server/faults.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define MOST_VALUE 3600000

static const struct entry {
    const char *name, *text;
    size_t offset;
    bool takes_value;
} entries[] = {
#define ENTRY(name, about) {#name, #name ": " about, offsetof(struct faults, name), false},
    FAULT_LIST(ENTRY)
#undef ENTRY
#define ENTRY(name, about) {#name, #name "=N: " about, offsetof(struct faults, name), true},
        FAULT_VALUES(ENTRY)
#undef ENTRY
};
enum { N_ENTRIES = sizeof entries / sizeof *entries };

const char *faults_describe(int i) {
    return i >= 0 && i < N_ENTRIES ? entries[i].text : NULL;
}

static bool read_one(const char *word, size_t size, struct faults *out, struct err *err) {
    const char *sign = memchr(word, '=', size);
    const size_t name = sign == NULL ? size : (size_t)(sign - word);
    for (int i = 0; i < N_ENTRIES; i++) {
        const struct entry *e = &entries[i];
        if (strlen(e->name) != name || memcmp(e->name, word, name) != 0) continue;
        if (e->takes_value != (sign != NULL)) {
            return err_set(err, ERR_INPUT, "faults: %s %s a value", e->name,
                           e->takes_value ? "needs" : "takes no");
        }
        if (!e->takes_value) {
            *(bool *)(void *)((char *)out + e->offset) = true;
            return true;
        }
        char digits[16] = {0}, *end = NULL;
        size_t n = size - name - 1;
        if (n > 0 && n < sizeof digits) memcpy(digits, sign + 1, n);
        errno = 0;
        long long value = strtoll(digits, &end, 10);
        if (digits[0] < '0' || digits[0] > '9' || *end != '\0' || errno != 0 ||
            value > MOST_VALUE) {
            return err_set(err, ERR_INPUT, "faults: %s=%.*s, allowed 0..%d", e->name,
                           (int)(n < 40 ? n : 40), sign + 1, MOST_VALUE);
        }
        *(int64_t *)(void *)((char *)out + e->offset) = value;
        return true;
    }
    return err_set(err, ERR_INPUT, "faults: \"%.*s\" is unknown; serve.lua --help lists them",
                   (int)(name < 40 ? name : 40), word);
}

bool faults_read(const char *text, struct faults *out, struct err *err) {
    *out = (struct faults){0};
    while (text != NULL && *text != '\0') {
        size_t size = strcspn(text, ",");
        if (size > 0 && !read_one(text, size, out, err)) return false;
        out->any = out->any || size > 0;
        text += size + (text[size] == ',');
    }
    return true;
}
