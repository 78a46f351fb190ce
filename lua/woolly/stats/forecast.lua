--- Where a metric goes from here: a Theil-Sen line or a damped Holt trend on ln(value), whichever
--- erred less in the past, with bands from resampled errors; and when it meets a limit.
local random = require "woolly.stats.random"
local stats  = require "woolly.stats"
local trend  = require "woolly.stats.trend"

local forecast = {}

local LEAST <const>, LEAST_SINCE_CHANGE <const> = 8, 5
local MOST <const> = 120 -- the newest values of a longer segment
local DAMPING <const> = 0.9
local PATHS <const>, REFITS <const>, SEED <const> = 1000, 40, 1
local ORIGINS <const> = 12 -- pasts that are forecast from to choose the model

-- A model takes the past and gives a function of the steps ahead, and its errors in the past.
---@type table<string, fun(y: number[]): (fun(h: integer): number), number[]>
local models = {}

function models.theil_sen(y)
  local slope, rests = trend.slope(y), {}
  for i, value in ipairs(y) do rests[i] = value - slope * i end
  local intercept = stats.median(rests)
  for i, rest in ipairs(rests) do rests[i] = rest - intercept end
  return function(h) return intercept + slope * (#y + h) end, rests
end

local function holt_run(y, alpha, beta)
  local level, slope, rests, square = y[1], y[2] - y[1], {}, 0.0
  for i = 2, #y do
    local expected = level + DAMPING * slope
    local miss = y[i] - expected
    rests[#rests + 1] = miss
    square = square + miss * miss
    level, slope = expected + alpha * miss, DAMPING * slope + alpha * beta * miss
  end
  return square, level, slope, rests
end

function models.holt(y)
  local best, level, slope, rests = math.huge, nil, nil, nil
  for _, alpha in ipairs { 0.05, 0.1, 0.2, 0.3, 0.5, 0.8 } do
    for _, beta in ipairs { 0.02, 0.1, 0.3 } do
      local square, l, s, r = holt_run(y, alpha, beta)
      if square < best then best, level, slope, rests = square, l, s, r end
    end
  end
  return function(h)
    return level + slope * DAMPING * (1 - DAMPING ^ h) / (1 - DAMPING)
  end, rests
end

-- Mean absolute error of forecasts from growing pasts, in units of the naive step's error.
local function scaled_error(y, fit, ahead)
  local n, sum, count = #y, 0.0, 0
  local origin = math.max(LEAST - 2, n // 2)
  local stride = math.max(1, (n - origin) // ORIGINS)
  for cut = origin, n - 1, stride do
    local at = fit(table.move(y, 1, cut, 1, {}))
    for h = 1, math.min(ahead, n - cut) do
      sum, count = sum + math.abs(y[cut + h] - at(h)), count + 1
    end
  end
  local naive = 0.0
  for i = 2, n do naive = naive + math.abs(y[i] - y[i - 1]) end
  naive = naive / (n - 1)
  if count == 0 then return math.huge end
  return naive > 0 and sum / count / naive or sum / count
end

-- Forecasts of refitted resamples, each with an error of its own: ascending, by step ahead.
local function simulate(y, fit, rests, ahead)
  local at, generator, paths = fit(y), random.new(SEED), {}
  local fitted, centered = {}, {}
  local shift, skipped = stats.median(rests), #y - #rests
  for i, rest in ipairs(rests) do centered[i] = rest - shift end
  for i, value in ipairs(y) do fitted[i] = value - (rests[i - skipped] or 0) end
  for h = 1, ahead do paths[h] = {} end
  for path = 1, PATHS do
    if (path - 1) % (PATHS // REFITS) == 0 then
      local again = {}
      for i = 1, #y do again[i] = fitted[i] + centered[generator:index(#centered)] end
      at = fit(again)
    end
    for h = 1, ahead do paths[h][path] = at(h) + centered[generator:index(#centered)] end
  end
  for h = 1, ahead do table.sort(paths[h]) end
  return paths
end

local function share_of(sorted, share)
  return sorted[math.max(1, math.ceil(share * #sorted - 1e-9))]
end

-- The first step ahead at which the value of points[h][key] meets the limit.
local function crossing(points, key, limit, better)
  for h, point in ipairs(points) do
    if better == "higher" and point[key] >= limit or better == "lower" and point[key] <= limit then
      return h
    end
  end
end

---@class woolly.stats.Forecast
---@field model "theil_sen"|"holt"
---@field points {median: number, low80: number, high80: number, low95: number, high95: number}[]
---@field crossing? {median?: integer, early?: integer, late?: integer}  runs until the limit is
--- met by the median, by the better and by the worse end of the 80 % band; nil: not in sight

--- Forecasts the next runs of a segment without change points.
---@param values number[]   the stable segment
---@param options? {ahead?: integer, limit?: number, better?: string, last_change?: integer}
--- ahead: at most half of the segment; last_change: runs since the newest change point of any kind
---@return woolly.stats.Forecast?
---@return string? reason
function forecast.project(values, options)
  options = options or {}
  if #values < LEAST then
    return nil, string.format("%d runs on this level, %d are needed", #values, LEAST)
  end
  if options.last_change and options.last_change < LEAST_SINCE_CHANGE then
    return nil, string.format("the last change is %d runs old, %d are needed", options.last_change,
                              LEAST_SINCE_CHANGE)
  end
  local first, y = math.max(1, #values - MOST + 1), {}
  for i = first, #values do
    if not (values[i] > 0) then return nil, "values must be above 0" end
    y[#y + 1] = math.log(values[i])
  end
  local ahead = math.max(1, math.min(options.ahead or 30, #y // 2))
  local chosen, least = nil, math.huge
  for _, name in ipairs { "theil_sen", "holt" } do
    local miss = scaled_error(y, models[name], ahead)
    if miss < least then chosen, least = name, miss end
  end
  local at, rests = models[chosen](y)
  local points = {}
  for h, sorted in ipairs(simulate(y, models[chosen], rests, ahead)) do
    points[h] = { median = math.exp(at(h)),
                  low80 = math.exp(share_of(sorted, 0.1)), high80 = math.exp(share_of(sorted, 0.9)),
                  low95 = math.exp(share_of(sorted, 0.025)),
                  high95 = math.exp(share_of(sorted, 0.975)) }
  end
  local found = { model = chosen, points = points, ahead = ahead, error = least }
  if options.limit and options.better then
    local up = options.better == "higher"
    found.crossing = { median = crossing(points, "median", options.limit, options.better),
                       early = crossing(points, up and "high80" or "low80", options.limit,
                                        options.better),
                       late = crossing(points, up and "low80" or "high80", options.limit,
                                       options.better) }
  end
  return found
end

return forecast
