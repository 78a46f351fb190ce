--- A report as OpenMetrics text: for the textfile collector of Prometheus' node exporter. Pure.
local words = require "woolly.report.words"

local openmetrics = {}

local STATES <const> = { "pass", "fail", "inconclusive", "missing" }
local ESCAPES <const> = { ["\\"] = "\\\\", ['"'] = '\\"', ["\n"] = "\\n" }

--- A label's value.
---@param value any
---@return string
function openmetrics.escape(value)
  return (words.clean(value):gsub('[\\"\n]', ESCAPES))
end

local function labels(list)
  local parts = {}
  for i, pair in ipairs(list) do
    parts[i] = string.format('%s="%s"', pair[1], openmetrics.escape(pair[2] or ""))
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

local function with(base, ...)
  local list = table.move(base, 1, #base, 1, {})
  for _, pair in ipairs { ... } do list[#list + 1] = pair end
  return labels(list)
end

--- The file.
---@param document table
---@param started_s? number   of the run, seconds since 1970
---@return string
function openmetrics.render(document, started_s)
  local run, out = document.run, {}
  local base = { { "scenario", run.scenario }, { "target", run.target }, { "preset", run.preset },
                 { "model", (document.model or {}).name },
                 { "machine", document.machine.fingerprint } }
  local function family(name, kind, about, rows)
    if #rows == 0 then return end
    out[#out + 1] = string.format("# TYPE %s %s\n# HELP %s %s", name, kind, name, about)
    table.move(rows, 1, #rows, #out + 1, out)
  end
  local values = { median = {}, low = {}, high = {}, samples = {}, roof = {} }
  for _, metric in ipairs(document.metrics) do
    local labelled = with(base, { "metric", metric.name }, { "unit", metric.unit })
    for key, rows in pairs(values) do
      local value = metric[key]
      if key == "samples" then value = metric.n end
      if type(value) == "number" and (metric.n > 0 or key == "samples") then
        rows[#rows + 1] = string.format("woolly_%s%s %.10g", key, labelled, value)
      end
    end
  end
  family("woolly_median", "gauge", "Median of a metric's samples", values.median)
  family("woolly_low", "gauge", "Lower bound of the median's interval", values.low)
  family("woolly_high", "gauge", "Upper bound of the median's interval", values.high)
  family("woolly_samples", "gauge", "Samples of a metric; 0: not measured", values.samples)
  family("woolly_roof", "gauge", "Physical limit of a metric on this machine", values.roof)
  local limits = {}
  for _, limit in ipairs(document.gate and document.gate.limits or {}) do
    for _, state in ipairs(STATES) do
      limits[#limits + 1] = "woolly_limit" .. with(base, { "gate", document.gate.name },
        { "metric", limit.metric }, { "bound", limit.bound }, { "woolly_limit", state })
        .. (limit.verdict == state and " 1" or " 0")
    end
  end
  family("woolly_limit", "stateset", "Verdict of each limit of the gate", limits)
  family("woolly_exit_status", "gauge", "0 passed, 1 failed, 2 cannot judge, 3 and up: errors",
         { "woolly_exit_status" .. labels(base) .. " " .. tostring(document.status or 0) })
  if started_s then
    family("woolly_run_started_seconds", "gauge", "When the newest run started", {
      "woolly_run_started_seconds" .. labels(base) .. string.format(" %.3f", started_s) })
  end
  return table.concat(out, "\n") .. "\n# EOF\n"
end

return openmetrics
