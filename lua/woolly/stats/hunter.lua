--- Change points by E-divisive with Student's t in sliding windows, then merging (Fleming et al.,
--- "Hunter"). Two forms: "otava" gives the indexes that Apache Otava gives, "corrected" uses sample
--- variances, both neighbours after a merge, and counts correlated runs for fewer.
local distributions = require "woolly.stats.distributions"
local primitives    = require "woolly.stats.primitives"

local hunter = {}

local MOST_CORRELATION <const> = 0.9

---@class woolly.stats.HunterPoint
---@field index integer    first value of the new level, from 1
---@field p number
---@field before number    mean of the segment before
---@field after number
---@field change number    after / before - 1
---@field magnitude number the larger of the relative changes there and back

---@class woolly.stats.HunterOptions
---@field window? integer    50
---@field p? number          0.001
---@field magnitude? number  0.03, in form "otava" 0
---@field mode? "corrected"|"otava"

-- In Lua: where the energy statistic of values[first..tau-1] and values[tau..kappa] is largest over
-- all first < tau <= kappa <= last. Sums of distances grow by one value at a time.
local function split(values, first, last)
  local best, at = -math.huge, nil
  local ahead, all = {}, {} -- of j: sums of |x_i - x_j| over first <= i < tau, and over i < j
  for j = first, last do
    ahead[j], all[j] = 0.0, 0.0
    for i = first, j - 1 do all[j] = all[j] + math.abs(values[j] - values[i]) end
  end
  local within_left = 0.0
  for tau = first + 1, last do
    within_left = within_left + ahead[tau - 1]
    local x, n = values[tau - 1], tau - first
    local across, within_right = 0.0, 0.0
    for kappa = tau, last do
      local m = kappa - tau + 1
      ahead[kappa] = ahead[kappa] + math.abs(values[kappa] - x)
      across = across + ahead[kappa]
      within_right = within_right + (all[kappa] - ahead[kappa])
      local q = 2 / (m + n) * across
      if n > 1 then q = q - 2 * m / (m + n) / (n - 1) * within_left end
      if m > 1 then q = q - 2 * n / (m + n) / (m - 1) * within_right end
      if q > best then best, at = q, tau end
    end
  end
  return at, best
end

local function mean_and_square(values, first, last)
  local sum = 0.0
  for i = first, last do sum = sum + values[i] end
  local mean, square = sum / (last - first + 1), 0.0
  for i = first, last do square = square + (values[i] - mean) ^ 2 end
  return mean, square
end

local function neighbours(values, first, last, mean)
  local sum = 0.0
  for i = first + 1, last do sum = sum + (values[i - 1] - mean) * (values[i] - mean) end
  return sum
end

-- In Lua: means and squared distances from them on both sides of a split, and the products of
-- neighbouring residuals; the pair across the split says nothing.
local function levels(values, first, at, last)
  local left, square_left = mean_and_square(values, first, at - 1)
  local right, square_right = mean_and_square(values, at, last)
  return left, square_left, right, square_right,
    neighbours(values, first, at - 1, left) + neighbours(values, at, last, right)
end

-- Lag-1 correlation of n residuals.
local function correlation(products, square, n)
  if square == 0 then return 0.0 end
  local rho = products / square
  rho = rho + (1 + 4 * rho) / n -- the estimate is biased towards 0
  return math.min(math.max(rho, 0.0), MOST_CORRELATION)
end

local function student(left, right, spread, df, n_left, n_right)
  if left == right then return 0.0 end
  if spread == 0 then return math.huge end
  return (left - right) / math.sqrt(spread / df * (1 / n_left + 1 / n_right))
end

