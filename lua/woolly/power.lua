--- How often the rules raise a false alarm and how often they find what is there, on simulated
--- histories: the figures of docs/measuring.md. Pure; seeds are fixed.
local ab          = require "woolly.stats.ab"
local changepoint = require "woolly.stats.changepoint"
local interval    = require "woolly.stats.interval"
local random      = require "woolly.stats.random"
local ranks       = require "woolly.stats.ranks"
local regression  = require "woolly.regression"
local stats       = require "woolly.stats"
local trend       = require "woolly.stats.trend"

local power = {}

---@class woolly.PowerRow
---@field group string
---@field case string
---@field cells table<string, number>   shares by column
---@field n integer                     histories
---@field goal? string                  what the project promises here
---@field met? boolean

---@param generator woolly.stats.Random
---@param n integer
---@param noise number     coefficient of variation
---@param memory? number   lag-1 correlation
---@param step? number     factor on the level from `at` on
---@param at? integer
---@return number[]
function power.history(generator, n, noise, memory, step, at)
  memory = memory or 0.0
  local values, e = {}, generator:normal()
  for i = 1, n do
    values[i] = 100 * (1 + noise * e) * (at and i >= at and step or 1)
    e = memory * e + math.sqrt(1 - memory * memory) * generator:normal()
  end
  return values
end

local function shares(n, body)
  local counts = {}
  for _ = 1, n do
    for name, hit in pairs(body()) do counts[name] = (counts[name] or 0) + (hit and 1 or 0) end
  end
  for name, count in pairs(counts) do counts[name] = count / n end
  return counts
end

-- What an engineer would be told of this history's end or middle.
local function alarms_of(values)
  local found = { confirmed = false, weak = false, drift = false }
  local points = changepoint.detect(values)
  for _, point in ipairs(points) do found[point.vote] = true end
  local first, last = changepoint.stable_segment(values, points)
  local segment = table.move(values, first, last, 1, {})
  found.drift = trend.drift(segment).verdict == "drift"
  return found
end

local METRIC <const> = "tokens_per_second"

-- What regression.lua says of a new run, and of its two re-runs when it is a suspect. `new` holds
-- the three.
local function regression_verdict(past, new, tolerance)
  local first = regression.against_segment(METRIC, past, { new[1] }, tolerance)
  if first.verdict ~= "suspect" then return first.verdict end
  return regression.against_segment(METRIC, past, new, tolerance).verdict
end

local function stable(n, length, noise, memory, seed)
  local generator = random.new(seed)
  return shares(n, function()
    local values = power.history(generator, length + 3, noise, memory)
    local past, new = table.move(values, 1, length, 1, {}), table.move(values, length + 1,
                                                                       length + 3, 1, {})
    local found = alarms_of(past)
    local verdict = regression_verdict(past, new, regression.TOLERANCE)
    found.runs = verdict == "regressed" or verdict == "improved"
    found.alarm = found.confirmed or found.drift or found.runs
    return found
  end)
end

--- Stable histories: every finding is a false alarm.
---@param n integer
---@return woolly.PowerRow[]
function power.false_alarms(n)
  local rows = {}
  for i, case in ipairs { { 200, 0.03, 0.5 }, { 200, 0.03, 0.0 }, { 200, 0.01, 0.0 },
                          { 200, 0.05, 0.7 }, { 30, 0.03, 0.5 }, { 30, 0.01, 0.0 } } do
    local length, noise, memory = table.unpack(case)
    local row = { group = "stable", n = n, cells = stable(n, length, noise, memory, 100 + i),
                  case = string.format("%d runs, noise %g %%, lag-1 correlation %g", length,
                                       100 * noise, memory) }
    if i == 1 then
      row.goal, row.met = "alarm <= 1 %", row.cells.alarm <= 0.01
    end
    rows[i] = row
  end
  return rows
end

local function near(points, at)
  local any, confirmed = false, false
  for _, point in ipairs(points) do
    if math.abs(point.index - at) <= 2 then
      any, confirmed = true, confirmed or point.vote == "confirmed"
    end
  end
  return any, confirmed
end

--- A step after 40 stable runs: who knows after how many runs.
---@param n integer
---@return woolly.PowerRow[]
function power.steps(n)
  local rows = {}
  for i, case in ipairs { { 0.01, 0.95 }, { 0.01, 0.97 }, { 0.03, 0.90 }, { 0.03, 0.95 } } do
    local noise, factor = table.unpack(case)
    local generator = random.new(200 + i)
    local cells = shares(n, function()
      local values = power.history(generator, 55, noise, 0.0, factor, 41)
      local past, found = table.move(values, 11, 40, 1, {}), {}
      local new = table.move(values, 41, 43, 1, {})
      found.runs = regression_verdict(past, new, regression.TOLERANCE) == "regressed"
      found.strict = regression_verdict(past, new, 0.0) == "regressed"
      for _, after in ipairs { 2, 3, 5, 15 } do
        local any, confirmed = near(changepoint.detect(table.move(values, 1, 40 + after, 1, {})),
                                    41)
        found["point" .. after], found["confirmed" .. after] = any, confirmed
      end
      return found
    end)
    rows[i] = { group = "step", n = n, cells = cells,
                case = string.format("noise %g %%, step %+.0f %%", 100 * noise,
                                     100 * (factor - 1)) }
    if i == 1 then
      rows[i].goal, rows[i].met = "within 3 runs >= 95 %", cells.runs >= 0.95
    end
  end
  return rows
end

