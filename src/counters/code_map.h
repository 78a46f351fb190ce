/* code_map.h - which function of which file an instruction pointer lies in, for any own process. */
#ifndef WOOLLY_COUNTERS_CODE_MAP_H
#define WOOLLY_COUNTERS_CODE_MAP_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct code_map;

struct code_function {
    uint64_t begin, end;      /* addresses in the process */
    char name[96];            /* "" without a symbol: begin is then the address asked for */
    char object[64];          /* "libc.so.6", "[vdso]" */
};

/* Reads /proc/PID/maps (pid 0: this process). The symbol tables of ELF files are read when first
 * needed; every offset in them is checked. NULL and err. */
struct code_map *code_map_open(pid_t pid, struct err *err);
void code_map_close(struct code_map *map); /* NULL is fine */

/* The function at an address; without a symbol the rest of its mapping. False: nothing executable. */
bool code_map_find(struct code_map *map, uint64_t address, struct code_function *out);

struct code_place {
    char path[544];  /* of the file, through the process's own root */
    char object[64]; /* "libc.so.6" */
    uint64_t offset; /* of the function's first byte in the file */
};
/* Where a function lies in the file: of the first one mapped whose name begins so. False: it has none. */
bool code_map_locate(struct code_map *map, const char *object, const char *function, struct code_place *out);

/* Copies code of the process; returns the bytes that could be read. */
size_t code_map_read(const struct code_map *map, uint64_t address, uint8_t *out, size_t size);

#endif
