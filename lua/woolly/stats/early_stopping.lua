--- How many samples a percentile limit needs, and how many of them may lie beyond the limit: the
--- binomial table behind MLPerf's early-stopping rule.
local distributions = require "woolly.stats.distributions"

local early_stopping = {}

early_stopping.CONFIDENCE = 0.99

local LEAST_FOR_MEDIAN <const> = 5

--- The smallest n at which one value beyond the limit still proves the percentile: 64 for p90, 130
--- for p95, 662 for p99.
--- A low percentile needs as many as the high one opposite.
---@param percentile number   50: 5, as for the median
---@return integer
function early_stopping.samples_needed(percentile)
  percentile = math.max(percentile, 100 - percentile)
  if percentile == 50 then return LEAST_FOR_MEDIAN end
  if percentile >= 100 then return 1 end
  local share, low, high = 1 - percentile / 100, 1, 2
  local function proves(n)
    return distributions.binomial_at_most(1, n, share) <= 1 - early_stopping.CONFIDENCE
  end
  while not proves(high) do low, high = high, high * 2 end
  while high - low > 1 do
    local n = (low + high) // 2
    if proves(n) then high = n else low = n end
  end
  return high
end

--- Of n samples so many may lie beyond the limit when the percentile is to be proven.
---@param percentile number
---@param n integer
---@return integer?   nil: n is too few for any
function early_stopping.most_over(percentile, n)
  local share, allowed = 1 - percentile / 100, 1 - early_stopping.CONFIDENCE
  if distributions.binomial_at_most(0, n, share) > allowed then return nil end
  local low, high = 0, n
  while high - low > 1 do
    local k = (low + high) // 2
    if distributions.binomial_at_most(k, n, share) <= allowed then low = k else high = k end
  end
  return low
end

return early_stopping
