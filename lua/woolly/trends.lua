--- What a history of alike runs says, metric by metric: where it changed, whether it drifts, when a
--- gate will be met. Pure.
local changepoint = require "woolly.stats.changepoint"
local drift_of    = require "woolly.stats.trend"
local history     = require "woolly.history"
local metrics     = require "woolly.metrics"
local stats       = require "woolly.stats"
local suggest     = require "woolly.suggest"

local trends = {}

trends.MAGNITUDE = 0.05   -- smaller steps are not told from a shared machine's moods
trends.MIN_RUNS = 8
trends.MATURE = 3         -- runs on the new level before anybody is called
local FORECAST_AHEAD <const> = 365

---@class woolly.TrendPoint
---@field index integer      of the series' values
---@field at integer         of the history's rows: the first run on the new level
---@field before number
---@field after number
---@field change? number     share, as measured; nil: from 0
---@field better boolean     for the better
---@field vote "confirmed"|"weak"
---@field age integer        runs on the new level
---@field in_window boolean

---@class woolly.Trend
---@field metric string
---@field n integer
---@field level number       median since the last confirmed change
---@field segment integer    runs since then
---@field latest number
---@field points woolly.TrendPoint[]
---@field drift? {verdict: string, change: number, p: number, better: boolean}
---@field forecast? table
---@field reason? string     why there is no more to say

local function is_better(metric, up) return (metric.better == "lower") ~= up end

local SELDOM <const> = 0.1 -- changes per run of what is counted and does not waver

-- What is the same from run to run but for a few, and what has a 0, is not for detectors of shifts.
local function is_counted(metric, values)
  local changes = 0
  for i, value in ipairs(values) do
    if value <= 0 then return true end
    if value ~= values[i - 1] then changes = changes + 1 end
  end
  return metric.exact and changes <= 1 + SELDOM * #values
end

-- Where the last value differs, it changed.
local function counted_points(values)
  local points = {}
  for i = #values, 2, -1 do
    if values[i] ~= values[i - 1] then
      points[1] = { index = i, before = values[i - 1], after = values[i], vote = "confirmed",
                    change = values[i - 1] ~= 0 and values[i] / values[i - 1] - 1 or nil,
                    age = #values - i + 1 }
      break
    end
  end
  return points
end

--- Analyses one metric.
---@param name string
---@param series woolly.store.Series
---@param first_in_window integer   index of rows
---@param options? {magnitude?: number}
---@return woolly.Trend
function trends.metric(name, series, first_in_window, options)
  local metric, values = metrics.all[name], series.value
  local n = #values
  local trend = { metric = name, n = n, latest = values[n], points = {}, segment = n,
                  level = stats.median(values) }
  if n < trends.MIN_RUNS then
    trend.reason = string.format("%d runs, %d are needed", n, trends.MIN_RUNS)
    return trend
  end
  local counted = is_counted(metric, values)
  local points = counted and counted_points(values)
    or changepoint.detect(values, { magnitude = (options or {}).magnitude or trends.MAGNITUDE })
  local from = counted and (points[1] or { index = 1 }).index
    or changepoint.stable_segment(values, points)
  for i, point in ipairs(points) do
    trend.points[i] = {
      index = point.index, at = series.at[point.index], before = point.before,
      after = point.after, change = point.change, vote = point.vote, age = point.age,
      better = is_better(metric, point.after > point.before),
      in_window = series.at[point.index] >= first_in_window,
    }
  end
  local segment = table.move(values, from, n, 1, {})
  trend.level, trend.segment = stats.median(segment), #segment
  if not counted then
    local found = drift_of.drift(segment)
    if found.verdict ~= "too few" then
      trend.drift = { verdict = found.verdict, change = found.change, p = found.p,
                      better = is_better(metric, (found.change or 0) > 0) }
    end
  end
  return trend
end

--- Analyses a history of alike runs; metrics without a direction are left out.
---@param found woolly.store.History
---@param options {window_s: number, metric?: string, magnitude?: number}
---@return woolly.Trend[]
function trends.history(found, options)
  local first, out, names = history.window(found.rows, options.window_s), {}, {}
  for name in pairs(found.series) do
    local metric = metrics.all[name]
    if metric and metric.better ~= "target" and (not options.metric or options.metric == name) then
      names[#names + 1] = name
    end
  end
  for _, name in ipairs(metrics.sort(names)) do
    out[#out + 1] = trends.metric(name, found.series[name], first, options)
  end
  return out
end

--- Is it time to call somebody: worse, confirmed by both detectors, and no fluke of the last runs?
---@param point woolly.TrendPoint
---@return boolean
function trends.pages(point)
  return point.vote == "confirmed" and not point.better and point.age >= trends.MATURE
end

--- When each limit of a gate will be met, by the line through the last segment.
---@param found woolly.store.History
---@param list woolly.Trend[]
---@param gate table
---@param project fun(values: number[], options: table): table?, string?   forecast.project
function trends.forecast(found, list, gate, project)
  for _, trend in ipairs(list) do
    local limit = (gate.limits or {})[trend.metric]
    local bound = limit and (limit.min or limit.max)
    if type(bound) == "number" and not trend.reason then
      local values, better = found.series[trend.metric].value, limit.min and "higher" or "lower"
      local met = better == "higher" and trend.level >= bound
        or better == "lower" and trend.level <= bound
      local segment = table.move(values, #values - trend.segment + 1, #values, 1, {})
      trend.forecast = { limit = bound, bound = limit.min and "min" or "max", met = met }
      if not met then
        local projected, why_not = project(segment, { ahead = FORECAST_AHEAD, limit = bound,
          better = better, last_change = (trend.points[#trend.points] or {}).age })
        trend.forecast.reason = why_not
        if projected then
          trend.forecast.model, trend.forecast.crossing = projected.model, projected.crossing
        end
      end
    end
  end
end

--- Seconds between runs: the median of the steps forward.
---@param rows woolly.store.Row[]
---@return number?
function trends.pace(rows)
  local steps = {}
  for i = math.max(2, #rows - 100), #rows do
    local step = rows[i].started_s - rows[i - 1].started_s
    if step > 0 then steps[#steps + 1] = step end
  end
  return stats.median(steps)
end

-- ---- trajectory ----

---@class woolly.TrajectoryStep
---@field phase string
---@field expected number
---@field measured? number
---@field low? number
---@field high? number
---@field roof? number
---@field verdict "on target"|"behind"|"undecided"|"unreachable"|"missing"
---@field run? string
---@field reason? string

--- The plan's expected factors against what was measured.
---@param expected table<string, number>   by phase
---@param measured table<string, {median: number, low: number, high: number, roof?: number,
---                              run: string}>
---@return woolly.TrajectoryStep[]
function trends.trajectory(expected, measured)
  local out = {}
  for _, phase in ipairs(suggest.keys(expected)) do
    local found, wanted = measured[phase], expected[phase]
    local step = { phase = phase, expected = wanted }
    if not found then
      step.verdict, step.reason = "missing", "no run with its preset and an improvement_factor"
    else
      step.measured, step.low, step.high = found.median, found.low, found.high
      step.roof, step.run = found.roof, found.run
      if found.low >= wanted then
        step.verdict = "on target"
      elseif found.roof and found.roof < wanted then
        step.verdict = "unreachable"
        step.reason = string.format("the roof of this machine and model is %.0f", found.roof)
      else
        step.verdict = found.high < wanted and "behind" or "undecided"
      end
    end
    out[#out + 1] = step
  end
  return out
end

return trends
