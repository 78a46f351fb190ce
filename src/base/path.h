/* path.h - file helpers whose failures read well: whole-file reads, atomic writes, folders. */
#ifndef WOOLLY_BASE_PATH_H
#define WOOLLY_BASE_PATH_H

#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

/* The whole regular file, with a NUL behind it that *size does not count; mem_free it. Files over
 * max_bytes, folders, FIFOs and devices are refused without reading them. */
char *path_read_file(const char *path, uint64_t max_bytes, size_t *size, struct err *err);
/* Writes a temporary file beside path, syncs, renames: readers see the old or the new content. */
bool path_write_file(const char *path, const void *data, size_t size, struct err *err);
/* mkdir -p. */
bool path_make_folders(const char *path, struct err *err);
bool path_exists(const char *path);
/* $XDG_CACHE_HOME/woolly-lua, else $HOME/.cache/woolly-lua, made when absent. */
bool path_cache_folder(char *out, size_t size, struct err *err);

#endif
