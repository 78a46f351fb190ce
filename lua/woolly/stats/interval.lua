--- Intervals that gates judge by: exact ranks of the sorted samples for medians and percentiles, so
--- that nothing is assumed about the noise and the same samples always give the same interval.
local distributions  = require "woolly.stats.distributions"
local early_stopping = require "woolly.stats.early_stopping"
local stats          = require "woolly.stats"

local interval = {}

--- Of a median or mean, two-sided, at the first look; of a percentile each bound has the confidence
--- of the early-stopping table.
interval.CONFIDENCE = 0.95

-- One-sided chances of a false verdict. A run that is extended is looked at again: the later looks
-- get little, so that all looks together stay within 5 % for each bound.
local FIRST_LOOK <const>, LATER_LOOKS <const> = 0.025, 0.01

local remembered = {} -- ranks of small samples, by chance, share and count
local MOST_REMEMBERED <const> = 200

-- The largest k such that the k-th smallest of n values lies above the quantile of `share` with at
-- most this chance; 0: not even the smallest does.
local function find_rank(n, share, chance)
  local low, high = 0, n + 1 -- P(fewer than k values below the quantile) <= chance holds at low
  while high - low > 1 do
    local k = (low + high) // 2
    if distributions.binomial_at_most(k - 1, n, share) <= chance then low = k else high = k end
  end
  return low
end

local function rank_below(n, share, chance)
  if n > MOST_REMEMBERED then return find_rank(n, share, chance) end
  local by_share = remembered[chance] or {}
  local by_count = by_share[share] or {}
  remembered[chance], by_share[share] = by_share, by_count
  by_count[n] = by_count[n] or find_rank(n, share, chance)
  return by_count[n]
end

--- Bounds of the quantile at `share` from sorted values; where the samples are too few for the
--- chance asked for they are the smallest and the largest value.
---@param sorted number[]
---@param share number     0..1
---@param chance number    of each bound being wrong
---@return number low, number high
function interval.of_quantile(sorted, share, chance)
  local n = #sorted
  local low = math.max(1, rank_below(n, share, chance))
  local high = math.max(1, rank_below(n, 1 - share, chance))
  return sorted[low], sorted[n + 1 - high]
end

local function of_mean(values, chance)
  local n, mean, square = #values, stats.mean(values), 0.0
  if n < 2 then return mean, mean end
  for _, value in ipairs(values) do square = square + (value - mean) ^ 2 end
  local reach = distributions.t_quantile(1 - chance, n - 1) * math.sqrt(square / (n - 1) / n)
  return mean - reach, mean + reach
end

--- The interval of a statistic of samples.
---@param sorted number[]                 ascending, at least one
---@param statistic "median"|"mean"|number   a number: that percentile
---@param look? integer                   1: how often the samples were judged before, and this time
---@return number low, number high
function interval.of(sorted, statistic, look)
  local chance = (look or 1) > 1 and LATER_LOOKS or FIRST_LOOK
  if statistic == "mean" then return of_mean(sorted, chance) end
  if statistic == "median" or statistic == 50 then
    return interval.of_quantile(sorted, 0.5, chance)
  end
  chance = 1 - early_stopping.CONFIDENCE
  if (look or 1) > 1 then chance = chance / 2 end
  return interval.of_quantile(sorted, statistic / 100, chance)
end

--- How sure the interval of a median is: less than asked for when the samples are few.
---@param n integer
---@return number confidence   two-sided
function interval.confidence_of_median(n)
  local k = math.max(1, rank_below(n, 0.5, FIRST_LOOK))
  return math.min(interval.CONFIDENCE, 1 - 2 * distributions.binomial_at_most(k - 1, n, 0.5))
end

return interval
