-- woolly-lua docs/examples/clock.lua: time in nanoseconds, as integers.
local clock = require "woolly.clock"

-- How long something took: the monotonic clock. Only differences mean anything.
local start = clock.now_ns()
clock.sleep_ns(2000000) -- 2 ms; Ctrl-C ends it early
local elapsed = clock.now_ns() - start
assert(elapsed >= 2000000, "a sleep is never shorter")
print(string.format("slept %.1f ms, the clock has steps of %d ns", elapsed / 1e6,
                    clock.resolution_ns()))

-- What this process computed meanwhile: sleeping costs next to nothing.
local cpu, sum = clock.cpu_ns(), 0
for i = 1, 100000 do sum = sum + i end
print(string.format("summing took %.2f ms of CPU time", (clock.cpu_ns() - cpu) / 1e6))

-- The time of day is for labels, never for measuring: it can be set back.
print(clock.utc(0)) --> 1970-01-01T00:00:00.000Z
print(clock.utc(clock.wall_ns()))
