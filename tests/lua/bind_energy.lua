--- Energy counters: a made-up folder of them, none, and some that may not be read.
local energy = require "woolly.energy"
local process = require "woolly.process"
local tap = require "tap"

local folder = os.tmpname()
os.remove(folder)

local function counter(name, used, most)
  local path = folder .. "/" .. name
  assert(process.make_folders(path))
  assert(process.write_file(path .. "/energy_uj", used .. "\n"))
  assert(process.write_file(path .. "/max_energy_range_uj", most .. "\n"))
end

tap.test("a machine without counters says so", function()
  local reading, reason = energy.read(folder)
  tap.equal(reading, nil)
  tap.contains(reason, "no energy counters on this machine")
end)

tap.test("packages are added, parts of them are not, and a counter may wrap", function()
  counter("intel-rapl:0", 900, 1000)
  counter("intel-rapl:1", 100, 1000)
  counter("intel-rapl:0:0", 5, 1000)
  local before = assert(energy.read(folder))
  counter("intel-rapl:0", 50, 1000)
  counter("intel-rapl:1", 300, 1000)
  counter("intel-rapl:0:0", 777, 1000)
  tap.near(energy.joules(before, assert(energy.read(folder))), 350e-6, 1e-12)
end)

local function recorder()
  local m = { values = {}, reasons = {} }
  function m:record(name, value) self.values[name] = value end
  function m:missing(name, reason) self.reasons[name] = reason end
  return m
end

tap.test("energy per token, or the reason", function()
  local m = recorder()
  energy.per_token(m, function()
    counter("intel-rapl:1", 700, 1000)
    return 4
  end, folder)
  tap.near(m.values.joules_per_token, 100e-6, 1e-12)
  counter("intel-rapl:0", "no number", 1000)
  counter("intel-rapl:1", "no number", 1000)
  energy.per_token(m, function() return 4 end, folder)
  tap.near(m.values.joules_per_token, 100e-6, 1e-12, "as before")
  energy.explain(m, folder)
  tap.contains(m.reasons.joules_per_token, "may not be read")
end)

os.execute("rm -rf '" .. folder .. "'")
tap.done()
