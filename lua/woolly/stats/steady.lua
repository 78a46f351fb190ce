--- Where warm-up ends and the steady state begins, if it does.
local stats = require "woolly.stats"
local trend = require "woolly.stats.trend"

local steady = {}

local LEAST_SECONDS <const> = 3.0
local MOST_VARIATION <const>, MOST_Z <const>, MOST_SLOPE <const> = 0.02, 1.96, 0.01
local BUDGET_SHARE <const> = 0.3

-- Why a window of values is not steady yet, or nil.
local function unsteady(values)
  local mean, square = stats.mean(values), 0.0
  for _, value in ipairs(values) do square = square + (value - mean) ^ 2 end
  local variation = math.sqrt(square / (#values - 1)) / math.abs(mean)
  if not (variation <= MOST_VARIATION) then
    return string.format("values vary by %.1f %%", 100 * variation)
  end
  if math.abs(trend.mann_kendall(values).z) >= MOST_Z then return "values still rise or fall" end
  local across = math.abs(trend.theil_sen(values).slope * #values / mean)
  if across >= MOST_SLOPE then
    return string.format("values change by %.1f %% over %d", 100 * across, #values)
  end
end

-- Values that belong to warm-up by the clock: at least one, and until 3 s have passed unless one
-- value takes longer.
local function first_after_time(seconds, n)
  if not seconds then return 2 end
  for i = 1, n do
    if seconds[i] >= LEAST_SECONDS then return i + 1 end
  end
  return n + 1
end

---@class woolly.stats.Steady
---@field state "steady"|"none"
---@field first? integer   first value of the steady state
---@field reason? string   why there is none

--- The first value from which `width` values in a row are steady: variation 2 % at most, no trend,
--- a slope below 1 % across them. Warm-up may take 30 % of the values.
---@param values number[]
---@param options? {seconds?: number[], width?: integer}   when each value ended; 10
---@return woolly.stats.Steady
function steady.find(values, options)
  options = options or {}
  local n, width = #values, options.width or 10
  local start = first_after_time(options.seconds, n)
  local last_start = math.floor(BUDGET_SHARE * n) + 1
  if n < width + 1 then
    return { state = "none", reason = string.format("%d values, %d are needed", n, width + 1) }
  end
  if options.seconds and start > last_start then start = math.min(start, last_start) end
  local reason
  for first = start, math.max(start, last_start) do
    if first + width - 1 > n then break end
    reason = unsteady(table.move(values, first, first + width - 1, 1, {}))
    if not reason then return { state = "steady", first = first } end
  end
  return { state = "none", reason = reason or "the run is too short" }
end

return steady
