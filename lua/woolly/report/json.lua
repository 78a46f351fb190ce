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
  entry.roof, entry.roof_by = measured.roof, measured.roof_by
  if entry.roof then
    entry.roof_share = metric.better == "lower" and measured.roof / entry.median
      or entry.median / measured.roof
  end
  return entry
end

-- More than is possible was not measured: either figure is wrong, and both are shown.
local OVER_ROOF <const> = 1.05

local function roof_notes(entries)
  local notes = {}
  for _, entry in ipairs(entries) do
    if entry.roof_share and entry.roof_share > OVER_ROOF then
      notes[#notes + 1] = string.format("%s is %.2f times its roof: one of the two was measured "
        .. "wrong. calibrate.lua measures the roofs again", entry.name, entry.roof_share)
    end
  end
  return notes
end

---@param run table   { id, scenario, started, target, preset, switches, params, seed,
---                     commit, dirty, tags, status }
---@param parts {machine: table, model?: table, order: string[],
---              measured: table<string, woolly.Measured>, gate?: table, checks?: table[],
---              notes?: string[], repetitions?: woolly.Repetition[], status: integer}
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
    repetitions = parts.repetitions,
    status = parts.status,
  }
  for i, name in ipairs(parts.order) do
    document.metrics[i] = metric_entry(name, parts.measured[name])
  end
  local notes = roof_notes(document.metrics)
  if #notes > 0 then
    document.notes = table.move(notes, 1, #notes, #(parts.notes or {}) + 1,
                                table.move(parts.notes or {}, 1, #(parts.notes or {}), 1, {}))
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
