--- Steps by L1 Potts: the step function that is nearest to the values in absolute distance, at a
--- price per step. The price is chosen by the information criterion of airspeed velocity (asv).
local primitives = require "woolly.stats.primitives"
local stats      = require "woolly.stats"

local potts = {}

local EXACT_UP_TO <const> = 400 -- longer series: segments of at most LONGEST, then merged
local LONGEST <const> = 32
local PRICES <const>, PRICES_WHEN_LONG <const> = 12, 8

-- For each right end r the distances of values[l..r] from their median, l = r, r-1 … r-most+1, one
-- after the other in a flat list; starts[r] is where those of r begin.
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

-- asv's criterion: steps cost beta each; what is left is measured as noise that remembers the
-- value before it, and never counts for less than a share of the smallest step.
local function criterion(values, ends, beta)
  local medians, rest, first = {}, {}, 1
  for k, last in ipairs(ends) do
    medians[k] = median_and_cost(values, first, last)
    for i = first, last do rest[i] = values[i] - medians[k] end
    first = last + 1
  end
  local product, square = 0.0, 0.0
  for i = 2, #rest do
    product, square = product + rest[i] * rest[i - 1], square + rest[i - 1] ^ 2
  end
  local rho = square > 0 and product / square or 0.0
  local noise, floor = math.abs(rest[1]), math.huge
  for i = 2, #rest do noise = noise + math.abs(rest[i] - rho * rest[i - 1]) end
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
    if most < #values then ends = joined(values, ends, price) end
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

--- Steps, in order.
---@param values number[]
---@return woolly.stats.Step[]
function potts.find(values)
  local n = #values
  if n < 2 then return {} end
  local _, whole = median_and_cost(values, 1, n)
  if whole == 0 then return {} end
  -- The best price is about 4 ln n mean residuals: from a hundredth of that, were all noise, up.
  local count = n <= EXACT_UP_TO and PRICES or PRICES_WHEN_LONG
  local prices, lowest = {}, math.log(math.min(0.5, 0.04 * math.log(n) / n))
  for i = 1, count do prices[i] = whole * math.exp(lowest * (count - i) / (count - 1)) end
  local chosen = primitives.call("potts", segments, values, prices,
                                 n <= EXACT_UP_TO and n or LONGEST, 4 * math.log(n) / n)
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
