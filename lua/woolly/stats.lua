--- Statistics over samples. Pure Lua; the runner may hand in faster primitives (stats.accelerate)
--- that give the same numbers. The larger methods are in lua/woolly/stats/, one job a file.
local early_stopping = require "woolly.stats.early_stopping"
local primitives     = require "woolly.stats.primitives"
local random         = require "woolly.stats.random"

local stats = {}

local RESAMPLES <const>, SEED <const>, CONFIDENCE <const> = 10000, 1, 0.95
local MANY <const> = 500 -- values from which on a call into C pays
local ROUNDING <const> = 1e-9 -- ranks are computed in floating point

--- Uses the functions of woolly.numeric where it has them.
---@param numeric table<string, function>
function stats.accelerate(numeric)
  primitives.current = numeric
end

local function sorted(values)
  local copy = table.move(values, 1, #values, 1, {})
  table.sort(copy)
  return copy
end

--- A sorted copy.
---@param values number[]
---@return number[]
function stats.sorted(values)
  if #values < MANY then return sorted(values) end
  return primitives.call("sort", sorted, values)
end

local function middle(sorted)
  local n = #sorted
  if n % 2 == 1 then return sorted[n // 2 + 1] end
  return (sorted[n // 2] + sorted[n // 2 + 1]) / 2
end

local function median(values) return middle(sorted(values)) end

---@param values number[]
---@return number? median   nil without values
function stats.median(values)
  if #values == 0 then return nil end
  if #values < MANY then return median(values) end
  return primitives.call("median", median, values)
end

--- Nearest rank: the value at rank ceil(p/100 n).
---@param sorted number[]     ascending
---@param percentile number   0..100
---@return number?
function stats.percentile_of_sorted(sorted, percentile)
  return sorted[math.max(1, math.ceil(percentile / 100 * #sorted - ROUNDING))]
end

--- The same of values in any order.
---@param values number[]
---@param percentile number   0..100
---@return number?
function stats.percentile(values, percentile)
  return stats.percentile_of_sorted(stats.sorted(values), percentile)
end

---@param values number[]
---@return number?
function stats.mean(values)
  if #values == 0 then return nil end
  local sum = 0.0
  for _, value in ipairs(values) do sum = sum + value end
  return sum / #values
end

--- Median absolute deviation from the median.
---@param values number[]
---@return number?
function stats.mad(values)
  local center = stats.median(values)
  if not center then return nil end
  local distances = {}
  for i, value in ipairs(values) do distances[i] = math.abs(value - center) end
  return stats.median(distances)
end

--- Indexes of the values that Tukey's fences call outliers: 1.5 times the quartile range away.
---@param values number[]
---@return integer[]
function stats.outliers(values)
  if #values < 5 then return {} end
  local low, high = stats.percentile(values, 25), stats.percentile(values, 75)
  local reach, found = 1.5 * (high - low), {}
  for i, value in ipairs(values) do
    if value < low - reach or value > high + reach then found[#found + 1] = i end
  end
  return found
end

--- Smallest and largest value.
---@param values number[]
---@return number? low, number? high
function stats.range(values)
  if #values == 0 then return nil end
  local sorted = stats.sorted(values)
  return sorted[1], sorted[#sorted]
end

local function settings(options)
  options = options or {}
  return options.resamples or RESAMPLES, options.seed or SEED, options.confidence or CONFIDENCE
end

local function draw(generator, sorted, into)
  local n = #sorted
  for i = 1, n do into[i] = sorted[generator:index(n)] end
  table.sort(into)
  return into
end

local function bounds(results, confidence)
  table.sort(results)
  local alpha, n = (1 - confidence) / 2, #results
  local low = math.max(1, math.ceil(alpha * n - ROUNDING))
  local high = math.max(1, math.ceil((1 - alpha) * n - ROUNDING))
  return results[low], results[high]
end

local function bootstrap(values, options, statistic)
  local resamples, seed, confidence = settings(options)
  local sorted, generator, scratch, results = stats.sorted(values), random.new(seed), {}, {}
  for r = 1, resamples do results[r] = statistic(draw(generator, sorted, scratch)) end
  return bounds(results, confidence)
end

--- Percentile-bootstrap interval of the median; the algorithm is written out in the editor file
--- of woolly.numeric.
---@param values number[]
---@param options? {resamples?: integer, seed?: integer, confidence?: number}
---@return number? low, number? high
function stats.bootstrap_median(values, options)
  if #values == 0 then return nil end
  local faster = primitives.current.bootstrap_median
  if faster then return faster(values, options) end
  return bootstrap(values, options, middle)
end

--- The same for a percentile, nearest rank.
---@param values number[]
---@param percentile number
---@param options? {resamples?: integer, seed?: integer, confidence?: number}
---@return number? low, number? high
function stats.bootstrap_percentile(values, percentile, options)
  if #values == 0 then return nil end
  if primitives.current.bootstrap_percentile then
    return primitives.current.bootstrap_percentile(values, percentile, options)
  end
  local rank = math.max(1, math.ceil(percentile / 100 * #values - ROUNDING))
  return bootstrap(values, options, function(sorted) return sorted[rank] end)
end

--- The same for median(a) / median(b), resampled apart. b must be above zero.
---@param a number[]
---@param b number[]
---@param options? {resamples?: integer, seed?: integer, confidence?: number}
---@return number? low, number? high
function stats.bootstrap_ratio(a, b, options)
  if #a == 0 or #b == 0 then return nil end
  for _, value in ipairs(b) do
    if value <= 0 or value ~= value then return nil end
  end
  local faster = primitives.current.bootstrap_ratio
  if faster then return faster(a, b, options) end
  local resamples, seed, confidence = settings(options)
  local sorted_a, sorted_b = stats.sorted(a), stats.sorted(b)
  local generator, scratch_a, scratch_b, results = random.new(seed), {}, {}, {}
  for r = 1, resamples do
    local top = middle(draw(generator, sorted_a, scratch_a))
    results[r] = top / middle(draw(generator, sorted_b, scratch_b))
  end
  return bounds(results, confidence)
end

--- Samples that a percentile limit needs before it may be judged: see early_stopping.lua.
---@param percentile number
---@return integer
function stats.samples_needed(percentile)
  return early_stopping.samples_needed(percentile)
end

return stats
