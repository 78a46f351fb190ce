/* code_map.c - see code_map.h. */
#include "counters/code_map.h"

#include "base/alloc.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct symbol {
    uint64_t begin, end; /* as in the file; end 0: up to the next */
    const char *name;
};

struct object {
    char path[512];
    bool is_read; /* tried; without symbols there are none */
    const uint8_t *bytes;
    size_t n_bytes;
    struct symbol *symbols; /* sorted */
    size_t n_symbols;
};

struct mapping {
    uint64_t begin, end, offset;
    int object;
};

struct code_map {
    pid_t pid;
    int n_mappings, n_objects, most_mappings, most_objects;
    struct mapping *mappings; /* sorted, as the kernel writes them */
    struct object *objects;
};

/* ---- /proc/PID/maps ---- */

static char *read_text(const char *path, struct err *err) {
    size_t used = 0, size = 0;
    char *text = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : 1;
    while (n > 0) {
        if (size - used < 2) {
            size = size == 0 ? 1 << 16 : 2 * size;
            char *larger = mem_realloc(text, size);
            if (larger == NULL) {
                errno = ENOMEM;
                n = -1;
                break;
            }
            text = larger;
        }
        n = read(fd, text + used, size - used - 1);
        if (n < 0 && errno == EINTR) n = 1;
        else if (n > 0) used += (size_t)n;
    }
    int error_number = errno;
    if (fd >= 0) close(fd);
    if (n == 0 && text != NULL) {
        text[used] = '\0';
        return text;
    }
    mem_free(text);
    err_set(err, ERR_UNAVAILABLE, "%s cannot be read: %s", path, strerror(error_number));
    return NULL;
}

/* The place of a new element behind the last, or NULL. */
static void *append(void *array, int *n, int *most, size_t size) {
    void **block = array;
    if (*n == *most) {
        int larger = *most == 0 ? 32 : 2 * *most;
        void *moved = mem_realloc(*block, (size_t)larger * size);
        if (moved == NULL) return NULL;
        *block = moved;
        *most = larger;
    }
    void *place = (char *)*block + (size_t)(*n)++ * size;
    memset(place, 0, size);
    return place;
}

static int object_of(struct code_map *map, const char *path) {
    for (int i = map->n_objects - 1; i >= 0; i--) {
        if (strcmp(map->objects[i].path, path) == 0) return i;
    }
    struct object *object = append(&map->objects, &map->n_objects, &map->most_objects,
                                   sizeof *object);
    if (object == NULL) return -1;
    snprintf(object->path, sizeof object->path, "%s", path);
    return map->n_objects - 1;
}

static bool add_line(struct code_map *map, const char *line) {
    unsigned long long begin, end, offset;
    char rights[8], path[512] = "[anonymous]";
    int n = sscanf(line, "%llx-%llx %7s %llx %*s %*s %511[^\n]", &begin, &end, rights, &offset,
                   path);
    if (n < 4 || strchr(rights, 'x') == NULL) return true;
    int object = object_of(map, path);
    struct mapping *mapping = object < 0 ? NULL
                                         : append(&map->mappings, &map->n_mappings,
                                                  &map->most_mappings, sizeof *mapping);
    if (mapping == NULL) return false;
    *mapping = (struct mapping){.begin = begin, .end = end, .offset = offset, .object = object};
    return true;
}

struct code_map *code_map_open(pid_t pid, struct err *err) {
    char path[64];
    if (pid == 0) pid = getpid();
    snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    char *text = read_text(path, err);
    struct code_map *map = text == NULL ? NULL : mem_new(sizeof *map);
    bool ok = map != NULL;
    if (ok) map->pid = pid;
    for (char *line = text; ok && line != NULL && *line != '\0';) {
        ok = add_line(map, line);
        line = strchr(line, '\n');
        if (line != NULL) line++;
    }
    mem_free(text);
    if (ok) return map;
    if (text != NULL) err_set(err, ERR_ENVIRONMENT, "out of memory for the map of process %d", (int)pid);
    code_map_close(map);
    return NULL;
}

void code_map_close(struct code_map *map) {
    if (map == NULL) return;
    for (int i = 0; i < map->n_objects; i++) {
        mem_free(map->objects[i].symbols);
        if (map->objects[i].bytes != NULL) {
            munmap((void *)(uintptr_t)map->objects[i].bytes, map->objects[i].n_bytes);
        }
    }
    mem_free(map->objects);
    mem_free(map->mappings);
    mem_free(map);
}

