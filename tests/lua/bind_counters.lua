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

tap.test("an event can be counted, or comes with the reason", function()
  for _, event in ipairs { "cycles", "page-faults", "LLC-load-misses", "sched:sched_switch" } do
    local available, reason = counters.available(event)
    tap.equal(type(available), "boolean", event)
    tap.truthy(available or #reason > 20, event)
  end
  local available, reason = counters.available "no-such-event"
  tap.equal(available, false)
  tap.contains(reason, "no-such-event")
  tap.raises(function() counters.available() end, "string expected")
end)

tap.test("the list finds events by a part of the name or a pattern", function()
  local all, llc = counters.list(), counters.list "llc-*"
  tap.truthy(#all > 50, "all")
  tap.equal(#llc, #counters.list "LLC-load*" + #counters.list "LLC-store*"
                  + #counters.list "LLC-prefetch*")
  for _, event in ipairs(llc) do
    tap.contains(event.name, "LLC-")
    tap.equal(event.kind, "hardware")
    tap.truthy(#event.about > 5, event.name)
  end
  tap.equal(counters.list("page-faults")[1].kind, "software")
  tap.equal(#counters.list "no such event", 0)
end)

tap.test("a group counts what it may and says why it does not count the rest", function()
  local group <close> = assert(counters.open { "minor-faults", "task-clock", "no-such-event" })
  tap.raises(function() group:read() end, "start() comes first")
  assert(group:start())
  local block = ("x"):rep(40000000)
  assert(group:stop())
  tap.equal(#block, 40000000)
  local reading = assert(group:read())
  tap.contains(reading.missing["no-such-event"], "not known")
  tap.equal(reading.values["no-such-event"], nil)
  for _, event in ipairs { "minor-faults", "task-clock" } do
    local value = reading.values[event]
    tap.truthy(value and value > 0 or reading.missing[event], event)
    if value then tap.equal(reading.running[event], 1, event) end
  end
  tap.equal(#reading.threads >= 1, true)
  tap.truthy(group:read_cost_ns(10) > 0, "cost")
  local again = assert(group:read())
  tap.equal(again.values["minor-faults"], reading.values["minor-faults"])
end)

tap.test("a group of threads by their ids, and a window under way", function()
  local tid = tonumber(io.open("/proc/thread-self/stat"):read("n"))
  local group <close> = assert(counters.open({ "task-clock" }, { threads = { tid } }))
  assert(group:start())
  local sum = 0
  for i = 1, 100000 do sum = sum + i end
  local first = group:read().values["task-clock"]
  for i = 1, 100000 do sum = sum + i end
  tap.truthy(group:read().values["task-clock"] > first and sum > 0, "grows")
  tap.equal(#group:read().threads, 1)
end)

tap.test("open refuses wrong arguments and dead processes", function()
  tap.raises(function() counters.open {} end, "1..16")
  tap.raises(function() counters.open { 5 } end, "string")
  tap.raises(function() counters.open({ "cycles" }, { trheads = {} }) end, "trheads")
  tap.raises(function() counters.open({ "cycles" }, { threads = { -1 } }) end, "positive")
  tap.raises(function() counters.open({ "cycles" }, { threads = 7 }) end, "array")
  local group, message, code = counters.open({ "task-clock" }, { pid = 0x3fffffff })
  tap.equal(group, nil)
  tap.equal(code, "unavailable")
  tap.contains(message, "no process")
  group = counters.open { "task-clock" }
  if group then
    group:close()
    group:close()
    tap.raises(function() group:start() end, "closed")
  end
end)

tap.done()