-- Runs in the order given, with a slow drift of the machine; judged in pairs, or as two heaps.
local function interleaved(generator, order, effect, noise, drift)
  local a, b = {}, {}
  for i, side in ipairs(order) do
    local value = 100 * math.exp(noise * generator:normal() + drift * i)
    if side == "A" then a[#a + 1] = value else b[#b + 1] = value * effect end
  end
  return a, b
end

local function in_looks(generator, looks, effect, noise, drift)
  local a, b, verdict
  local order = ab.order(looks[#looks], generator:bits())
  local all_a, all_b = interleaved(generator, order, effect, noise, drift)
  for _, look in ipairs(looks) do
    a, b = table.move(all_a, 1, look, 1, {}), table.move(all_b, 1, look, 1, {})
    verdict = ab.judge(a, b, { better = "higher", looks = looks }).verdict
    if verdict ~= "undecided" then break end
  end
  return verdict
end

--- Pairs of A and B at 2 % noise, with and without a difference of 5 %.
---@param n integer
---@return woolly.PowerRow[]
function power.pairs(n)
  local rows = {}
  for i, case in ipairs {
    { { 10 }, 1.0, 0.0, "10 pairs, no difference" }, { { 10 }, 0.95, 0.0, "10 pairs, B -5 %" },
    { { 10 }, 1.05, 0.0, "10 pairs, B +5 %" }, { ab.LOOKS, 1.0, 0.0, "looks at 10, 15, 20, none" },
    { ab.LOOKS, 0.95, 0.0, "looks at 10, 15, 20, B -5 %" },
    { { 10 }, 1.0, 0.002, "10 pairs, none, machine drifts 0.2 % a run" },
  } do
    local looks, effect, drift, name = table.unpack(case)
    local generator = random.new(300 + i)
    local cells = shares(n, function()
      local verdict = in_looks(generator, looks, effect, 0.02, drift)
      return { found = verdict == "slower" or verdict == "faster", same = verdict == "same" }
    end)
    rows[i] = { group = "pairs", case = name, n = n, cells = cells }
    if i == 1 then rows[i].goal, rows[i].met = "<= 1 %", cells.found <= 0.01 end
    if i == 2 or i == 3 then rows[i].goal, rows[i].met = ">= 90 %", cells.found >= 0.9 end
  end
  local generator, block = random.new(310), {}
  for i = 1, 20 do block[i] = i <= 10 and "A" or "B" end
  rows[#rows + 1] = { group = "pairs", n = n,
    case = "the same, A ten times, then B (not done here)",
    cells = shares(n, function()
      local a, b = interleaved(generator, block, 1.0, 0.02, 0.002)
      return { found = ranks.mann_whitney(a, b).p < ab.ALPHA }
    end) }
  return rows
end

-- Would a limit at the true median pass in any of the looks?
local function passes_at_truth(generator, looks, noise)
  local samples = {}
  for k, n in ipairs(looks) do
    for i = #samples + 1, n do samples[i] = 100 * math.exp(noise * generator:normal()) end
    local low, high = interval.of(stats.sorted(samples), "median", k)
    if low >= 100 then return "pass" end
    if high < 100 then return "fail" end
  end
  return "inconclusive"
end

--- Gates whose limit is the truth itself: a pass or a fail is wrong as often as not.
---@param n integer
---@return woolly.PowerRow[]
function power.gates(n)
  local rows = {}
  for i, case in ipairs { { { 5 }, "median of 5 runs" }, { { 10 }, "median of 10 runs" },
                          { { 5, 10, 15 }, "median, looks at 5, 10 and 15 runs" } } do
    local generator = random.new(400 + i)
    local cells = shares(n, function()
      return { pass = passes_at_truth(generator, case[1], 0.03) == "pass" }
    end)
    rows[i] = { group = "gate", case = case[2], n = n, cells = cells,
                goal = "<= 5 %", met = cells.pass <= 0.05 }
  end
  for i, p in ipairs { 90, 99 } do
    local generator, count = random.new(410 + i), p == 90 and 64 or 662
    local truth = -math.log(1 - p / 100) -- of an exponential distribution
    local cells = shares(n, function()
      local samples = {}
      for k = 1, count do samples[k] = -math.log(1 - generator:uniform()) end
      local _, high = interval.of(stats.sorted(samples), p)
      return { pass = high <= truth }
    end)
    rows[#rows + 1] = { group = "gate", n = n, cells = cells, goal = "<= 1 %",
                        case = string.format("p%d of %d samples", p, count),
                        met = cells.pass <= 0.01 + 2 * math.sqrt(0.01 / n) }
  end
  return rows
end

--- Slow drifts of 0.2 % a run, and none.
---@param n integer
---@return woolly.PowerRow[]
function power.drifts(n)
  local rows = {}
  for i, case in ipairs { { 30, 0.01, 0.0 }, { 30, 0.01, 0.5 }, { 60, 0.03, 0.5 } } do
    local length, noise, memory = table.unpack(case)
    local generator = random.new(500 + i)
    rows[i] = { group = "drift", n = n, cells = shares(n, function()
      local still = power.history(generator, length, noise, memory)
      local moving = {}
      for k, value in ipairs(still) do moving[k] = value * math.exp(-0.002 * k) end
      return { found = trend.drift(moving).verdict == "drift",
               wrong = trend.drift(still).verdict == "drift" }
    end), case = string.format("%d runs, noise %g %%, lag-1 correlation %g", length, 100 * noise,
                               memory) }
  end
  return rows
end

return power
