--- The plan's expected improvement after each phase beside what the store holds.
local failure = require "woolly.failure"
local stats   = require "woolly.stats"
local stored  = require "woolly.stored"
local trends  = require "woolly.trends"

local trajectory = {}

local MOST_RUNS <const> = 1000000

-- The entry of a metric in a report.
local function entry_of(document, name)
  for _, entry in ipairs(document.metrics) do
    if entry.name == name and entry.n > 0 then return entry end
  end
end

--- The newest run of each phase's preset with an improvement factor, all of the machine and model
--- of the newest of them.
---@param kept woolly.store.Store
---@param data table   gates/trajectory.lua
---@param all? woolly.store.History   of every run, when it has been read already
---@return woolly.TrajectoryStep[]
function trajectory.measure(kept, data, all)
  local found = all
    or failure.must(kept:history { metric = data.metric, limit = MOST_RUNS })
  local series = found.series[data.metric] or { at = {} }
  local newest, of_preset = nil, {}
  for k = #series.at, 1, -1 do
    local row = found.rows[series.at[k]]
    newest = newest or row
    if row.preset and row.machine == newest.machine and row.model == newest.model then
      of_preset[row.preset] = of_preset[row.preset] or row
    end
  end
  local measured, roof = {}, nil
  for phase in pairs(data.expected) do
    local row = of_preset["p" .. phase:match("%d+$")]
    local entry = row and entry_of(failure.must(stored.run(kept, row.id)), data.metric)
    if entry then
      local median = entry.median or stats.median(entry.samples)
      measured[phase] = { median = median, low = entry.low or median, high = entry.high or median,
                          roof = entry.roof, run = row.id }
      if entry.roof then roof = math.max(roof or 0, entry.roof) end
    end
  end
  -- The roof is of the machine and the model, whichever preset was measured beside it.
  for _, one in pairs(measured) do one.roof = one.roof or roof end
  return trends.trajectory(data.expected, measured)
end

--- Lines to print.
---@param steps woolly.TrajectoryStep[]
---@return string[]
function trajectory.render(steps)
  local out = { "Trajectory: improvement over p0, expected and measured" }
  for _, step in ipairs(steps) do
    local measured = step.measured
      and string.format("measured %.1f x [%.1f, %.1f]", step.measured, step.low, step.high) or ""
    out[#out + 1] = string.format("  %-11s  %s  expected %6.0f x  %s%s", step.verdict, step.phase,
                                  step.expected, measured,
                                  step.reason and "  (" .. step.reason .. ")" or "")
  end
  return out
end

return trajectory
