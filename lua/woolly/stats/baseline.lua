--- A few new runs against the stable segment of a history: a prediction interval on ln(value), a
--- suspect that is run again, and a verdict only when most runs agree.
local distributions = require "woolly.stats.distributions"
local stats         = require "woolly.stats"

local baseline = {}

baseline.LEAST, baseline.MOST = 8, 30 -- runs of the segment that are looked at, the newest ones
baseline.FLOOR = 0.005                -- noise is never taken for less
baseline.CONFIRM = 2                  -- of 3 runs

local CONFIDENCE <const> = 0.99

local function logs_of(values)
  local first, logs = math.max(1, #values - baseline.MOST + 1), {}
  for i = first, #values do
    if not (values[i] > 0) then return nil end
    logs[#logs + 1] = math.log(values[i])
  end
  return logs
end

local function quartiles(values)
  local sorted = stats.sorted(values)
  return sorted[math.ceil(#sorted / 4)], sorted[math.ceil(3 * #sorted / 4)]
end

-- rustc-perf's limit: changes from run to run, third quartile and three quartile ranges above.
local function quartile_limit(logs)
  local changes = {}
  for i = 2, #logs do changes[i - 1] = math.abs(logs[i] - logs[i - 1]) end
  local low, high = quartiles(changes)
  return high + 3 * (high - low)
end

local function beyond(logs, center, reach)
  local count = 0
  for _, value in ipairs(logs) do
    if math.abs(value - center) > reach then count = count + 1 end
  end
  return count
end

---@class woolly.stats.Prediction
---@field center number   level that is expected
---@field low number      a new run is expected within low..high
---@field high number
---@field scale number    noise, share of the level
---@field n integer       runs it rests on
---@field rule "prediction"|"quartiles"

--- What the next run should be, from the runs of the stable segment. The t interval, around the
--- median with a robust scale, decides; where more than one in fifteen of the past runs lie outside
--- it the noise has heavy tails and rustc-perf's wider limit takes its place.
---@param values number[]
---@param options? {floor?: number, confidence?: number}   0.005, 0.99 (two-sided)
---@return woolly.stats.Prediction?
---@return string? reason
function baseline.predict(values, options)
  options = options or {}
  if #values < baseline.LEAST then
    return nil, string.format("%d runs since the last change, %d are needed", #values,
                              baseline.LEAST)
  end
  local logs = logs_of(values)
  if not logs then return nil, "the history has values that are not above 0" end
  local n, center = #logs, stats.median(logs)
  local low, high = quartiles(logs)
  local scale = math.max(1.4826 * stats.mad(logs), (high - low) / 1.349,
                         options.floor or baseline.FLOOR)
  local t = distributions.t_quantile((1 + (options.confidence or CONFIDENCE)) / 2, n - 1)
  local reach, rule = t * scale * math.sqrt(1 + 1 / n), "prediction"
  if beyond(logs, center, reach) > math.max(1, n / 15) then
    local wider = quartile_limit(logs)
    if wider > reach then reach, rule = wider, "quartiles" end
  end
  return { center = math.exp(center), low = math.exp(center - reach),
           high = math.exp(center + reach), scale = scale, n = n, rule = rule }
end

--- Is a run outside what was predicted?
---@param prediction woolly.stats.Prediction
---@param value number
---@param better "higher"|"lower"
---@return "worse"|"better"|nil breach
---@return number change   share of the level, positive is better
function baseline.breach(prediction, value, better)
  local change = value / prediction.center - 1
  if better == "lower" then change = -change end
  if value >= prediction.low and value <= prediction.high then return nil, change end
  return change < 0 and "worse" or "better", change
end

---@class woolly.stats.Confirmation
---@field verdict "ok"|"suspect"|"regressed"|"improved"
---@field breaches integer   runs beyond the interval, in the direction of the verdict
---@field n integer
---@field change number      of the median run, share of the level, positive is better

--- The first run and its re-runs: one breach is a suspect, two of three in the same direction are a
--- finding, if the median change is also above the tolerance.
---@param prediction woolly.stats.Prediction
---@param values number[]     1 to 3 runs, or more
---@param better "higher"|"lower"
---@param tolerance? number   0: every breach counts
---@return woolly.stats.Confirmation
function baseline.confirm(prediction, values, better, tolerance)
  local count, changes = { worse = 0, better = 0 }, {}
  for i, value in ipairs(values) do
    local breach, change = baseline.breach(prediction, value, better)
    changes[i] = change
    if breach and math.abs(change) > (tolerance or 0) then count[breach] = count[breach] + 1 end
  end
  local direction = count.worse >= count.better and "worse" or "better"
  local found = { breaches = count[direction], n = #values, change = stats.median(changes) }
  local needed = math.max(baseline.CONFIRM, #values // 2 + 1)
  if found.breaches == 0 then
    found.verdict = "ok"
  elseif found.breaches >= needed then
    found.verdict = direction == "worse" and "regressed" or "improved"
  else
    found.verdict = #values < 3 and "suspect" or "ok"
  end
  return found
end

return baseline
