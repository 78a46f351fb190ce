--- The noise floor: spread, smallest change, and gates that ask for more.
local floor = require "woolly.floor"
local tap = require "tap"

local FOUND <const> = { schema = floor.SCHEMA, cpu = 0.02, memory = 0.05 }

tap.test("the spread is the relative standard deviation, deaf to outliers", function()
  local seed, samples = 42, {}
  for i = 1, 4000 do -- sums of uniform values: near normal, sigma 0.01
    local sum = 0
    for _ = 1, 12 do
      seed = (seed * 1103515245 + 12345) % 2147483648
      sum = sum + seed / 2147483648
    end
    samples[i] = math.exp((sum - 6) * 0.01)
  end
  tap.near(floor.spread(samples), 0.01, 1e-3)
  for i = 1, 400 do samples[i * 10] = samples[i * 10] / 3 end
  tap.near(floor.spread(samples), 0.012, 2e-3)
  local slow = {} -- the same noise on a machine that halves its speed half way
  for i, value in ipairs(samples) do slow[i] = i > #samples / 2 and value / 2 or value end
  tap.truthy(floor.spread(slow) > 0.3, "all of it")
  tap.near(floor.spread_near(slow), floor.spread_near(samples), 2e-3)
end)

tap.test("more repetitions tell smaller changes", function()
  -- 3.857 * 0.02 * sqrt(2 / (10 * 0.955)) = 3.53 %
  tap.near(floor.smallest(0.02, 10), math.exp(0.0353) - 1, 1e-4)
  tap.near(math.log(1 + floor.smallest(0.02, 10)) / math.log(1 + floor.smallest(0.02, 40)), 2, 1e-9)
end)

tap.test("what is counted has no noise", function()
  tap.equal(floor.kind "hot_path_allocations", "exact")
  tap.equal(floor.kind "prefill_tokens_per_second", "cpu")
  tap.equal(floor.kind "tokens_per_second", "memory")
  tap.equal(floor.refusal(FOUND, "hot_path_allocations", 0, 3), nil)
end)

local function gate(limit) return { limits = { sampling_overhead = limit } } end
local function runs(n) return function() return n end end

tap.test("a gate tighter than the noise is refused, with what would do", function()
  local refusal = floor.gate_refusal(FOUND, gate { max = 0.02 }, runs(10))
  tap.contains(refusal, "sampling_overhead: a change of 2 %")
  tap.contains(refusal, "--runs 40")
  tap.equal(floor.gate_refusal(FOUND, gate { max = 0.02 }, runs(40)), nil)
  tap.equal(floor.gate_refusal(FOUND, gate { max = 0.10 }, runs(10)), nil, "wide enough")
  tap.equal(floor.gate_refusal(nil, gate { max = 0.02 }, runs(10)), nil, "never calibrated")
  tap.equal(floor.gate_refusal(FOUND, gate { max = 0.02 }, runs(nil)), nil, "not measured here")
  local near = { schema = floor.SCHEMA, cpu = 0.3, memory = 0.3, cpu_near = 0.005 }
  tap.equal(floor.gate_refusal(near, gate { max = 0.02 }, runs(10)), nil, "by turns")
  local often = function() return 10, 16 end
  tap.equal(floor.gate_refusal(FOUND, gate { max = 0.02 }, often), nil, "by many turns")
  tap.equal(floor.gate_refusal(FOUND, { limits = { tokens_per_second = { min = 0.01 } } }, runs(3)),
            nil, "a level is no change")
  tap.contains(floor.gate_refusal(FOUND, gate { max = 1e-5 }, runs(10)), "Take a quieter machine")
end)

tap.done()