-- The point `at` between values[first..at-1] and values[at..last].
local function test(values, first, at, last, mode)
  local n_left, n_right = at - first, last - at + 1
  local left, square_left, right, square_right, products
    = primitives.call("levels", levels, values, first, at, last)
  local df, p = n_left + n_right - 2, 1.0
  if df > 0 and mode == "otava" then
    local spread = (n_left - 1) * square_left / n_left + (n_right - 1) * square_right / n_right
    p = distributions.t_two_sided(student(left, right, spread, df, n_left, n_right), df)
  elseif df > 0 then
    local square = square_left + square_right
    local rho = correlation(products, square, n_left + n_right)
    local t = student(left, right, square, df, n_left, n_right)
    local fewer = (1 + rho) / (1 - rho)
    p = distributions.t_two_sided(t / math.sqrt(fewer), math.max(1, df / fewer))
  end
  local there = left ~= 0 and right / left - 1 or 0.0
  local back = right ~= 0 and left / right - 1 or 0.0
  return { index = at, p = p, before = left, after = right, change = there,
           magnitude = math.max(math.abs(there), math.abs(back)) }
end

-- Significant points of values[first..last], added to `found` by index.
local function search_window(values, first, last, p, mode, found)
  local slice = table.move(values, first, last, 1, {})
  local bounds, candidates = { 1, #slice + 1 }, {}
  local newest
  while true do
    local best, at, where = -math.huge, nil, nil
    for i = 1, #bounds - 1 do
      if bounds[i + 1] - bounds[i] > 1 then
        local key = bounds[i] * #values + bounds[i + 1]
        local candidate = candidates[key]
        if not candidate then
          candidate = { primitives.call("split", split, slice, bounds[i], bounds[i + 1] - 1) }
          candidates[key] = candidate
        end
        if candidate[2] > best then at, best, where = candidate[1], candidate[2], i end
      end
    end
    if not at then break end
    if not (test(slice, bounds[where], at, bounds[where + 1] - 1, mode).p <= p) then break end
    table.insert(bounds, where + 1, at)
    found[first + at - 1] = true
    newest = math.max(newest or 0, first + at - 1)
  end
  return newest
end

local function relaxed(p)
  return p < 0.05 and p * 10 or p < 0.5 and p * 2 or p
end

-- Candidates of all windows, each tested against its neighbours.
local function weak_points(values, options)
  local n, window = #values, options.window
  local found, first = {}, 1
  while first <= n do
    local newest = search_window(values, first, math.min(first + window - 1, n),
                                 relaxed(options.p), options.mode, found)
    first = math.max(newest or 0, first + window // 2)
  end
  local indexes = {}
  for index in pairs(found) do indexes[#indexes + 1] = index end
  table.sort(indexes)
  local points = {}
  for i, index in ipairs(indexes) do
    points[i] = test(values, indexes[i - 1] or 1, index, (indexes[i + 1] or n + 1) - 1,
                     options.mode)
  end
  return points
end

-- Position of the first point whose field is the smallest.
local function least(points, field, sign)
  local found = 1
  for i, point in ipairs(points) do
    if sign * point[field] < sign * points[found][field] then found = i end
  end
  return found
end

-- The position of the point to drop, or nil when all are good.
local function weakest(points, options)
  local worst = least(points, "p", -1)
  if points[worst].p >= options.p then return worst end
  worst = least(points, "magnitude", 1)
  return points[worst].magnitude <= options.magnitude and worst or nil
end

local function merge(values, points, options)
  local function again(i)
    if not points[i] then return end
    local before, behind = points[i - 1], points[i + 1]
    points[i] = test(values, before and before.index or 1, points[i].index,
                     (behind and behind.index or #values + 1) - 1, options.mode)
  end
  while #points > 0 do
    local worst = weakest(points, options)
    if not worst then break end
    table.remove(points, worst)
    -- Otava leaves the left neighbour with what it had before the merge.
    if options.mode ~= "otava" then again(worst - 1) end
    again(worst)
    if options.mode == "otava" then again(worst + 1) end
  end
  return points
end

--- Change points, in order.
---@param values number[]
---@param options? woolly.stats.HunterOptions
---@return woolly.stats.HunterPoint[]
function hunter.find(values, options)
  options = options or {}
  local mode = options.mode or "corrected"
  local settings = { window = options.window or 50, p = options.p or 0.001, mode = mode,
                     magnitude = options.magnitude or (mode == "otava" and 0.0 or 0.03) }
  if settings.window < 2 then error("hunter: window must be 2 or more", 2) end
  if #values < 2 then return {} end
  return merge(values, weak_points(values, settings), settings)
end

return hunter
