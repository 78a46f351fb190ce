--- Energy statistics, and change points by permutation (Matteson and James: E-divisive). One
--- variable: sums of distances come from ranks, in n log n.
local primitives = require "woolly.stats.primitives"
local random     = require "woolly.stats.random"

local energy = {}

-- Sum of |x_i - x_j| over all pairs of sorted values.
local function spread(sorted)
  local sum, below = 0.0, 0.0
  for i, value in ipairs(sorted) do
    sum = sum + (value * (i - 1) - below)
    below = below + value
  end
  return sum
end

--- How far two samples' distributions are apart: e (0: equal), t (a test statistic, grows with the
--- samples), h (0 .. 1).
---@param a number[]
---@param b number[]
---@return {e: number, t: number, h: number}?
function energy.compare(a, b)
  local n, m = #a, #b
  if n == 0 or m == 0 then return nil end
  local x, y = table.move(a, 1, n, 1, {}), table.move(b, 1, m, 1, {})
  local all = table.move(b, 1, m, n + 1, table.move(a, 1, n, 1, {}))
  for _, values in ipairs { x, y, all } do table.sort(values) end
  local within_x, within_y = spread(x), spread(y)
  local across = (spread(all) - within_x - within_y) / (n * m)
  local e = 2 * across - 2 * within_x / (n * n) - 2 * within_y / (m * m)
  return { e = e, t = n * m / (n + m) * e, h = across > 0 and e / (2 * across) or 0.0 }
end

-- One window's values by rank: sorted, their distances to all, and each position's rank.
local function window_of(values, first, last)
  local order, sorted, total, rank = {}, {}, {}, {}
  for i = first, last do order[#order + 1] = i end
  table.sort(order, function(i, j)
    if values[i] ~= values[j] then return values[i] < values[j] end
    return i < j
  end)
  local n, sum, below = #order, 0.0, 0.0
  for r, i in ipairs(order) do
    sorted[r], rank[i - first + 1] = values[i], r
    sum = sum + values[i]
  end
  for r, value in ipairs(sorted) do -- value (r - 1) - below + (above - value (n - r))
    total[r] = (value * (r - 1) - below) + (sum - below - value - value * (n - r))
    below = below + value
  end
  return { n = n, sorted = sorted, total = total, rank = rank }
end

-- The best split of a window whose values come in the order of `rank`: how many lie left of it, and
-- its statistic. Two Fenwick trees hold count and sum of what has passed to the left.
local function best_split(window, counts, sums)
  local n, sorted, total, rank = window.n, window.sorted, window.total, window.rank
  for i = 1, n do counts[i], sums[i] = 0, 0.0 end
  local left, right, across, passed = 0.0, 0.0, 0.0, 0.0
  for r = 1, n do right = right + total[r] end
  right = right / 2
  local best, at = 0.0, 0
  for tau = 1, n - 1 do
    local r = rank[tau]
    local value, below, sum_below = sorted[r], 0, 0.0
    local i = r
    while i > 0 do
      below, sum_below = below + counts[i], sum_below + sums[i]
      i = i & (i - 1)
    end
    local behind = (value * below - sum_below)
      + (passed - sum_below - value * (tau - 1 - below))
    local ahead = total[r] - behind
    i = r
    while i <= n do
      counts[i], sums[i] = counts[i] + 1, sums[i] + value
      i = i + (i & -i)
    end
    passed = passed + value
    left, right, across = left + behind, right - ahead, across - behind + ahead
    local m = n - tau
    local e = 2 * across / (tau * m) - 2 * left / (tau * tau) - 2 * right / (m * m)
    local t = tau * m / n * e
    if t > best then best, at = t, tau end
  end
  return at, best
end

-- In Lua: of so many permutations within the windows, how many have a best split of at least
-- `best`; it stops counting above `allowed`.
local function permuted(values, bounds, best, options)
  local windows, counts, sums, generator = {}, {}, {}, random.new(options.seed)
  for i = 1, #bounds - 1 do windows[i] = window_of(values, bounds[i], bounds[i + 1] - 1) end
  local reached = 0
  for _ = 1, options.permutations do
    local most = 0.0
    for _, window in ipairs(windows) do
      if options.shuffle then
        window.first = window.first or window.rank
        window.rank = options.shuffle(window.first)
      else
        generator:shuffle(window.rank, 1, window.n)
      end
      local _, t = best_split(window, counts, sums)
      most = math.max(most, t)
    end
    if most >= best then reached = reached + 1 end
    if reached > options.allowed then break end
  end
  return reached
end

--- Change points by the permutation test, in the order in which they are found. Costs n log n per
--- permutation; the windowed t test (hunter) suits long histories better.
---@param values number[]
---@param options? {p?: number, permutations?: integer, seed?: integer, shuffle?: fun(list: any): any}
--- 0.05, 100, 1; shuffle: permutations of one's own instead, a new list each time
---@return integer[] indexes   of the first value of each new level
function energy.divide(values, options)
  options = options or {}
  local permutations = options.permutations or 100
  local allowed = math.floor((options.p or 0.05) * (permutations + 1) + 1e-9)
  local bounds, found, known = { 1, #values + 1 }, {}, {}
  while true do
    local best, at, where = 0.0, nil, nil
    for i = 1, #bounds - 1 do
      local key = bounds[i] * (#values + 2) + bounds[i + 1]
      if not known[key] then
        local split, t = best_split(window_of(values, bounds[i], bounds[i + 1] - 1), {}, {})
        known[key] = { split, t }
      end
      local split, t = known[key][1], known[key][2]
      if t > best then best, at, where = t, bounds[i] + split, i end
    end
    if not at then break end
    local settings = { permutations = permutations, allowed = allowed,
                       seed = (options.seed or 1) + #found * 0x9E3779B9 }
    local reached
    if options.shuffle then
      settings.shuffle = options.shuffle
      reached = permuted(values, bounds, best, settings)
    else
      reached = primitives.call("permuted_energy", permuted, values, bounds, best, settings)
    end
    if reached > allowed then break end
    found[#found + 1] = at
    table.insert(bounds, where + 1, at)
  end
  return found
end

return energy
