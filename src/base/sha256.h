/* sha256.h - the hash that names a model file. libcrypto does the work. */
#ifndef WOOLLY_BASE_SHA256_H
#define WOOLLY_BASE_SHA256_H

#include "base/err.h"

/* Hex digest of a regular file into out[65]. About 1.5 GB/s with SHA-NI. */
bool sha256_file(const char *path, char out[65], struct err *err);

#endif
