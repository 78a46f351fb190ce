--- Tests and estimates by ranks: nothing is assumed about the shape of the noise.
local distributions = require "woolly.stats.distributions"

local ranks = {}

local MOST_EXACT_EACH <const>, MOST_EXACT_PAIRS <const> = 20, 25

-- Ranks of values (ties share their mean), and sum of t^3 - t over the groups of t equal values.
local function ranked(values)
  local order, result, ties = {}, {}, 0
  for i = 1, #values do order[i] = i end
  table.sort(order, function(a, b) return values[a] < values[b] end)
  local first = 1
  while first <= #order do
    local last = first
    while last < #order and values[order[last + 1]] == values[order[first]] do last = last + 1 end
    for i = first, last do result[order[i]] = (first + last) / 2 end
    local t = last - first + 1
    ties = ties + t * (t * t - 1)
    first = last + 1
  end
  return result, ties
end

-- counts[u + 1]: arrangements of a and b values with statistic u (no ties).
local function u_counts(a, b)
  local rows = {}
  for i = 0, a do rows[i] = { [0] = 1 } end
  for j = 1, b do
    for i = 1, a do
      local row, last = {}, i * j
      for u = 0, last do -- the largest value is of the first sample (beats j others), or not
        row[u] = (u >= j and rows[i - 1][u - j] or 0) + (rows[i][u] or 0)
      end
      rows[i] = row
    end
    rows[0] = { [0] = 1 }
  end
  return rows[a]
end

-- Share of the counts at statistics so far or further from their middle than `statistic`.
local function two_sided(counts, last, statistic)
  local distance, total, beyond = math.abs(statistic - last / 2), 0, 0
  for u = 0, last do
    total = total + counts[u]
    if math.abs(u - last / 2) >= distance then beyond = beyond + counts[u] end
  end
  return beyond / total
end

local function normal_p(statistic, mean, variance)
  if variance <= 0 then return 1.0, 0.0 end
  local away = math.max(0, math.abs(statistic - mean) - 0.5)
  local z = away / math.sqrt(variance)
  return distributions.normal_two_sided(z), statistic < mean and -z or z
end

-- Halves come from ties; towards the middle they are no evidence.
local function whole_away(statistic, middle)
  return statistic < middle and math.ceil(statistic) or math.floor(statistic)
end

local function binomial(n, k)
  local result = 1.0
  for i = 1, k do result = result * (n - k + i) / i end
  return result
end

---@class woolly.stats.RankTest
---@field p number
---@field method "exact"|"normal"
---@field z? number
---@field least_p number   the smallest p that samples of this size can give

--- Mann and Whitney's test that a and b have the same distribution, two-sided. Exact up to 20
--- values a side (ties: towards "no difference"), normal with continuity and ties above.
---@param a number[]
---@param b number[]
---@return woolly.stats.RankTest?   with u: pairs in which a's value is the larger one
---@return string? reason
function ranks.mann_whitney(a, b)
  local n_a, n_b = #a, #b
  if n_a == 0 or n_b == 0 then return nil, "no values on one side" end
  local all = table.move(b, 1, n_b, n_a + 1, table.move(a, 1, n_a, 1, {}))
  local rank, ties = ranked(all)
  local u = -n_a * (n_a + 1) / 2
  for i = 1, n_a do u = u + rank[i] end
  local result = { u = u, n_a = n_a, n_b = n_b,
                   least_p = math.min(1, 2 / binomial(n_a + n_b, n_a)) }
  if math.max(n_a, n_b) <= MOST_EXACT_EACH then
    result.method = "exact"
    result.p = two_sided(u_counts(n_a, n_b), n_a * n_b, whole_away(u, n_a * n_b / 2))
  else
    local n = n_a + n_b
    local variance = n_a * n_b / 12 * (n + 1 - ties / (n * (n - 1)))
    result.method = "normal"
    result.p, result.z = normal_p(u, n_a * n_b / 2, variance)
  end
  return result
end

-- counts[w]: sign patterns of 1..n whose positive ranks sum to w.
local function w_counts(n)
  local counts, last = { [0] = 1 }, 0
  for rank = 1, n do
    for w = last + 1, last + rank do counts[w] = 0 end
    last = last + rank
    for w = last, rank, -1 do counts[w] = counts[w] + counts[w - rank] end
  end
  return counts, last
end

