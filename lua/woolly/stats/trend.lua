--- Monotone trends: Theil-Sen slopes, Mann-Kendall with Hamed and Rao's correction, and the two
--- questions asked of them: does a stable segment drift, does memory leak.
local distributions = require "woolly.stats.distributions"
local primitives    = require "woolly.stats.primitives"
local stats         = require "woolly.stats"

local trend = {}

local LEAST <const> = 8           -- fewer points cannot tell a trend from noise
local MOST_FOR_SLOPES <const> = 2000 -- more points are thinned: slopes grow with their square
local MOST_CORRELATION <const> = 0.9
local SHORT <const> = 40 -- the memory of short segments is hard to see: they need more evidence
local MOST_FOR_DRIFT <const> = 365   -- only the newest runs of a long segment are asked

-- S = pairs that rise less pairs that fall, in n log n: inversions counted while merging.
local function score(y)
  local n = #y
  local from, into = table.move(y, 1, n, 1, {}), {}
  local falling = 0
  local width = 1
  while width < n do
    for left = 1, n, 2 * width do
      local middle, right = math.min(left + width, n + 1), math.min(left + 2 * width, n + 1)
      local i, j = left, middle
      for k = left, right - 1 do
        if i < middle and (j >= right or from[i] <= from[j]) then
          into[k] = from[i]
          i = i + 1
        else
          into[k] = from[j]
          j = j + 1
          falling = falling + middle - i
        end
      end
    end
    from, into = into, from
    width = 2 * width
  end
  local tied, ties, first = 0, 0, 1
  for i = 2, n + 1 do
    if from[i] ~= from[first] then
      local t = i - first
      tied = tied + t * (t - 1) // 2
      ties = ties + t * (t - 1) * (2 * t + 5)
      first = i
    end
  end
  return n * (n - 1) // 2 - tied - 2 * falling, ties
end

