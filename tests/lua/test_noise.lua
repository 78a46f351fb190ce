--- What counts as disturbed, by each sign alone.
local noise = require "woolly.noise"
local tap = require "tap"

local QUIET <const> = { wall_ns = 1e9, cpu_ns = 2e9, thread_cpu_ns = 1e9, children_cpu_ns = 0,
                        involuntary_switches = 3, run_delay_ns = 1e6, steal_ns = 0, busy_ns = 2e9,
                        pressure_ns = 1e6, throttles = 0, clock_step_ns = 1e5, suspended_ns = 0 }

local function between(changes, options)
  local before, after = {}, {}
  for name, value in pairs(QUIET) do before[name], after[name] = 7e9, 7e9 + value end
  for name, value in pairs(changes or {}) do after[name] = value and 7e9 + value or nil end
  return noise.between(before, after, options or { n_cpus = 2 })
end

tap.test("a quiet repetition carries its figures and no mark", function()
  local found = between()
  tap.equal(found.disturbed, nil)
  tap.equal(found.wall_ns, 1e9)
  tap.equal(found.thread_cpu_ns, 1e9)
  tap.equal(found.involuntary_switches, 3)
  tap.equal(found.steal_ns, 0)
  tap.equal(found.others, 0)
end)

local SIGNS <const> = {
  { { run_delay_ns = 3.1e7 }, "waited 3 % of the time for a CPU" },
  { { steal_ns = 3e7 }, "the hypervisor took 3 % of a CPU" },
  { { busy_ns = 2.3e9 }, "other processes kept 0.3 CPUs busy" },
  { { throttles = 1 }, "throttled for heat" },
  { { clock_step_ns = -3.6e12 }, "the wall clock was set by -3.6e+03 s" },
  { { suspended_ns = 5e9 }, "slept for 5 s" },
  { { run_delay_ns = false, pressure_ns = 2e8 }, "waited for a CPU 20 % of the time" },
}
for _, sign in ipairs(SIGNS) do
  tap.test("a sign: " .. sign[2], function()
    tap.contains(between(sign[1]).disturbed, sign[2])
  end)
end

tap.test("what proves nothing marks nothing", function()
  local short = { wall_ns = 1e7, cpu_ns = 2e7, run_delay_ns = 0 }
  local function with(changes)
    for name, value in pairs(short) do changes[name] = changes[name] or value end
    return between(changes).disturbed
  end
  tap.equal(with { busy_ns = 5e7 }, nil, "a few ticks in a short time")
  tap.equal(with { steal_ns = 1e7 }, nil, "one tick")
  tap.equal(with { run_delay_ns = 2.9e5 }, nil, "an interrupt's work")
  tap.equal(between({ busy_ns = 3e9, children_cpu_ns = 1e9 }).disturbed, nil, "our own children")
  tap.equal(between({ busy_ns = 3e9 }, { n_cpus = 2, has_helpers = true }).disturbed, nil)
  tap.equal(between({ busy_ns = 3e9 }, { n_cpus = 64 }).disturbed, nil, "1 CPU of 64")
  tap.equal(between({ steal_ns = false, busy_ns = false, run_delay_ns = false,
                      pressure_ns = false, throttles = false }).disturbed, nil, "nothing readable")
end)

tap.test("the summary counts what was kept and what was repeated", function()
  tap.equal(noise.summary { { index = 1 }, { index = 2 } }, nil)
  tap.equal(noise.summary({ { index = 1 } }, "a thing"), "disturbed as a whole: a thing")
  tap.equal(noise.summary { { disturbed = "a" }, { index = 1 }, { index = 2, disturbed = "b" } },
            "disturbed: 1 of 2 repetitions, 1 more were repeated (a)")
end)

tap.done()
