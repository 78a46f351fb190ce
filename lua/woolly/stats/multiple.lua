--- Several tests at once: p values adjusted so that each compares with the level for all.
local multiple = {}

local function ascending(p_values)
  local order = {}
  for i = 1, #p_values do order[i] = i end
  table.sort(order, function(a, b)
    if p_values[a] ~= p_values[b] then return p_values[a] < p_values[b] end
    return a < b
  end)
  return order
end

--- Holm: the chance of even one false finding stays below the level. For what gates.
---@param p_values number[]
---@return number[] adjusted   in the same order
function multiple.holm(p_values)
  local n, adjusted, most = #p_values, {}, 0.0
  for rank, i in ipairs(ascending(p_values)) do
    most = math.max(most, math.min(1, (n - rank + 1) * p_values[i]))
    adjusted[i] = most
  end
  return adjusted
end

--- Benjamini and Hochberg: the share of false findings among all stays below the level. For what
--- is only reported.
---@param p_values number[]
---@return number[] adjusted   in the same order
function multiple.benjamini_hochberg(p_values)
  local n, adjusted, least = #p_values, {}, 1.0
  local order = ascending(p_values)
  for rank = n, 1, -1 do
    least = math.min(least, n / rank * p_values[order[rank]])
    adjusted[order[rank]] = least
  end
  return adjusted
end

return multiple