local function all_slopes(y, x)
  local slopes, n = {}, #y
  for i = 1, n - 1 do
    local xi, yi = x and x[i] or i, y[i]
    for j = i + 1, n do
      local run = (x and x[j] or j) - xi
      if run ~= 0 then slopes[#slopes + 1] = (y[j] - yi) / run end
    end
  end
  table.sort(slopes)
  return slopes
end

-- In Lua: the slopes at the given ranks (from 1, clamped); nil without a slope.
local function slopes_at_ranks(y, x, shares)
  local slopes, found = all_slopes(y, x), {}
  local n = #slopes
  for i, share in ipairs(shares) do
    local rank = math.min(math.max(share, 0), 1) * (n - 1) + 1
    found[i] = (slopes[math.floor(rank)] + slopes[math.ceil(rank)]) / 2
  end
  return found, n
end

-- Every stride-th block's medians, so that at most `most` points are left.
local function thinned(y, x, most)
  local n = #y
  if n <= most then return y, x end
  local size, ys, xs = math.ceil(n / most), {}, {}
  for first = 1, n, size do
    local last = math.min(first + size - 1, n)
    ys[#ys + 1] = stats.median(table.move(y, first, last, 1, {}))
    xs[#xs + 1] = x and stats.median(table.move(x, first, last, 1, {})) or (first + last) / 2
  end
  return ys, xs
end

--- Median of the slopes between all pairs of points.
---@param y number[]
---@param x? number[]   1, 2, 3 … by default
---@return number?
function trend.slope(y, x)
  if #y < 2 then return nil end
  y, x = thinned(y, x, MOST_FOR_SLOPES)
  local found, slopes = primitives.call("theil_sen", slopes_at_ranks, y, x, { 0.5 })
  return slopes > 0 and found[1] or nil
end

--- The same with Sen's interval by ranks and the line's intercept. More than 2,000 points are
--- thinned to medians of blocks first.
---@param y number[]
---@param x? number[]             1, 2, 3 … by default
---@param confidence? number      0.95
---@return {slope: number, intercept: number, low: number, high: number, n: integer}?
function trend.theil_sen(y, x, confidence)
  if #y < 2 then return nil end
  y, x = thinned(y, x, MOST_FOR_SLOPES)
  local n = #y
  local _, ties = score(y)
  local sigma = math.sqrt((n * (n - 1) * (2 * n + 5) - ties) / 18)
  local pairs_of = n * (n - 1) / 2
  local half = distributions.normal_quantile((1 + (confidence or 0.95)) / 2) * sigma
  local low = math.max(0, math.floor((pairs_of - half) / 2 - 0.5)) / math.max(1, pairs_of - 1)
  local found, slopes = primitives.call("theil_sen", slopes_at_ranks, y, x, { low, 0.5, 1 - low })
  if slopes == 0 then return nil end
  local rests = {}
  for i, value in ipairs(y) do rests[i] = value - found[2] * (x and x[i] or i) end
  return { slope = found[2], low = found[1], high = found[3], intercept = stats.median(rests),
           n = n }
end

-- Mean ranks of the values.
local function ranks_of(values)
  local order, rank = {}, {}
  for i = 1, #values do order[i] = i end
  table.sort(order, function(a, b) return values[a] < values[b] end)
  local first = 1
  while first <= #order do
    local last = first
    while last < #order and values[order[last + 1]] == values[order[first]] do last = last + 1 end
    for i = first, last do rank[order[i]] = (first + last) / 2 end
    first = last + 1
  end
  return rank
end

-- In Lua: sum over the lags of (n-i)(n-i-1)(n-i-2) r_i for those r_i beyond +- bound.
local function correlated_pairs(rank, bound, lags)
  local n, variance, sum, mean = #rank, 0.0, 0.0, (#rank + 1) / 2
  for i = 1, n do variance = variance + (rank[i] - mean) ^ 2 end
  if variance == 0 then return 0.0 end
  for lag = 1, lags do
    local product = 0.0
    for i = 1, n - lag do product = product + (rank[i] - mean) * (rank[i + lag] - mean) end
    local r = product / variance
    if math.abs(r) > bound then sum = sum + (n - lag) * (n - lag - 1) * (n - lag - 2) * r end
  end
  return sum
end

---@class woolly.stats.MannKendall
---@field s integer       pairs that rise less pairs that fall
---@field variance number
---@field z number
---@field p number        two-sided
---@field tau number
---@field n integer

--- Does y rise or fall? With correction = "hamed_rao" the variance counts in that neighbours are
--- alike: autocorrelation of the ranks behind the Theil-Sen line, lags beyond its 95 % bound.
---@param y number[]
---@param options? {correction?: "hamed_rao", lags?: integer}   all lags
---@return woolly.stats.MannKendall?
function trend.mann_kendall(y, options)
  options = options or {}
  local n = #y
  if n < 2 then return nil end
  local s, ties = score(y)
  local variance = (n * (n - 1) * (2 * n + 5) - ties) / 18
  if options.correction == "hamed_rao" and n > 3 then
    local slope, rests = trend.slope(y), {}
    for i, value in ipairs(y) do rests[i] = value - slope * i end
    local bound = distributions.normal_quantile(0.975) / math.sqrt(n)
    local sum = primitives.call("correlated_pairs", correlated_pairs, ranks_of(rests), bound,
                                math.min(options.lags or n - 1, n - 1))
    variance = variance * (1 + 2 / (n * (n - 1) * (n - 2)) * sum)
  end
  local z = 0.0
  if s ~= 0 and variance > 0 then z = (s - (s > 0 and 1 or -1)) / math.sqrt(variance) end
  return { s = s, variance = variance, z = z, p = distributions.normal_two_sided(z),
           tau = s / (n * (n - 1) / 2), n = n }
end

local function logarithms(values)
  local logs = {}
  for i, value in ipairs(values) do
    if not (value > 0) then return nil end
    logs[i] = math.log(value)
  end
  return logs
end

---@class woolly.stats.Drift
---@field verdict "drift"|"steady"|"too few"
---@field change? number   projected share over the runs ahead
---@field slope? number    per run, share of the level
---@field low? number
---@field high? number
---@field p? number        of trend.persistent
---@field n integer        runs looked at

--- Does a segment without change points drift slowly? It does when the corrected trend test says
--- so, the 95 % interval of the slope excludes 0, and the drift would matter soon. Looks at the
--- newest 365 values.
---@param values number[]
---@param options? {alpha?: number, share?: number, ahead?: integer}   0.01 (a tenth of it below 40
--- values), 0.03, 30 runs
---@return woolly.stats.Drift
function trend.drift(values, options)
  options = options or {}
  local n = math.min(#values, MOST_FOR_DRIFT)
  if n < LEAST then return { verdict = "too few", n = n } end
  local last = table.move(values, #values - n + 1, #values, 1, {})
  local logs, level = logarithms(last), 1.0
  if not logs then
    logs, level = last, math.abs(stats.median(last))
    if level == 0 then return { verdict = "too few", n = n } end
  end
  local line = trend.theil_sen(logs)
  local found = { n = n, slope = line.slope / level, low = line.low / level,
                  high = line.high / level }
  found.p = trend.persistent(logs).p
  local ahead = (options.ahead or 30) * found.slope
  found.change = level == 1.0 and math.exp(ahead) - 1 or ahead
  local alpha = options.alpha or 0.01
  if n < SHORT then alpha = alpha / 10 end
  local is_drift = found.p < alpha and (found.low > 0 or found.high < 0)
    and math.abs(found.change) > (options.share or 0.03)
  found.verdict = is_drift and "drift" or "steady"
  return found
end

-- Lag-1 correlation of what a line leaves, corrected for its bias in short series.
local function memory_of(y)
  local slope, rests = trend.slope(y), {}
  for i, value in ipairs(y) do rests[i] = value - slope * i end
  local mean, product, square = stats.mean(rests), 0.0, 0.0
  for i, rest in ipairs(rests) do
    square = square + (rest - mean) ^ 2
    if i > 1 then product = product + (rest - mean) * (rests[i - 1] - mean) end
  end
  if square == 0 then return 0.0 end
  local rho = product / square
  return math.min(math.max(rho + (2 + 4 * rho) / #y, 0.0), MOST_CORRELATION)
end

--- Mann-Kendall whose corrections may only take evidence away: of Hamed and Rao's variance, that
--- of as many independent values as a first-order memory leaves, and the plain one, the largest.
--- (Hamed and Rao's alone misses the memory of short series: it counts significant lags only.)
---@param y number[]
---@return woolly.stats.MannKendall?
function trend.persistent(y)
  local plain = trend.mann_kendall(y)
  if not plain or #y < 4 then return plain end
  local corrected = trend.mann_kendall(y, { correction = "hamed_rao" })
  local rho = memory_of(y)
  local factor = math.max(1, corrected.variance / plain.variance, (1 + rho) / (1 - rho))
  if not (factor < math.huge) then return plain end -- every value is the same
  plain.variance, plain.z = plain.variance * factor, plain.z / math.sqrt(factor)
  plain.p = distributions.normal_two_sided(plain.z)
  return plain
end

---@class woolly.stats.Leak
---@field verdict "leak"|"none"|"too few"
---@field per_second? number
---@field low? number             of the slope, 95 %
---@field high? number
---@field p? number
---@field per_hour_share? number  of the level

--- Do live bytes (or the like) grow after warm-up? The same question with levels over seconds:
--- a rise with p below alpha whose hour is more than `share` of the level.
---@param levels number[]
---@param seconds number[]   when each was taken
---@param options? {alpha?: number, share?: number}   0.01, 0.01
---@return woolly.stats.Leak
function trend.leak(levels, seconds, options)
  options = options or {}
  if #levels < LEAST then return { verdict = "too few" } end
  local y, x = thinned(levels, seconds, MOST_FOR_SLOPES)
  local line = trend.theil_sen(y, x)
  if not line then return { verdict = "too few" } end
  local p, level = trend.persistent(y).p, math.abs(stats.median(levels))
  local hour = line.slope * 3600
  local matters = hour > (options.share or 0.01) * level and hour > 0
  local is_leak = p < (options.alpha or 0.01) and line.low > 0 and matters
  return { verdict = is_leak and "leak" or "none", per_second = line.slope, low = line.low,
           high = line.high, p = p, per_hour_share = level > 0 and hour / level or nil }
end

return trend
