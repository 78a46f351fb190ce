--- Intervals by resampling: BCa (bias corrected and accelerated), with a fixed seed so that a
--- stored run is judged the same every time. Runs with samples of their own are resampled in two
--- levels.
local distributions = require "woolly.stats.distributions"
local primitives    = require "woolly.stats.primitives"
local random        = require "woolly.stats.random"
local stats         = require "woolly.stats"

local bootstrap = {}

local RESAMPLES <const>, SEED <const>, CONFIDENCE <const> = 10000, 1, 0.95
local NESTED_RESAMPLES <const> = 2000 -- two levels cost a sample's draw each

---@class woolly.stats.Interval
---@field estimate number
---@field low number
---@field high number
---@field confidence number
---@field method string
---@field n integer

---@class woolly.stats.BootstrapOptions
---@field statistic? "median"|"mean"|number  a number: that percentile, nearest rank
---@field resamples? integer
---@field seed? integer
---@field confidence? number

-- -1 stands for the mean, as in the C function.
local function percentile_of(statistic)
  if statistic == nil or statistic == "median" then return 50 end
  if statistic == "mean" then return -1 end
  if type(statistic) == "number" and statistic >= 0 and statistic <= 100 then return statistic end
  error("bootstrap: statistic must be 'median', 'mean' or a percentile", 3)
end

local function evaluate(values, percentile)
  if percentile < 0 then return stats.mean(values) end
  if percentile == 50 then return stats.median(values) end
  return stats.percentile(values, percentile)
end

-- In Lua: the sorted statistics of the resamples.
local function resample(values, options)
  local generator, drawn, results = random.new(options.seed), {}, {}
  for r = 1, options.resamples do
    for i = 1, #values do drawn[i] = values[generator:index(#values)] end
    results[r] = evaluate(drawn, options.percentile)
  end
  table.sort(results)
  return results
end

