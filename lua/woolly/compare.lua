--- Compares two reports metric by metric: ratio of medians with its bootstrap interval. Pure.
local metrics = require "woolly.metrics"
local report  = require "woolly.report.json"
local stats   = require "woolly.stats"

local compare = {}

compare.TOLERANCE = 0.05 -- share of the baseline, as in the plan

--- Why two documents cannot be compared, or nil.
---@return string?
function compare.refusal(current, baseline)
  if current.machine.fingerprint ~= baseline.machine.fingerprint then
    return string.format("measured on machine %s, this is machine %s",
                         tostring(baseline.machine.fingerprint),
                         tostring(current.machine.fingerprint))
  end
  local a, b = (current.model or {}).sha256, (baseline.model or {}).sha256
  if a ~= b then
    return string.format("measured with model %s, this is model %s", tostring(b and b:sub(1, 12)),
                         tostring(a and a:sub(1, 12)))
  end
end

---@class woolly.Comparison
---@field metric string
---@field ratio? number   current / baseline
---@field low? number
---@field high? number
---@field verdict "better"|"worse"|"same"|"undecided"|"missing"
---@field reason? string

local function judge(metric, low, high)
  local gain_low, gain_high = low - 1, high - 1
  if metric.better == "lower" then gain_low, gain_high = -(high - 1), -(low - 1) end
  if gain_high < -compare.TOLERANCE then return "worse" end
  if gain_low > compare.TOLERANCE then return "better" end
  if gain_low >= -compare.TOLERANCE and gain_high <= compare.TOLERANCE then return "same" end
  return "undecided"
end

--- One line per metric of the baseline, in its order.
---@return woolly.Comparison[]
function compare.run(current, baseline)
  local now, lines = report.measured(current), {}
  for _, entry in ipairs(baseline.metrics) do
    local metric = metrics.all[entry.name]
    local samples = now[entry.name] and now[entry.name].samples or {}
    local line = { metric = entry.name }
    if not metric or metric.better == "target" then
      goto continue
    elseif #samples == 0 or #(entry.samples or {}) == 0 then
      line.verdict = "missing"
      line.reason = #samples == 0 and (now[entry.name] or {}).reason or "not in the baseline"
      line.reason = line.reason or "not measured this time"
    elseif stats.median(entry.samples) == 0 then
      local same = stats.median(samples) == 0
      line.verdict = same and "same" or metric.better == "lower" and "worse" or "better"
      line.reason = "the baseline is 0"
    else
      line.ratio = stats.median(samples) / stats.median(entry.samples)
      line.low, line.high = line.ratio, line.ratio
      if not metric.exact then
        line.low, line.high = stats.bootstrap_ratio(samples, entry.samples)
      end
      if not line.low then
        line.verdict, line.reason = "missing", "the baseline has values of 0 or below"
      elseif not metric.exact and (#samples < 5 or #entry.samples < 5) then
        line.verdict, line.reason = "undecided", "fewer than 5 samples"
      else
        line.verdict = judge(metric, line.low, line.high)
      end
    end
    lines[#lines + 1] = line
    ::continue::
  end
  return lines
end

--- Lines to print.
---@param lines woolly.Comparison[]
---@return string
function compare.render(lines)
  local out = {}
  for _, line in ipairs(lines) do
    local value = line.ratio and string.format("%6.3f x  [%.3f, %.3f]", line.ratio, line.low,
                                               line.high) or ""
    out[#out + 1] = string.format("  %-9s  %-32s %s%s", line.verdict, line.metric, value,
      line.reason and "  (" .. line.reason .. ")" or "")
    out[#out] = out[#out]:gsub("%s+$", "")
  end
  return table.concat(out, "\n") .. "\n"
end

--- Exit status: 1 when something got worse, 2 when something could not be told, else 0.
---@param lines woolly.Comparison[]
---@return integer
function compare.status(lines)
  local status = 0
  for _, line in ipairs(lines) do
    if line.verdict == "worse" then return 1 end
    if line.verdict == "missing" then status = 2 end
  end
  return status
end

return compare
