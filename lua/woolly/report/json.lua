--- Builds the woolly-report/1 document from what a run knows. Pure.
local gate    = require "woolly.gate"
local metrics = require "woolly.metrics"

local report = {}

report.SCHEMA = "woolly-report/1"

-- One metric with its estimate; without samples n is 0 and the reason stands.
local function metric_entry(name, measured)
  local metric = metrics.all[name]
  local entry = { name = name, unit = metric.unit, better = metric.better, n = #measured.samples,
                  samples = measured.samples }
  if #measured.samples == 0 then
    entry.reason = measured.reason or "not measured"
    return entry
  end
  entry.median, entry.low, entry.high = gate.estimate(measured.samples, "median", metric.exact)
  if not metric.exact then entry.confidence = 0.95 end
  return entry
end

---@param run table   { id, scenario, started, started_ns, target, preset, switches, seed, commit,
---                     dirty, tags, state }
---@param parts {machine: table, model?: table, order: string[],
---              measured: table<string, woolly.Measured>, gate?: table, checks?: table[],
---              notes?: string[], status: integer}
---@return table document
function report.build(run, parts)
  local document = {
    schema = report.SCHEMA,
    run = run,
    machine = parts.machine,
    model = parts.model,
    metrics = {},
    gate = parts.gate,
    checks = parts.checks,
    notes = parts.notes,
    status = parts.status,
  }
  for i, name in ipairs(parts.order) do
    document.metrics[i] = metric_entry(name, parts.measured[name])
  end
  return document
end

--- The samples of a stored document, as gate.judge wants them.
---@param document table
---@return table<string, woolly.Measured> measured
function report.measured(document)
  local measured = {}
  for _, entry in ipairs(document.metrics) do
    measured[entry.name] = { samples = entry.samples or {}, reason = entry.reason }
  end
  return measured
end

--- Puts a verdict into a document.
---@param document table
---@param name string          gate name
---@param g table              the gate
---@param judged {verdict: string, limits: woolly.Verdict[]}
function report.set_gate(document, name, g, judged)
  document.gate = { name = name, title = g.title, verdict = judged.verdict, limits = judged.limits,
                    targets = g.targets }
end

return report
