/* sha256.c - SHA-256 of a file by libcrypto, read in blocks. */
#include "base/sha256.h"

#include "base/alloc.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_BYTES (1u << 20)

static bool update_from(EVP_MD_CTX *digest, int fd, unsigned char *block, const char *path,
                        struct err *err) {
    for (;;) {
        ssize_t n = read(fd, block, BLOCK_BYTES);
        if (n == 0) return true;
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return err_set_errno(err, errno, "%s: cannot be read", path);
        if (EVP_DigestUpdate(digest, block, (size_t)n) != 1) {
            return err_set(err, ERR_BUG, "%s: SHA-256 failed", path);
        }
    }
}

static bool hash_open_file(int fd, const char *path, unsigned char out[32], struct err *err) {
    struct stat info;
    if (fstat(fd, &info) != 0) return err_set_errno(err, errno, "%s: cannot be read", path);
    if (!S_ISREG(info.st_mode)) return err_set(err, ERR_INPUT, "%s: is no regular file", path);
    unsigned char *block = mem_alloc(BLOCK_BYTES);
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    bool ok = false;
    if (block == NULL || digest == NULL || EVP_DigestInit_ex(digest, EVP_sha256(), NULL) != 1) {
        err_set(err, ERR_ENVIRONMENT, "%s: out of memory for its SHA-256", path);
    } else if (update_from(digest, fd, block, path, err)) {
        unsigned length = 0;
        ok = EVP_DigestFinal_ex(digest, out, &length) == 1 ||
             err_set(err, ERR_BUG, "%s: SHA-256 failed", path);
    }
    EVP_MD_CTX_free(digest);
    mem_free(block);
    return ok;
}

bool sha256_file(const char *path, char out[65], struct err *err) {
    static const char digits[] = "0123456789abcdef";
    unsigned char sum[32];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) return err_set_errno(err, errno, "%s: cannot be opened", path);
    bool ok = hash_open_file(fd, path, sum, err);
    close(fd);
    if (!ok) return false;
    for (int i = 0; i < 32; i++) {
        out[2 * i] = digits[sum[i] >> 4];
        out[2 * i + 1] = digits[sum[i] & 15];
    }
    out[64] = '\0';
    return true;
}
