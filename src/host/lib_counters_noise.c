/* lib_counters_noise.c - woolly.counters.noise(): noise.h as a table. */
#include "counters/noise.h"
#include "host/lib_counters.h"

#include <stddef.h>

#define FIELD(name) {#name, offsetof(struct noise, name), false}
#define SIGNED_FIELD(name) {#name, offsetof(struct noise, name), true}
static const struct {
    const char *name;
    size_t offset;
    bool is_signed;
} fields[] = {
    FIELD(wall_ns),      FIELD(cpu_ns),    FIELD(thread_cpu_ns), FIELD(children_cpu_ns),
    FIELD(involuntary_switches), FIELD(run_delay_ns), FIELD(steal_ns),  FIELD(busy_ns),
    FIELD(pressure_ns),  FIELD(throttles), SIGNED_FIELD(clock_step_ns), SIGNED_FIELD(suspended_ns),
};
#define N_FIELDS (sizeof fields / sizeof *fields)

/* counters.noise() -> table */
int counters_l_noise(lua_State *L) {
    lua_createtable(L, 0, N_FIELDS);
    struct noise noise;
    noise_read(&noise);
    for (size_t i = 0; i < N_FIELDS; i++) {
        int64_t value = *(const int64_t *)(const void *)((const char *)&noise + fields[i].offset);
        if (value < 0 && !fields[i].is_signed) continue; /* not readable here */
        lua_pushinteger(L, value);
        lua_setfield(L, -2, fields[i].name);
    }
    return 1;
}
