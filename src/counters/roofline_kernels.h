/* roofline_kernels.h - the loops of roofline.c, one table per instruction set. Private.
 *
 * The arithmetic is inline assembly: compilers spill such loops to the stack or merge equal
 * products, and then time something else. */
#ifndef WOOLLY_COUNTERS_ROOFLINE_KERNELS_H
#define WOOLLY_COUNTERS_ROOFLINE_KERNELS_H

#include <stddef.h>
#include <stdint.h>

enum {
    ROOFLINE_STREAMS = 4,     /* sequential streams a read walks at once */
    ROOFLINE_READ_STEP = 128, /* bytes of a stream a turn of the loop reads */
    ROOFLINE_PREFETCH = 1024, /* bytes ahead */
};

struct roofline_kernels {
    const char *name;
    /* Loads bytes (a multiple of READ_STEP) of each stream: data, data + stride, ... [0] as it is,
     * [1] with prefetch: which one is faster depends on the machine and the level. */
    void (*read[2])(const char *data, size_t stride, size_t bytes);
    /* Does `rounds` rounds of independent multiply-adds and returns how many those were. NULL:
     * the set adds nothing to the one below it. */
    int64_t (*f32)(int64_t rounds);
    int64_t (*int8)(int64_t rounds);
    int64_t (*int4)(int64_t rounds); /* NULL beside an int8: that one serves both */
};

extern const struct roofline_kernels roofline_scalar;
#if defined(__x86_64__)
extern const struct roofline_kernels roofline_avx2, roofline_avxvnni, roofline_avx512,
    roofline_avx512vnni;
#elif defined(__aarch64__)
extern const struct roofline_kernels roofline_neon, roofline_dotprod, roofline_i8mm;
#endif

#if defined(__GNUC__)
#define ROOFLINE_INLINE static inline __attribute__((always_inline))
#endif

/* The body of both reads; load(p) reads READ_STEP bytes at p. */
#define ROOFLINE_READS(prefix, load)                                                               \
    ROOFLINE_INLINE void prefix##_read(const char *data, size_t stride, size_t bytes,              \
                                       const int ahead) {                                          \
        for (size_t at = 0; at < bytes; at += ROOFLINE_READ_STEP) {                                \
            for (size_t s = 0; s < ROOFLINE_STREAMS; s++) {                                        \
                const char *p = data + s * stride + at;                                            \
                if (ahead != 0) {                                                                  \
                    __builtin_prefetch(p + ahead, 0, 3);                                           \
                    __builtin_prefetch(p + ahead + 64, 0, 3);                                      \
                }                                                                                  \
                load(p);                                                                           \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
    static void prefix##_read_plain(const char *data, size_t stride, size_t bytes) {               \
        prefix##_read(data, stride, bytes, 0);                                                     \
    }                                                                                              \
    static void prefix##_read_ahead(const char *data, size_t stride, size_t bytes) {               \
        prefix##_read(data, stride, bytes, ROOFLINE_PREFETCH);                                     \
    }

/* Twelve accumulators: enough for 2 units of 4 to 5 cycles, and they fit 16 registers. */
#define ROOFLINE_TWELVE(op)                                                                        \
    op(0) op(1) op(2) op(3) op(4) op(5) op(6) op(7) op(8) op(9) op(10) op(11)

#endif
