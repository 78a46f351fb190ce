-- woolly-lua docs/examples/counters.lua: what this process and the machine did meanwhile.
-- Nothing here needs root or a PMU: what cannot be counted says why, and what would mend it.
local counters = require "woolly.counters"
local process  = require "woolly.process"

local function work()
  local text = {}
  for i = 1, 20000 do text[i] = ("x"):rep(i % 100) end
  return #table.concat(text)
end

-- Process counters before and after: time, faults, switches, heap requests of our own code.
counters.reset_peak()
local before = counters.read()
work()
local after = counters.read()
print("heap requests", after.allocations - before.allocations)
print(string.format("CPU %.2f ms, peak %.1f MB", (after.cpu_ns - before.cpu_ns) / 1e6,
                    (after.peak_rss_bytes or 0) / 1e6))

-- Heap requests of everything, libraries too, exactly; and what the counting itself costs.
local heap = counters.allocations()
work()
print("of this thread", counters.allocations().thread_requests - heap.thread_requests)
local plain, counted = counters.allocation_cost { n = 1000 }
if plain then print(string.format("malloc, free: %.0f ns, counted %.0f ns", plain, counted)) end

-- Memory by kind, and whether the machine had other things to do.
local memory = counters.memory()
print(string.format("resident %.1f MB", (memory and memory.rss_bytes or 0) / 1e6)) --> resident
for name, value in pairs(counters.noise()) do
  if name:find "steal" then print(name, value) end
end

-- Which events can be counted here by this user?
print("cycles", counters.available "cycles") --> cycles
print("events that name the LLC:", #counters.list "LLC-*")

-- A group of events over a window; each that was not counted has its reason.
local group, why_not = counters.open { "task-clock", "minor-faults", "cycles" }
if not group then
  print("no group:", why_not)
else
  assert(group:start())
  work()
  assert(group:stop())
  local reading = assert(group:read())
  for name, value in pairs(reading.values) do print(name, value) end
  for name, reason in pairs(reading.missing) do print(name, "missing: " .. reason) end
  print("a reading costs, ns:", group:read_cost_ns(10))
  group:close()
end

-- Where the time goes: samples of this process, decoded into classes of instructions.
local sampler, refusal = counters.sampler { hz = 997 }
if not sampler then
  print("no samples:", refusal)
else
  assert(sampler:start())
  local stop_at = counters.read().cpu_ns + 50000000
  while counters.read().cpu_ns < stop_at do work() end
  local profile = assert(sampler:stop())
  print("samples", profile.n_samples)
  for i = 1, math.min(3, #profile.functions) do
    local f = profile.functions[i]
    print(string.format("%4.0f %% %s %s", 100 * f.share, f.object, f.name))
  end
  sampler:close()
end

-- Another process by its id: its samples, and (as root) its heap requests by probes on its libc.
local child <close> = assert(process.spawn { "/bin/sh", "-c", "while :; do :; done" })
local profile, no_profile = counters.sample { pid = child:pid(), seconds = 0.05 }
print("samples of the shell", profile and profile.n_samples or no_profile)
local probe, no_probe = counters.heap_probe { pid = child:pid(), seconds = 0.05 }
print("its heap requests", probe and probe.requests or no_probe) --> its heap requests
