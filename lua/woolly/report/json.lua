--- Builds the woolly-report/1 document from what a run knows. Pure.
local gate     = require "woolly.gate"
local interval = require "woolly.stats.interval"
local metrics  = require "woolly.metrics"

local report = {}

report.SCHEMA = "woolly-report/1"

-- More than is possible was not measured: a figure this far above its roof is refused.
report.OVER_ROOF = 1.05

--- The share of the roof that a metric's median reached.
---@param name string
---@param measured woolly.Measured
---@return number?   nil without samples or roof
function report.roof_share(name, measured)
  local metric = metrics.all[name]
  if not measured.roof or #measured.samples == 0 then return nil end
  local median = gate.estimate_metric(metric, measured.samples, "median")
  return metric.better == "lower" and measured.roof / median or median / measured.roof
end

-- A refused figure: nobody may judge by it, and everybody may look at it.
local function refuse(entry, share)
  entry.refused, entry.samples, entry.n = entry.samples, {}, 0
  entry.reason = string.format("%.2f times its roof of %.4g, which cannot be: the rate or the roof "
    .. "was measured wrong. calibrate.lua measures the roofs again", share, entry.roof)
  return entry
end

-- One metric with its estimate; without samples n is 0 and the reason stands.
local function metric_entry(name, measured)
  local metric = metrics.all[name]
  local entry = { name = name, unit = metric.unit, better = metric.better, n = #measured.samples,
                  samples = measured.samples }
  if #measured.samples == 0 then
    entry.reason = measured.reason or "not measured"
    return entry
  end
  entry.roof, entry.roof_by = measured.roof, measured.roof_by
  local share = report.roof_share(name, measured)
  if share and share > report.OVER_ROOF then return refuse(entry, share) end
  entry.median, entry.low, entry.high = gate.estimate_metric(metric, measured.samples, "median")
  if metric.share then
    entry.confidence = 0.95
  elseif not metric.exact then
    entry.confidence = interval.confidence_of_median(entry.n)
  end
  entry.looks = measured.looks
  entry.roof_share = share
  return entry
end

---@param run table   { id, scenario, started, target, preset, switches, params, seed,
---                     commit, dirty, tags, status }
---@param parts {machine: table, model?: table, order: string[],
---              measured: table<string, woolly.Measured>, gate?: table, checks?: table[],
---              notes?: string[], tables?: table<string, table[]>|false,
---              repetitions?: woolly.Repetition[], status: integer}
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
    tables = parts.tables or nil,
    repetitions = parts.repetitions,
    status = parts.status,
  }
  for i, name in ipairs(parts.order) do
    document.metrics[i] = metric_entry(name, parts.measured[name])
  end
  return document
end

--- The metrics whose figures were refused.
---@param document table
---@return string[] names
function report.refused(document)
  local names = {}
  for _, entry in ipairs(document.metrics) do
    if entry.refused then names[#names + 1] = entry.name end
  end
  return names
end

--- The samples of a stored document, as gate.judge wants them.
---@param document table
---@return table<string, woolly.Measured> measured
function report.measured(document)
  local measured = {}
  for _, entry in ipairs(document.metrics) do
    measured[entry.name] = { samples = entry.samples or {}, reason = entry.reason,
                             looks = math.tointeger(entry.looks) }
  end
  return measured
end

--- The physical limits that a document names, as gate.judge wants them.
---@param document table
---@return table<string, number> roofs   by metric
function report.roofs(document)
  local roofs = {}
  for _, entry in ipairs(document.metrics) do roofs[entry.name] = entry.roof end
  return roofs
end

--- Puts a verdict into a document.
---@param document table
---@param name string          gate name
---@param g table              the gate
---@param judged {verdict: string, limits: woolly.Verdict[]}
---@param left_out? integer   limits of the gate that were not judged: other scenarios'
function report.set_gate(document, name, g, judged, left_out)
  document.gate = { name = name, title = g.title, verdict = judged.verdict, limits = judged.limits,
                    targets = g.targets, left_out = left_out }
end

-- Keys that a reader may rely on, null when there is nothing to say.
local ALWAYS <const> = { [""] = { "model", "gate" }, run = { "preset", "switches", "commit" },
                         model = { "sha256" } }

--- A copy to encode: null where a required key has no value, empty arrays that stay arrays.
---@param document table
---@param json {null: any, array: fun(t: table): table}   woolly.json
---@return table
function report.for_json(document, json)
  local copy = {}
  for key, value in pairs(document) do copy[key] = value end
  for part, keys in pairs(ALWAYS) do
    local from = part == "" and document or document[part]
    if from then
      local into = copy
      if part ~= "" then
        into = {}
        for key, value in pairs(from) do into[key] = value end
        copy[part] = into
      end
      for _, key in ipairs(keys) do
        if into[key] == nil then into[key] = json.null end
      end
    end
  end
  for _, key in ipairs { "metrics", "checks", "notes", "repetitions" } do
    if copy[key] then copy[key] = json.array(copy[key]) end
  end
  for _, entry in ipairs(copy.metrics) do entry.samples = json.array(entry.samples) end
  return copy
end

--- The reverse: a decoded document without its nulls.
---@param value any
---@param null any
---@return any
function report.from_json(value, null)
  if value == null then return nil end
  if type(value) ~= "table" then return value end
  for key, inner in pairs(value) do value[key] = report.from_json(inner, null) end
  return value
end

return report
