/* ulid.c - names of runs: 48 bits of milliseconds, then 80 of chance, 26 letters that sort by time.
 */
#include "store/store.h"

#include "base/clock.h"

#include <sys/random.h>
#include <unistd.h>

void store_new_id(char out[27]) {
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    static uint64_t last_ms, high;
    static uint64_t low;
    uint64_t ms = (uint64_t)(clock_wall_ns() / 1000000);
    if (ms > last_ms) {
        uint64_t random[2] = {0};
        if (getrandom(random, sizeof random, 0) != (ssize_t)sizeof random) {
            random[0] = (uint64_t)clock_now_ns() ^ (uint64_t)getpid() << 32;
            random[1] = (uint64_t)clock_thread_cpu_ns() * 0x9E3779B97F4A7C15u;
        }
        last_ms = ms;
        high = random[0] & 0xFFFF;
        low = random[1] >> 1; /* room to count up */
    } else {
        low++; /* the same millisecond, or a clock that went back: still sorts after the last */
    }
    for (int i = 0; i < 10; i++)
        out[i] = digits[(last_ms >> (45 - 5 * i)) & 31];
    /* 80 random bits: 16 of high, 64 of low */
    for (int i = 0; i < 16; i++) {
        int shift = 75 - 5 * i; /* of the five bits, from the right */
        uint64_t bits = shift >= 64  ? high >> (shift - 64)
                        : shift > 59 ? high << (64 - shift) | low >> shift
                                     : low >> shift;
        out[10 + i] = digits[bits & 31];
    }
    out[26] = '\0';
}
