--- Which operation took the difference between two sides. Pure.
local multiple = require "woolly.stats.multiple"
local ranks    = require "woolly.stats.ranks"
local stats    = require "woolly.stats"

local blame = {}

-- Threads wait for whatever became slower: named only where nothing else is.
local WAIT <const> = "wait"
local FALSE_DISCOVERIES <const> = 0.05 -- share of the operations named that may be wrong

---@class woolly.Blame
---@field operation string
---@field a number          ns a token, median of the pairs
---@field b number
---@field difference number median of the paired differences
---@field low number
---@field high number
---@field p number          exact signed-rank test of the differences, by Benjamini and Hochberg
---@field share? number     of the difference in time a token; nil: there is none

local function each(list, f)
  local out = {}
  for i, value in ipairs(list) do out[i] = f(value, i) end
  return out
end

--- Every operation, the largest difference first.
---@param a table<string, number>[]   ns a token by operation, one table per process run
---@param b table<string, number>[]   of the same pairs
---@param a_rates number[]            tokens a second
---@param b_rates number[]
---@return woolly.Blame[]
function blame.table(a, b, a_rates, b_rates)
  local total = stats.median(each(a_rates, function(rate, i)
    return 1e9 / b_rates[i] - 1e9 / rate
  end))
  local names, lines = {}, {}
  for _, one in ipairs { a, b } do
    for _, profile in ipairs(one) do
      for name in pairs(profile) do names[name] = true end
    end
  end
  for name in pairs(names) do
    local differences = each(a, function(profile, i)
      return (b[i][name] or 0) - (profile[name] or 0)
    end)
    local low, high = stats.bootstrap_median(differences)
    local difference = stats.median(differences)
    lines[#lines + 1] = {
      operation = name, difference = difference, low = low, high = high,
      p = ranks.signed_rank(differences).p or 1,
      a = stats.median(each(a, function(profile) return profile[name] or 0 end)),
      b = stats.median(each(b, function(profile) return profile[name] or 0 end)),
      share = total and total ~= 0 and difference / total or nil,
    }
  end
  local adjusted = multiple.benjamini_hochberg(each(lines, function(line) return line.p end))
  for i, line in ipairs(lines) do line.p = adjusted[i] end
  table.sort(lines, function(x, y)
    local i, j = math.abs(x.difference), math.abs(y.difference)
    if i ~= j then return i > j end
    return x.operation < y.operation
  end)
  return lines
end

--- The operation that took the difference: the largest one in its direction whose interval leaves
--- out 0. nil when there is none.
---@param lines woolly.Blame[]
---@param slower boolean   B is the slower side
---@return woolly.Blame?
function blame.culprit(lines, slower)
  local waits
  for _, line in ipairs(lines) do
    local found = slower and line.low > 0 or not slower and line.high < 0
    if found and line.operation ~= WAIT then return line end
    if found then waits = line end
  end
  return waits
end

--- Operations that differ by themselves, whatever the rates say: a difference that drowns in the
--- noise of the whole may stand out in its part.
---@param lines woolly.Blame[]
---@return woolly.Blame[]
function blame.differing(lines)
  local found = {}
  for _, line in ipairs(lines) do
    if line.operation ~= WAIT and line.p < FALSE_DISCOVERIES
       and (line.low > 0 or line.high < 0) then
      found[#found + 1] = line
    end
  end
  return found
end

return blame
