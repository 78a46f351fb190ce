/* flag.h - a request to stop, set by a signal handler or another thread and looked at between pieces of
 * work. Nothing else is handed over by it: what must be seen with it goes under a lock. */
#ifndef WOOLLY_BASE_FLAG_H
#define WOOLLY_BASE_FLAG_H

#include <stdbool.h>
#include <stddef.h>

static inline void flag_put(volatile int *flag, bool on) {
    __atomic_store_n(flag, on, __ATOMIC_RELAXED);
}

/* NULL: never. */
static inline bool flag_is_set(const volatile int *flag) {
    return flag != NULL && __atomic_load_n(flag, __ATOMIC_RELAXED) != 0;
}

#endif
