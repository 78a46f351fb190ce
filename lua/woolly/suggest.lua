--- The nearest known name to a misspelt one. Pure.
local suggest = {}

local MAX_LENGTH <const> = 64

--- Edit distance with swaps of neighbours (optimal string alignment).
---@param a string
---@param b string
---@return integer
function suggest.distance(a, b)
  a, b = a:sub(1, MAX_LENGTH):lower(), b:sub(1, MAX_LENGTH):lower()
  local before, previous, current = {}, {}, {}
  for j = 0, #b do previous[j] = j end
  for i = 1, #a do
    current[0] = i
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j)
      local best = math.min(previous[j] + 1, current[j - 1] + 1,
                            previous[j - 1] + (same and 0 or 1))
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        best = math.min(best, before[j - 2] + 1)
      end
      current[j] = best
    end
    before, previous, current = previous, current, before
  end
  return previous[#b]
end

--- The closest of names, or nil when none is close.
---@param name string
---@param names string[]
---@return string?
function suggest.nearest(name, names)
  local best, best_distance = nil, math.max(2, math.min(#name, 24) // 3) + 1
  table.sort(names)
  for _, known in ipairs(names) do
    local distance = suggest.distance(name, known)
    if distance < best_distance then best, best_distance = known, distance end
  end
  return best
end

--- " (did you mean 'x'?)" or "".
---@param name string
---@param names string[]
---@return string
function suggest.hint(name, names)
  local nearest = suggest.nearest(name, names)
  return nearest and string.format(" (did you mean '%s'?)", nearest) or ""
end

--- The keys of a table, as names.
---@param t table<string, any>
---@return string[]
function suggest.keys(t)
  local keys = {}
  for key in pairs(t) do keys[#keys + 1] = tostring(key) end
  table.sort(keys)
  return keys
end

return suggest
