--- Did a run get worse than its baseline? One breach is a suspect; two of three fresh runs in the
--- same direction are a finding. Pure.
local baseline = require "woolly.stats.baseline"
local metrics  = require "woolly.metrics"
local stats    = require "woolly.stats"

local regression = {}

regression.TOLERANCE = 0.05 -- share of the baseline, as in the plan
regression.MIN_SEGMENT = 8  -- runs that tell how much runs differ by themselves
regression.MAX_SEGMENT = 30
regression.RERUNS = 2

-- As a gate passes only what clears its limit, a drop passes only when it is clearly smaller than
-- the tolerance: by so many times the noise of a run.
local NOISE_REACH <const> = 2.5
local MIN_SAMPLES <const> = 5 -- of one run, when it is compared with one other

---@class woolly.Regression
---@field metric string
---@field verdict "ok"|"suspect"|"regressed"|"improved"|"undecided"|"missing"
---@field against "segment"|"run"
---@field base? number      median of the baseline
---@field low? number       where a run like those before would lie
---@field high? number
---@field value? number     median of the new runs
---@field change? number    share of the baseline, positive is better; nil: from 0
---@field n? integer        runs or samples of the baseline
---@field breaches? integer of the new runs
---@field runs? integer     new runs looked at
---@field reason? string

-- Share by which `value` is better than `base`; from 0, anything else is all the difference.
local function change_of(metric, value, base)
  local up = base ~= 0 and value / base - 1 or value == 0 and 0 or math.huge
  if metric.better == "lower" then up = -up end
  return up
end

-- What a report can hold: a change from 0 has no size.
local function shown(change)
  return change ~= math.huge and change ~= -math.huge and change or nil
end

-- Two of three say so, or the only one there is.
local function settle(line, worse, better, n_runs)
  line.breaches, line.runs = math.max(worse, better), n_runs
  if n_runs <= 1 then
    line.verdict = (worse > 0 or better > 0) and "suspect" or "ok"
    return line
  end
  local enough = n_runs // 2 + 1
  line.verdict = worse >= enough and "regressed" or better >= enough and "improved" or "ok"
  return line
end

local function count(values, side_of)
  local worse, better = 0, 0
  for _, value in ipairs(values) do
    local side = side_of(value)
    if side == "worse" then worse = worse + 1 end
    if side == "better" then better = better + 1 end
  end
  return worse, better
end

local function new_line(metric, against)
  return { metric = metric.name, against = against }
end

local function missing(line, reason)
  line.verdict, line.reason = "missing", reason
  return line
end

local function unusable(metric, values)
  for _, value in ipairs(values) do
    if type(value) ~= "number" or value ~= value or math.abs(value) == math.huge then
      return "holds " .. tostring(value)
    end
    if value < 0 and not metric.any_sign then return string.format("holds %g", value) end
  end
end