-- The statistic of the ascending values without the i-th.
local function without(sorted, i, percentile, sum)
  local n = #sorted - 1
  if percentile < 0 then return (sum - sorted[i]) / n end
  local function at(rank) return sorted[rank < i and rank or rank + 1] end
  if percentile == 50 then return (at((n + 1) // 2) + at(n // 2 + 1)) / 2 end
  return at(math.max(1, math.ceil(percentile / 100 * n - 1e-9)))
end

-- BCa's acceleration: a sixth of the skewness of the statistic without each value in turn.
local function acceleration(values, percentile)
  if #values < 2 then return 0.0 end
  local sorted, each, sum = stats.sorted(values), {}, 0.0
  for _, value in ipairs(sorted) do sum = sum + value end
  for i = 1, #sorted do each[i] = without(sorted, i, percentile, sum) end
  local mean, square, cube = stats.mean(each), 0.0, 0.0
  for _, value in ipairs(each) do
    square = square + (mean - value) ^ 2
    cube = cube + (mean - value) ^ 3
  end
  return square > 0 and cube / (6 * square ^ 1.5) or 0.0
end

-- How many of the ascending results are below value, how many equal.
local function position(results, value)
  local below, equal = 0, 0
  for _, result in ipairs(results) do
    if result < value then
      below = below + 1
    elseif result == value then
      equal = equal + 1
    else
      break
    end
  end
  return below, equal
end

local function at_share(results, share)
  return results[math.max(1, math.min(#results, math.ceil(share * #results - 1e-9)))]
end

-- Bounds of ascending results around the estimate.
local function bounds(results, estimate, a, confidence)
  local tail = (1 - confidence) / 2
  local below, equal = position(results, estimate)
  local share = (below + equal / 2) / #results
  if share <= 0 or share >= 1 then
    return at_share(results, tail), at_share(results, 1 - tail), "percentile"
  end
  local z0 = distributions.normal_quantile(share)
  local function corrected(p)
    local z = z0 + distributions.normal_quantile(p)
    return distributions.normal_cdf(z0 + z / (1 - a * z))
  end
  return at_share(results, corrected(tail)), at_share(results, corrected(1 - tail)), "bca"
end

--- Interval of a statistic of one sample.
---@param values number[]
---@param options? woolly.stats.BootstrapOptions   median, 10,000 resamples, seed 1, 0.95
---@return woolly.stats.Interval?   nil without values
function bootstrap.bca(values, options)
  options = options or {}
  if #values == 0 then return nil end
  local percentile = percentile_of(options.statistic)
  local confidence = options.confidence or CONFIDENCE
  local results = primitives.call("resample", resample, values,
    { resamples = options.resamples or RESAMPLES, seed = options.seed or SEED,
      percentile = percentile })
  local estimate = evaluate(values, percentile)
  local low, high, method = bounds(results, estimate, acceleration(values, percentile), confidence)
  return { estimate = estimate, low = low, high = high, confidence = confidence, method = method,
           n = #values }
end

local function as_ratio(interval)
  for _, key in ipairs { "estimate", "low", "high" } do interval[key] = math.exp(interval[key]) end
  return interval
end

--- Ratio a / b of paired values: the statistic of ln(a_i / b_i), back as a ratio.
---@param a number[]
---@param b number[]   as many
---@param options? woolly.stats.BootstrapOptions
---@return woolly.stats.Interval?
---@return string? reason
function bootstrap.paired_ratio(a, b, options)
  if #a ~= #b then return nil, string.format("%d values and %d do not pair", #a, #b) end
  local logs = {}
  for i, value in ipairs(a) do
    if not (value > 0 and b[i] > 0) then return nil, "a ratio needs values above 0" end
    logs[i] = math.log(value / b[i])
  end
  local interval = bootstrap.bca(logs, options)
  if not interval then return nil, "no values" end
  return as_ratio(interval)
end

-- One number of each run, then one of those.
local function nested(runs, percentile)
  local each = {}
  for i, run in ipairs(runs) do each[i] = evaluate(run, percentile) end
  return evaluate(each, percentile)
end

-- Runs drawn with replacement, each with its samples drawn again.
local function draw_runs(generator, runs)
  local drawn = {}
  for i = 1, #runs do
    local run, samples = runs[generator:index(#runs)], {}
    for j = 1, #run do samples[j] = run[generator:index(#run)] end
    drawn[i] = samples
  end
  return drawn
end

local function two_levels(groups, options, combine)
  options = options or {}
  for _, runs in ipairs(groups) do
    if #runs == 0 then return nil, "no runs" end
    for _, run in ipairs(runs) do
      if #run == 0 then return nil, "a run without samples" end
    end
  end
  local percentile = percentile_of(options.statistic)
  local function statistic(from)
    local parts = {}
    for i, runs in ipairs(from) do parts[i] = nested(runs, percentile) end
    return combine(parts)
  end
  local generator, results = random.new(options.seed or SEED), {}
  for r = 1, options.resamples or NESTED_RESAMPLES do
    local drawn = {}
    for i, runs in ipairs(groups) do drawn[i] = draw_runs(generator, runs) end
    results[r] = statistic(drawn)
  end
  table.sort(results)
  local confidence = options.confidence or CONFIDENCE
  local tail = (1 - confidence) / 2
  return { estimate = statistic(groups), low = at_share(results, tail),
           high = at_share(results, 1 - tail), confidence = confidence, method = "hierarchical",
           n = #groups[1] }
end

--- Interval for runs that each hold samples (Kalibera and Jones): what varies between runs counts.
---@param runs number[][]
---@param options? woolly.stats.BootstrapOptions   2,000 resamples
---@return woolly.stats.Interval?   n: runs
---@return string? reason
function bootstrap.hierarchical(runs, options)
  return two_levels({ runs }, options, function(parts) return parts[1] end)
end

--- Ratio a / b of two such sets of runs.
---@param runs_a number[][]
---@param runs_b number[][]
---@param options? woolly.stats.BootstrapOptions
---@return woolly.stats.Interval?
---@return string? reason
function bootstrap.hierarchical_ratio(runs_a, runs_b, options)
  for _, runs in ipairs { runs_a, runs_b } do
    for _, run in ipairs(runs) do
      for _, value in ipairs(run) do
        if not (value > 0) then return nil, "a ratio needs values above 0" end
      end
    end
  end
  return two_levels({ runs_a, runs_b }, options, function(parts) return parts[1] / parts[2] end)
end

return bootstrap
