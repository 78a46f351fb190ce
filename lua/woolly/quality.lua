--- What is odd about the samples of a run: values far aside, a slow first one, a rise or fall from
--- the first to the last. They are told and kept; nothing is taken out. Pure.
local metrics  = require "woolly.metrics"
local outliers = require "woolly.stats.outliers"
local stats    = require "woolly.stats"
local trend    = require "woolly.stats.trend"

local quality = {}

local LEAST <const>, LEAST_FOR_TREND <const> = 5, 10
local MOST <const> = 2000        -- samples that are looked at, the first ones
local MATTERS <const> = 0.02     -- share of the median: a value nearer is never aside
local SLOPE <const>, P <const> = 0.03, 0.001

-- How many lie far aside, and whether the first is one of them.
local function aside(samples)
  local median, count, first = stats.median(samples), 0, false
  for i, z in ipairs(outliers.modified_z(samples)) do
    if math.abs(z) > outliers.Z_LIMIT and math.abs(samples[i] - median) > MATTERS * median then
      count, first = count + 1, first or i == 1
    end
  end
  return count, first
end

--- Notes on one metric's samples.
---@param name string
---@param samples number[]   in order of arrival
---@return string[]
function quality.notes(name, samples)
  local metric, notes = metrics.all[name], {}
  if not metric or metric.exact or metric.any_sign or metric.sample ~= "run" then return notes end
  local n = math.min(#samples, MOST)
  if n < LEAST then return notes end
  local looked_at = n < #samples and table.move(samples, 1, n, 1, {}) or samples
  local count, first = aside(looked_at)
  if count == 1 and first then
    notes[1] = string.format("%s: the first of %d repetitions lies far aside (%.4g, median %.4g); "
      .. "kept. More --warmup helps", name, n, samples[1], stats.median(looked_at))
  elseif count > 0 then
    notes[1] = string.format("%s: %d of %d repetitions far aside; kept, and the median hardly "
      .. "sees them", name, count, n)
  end
  if n < LEAST_FOR_TREND then return notes end
  local slope, level = trend.slope(looked_at), stats.median(looked_at)
  local across = level > 0 and slope * n / level or 0
  if math.abs(across) > SLOPE and trend.persistent(looked_at).p < P then
    notes[#notes + 1] = string.format("%s: no steady state, %s by %.1f %% from the first "
      .. "repetition to the last", name, across > 0 and "rises" or "falls", 100 * math.abs(across))
  end
  return notes
end

return quality