size_t code_map_read(const struct code_map *map, uint64_t address, uint8_t *out, size_t size) {
    struct iovec here = {.iov_base = out, .iov_len = size};
    struct iovec there = {.iov_base = (void *)(uintptr_t)address, .iov_len = size};
    ssize_t n = process_vm_readv(map->pid, &here, 1, &there, 1, 0);
    return n < 0 ? 0 : (size_t)n;
}

/* ---- symbols ---- */

/* n elements of size at offset, when they lie within the file. */
static const void *part(const struct object *object, uint64_t offset, uint64_t n, uint64_t size) {
    uint64_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes) || offset > object->n_bytes ||
        bytes > object->n_bytes - offset) {
        return NULL;
    }
    return object->bytes + offset;
}

static int by_begin(const void *a, const void *b) {
    const struct symbol *x = a, *y = b;
    if (x->begin != y->begin) return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? 1 : x->end > y->end ? -1 : 0; /* the longer one first */
}

static void take_symbols(struct object *object, const Elf64_Shdr *table, const Elf64_Shdr *strings) {
    uint64_t n = table->sh_size / sizeof(Elf64_Sym);
    const Elf64_Sym *found = part(object, table->sh_offset, n, sizeof *found);
    const char *names = part(object, strings->sh_offset, strings->sh_size, 1);
    if (found == NULL || names == NULL || n == 0 || strings->sh_size == 0 ||
        names[strings->sh_size - 1] != '\0') {
        return;
    }
    object->symbols = mem_new_array(n, sizeof *object->symbols);
    if (object->symbols == NULL) return;
    for (uint64_t i = 0; i < n; i++) {
        Elf64_Sym symbol;
        memcpy(&symbol, &found[i], sizeof symbol); /* a table may lie at any offset */
        unsigned type = ELF64_ST_TYPE(symbol.st_info);
        if ((type != STT_FUNC && type != STT_GNU_IFUNC) || symbol.st_value == 0 ||
            symbol.st_shndx == SHN_UNDEF || symbol.st_name >= strings->sh_size) {
            continue;
        }
        object->symbols[object->n_symbols++] = (struct symbol){
            .begin = symbol.st_value,
            .end = symbol.st_size > 0 ? symbol.st_value + symbol.st_size : 0,
            .name = names + symbol.st_name,
        };
    }
    qsort(object->symbols, object->n_symbols, sizeof *object->symbols, by_begin);
}

/* .symtab, which has the static functions too; of a stripped file .dynsym. */
static void read_symbols(struct object *object) {
    Elf64_Ehdr head;
    memcpy(&head, object->bytes, sizeof head);
    if (memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64 ||
        head.e_shentsize != sizeof(Elf64_Shdr)) {
        return;
    }
    const char *sections = part(object, head.e_shoff, head.e_shnum, sizeof(Elf64_Shdr));
    if (sections == NULL) return;
    for (int pass = 0; pass < 2 && object->n_symbols == 0; pass++) {
        for (unsigned i = 0; i < head.e_shnum; i++) {
            Elf64_Shdr table, strings;
            memcpy(&table, sections + i * sizeof table, sizeof table);
            if (table.sh_type != (pass == 0 ? SHT_SYMTAB : SHT_DYNSYM) ||
                table.sh_link >= head.e_shnum) {
                continue;
            }
            memcpy(&strings, sections + table.sh_link * sizeof strings, sizeof strings);
            mem_free(object->symbols);
            object->symbols = NULL;
            object->n_symbols = 0;
            take_symbols(object, &table, &strings);
        }
    }
}

/* Through the process's own root: in a container the same path is another file. */
static void path_of(pid_t pid, const struct object *object, char *path, size_t size) {
    char root[32] = "";
    if (pid != getpid()) snprintf(root, sizeof root, "/proc/%d/root", (int)pid);
    snprintf(path, size, "%s%s", root, object->path);
}

static void read_object(pid_t pid, struct object *object) {
    char path[sizeof object->path + 32];
    struct stat info;
    if (object->is_read) return;
    object->is_read = true;
    if (object->path[0] != '/') return;
    path_of(pid, object, path, sizeof path);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode) &&
        info.st_size >= (off_t)sizeof(Elf64_Ehdr)) {
        void *mapped = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (mapped != MAP_FAILED) {
            object->bytes = mapped;
            object->n_bytes = (size_t)info.st_size;
        }
    }
    if (fd >= 0) close(fd);
    if (object->bytes != NULL) read_symbols(object);
}

