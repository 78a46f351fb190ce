-- woolly.counters: what a script sees of the process's counters.
local tap      = require "tap"
local counters = require "woolly.counters"

local ALWAYS <const> = { "cpu_ns", "thread_cpu_ns", "wall_ns", "minor_faults", "major_faults",
                         "voluntary_switches", "involuntary_switches", "allocations",
                         "allocated_bytes", "live_bytes" }

tap.test("counters are integers that never go back", function()
  local before = counters.read()
  local sum = 0
  for i = 1, 200000 do sum = sum + i end
  local after = counters.read()
  for _, name in ipairs(ALWAYS) do
    tap.equal(math.type(before[name]), "integer", name)
    tap.truthy(name == "live_bytes" or after[name] >= before[name], name)
  end
  tap.truthy(after.cpu_ns > before.cpu_ns and sum > 0, "work")
end)

tap.test("what cannot be read is absent, never negative", function()
  for name, value in pairs(counters.read()) do tap.truthy(value >= 0, name) end
end)

tap.test("heap requests of Lua are seen", function()
  collectgarbage()
  collectgarbage "stop"
  local before = counters.read()
  local text = ("x"):rep(1000000)
  local after = counters.read()
  collectgarbage "restart"
  tap.equal(#text, 1000000)
  tap.truthy(after.live_bytes - before.live_bytes >= 1000000, "live")
  tap.truthy(after.allocated_bytes - before.allocated_bytes >= 1000000, "asked for")
  tap.truthy(after.allocations > before.allocations, "requests")
end)

tap.test("the peak is set back, or the reason is given", function()
  do
    local big = ("x"):rep(64000000)
    tap.equal(#big, 64000000)
  end
  collectgarbage()
  collectgarbage()
  local before = counters.read().peak_rss_bytes
  local ok, message, code = counters.reset_peak()
  if ok then
    local now = counters.read()
    tap.truthy(now.peak_rss_bytes <= before, "peak")
    tap.truthy(now.peak_rss_bytes >= now.rss_bytes, "peak and present size")
  else
    tap.equal(code, "unavailable")
    tap.contains(message, "clear_refs")
  end
end)

tap.test("an event that cannot be counted comes with the reason", function()
  local available, reason = counters.available "cycles"
  tap.equal(available, false)
  tap.truthy(#reason > 20, reason)
  available, reason = counters.available "no-such-event"
  tap.equal(available, false)
  tap.contains(reason, "no-such-event")
  tap.raises(function() counters.available() end, "string expected")
end)

tap.done()
