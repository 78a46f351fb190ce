-- The module woolly.clock as a script sees it.
local tap   = require "tap"
local clock = require "woolly.clock"

tap.test("monotonic time is an integer that never goes back", function()
  local last = clock.now_ns()
  tap.equal(math.type(last), "integer")
  for _ = 1, 1000 do
    local now = clock.now_ns()
    tap.truthy(now >= last, "order")
    last = now
  end
end)

tap.test("CPU time grows with work", function()
  local before = clock.cpu_ns()
  local sum = 0
  for i = 1, 1000000 do sum = sum + i end
  tap.equal(sum, 500000500000)
  tap.truthy(clock.cpu_ns() > before, "cpu time")
end)

tap.test("the resolution is positive and below a millisecond", function()
  local ns = clock.resolution_ns()
  tap.truthy(ns > 0 and ns < 1000000, "resolution " .. ns)
end)

tap.test("utc writes RFC 3339 with milliseconds", function()
  tap.equal(clock.utc(0), "1970-01-01T00:00:00.000Z")
  tap.equal(clock.utc(1767323045678 * 1000000), "2026-01-02T03:04:05.678Z")
  tap.truthy(clock.utc():match("^20%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ$"), "now")
  tap.truthy(clock.wall_ns() > 1700000000000000000, "wall time")
end)

tap.test("utc refuses times before 1970 and other types", function()
  tap.raises(function() clock.utc(-1) end, "since 1970")
  tap.raises(function() clock.utc("now") end, "number expected")
  tap.raises(function() clock.utc(1.5) end, "no integer representation")
end)

tap.test("sleep lasts at least as long as asked", function()
  local start = clock.now_ns()
  clock.sleep_ns(2000000)
  tap.truthy(clock.now_ns() - start >= 2000000, "slept")
  clock.sleep_ns(0)
  tap.raises(function() clock.sleep_ns(-1) end, "0 or more")
  tap.raises(function() clock.sleep_ns() end, "number expected")
end)

tap.done()
