--- Steps by L1 Potts: the step function that is nearest to the values in absolute distance, at a
--- price per step. The price is chosen by the information criterion of airspeed velocity (asv).
local primitives = require "woolly.stats.primitives"
local stats      = require "woolly.stats"

local potts = {}

local EXACT_UP_TO <const> = 400 -- longer series: segments of at most LONGEST, then merged
local LONGEST <const> = 32
local GOLDEN <const>, SECTIONS <const> = 0.6180339887498949, 12
local PRICES <const>, PRICES_WHEN_LONG <const> = 12, 8

-- For each right end r the distances of values[l..r] from their median, l = r, r-1 … r-most+1,
-- one after the other in a flat list; starts[r] is where those of r begin.
local function distances(values, most)
  local flat, starts = {}, {}
  for r = 1, #values do
    starts[r] = #flat + 1
    local sorted, cost = {}, 0.0
    for l = r, math.max(1, r - most + 1), -1 do
      local x, k = values[l], #sorted
      if k > 0 then
        local a, b = sorted[(k + 1) // 2], sorted[k // 2 + 1]
        cost = cost + math.max(0.0, a - x, x - b)
      end
      local low, high = 1, k + 1
      while low < high do
        local middle = (low + high) // 2
        if sorted[middle] <= x then low = middle + 1 else high = middle end
      end
      table.insert(sorted, low, x)
      flat[#flat + 1] = cost
    end
  end
  return flat, starts
end

-- Right ends of the cheapest segments.
local function cheapest(n, flat, starts, price, most)
  local best, left = { [0] = -price }, {}
  for r = 1, n do
    local cost, at, start = math.huge, r, starts[r]
    for l = r, math.max(1, r - most + 1), -1 do
      local candidate = best[l - 1] + price + flat[start + r - l]
      if candidate < cost then cost, at = candidate, l end
    end
    best[r], left[r] = cost, at
  end
  local ends, r = {}, n
  while r > 0 do
    table.insert(ends, 1, r)
    r = left[r] - 1
  end
  return ends
end

local function median_and_cost(values, first, last)
  local median = stats.median(table.move(values, first, last, 1, {}))
  local cost = 0.0
  for i = first, last do cost = cost + math.abs(values[i] - median) end
  return median, cost
end

-- Moves each step to where the levels on its sides fit best: before, it lay where a short segment
-- ended.
local function moved(values, ends)
  for k = 1, #ends - 1 do
    local first, last = (ends[k - 1] or 0) + 1, ends[k + 1]
    local left = median_and_cost(values, first, ends[k])
    local right = median_and_cost(values, ends[k] + 1, last)
    local sum, least, at = 0.0, math.huge, ends[k]
    for i = first, last - 1 do
      sum = sum + (math.abs(values[i] - left) - math.abs(values[i] - right))
      if sum < least then least, at = sum, i end
    end
    ends[k] = at
  end
  return ends
end

-- Joins neighbours as long as that is cheaper than the step between them, the best pairs first.
local function joined(values, ends, price)
  local costs = {}
  for i, last in ipairs(ends) do
    costs[i] = select(2, median_and_cost(values, (ends[i - 1] or 0) + 1, last))
  end
  while #ends > 1 do
    local gains = {}
    for i = 1, #ends - 1 do
      local _, together = median_and_cost(values, (ends[i - 1] or 0) + 1, ends[i + 1])
      local gain = costs[i] + costs[i + 1] + price - together
      if gain > 0 then gains[#gains + 1] = { i = i, gain = gain, cost = together } end
    end
    if #gains == 0 then break end
    table.sort(gains, function(a, b)
      if a.gain ~= b.gain then return a.gain > b.gain end
      return a.i < b.i
    end)
    local taken, into = {}, {}
    for _, pair in ipairs(gains) do
      if not taken[pair.i] and not taken[pair.i + 1] then
        taken[pair.i], taken[pair.i + 1], into[pair.i] = true, true, pair.cost
      end
    end
    local new_ends, new_costs, i = {}, {}, 1
    while i <= #ends do
      local cost = into[i]
      if cost then i = i + 1 end
      new_ends[#new_ends + 1], new_costs[#new_costs + 1] = ends[i], cost or costs[i]
      i = i + 1
    end
    ends, costs = new_ends, new_costs
  end
  return ends
end

-- Sum of |rest[i] - rho rest[i-1]| for the best rho in -1 .. 1, by golden section.
local function remembered_noise(rest)
  local function at(rho)
    local sum = 0.0
    for i = 2, #rest do sum = sum + math.abs(rest[i] - rho * rest[i - 1]) end
    return sum
  end
  local low, high = -1.0, 1.0
  local a, b = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
  local at_a, at_b = at(a), at(b)
  for _ = 1, SECTIONS do
    if at_a <= at_b then
      high, b, at_b = b, a, at_a
      a = high - GOLDEN * (high - low)
      at_a = at(a)
    else
      low, a, at_a = a, b, at_b
      b = low + GOLDEN * (high - low)
      at_b = at(b)
    end
  end
  return math.min(at_a, at_b)
end

-- asv's criterion: steps cost beta each; what is left is measured as noise that remembers the
-- value before it, and never counts for less than a share of the smallest step.
local function criterion(values, ends, beta)
  local medians, rest, first = {}, {}, 1
  for k, last in ipairs(ends) do
    medians[k] = median_and_cost(values, first, last)
    for i = first, last do rest[i] = values[i] - medians[k] end
    first = last + 1
  end
  local noise, floor = math.abs(rest[1]) + remembered_noise(rest), math.huge
  for k = 2, #medians do floor = math.min(floor, 0.1 * math.abs(medians[k] - medians[k - 1])) end
  if #medians <= 2 then
    floor = math.huge
    for _, median in ipairs(medians) do floor = math.min(floor, 0.001 * math.abs(median)) end
  end
  return beta * #ends + math.log(noise + math.max(floor, 1e-300))
end

-- In Lua: right ends of the segments whose price gives the best criterion; segments of at most
-- `most` values before any are joined.
local function segments(values, prices, most, beta)
  local flat, starts = distances(values, most)
  local best, chosen = math.huge, nil
  for _, price in ipairs(prices) do
    local ends = cheapest(#values, flat, starts, price, most)
    if most < #values then ends = moved(values, joined(values, ends, price)) end
    local score = criterion(values, ends, beta)
    if score < best then best, chosen = score, ends end
  end
  return chosen
end

---@class woolly.stats.Step
---@field index integer   first value of the new level, from 1
---@field before number   median of the segment before
---@field after number
---@field change number   after / before - 1

-- Does the step at the end of segment k pay its price, which is `share` of all that is left over?
local function is_worth(values, ends, k, share)
  local costs, first = 0.0, 1
  for _, last in ipairs(ends) do
    costs = costs + select(2, median_and_cost(values, first, last))
    first = last + 1
  end
  local start = (ends[k - 1] or 0) + 1
  local _, left = median_and_cost(values, start, ends[k])
  local _, right = median_and_cost(values, ends[k] + 1, ends[k + 1])
  local _, together = median_and_cost(values, start, ends[k + 1])
  return together - left - right > share * costs
end

-- A run that stands alone is no level: it goes to the neighbour that is nearer, and the step that
-- is left must be one without it.
local function without_single(values, ends, share)
  local kept, k = table.move(ends, 1, #ends, 1, {}), 1
  while k <= #kept and #kept > 1 do
    local last = kept[k]
    if last - (kept[k - 1] or 0) == 1 then
      local function away(first, to)
        return math.abs(values[last] - (median_and_cost(values, first, to)))
      end
      local before = k > 1 and away((kept[k - 2] or 0) + 1, kept[k - 1]) or math.huge
      local behind = k < #kept and away(last + 1, kept[k + 1]) or math.huge
      local inside = k > 1 and k < #kept
      table.remove(kept, before <= behind and k - 1 or k)
      k = math.max(1, k - 1)
      if inside and not is_worth(values, kept, k, share) then table.remove(kept, k) end
    else
      k = k + 1
    end
  end
  return kept
end

--- Steps, in order.
---@param values number[]
---@return woolly.stats.Step[]
function potts.find(values)
  local n = #values
  if n < 2 then return {} end
  local _, whole = median_and_cost(values, 1, n)
  if whole == 0 then return {} end
  local beta = 4 * math.log(n) / n
  -- The best price is about 4 ln n mean residuals: from a hundredth of that, were all noise, up.
  local count = n <= EXACT_UP_TO and PRICES or PRICES_WHEN_LONG
  local prices, lowest = {}, math.log(math.min(0.5, 0.04 * math.log(n) / n))
  for i = 1, count do prices[i] = whole * math.exp(lowest * (count - i) / (count - 1)) end
  local chosen = primitives.call("potts", segments, values, prices,
                                 n <= EXACT_UP_TO and n or LONGEST, beta)
  chosen = without_single(values, chosen, math.exp(beta) - 1)
  local steps, before = {}, nil
  for k, last in ipairs(chosen) do
    local first = (chosen[k - 1] or 0) + 1
    local level = median_and_cost(values, first, last)
    if before then
      steps[#steps + 1] = { index = first, before = before, after = level,
                            change = before ~= 0 and level / before - 1 or 0.0 }
    end
    before = level
  end
  return steps
end

return potts
