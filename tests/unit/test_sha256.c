/* SHA-256 of files: the examples of FIPS 180-4, files around the block size, and what is no file.
 */
#include "support/check.h"

#include "base/alloc.h"
#include "base/path.h"
#include "base/sha256.h"

#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/woolly-sha256-XXXXXX";

static const char *in_folder(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void hashes_to(const char *bytes, size_t size, const char *expected) {
    struct err err;
    char digest[65];
    CHECK(path_write_file(in_folder("file"), bytes, size, &err));
    CHECK(sha256_file(in_folder("file"), digest, &err));
    CHECK_STR(digest, expected);
}

static void test_published_examples(void) {
    hashes_to("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    hashes_to("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    const char *two_blocks = "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
    hashes_to(two_blocks, strlen(two_blocks),
              "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    const char *four_blocks = "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmn"
                              "hijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu";
    hashes_to(four_blocks, strlen(four_blocks),
              "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
    char *million = malloc(1000000);
    memset(million, 'a', 1000000);
    hashes_to(million, 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(million);
}

/* Longer than one read: 3 MiB of zeros, and one byte more or less. */
static void test_several_blocks(void) {
    size_t size = 3u << 20;
    char *zeros = calloc(1, size + 1);
    hashes_to(zeros, 1u << 20, "30e14955ebf1352266dc2ff8067e68104607e750abb9d3b36582b8af909fcb58");
    struct err err;
    char less[65], equal[65], more[65];
    CHECK(path_write_file(in_folder("a"), zeros, size - 1, &err));
    CHECK(path_write_file(in_folder("b"), zeros, size, &err));
    CHECK(path_write_file(in_folder("c"), zeros, size + 1, &err));
    CHECK(sha256_file(in_folder("a"), less, &err));
    CHECK(sha256_file(in_folder("b"), equal, &err));
    CHECK(sha256_file(in_folder("c"), more, &err));
    CHECK(strcmp(less, equal) != 0 && strcmp(equal, more) != 0);
    free(zeros);
}

static void test_what_is_no_regular_file(void) {
    struct err err;
    char digest[65];
    CHECK(!sha256_file(in_folder("absent"), digest, &err));
    CHECK_INT(err.code, ERR_ENVIRONMENT);
    CHECK_CONTAINS(err.message, "absent: cannot be opened: No such file");
    CHECK(!sha256_file(folder, digest, &err));
    CHECK_CONTAINS(err.message, "is no regular file");
    CHECK_INT(mkfifo(in_folder("fifo"), 0600), 0);
    CHECK(!sha256_file(in_folder("fifo"), digest, &err)); /* and does not wait for a writer */
    CHECK_CONTAINS(err.message, "is no regular file");
    CHECK(!sha256_file("/dev/zero", digest, &err));
    CHECK_CONTAINS(err.message, "is no regular file");
}

static void test_short_memory(void) {
    struct err err;
    char digest[65];
    int64_t before = mem_live_bytes();
    mem_fail_at(1, 1);
    CHECK(!sha256_file(in_folder("a"), digest, &err));
    mem_fail_at(0, 0);
    CHECK_INT(err.code, ERR_ENVIRONMENT);
    CHECK_CONTAINS(err.message, "out of memory");
    CHECK_INT(mem_live_bytes(), before);
}

int main(void) {
    if (mkdtemp(folder) == NULL) check_skip("no folder can be made in /tmp");
    test_published_examples();
    test_several_blocks();
    test_what_is_no_regular_file();
    test_short_memory();
    static const char *const made[] = {"file", "a", "b", "c", "fifo"};
    for (size_t i = 0; i < sizeof made / sizeof *made; i++)
        unlink(in_folder(made[i]));
    CHECK_INT(rmdir(folder), 0);
    return check_done();
}