local function signed_ranks(differences, shift)
  local sizes, signs = {}, {}
  for _, value in ipairs(differences) do
    local difference = value - (shift or 0)
    if difference ~= 0 then
      sizes[#sizes + 1] = math.abs(difference)
      signs[#signs + 1] = difference > 0
    end
  end
  local rank, ties = ranked(sizes)
  local w = 0.0
  for i, positive in ipairs(signs) do
    if positive then w = w + rank[i] end
  end
  return w, #sizes, ties
end

--- Wilcoxon's signed-rank test that differences are symmetric around 0, two-sided. Zeros are left
--- out; exact up to 25 differences.
---@param differences number[]
---@return woolly.stats.RankTest?   with w: sum of the positive ranks, n: differences used
---@return string? reason
function ranks.signed_rank(differences)
  if #differences == 0 then return nil, "no differences" end
  local w, n, ties = signed_ranks(differences)
  local result = { w = w, n = n, least_p = math.min(1, 2.0 ^ (1 - n)), method = "exact", p = 1.0 }
  if n == 0 then return result end
  if n <= MOST_EXACT_PAIRS then
    local counts, last = w_counts(n)
    result.p = two_sided(counts, last, whole_away(w, last / 2))
  else
    local variance = n * (n + 1) * (2 * n + 1) / 24 - ties / 48
    result.method = "normal"
    result.p, result.z = normal_p(w, n * (n + 1) / 4, variance)
  end
  return result
end

-- Of the lower tail of counts: the largest k such that k statistics together have at most the
-- share alpha / 2. An interval then drops k values at each end of the ordered differences.
local function tail_size(counts, last, alpha)
  local total, sum = 0, 0
  for u = 0, last do total = total + counts[u] end
  for u = 0, last do
    sum = sum + counts[u]
    if sum > alpha / 2 * total then return u end
  end
  return last
end

local function middle(sorted)
  local n = #sorted
  return (sorted[(n + 1) // 2] + sorted[n // 2 + 1]) / 2
end

local function estimate(sorted, dropped, confidence)
  local k = math.max(0, math.min(dropped, (#sorted - 1) // 2))
  return { estimate = middle(sorted), low = sorted[k + 1], high = sorted[#sorted - k],
           confidence = confidence }
end

--- Shift from b to a: the median of all differences a_i - b_j with the interval of the rank test.
---@param a number[]
---@param b number[]
---@param confidence? number   0.95
---@return {estimate: number, low: number, high: number, confidence: number}?
function ranks.hodges_lehmann(a, b, confidence)
  confidence = confidence or 0.95
  local n_a, n_b = #a, #b
  if n_a == 0 or n_b == 0 then return nil end
  local differences = {}
  for _, x in ipairs(a) do
    for _, y in ipairs(b) do differences[#differences + 1] = x - y end
  end
  table.sort(differences)
  local dropped
  if math.max(n_a, n_b) <= MOST_EXACT_EACH then
    dropped = tail_size(u_counts(n_a, n_b), n_a * n_b, 1 - confidence)
  else
    local z = distributions.normal_quantile((1 + confidence) / 2)
    dropped = math.floor(n_a * n_b / 2 - z * math.sqrt(n_a * n_b * (n_a + n_b + 1) / 12))
  end
  return estimate(differences, dropped, confidence)
end

--- Centre of differences: the median of the means of all pairs (Hodges and Lehmann) with the
--- interval of the signed-rank test.
---@param differences number[]
---@param confidence? number   0.95
---@return {estimate: number, low: number, high: number, confidence: number}?
function ranks.pseudo_median(differences, confidence)
  confidence = confidence or 0.95
  local n = #differences
  if n == 0 then return nil end
  local means = {}
  for i = 1, n do
    for j = i, n do means[#means + 1] = (differences[i] + differences[j]) / 2 end
  end
  table.sort(means)
  local dropped
  if n <= MOST_EXACT_PAIRS then
    dropped = tail_size(w_counts(n), n * (n + 1) // 2, 1 - confidence)
  else
    local z = distributions.normal_quantile((1 + confidence) / 2)
    dropped = math.floor(n * (n + 1) / 4 - z * math.sqrt(n * (n + 1) * (2 * n + 1) / 24))
  end
  return estimate(means, dropped, confidence)
end

-- One-sided p value that differences lie above the shift.
local function above(differences, shift)
  local w, n, ties = signed_ranks(differences, shift)
  if n == 0 then return 1.0 end
  if n <= MOST_EXACT_PAIRS then
    local counts, last = w_counts(n)
    local beyond = 0
    for u = math.floor(w), last do beyond = beyond + counts[u] end
    return beyond / 2.0 ^ n
  end
  local variance = n * (n + 1) * (2 * n + 1) / 24 - ties / 48
  if variance <= 0 then return 1.0 end
  return 1 - distributions.normal_cdf((w - 0.5 - n * (n + 1) / 4) / math.sqrt(variance))
end

--- Are the differences within +- margin? Two one-sided signed-rank tests: "no change" is then a
--- claim with evidence, not the absence of it.
---@param differences number[]
---@param margin number
---@param alpha? number   0.05: the interval has confidence 1 - 2 alpha
---@return {same: boolean, p: number, low: number, high: number}?
function ranks.equivalent(differences, margin, alpha)
  alpha = alpha or 0.05
  local interval = ranks.pseudo_median(differences, 1 - 2 * alpha)
  if not interval then return nil end
  local mirrored = {}
  for i, value in ipairs(differences) do mirrored[i] = -value end
  local p = math.max(above(differences, -margin), above(mirrored, -margin))
  return { same = p < alpha, p = p, low = interval.low, high = interval.high }
end

return ranks
