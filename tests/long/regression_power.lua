--- Long form, run by hand: woolly-lua tests/long/regression_power.lua [HISTORIES]
--- How often regression.lua's rule confirms a drop, and how often none: simulated histories.
local random = require "woolly.stats.random"
local regression = require "woolly.regression"

local PAST <const>, TOLERANCE <const> = 40, regression.TOLERANCE
-- noise, lag-1 correlation, step
local CASES <const> = {
  { 0.01, 0, -0.05 }, { 0.01, 0, -0.03 }, { 0.01, 0, -0.02 }, { 0.01, 0, 0 }, { 0.03, 0.5, 0 },
  { 0.03, 0, -0.05 }, { 0.03, 0, -0.1 }, { 0.005, 0, -0.05 }, { 0.005, 0, -0.03 },
}

local function runs_of(seed, noise, correlation)
  local generator, state = random.new(seed), nil
  local function normal()
    local u, v = 1 - generator:uniform(), generator:uniform()
    return math.sqrt(-2 * math.log(u)) * math.cos(2 * math.pi * v)
  end
  return function()
    state = not state and normal()
      or correlation * state + math.sqrt(1 - correlation ^ 2) * normal()
    return 100 * math.exp(noise * state)
  end
end

local function judge(past, new)
  return regression.against_segment("tokens_per_second", past, new, TOLERANCE).verdict
end

local histories = tonumber(arg[1] or 1000)
for _, case in ipairs(CASES) do
  local noise, correlation, step = table.unpack(case)
  local suspects, confirmed = 0, 0
  for seed = 1, histories do
    local next_run, past = runs_of(seed, noise, correlation), {}
    for i = 1, PAST do past[i] = next_run() end
    local new = { next_run() * (1 + step) }
    if judge(past, new) == "suspect" then
      suspects = suspects + 1
      for i = 2, 1 + regression.RERUNS do new[i] = next_run() * (1 + step) end
      if judge(past, new) == "regressed" then confirmed = confirmed + 1 end
    end
  end
  io.write(string.format("noise %.1f %%, lag-1 correlation %.1f, step %+.0f %%: suspect %.1f %%, "
    .. "confirmed %.1f %%\n", 100 * noise, correlation, 100 * step, 100 * suspects / histories,
    100 * confirmed / histories))
end
