/* proc_file.h - short reads of /proc and /sys without any heap request. */
#ifndef WOOLLY_COUNTERS_PROC_FILE_H
#define WOOLLY_COUNTERS_PROC_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The file's first size-1 bytes as text. False, and an empty text, when it cannot be read. */
bool proc_read(const char *path, char *out, size_t size);
/* The same without the blanks and line ends behind it. */
bool proc_read_line(const char *path, char *out, size_t size);
/* The number behind "\nKEY:" in such a text (KEY without the colon), or -1. */
int64_t proc_field(const char *text, const char *key);

#endif
