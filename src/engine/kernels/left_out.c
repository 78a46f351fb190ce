/* left_out.c - empty tables of the levels that a build for sanitizers leaves out (CMakeLists.txt): no machine
 * that builds so can run them, and compiling them takes longer than the rest together. */
#include "engine/kernels/attention_tables.h"
#include "engine/kernels/packed_format.h"
#include "engine/kernels/rows_tables.h"

#ifdef LEFT_OUT_avxvnni
const struct packed_kernels packed_kernels_avxvnni = {.name = "avxvnni"};
const struct row_kernels row_kernels_avxvnni = {.name = "avxvnni"};
#endif

#ifdef LEFT_OUT_avx512
const struct attention_kernels attention_kernels_avx512 = {0};
const struct packed_kernels packed_kernels_avx512 = {.name = "avx512"};
const struct row_kernels row_kernels_avx512 = {.name = "avx512"};
#endif

#ifdef LEFT_OUT_avx512vnni
const struct attention_kernels attention_kernels_avx512vnni = {0};
const struct packed_kernels packed_kernels_avx512vnni = {.name = "avx512vnni"};
const struct row_kernels row_kernels_avx512vnni = {.name = "avx512vnni"};
#endif
