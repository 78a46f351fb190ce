/* levels.h - the int8 products of each level, for tests that run all levels of this machine.
 *
 * With TEST_EVEX only those of AVX-VNNI, which such a program has compiled for AVX-512 VNNI: the same
 * code where a processor has the one and lacks the other. */
#ifndef TEST_LEVELS_H
#define TEST_LEVELS_H

#include "engine/kernels/packed_format.h"
#include "engine/kernels/rows_tables.h"

/* NULL where this machine lacks the level. */
static inline const struct packed_kernels *packed_level(enum isa isa) {
#ifdef TEST_EVEX
    const bool here = isa == ISA_AVXVNNI && kernels_get(ISA_AVX512VNNI) != NULL;
    return here ? &packed_kernels_avxvnni : NULL;
#else
    return kernels_get(isa) != NULL ? packed_kernels_get(isa) : NULL;
#endif
}

/* The scalar products that a level's equal. */
static inline const struct packed_kernels *packed_reference(const struct packed_kernels *k) {
    return k->quantize[QACT_FOURS] != NULL ? &packed_kernels_scalar_fours : &packed_kernels_scalar;
}

static inline const struct row_kernels *row_level(enum isa isa) {
#ifdef TEST_EVEX
    return packed_level(isa) != NULL ? &row_kernels_avxvnni : NULL;
#else
    return packed_level(isa) != NULL ? row_kernels_get(isa) : NULL;
#endif
}

/* Each level must have kernels of its own; prints them. False where there is none to test. */
static inline bool levels_print(void) {
    bool any = false;
    for (enum isa isa = ISA_SCALAR; isa < ISA_COUNT; isa++) {
        const struct packed_kernels *k = packed_level(isa);
        if (k == NULL) continue;
        printf("%s%s", any ? ", " : "levels: ", k->name);
        CHECK(strcmp(k->name, isa_name(isa)) == 0 && strcmp(row_level(isa)->name, k->name) == 0);
        any = true;
    }
    puts(any ? "" : "no AVX-512 VNNI here");
    return any;
}

#endif
