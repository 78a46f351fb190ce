--- Shares of yes and no: what k of n allow to say. Pure.
local distributions = require "woolly.stats.distributions"

local shares = {}

local CONFIDENCE <const> = 0.95
local STEPS <const> = 60 -- halvings: below the last digit of a double

-- The p at which a falling function of p crosses `wanted`.
local function crossing(falling, wanted)
  local low, high = 0.0, 1.0
  for _ = 1, STEPS do
    local middle = (low + high) / 2
    if falling(middle) > wanted then low = middle else high = middle end
  end
  return (low + high) / 2
end

--- Clopper and Pearson's interval of a share: exact, from the binomial distribution. 0 of 300 is
--- [0, 0.0122], 0 of 368 the first that excludes 1 %.
---@param k integer   successes
---@param n integer   tries, 1 or more
---@param confidence? number
---@return number low, number high
function shares.interval(k, n, confidence)
  local tail = (1 - (confidence or CONFIDENCE)) / 2
  local low, high = 0.0, 1.0
  if k > 0 then
    low = crossing(function(p) return distributions.binomial_at_most(k - 1, n, p) end, 1 - tail)
  end
  if k < n then
    high = crossing(function(p) return distributions.binomial_at_most(k, n, p) end, tail)
  end
  return low, high
end

--- Mean and interval of outcomes, each 0 or 1.
---@param samples number[]
---@return number share, number low, number high
function shares.of(samples)
  local k = 0
  for _, outcome in ipairs(samples) do k = k + (outcome ~= 0 and 1 or 0) end
  return k / #samples, shares.interval(k, #samples)
end

return shares
