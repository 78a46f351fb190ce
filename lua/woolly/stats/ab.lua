--- A against B in interleaved pairs of process runs: the order to run them in, planned looks, and
--- the verdict. A finding needs evidence (an exact rank test) and an effect above the noise.
local random = require "woolly.stats.random"
local ranks  = require "woolly.stats.ranks"

local ab = {}

ab.ALPHA = 0.01     -- of the whole comparison, shared out over the looks
ab.THRESHOLD = 0.01 -- smaller differences do not count: 1 % for what the processor bounds
ab.LOOKS = { 10, 15, 20 }

local EQUIVALENCE_ALPHA <const> = 0.05 -- each of the two one-sided tests: a 90 % interval
local CONFIDENCE <const> = 0.95

--- Which side runs when: A B B A A B B A …, or the other way round, by the seed. What drifts
--- slowly then meets both sides alike.
---@param pairs_wanted integer
---@param seed? integer   1
---@return ("A"|"B")[] order   two a pair
function ab.order(pairs_wanted, seed)
  local first, second = "A", "B"
  if random.new(seed or 1):uniform() < 0.5 then first, second = second, first end
  local order = {}
  for _ = 1, pairs_wanted do
    order[#order + 1], order[#order + 2] = first, second
    first, second = second, first
  end
  return order
end

---@class woolly.stats.AbOptions
---@field better "higher"|"lower"
---@field threshold? number    share, 0.01
---@field looks? integer[]     numbers of pairs at which a verdict may be given; {10, 15, 20}
---@field alpha? number        0.01

---@class woolly.stats.AbVerdict
---@field verdict "faster"|"slower"|"same"|"undecided"   B against A, in the metric's direction
---@field ratio? number     b / a: centre of the paired ratios (Hodges and Lehmann)
---@field low? number       95 %
---@field high? number
---@field p? number
---@field alpha number      what p is compared with: each look gets its share
---@field n integer         pairs
---@field reason string
---@field more? integer     pairs until the next planned look; nil when this was the last one

local function looks_done(n, looks)
  local done, next_look = 0, nil
  for _, look in ipairs(looks) do
    if n >= look then done = done + 1 else next_look = next_look or look end
  end
  return done, next_look and next_look - n or nil
end

local function percent(ratio) return string.format("%+.1f %%", 100 * (ratio - 1)) end

--- The verdict on pairs a[i], b[i].
---@param a number[]
---@param b number[]
---@param options woolly.stats.AbOptions
---@return woolly.stats.AbVerdict
function ab.judge(a, b, options)
  local looks, threshold = options.looks or ab.LOOKS, options.threshold or ab.THRESHOLD
  local n = #a
  local found = { verdict = "undecided", n = n, alpha = (options.alpha or ab.ALPHA) / #looks }
  local function settle(verdict, ...)
    found.verdict, found.reason = verdict, string.format(...)
    return found
  end
  if #b ~= n then return settle("undecided", "%d runs of A, %d of B do not pair", n, #b) end
  local differences = {}
  for i = 1, n do
    if not (a[i] > 0 and b[i] > 0) then
      return settle("undecided", "pair %d is not above 0: no ratio", i)
    end
    differences[i] = math.log(b[i] / a[i])
  end
  local done
  done, found.more = looks_done(n, looks)
  if n == 0 then return settle("undecided", "no pairs") end
  local center = ranks.pseudo_median(differences, CONFIDENCE)
  local test = ranks.signed_rank(differences)
  found.ratio, found.p = math.exp(center.estimate), test.p
  found.low, found.high = math.exp(center.low), math.exp(center.high)
  if done == 0 then
    return settle("undecided", "%d pairs, the first planned look is at %d", n, looks[1])
  end
  local margin = math.log(1 + threshold)
  local beyond = center.low > margin or center.high < -margin
  if test.p < found.alpha and beyond then
    local gained = (center.estimate > 0) == (options.better == "higher")
    return settle(gained and "faster" or "slower", "%s, p %.2g", percent(found.ratio), test.p)
  end
  local equal = ranks.equivalent(differences, margin, EQUIVALENCE_ALPHA)
  if equal.same and equal.low > -margin and equal.high < margin then
    return settle("same", "within +- %g %% with 90 %% confidence", 100 * threshold)
  end
  if test.least_p >= found.alpha then
    return settle("undecided", "%d pairs that differ cannot give p below %.2g", test.n, found.alpha)
  end
  return settle("undecided", "%s [%s, %s], p %.2g", percent(found.ratio), percent(found.low),
                percent(found.high), test.p)
end

return ab