-- Counted, not timed, or with values that have no logarithm: any change beyond the tolerance.
local function by_tolerance(line, metric, values, runs, tolerance)
  line.base = stats.median(values)
  line.low, line.high = line.base, line.base
  local worse, better = count(runs, function(value)
    local change = change_of(metric, value, line.base)
    return change < -tolerance and "worse" or change > tolerance and "better" or nil
  end)
  line.change = shown(change_of(metric, line.value, line.base))
  return settle(line, worse, better, #runs)
end

local function has_no_logarithm(values)
  for _, value in ipairs(values) do
    if value <= 0 then return true end
  end
  return false
end

--- Against the runs of the stable segment: outside of where one more of them would lie, and so far
--- that a loss of the tolerance cannot be ruled out (a gain: beyond it).
---@param name string
---@param segment number[]   one median per run, oldest first
---@param runs number[]      medians of the new run, and of its re-runs
---@param tolerance number
---@return woolly.Regression
function regression.against_segment(name, segment, runs, tolerance)
  local metric = metrics.all[name]
  local line = new_line(metric, "segment")
  if #runs == 0 then return missing(line, "not measured this time") end
  local bad = unusable(metric, runs) or unusable(metric, segment)
  if bad then return missing(line, bad) end
  if #segment < regression.MIN_SEGMENT then
    return missing(line, string.format("%d runs before, %d are needed to know how much runs differ",
                                       #segment, regression.MIN_SEGMENT))
  end
  local first = math.max(1, #segment - regression.MAX_SEGMENT + 1)
  local values = table.move(segment, first, #segment, 1, {})
  line.n, line.value = #values, stats.median(runs)
  if metric.exact or metric.any_sign or has_no_logarithm(values) or has_no_logarithm(runs) then
    return by_tolerance(line, metric, values, runs, tolerance)
  end
  local prediction, why_not = baseline.predict(values)
  if not prediction then return missing(line, why_not) end
  line.base, line.low, line.high = prediction.center, prediction.low, prediction.high
  line.change = shown(change_of(metric, line.value, line.base))
  local worse, better = count(runs, function(value)
    local side, change = baseline.breach(prediction, value, metric.better)
    local reach = side == "worse" and NOISE_REACH * prediction.scale or 0
    return side and math.abs(change) + reach > tolerance and side or nil
  end)
  settle(line, worse, better, #runs)
  if line.verdict == "regressed" and -line.change < tolerance then
    line.reason = string.format("a loss of %g %% cannot be ruled out", 100 * tolerance)
  end
  local blur = math.max(line.high / line.base, line.base / line.low) - 1
  if line.verdict == "ok" and blur > tolerance then
    line.reason = string.format("runs differ by %.1f %%: a change of %g %% would not be seen",
                                100 * blur, 100 * tolerance)
  end
  return line
end

--- Against one run: the interval of the ratio of medians lies wholly beyond the tolerance. The
--- interval knows nothing of how much runs differ, which is why re-runs must say the same. A median
--- beyond the tolerance is a suspect as well; it stays undecided when the re-runs do not settle it.
---@param name string
---@param base number[]      samples
---@param runs number[][]    samples of the new run, and of its re-runs
---@param tolerance number
---@return woolly.Regression
function regression.against_run(name, base, runs, tolerance)
  local metric = metrics.all[name]
  local line, medians = new_line(metric, "run"), {}
  if #base == 0 then return missing(line, "not in the baseline") end
  for _, samples in ipairs(runs) do
    if #samples == 0 then return missing(line, "not measured this time") end
    local bad = unusable(metric, samples)
    if bad then return missing(line, bad) end
    medians[#medians + 1] = stats.median(samples)
  end
  if #runs == 0 then return missing(line, "not measured this time") end
  local bad = unusable(metric, base)
  if bad then return missing(line, "the baseline " .. bad) end
  line.n, line.value = #base, stats.median(medians)
  if metric.exact or metric.any_sign or has_no_logarithm(base) then
    return by_tolerance(line, metric, base, medians, tolerance)
  end
  line.base = stats.median(base)
  line.change = shown(change_of(metric, line.value, line.base))
  if #base < MIN_SAMPLES then
    return missing(line, string.format("%d samples in the baseline, %d are needed", #base,
                                       MIN_SAMPLES))
  end
  local worse, better = count(runs, function(samples)
    if #samples < MIN_SAMPLES then return nil end
    local low, high = stats.bootstrap_ratio(samples, base)
    if metric.better == "lower" then low, high = 2 - high, 2 - low end
    return high < 1 - tolerance and "worse" or low > 1 + tolerance and "better" or nil
  end)
  if #runs[1] < MIN_SAMPLES then
    return missing(line, string.format("%d samples, %d are needed", #runs[1], MIN_SAMPLES))
  end
  settle(line, worse, better, #runs)
  if line.verdict == "ok" and math.abs(line.change) > tolerance then
    line.verdict = #runs == 1 and "suspect" or "undecided"
    line.reason = "the interval of the ratio reaches into the tolerance"
  end
  return line
end

--- What is judged: every metric that either side has and that has a direction.
---@param ... table<string, any>   by metric
---@return string[] names
function regression.names(...)
  local seen, names = {}, {}
  for i = 1, select("#", ...) do
    for name in pairs((select(i, ...))) do
      local metric = metrics.all[name]
      if metric and metric.better ~= "target" and not seen[name] then
        names[#names + 1] = name
      end
      seen[name] = true
    end
  end
  return metrics.sort(names)
end

--- Has any line this verdict?
---@param lines woolly.Regression[]
---@param verdict string
---@return boolean
function regression.any(lines, verdict)
  for _, line in ipairs(lines) do
    if line.verdict == verdict then return true end
  end
  return false
end

--- Exit status: 1 a regression is confirmed, 2 something could not be told, else 0. What is
--- missing on both sides is nothing lost.
---@param lines woolly.Regression[]
---@return integer
function regression.status(lines)
  if regression.any(lines, "regressed") then return 1 end
  for _, verdict in ipairs { "missing", "suspect", "undecided" } do
    if regression.any(lines, verdict) then return 2 end
  end
  return #lines == 0 and 2 or 0
end

local WORDS <const> = { ok = "same", suspect = "suspect", regressed = "WORSE", improved = "better",
                        undecided = "open", missing = "miss" }

--- Lines to print.
---@param lines woolly.Regression[]
---@param number fun(value: number): string
---@return string[]
function regression.render(lines, number)
  local out = {}
  for i, line in ipairs(lines) do
    local found = ""
    if line.value and line.base then
      local change = line.change and string.format("%+.1f %%", 100 * line.change) or "from 0"
      found = string.format("%10s  was %s%s  %s", number(line.value), number(line.base),
        line.low and line.low < line.high
          and string.format(" [%s, %s]", number(line.low), number(line.high)) or "", change)
      if line.breaches > 0 then
        found = found .. string.format("  %d of %d runs", line.breaches, line.runs)
      end
    end
    out[i] = string.format("  %-7s  %-32s %s%s", WORDS[line.verdict], line.metric, found,
                           line.reason and "  (" .. line.reason .. ")" or ""):gsub("%s+$", "")
  end
  return out
end

return regression