/* What to add to a place in the file to have its address as symbols give it. */
static bool file_to_symbol(const struct object *object, uint64_t offset, uint64_t *difference) {
    Elf64_Ehdr head;
    if (object->bytes == NULL) return false;
    memcpy(&head, object->bytes, sizeof head);
    const char *segments = part(object, head.e_phoff, head.e_phnum, sizeof(Elf64_Phdr));
    if (segments == NULL || head.e_phentsize != sizeof(Elf64_Phdr)) return false;
    for (unsigned i = 0; i < head.e_phnum; i++) {
        Elf64_Phdr segment;
        memcpy(&segment, segments + i * sizeof segment, sizeof segment);
        if (segment.p_type != PT_LOAD || offset < segment.p_offset ||
            offset - segment.p_offset >= segment.p_filesz) {
            continue;
        }
        *difference = segment.p_vaddr - segment.p_offset;
        return true;
    }
    return false;
}

/* The last symbol that begins at or before value, and ends behind it. */
static const struct symbol *symbol_at(const struct object *object, uint64_t value, uint64_t *end) {
    size_t low = 0, high = object->n_symbols;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (object->symbols[middle].begin <= value) low = middle + 1;
        else high = middle;
    }
    if (low == 0) return NULL;
    size_t at = low - 1;
    while (at > 0 && object->symbols[at - 1].begin == object->symbols[at].begin) at--;
    const struct symbol *symbol = &object->symbols[at];
    *end = symbol->end;
    if (symbol->end == 0) *end = low < object->n_symbols ? object->symbols[low].begin : UINT64_MAX;
    return value < *end ? symbol : NULL;
}

static const struct mapping *mapping_at(const struct code_map *map, uint64_t address) {
    int low = 0, high = map->n_mappings;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (map->mappings[middle].begin <= address) low = middle + 1;
        else high = middle;
    }
    const struct mapping *found = low == 0 ? NULL : &map->mappings[low - 1];
    return found != NULL && address < found->end ? found : NULL;
}

static const char *file_name(const struct object *object) {
    const char *slash = strrchr(object->path, '/');
    return slash != NULL ? slash + 1 : object->path;
}

bool code_map_find(struct code_map *map, uint64_t address, struct code_function *out) {
    const struct mapping *mapping = mapping_at(map, address);
    if (mapping == NULL) return false;
    struct object *object = &map->objects[mapping->object];
    read_object(map->pid, object);
    *out = (struct code_function){.begin = address, .end = mapping->end};
    snprintf(out->object, sizeof out->object, "%.63s", file_name(object));
    uint64_t offset = address - mapping->begin + mapping->offset, difference = 0, end = 0;
    if (!file_to_symbol(object, offset, &difference)) return true;
    const struct symbol *symbol = symbol_at(object, offset + difference, &end);
    if (symbol == NULL) return true;
    uint64_t to_address = mapping->begin - mapping->offset - difference;
    out->begin = symbol->begin + to_address;
    if (out->begin < mapping->begin) out->begin = mapping->begin;
    if (end != UINT64_MAX && end + to_address < mapping->end) out->end = end + to_address;
    snprintf(out->name, sizeof out->name, "%.95s", symbol->name);
    return true;
}

/* From an address as symbols give it to a place in the file. */
static bool symbol_to_file(const struct object *object, uint64_t value, uint64_t *offset) {
    Elf64_Ehdr head;
    memcpy(&head, object->bytes, sizeof head);
    const char *segments = part(object, head.e_phoff, head.e_phnum, sizeof(Elf64_Phdr));
    if (segments == NULL || head.e_phentsize != sizeof(Elf64_Phdr)) return false;
    for (unsigned i = 0; i < head.e_phnum; i++) {
        Elf64_Phdr segment;
        memcpy(&segment, segments + i * sizeof segment, sizeof segment);
        if (segment.p_type != PT_LOAD || value < segment.p_vaddr || value - segment.p_vaddr >= segment.p_filesz) {
            continue;
        }
        *offset = value - segment.p_vaddr + segment.p_offset;
        return true;
    }
    return false;
}

bool code_map_locate(struct code_map *map, const char *name, const char *function, struct code_place *out) {
    for (int i = 0; i < map->n_objects; i++) {
        struct object *object = &map->objects[i];
        if (strncmp(file_name(object), name, strlen(name)) != 0) continue;
        read_object(map->pid, object);
        for (size_t k = 0; k < object->n_symbols; k++) {
            if (strcmp(object->symbols[k].name, function) != 0) continue;
            path_of(map->pid, object, out->path, sizeof out->path);
            snprintf(out->object, sizeof out->object, "%.63s", file_name(object));
            return symbol_to_file(object, object->symbols[k].begin, &out->offset);
        }
    }
    return false;
}
