--- Change points of a history, by two methods that vote: one is confirmed when both see it.
local energy = require "woolly.stats.energy"
local hunter = require "woolly.stats.hunter"
local potts  = require "woolly.stats.potts"

local changepoint = {}

local AGREE_WITHIN <const> = 2
local LEAST <const> = 5 -- fewer values fit any steps exactly

changepoint.hunter      = hunter.find
changepoint.potts       = potts.find
changepoint.permutation = energy.divide
changepoint.energy      = energy.compare

---@class woolly.stats.ChangePoint
---@field index integer    first value of the new level, from 1
---@field change number    share, after / before - 1
---@field before number    level
---@field after number
---@field p? number        of hunter's t test; nil when it did not see the point
---@field vote "confirmed"|"weak"
---@field by "both"|"hunter"|"potts"
---@field age integer      values since then, itself included

--- Change points, in order. Steps that only the second method sees count when they are at least as
--- large as the magnitude asked for.
---@param values number[]
---@param options? woolly.stats.HunterOptions
---@return woolly.stats.ChangePoint[]
function changepoint.detect(values, options)
  if #values < LEAST then return {} end
  local magnitude = options and options.magnitude or 0.03
  local steps, points, seen = potts.find(values), {}, {}
  local function add(point, by, p)
    points[#points + 1] = {
      index = point.index, change = point.change, before = point.before, after = point.after,
      p = p, by = by, vote = by == "both" and "confirmed" or "weak",
      age = #values - point.index + 1,
    }
  end
  for _, point in ipairs(hunter.find(values, options)) do
    local agreed
    for i, step in ipairs(steps) do
      local same_way = (step.after > step.before) == (point.after > point.before)
      if math.abs(step.index - point.index) <= AGREE_WITHIN and same_way then
        agreed, seen[i] = true, true
      end
    end
    add(point, agreed and "both" or "hunter", point.p)
  end
  for i, step in ipairs(steps) do
    if not seen[i] and math.abs(step.change) > magnitude then add(step, "potts") end
  end
  table.sort(points, function(a, b)
    if a.index ~= b.index then return a.index < b.index end
    return a.by < b.by
  end)
  return points
end

--- The segment behind the last confirmed point: what the next run is compared with.
---@param values number[]
---@param points woolly.stats.ChangePoint[]
---@return integer first, integer last
function changepoint.stable_segment(values, points)
  local first = 1
  for _, point in ipairs(points) do
    if point.vote == "confirmed" then first = math.max(first, point.index) end
  end
  return first, #values
end

return changepoint
