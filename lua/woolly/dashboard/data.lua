--- Gathers what the dashboard shows from a store: one table, woolly-dashboard/1, to be encoded.
local failure  = require "woolly.failure"
local forecast = require "woolly.stats.forecast"
local history  = require "woolly.history"
local metrics  = require "woolly.metrics"
local road     = require "woolly.dashboard.road"
local stored   = require "woolly.stored"
local suggest  = require "woolly.suggest"
local thin     = require "woolly.dashboard.thin"
local trends   = require "woolly.trends"

local data = {}

data.SCHEMA = "woolly-dashboard/1"
-- Bytes of encoded details: a page of a thousand runs stays below 3 MB.
local FULL_BYTES <const>, LEAN_BYTES <const> = 600000, 900000
local MOST_RUNS <const> = 1000000
local MOST_ROADS <const> = 8

---@class woolly.DashboardOptions
---@field window_s? number     only runs of the newest so many seconds
---@field most_details integer runs whose report is read, newest first
---@field gates table<string, table>   gate data by name: the phases, ole
---@field expected? table      gates/trajectory.lua
---@field roofs? table         roofs that are kept for this machine, of that fingerprint

-- ---- what the runs refer to ----

local function indexed()
  return { list = {}, place = {} }
end

-- The 0-based place of a thing, which is put behind the others when it is new.
local function place_of(index, key, make)
  if not index.place[key] then
    index.list[#index.list + 1] = make()
    index.place[key] = #index.list - 1
  end
  return index.place[key]
end

local function metric_words(names)
  local out = {}
  for name in pairs(names) do
    local metric = metrics.all[name]
    out[name] = metric and { unit = metric.unit, better = metric.better, text = metric.text }
      or { unit = "", better = "target", text = "" }
  end
  return out
end

local function plain(value)
  local kind = type(value)
  return kind == "string" or kind == "number" or kind == "boolean"
end

local function facts_of(machine)
  local out = {}
  for key, value in pairs(machine or {}) do
    if plain(value) then out[key] = thin.number(value) end
  end
  return out
end

-- ---- reports ----

-- The newest reports, full ones first, until the page has enough of them.
local function read_reports(kept, rows, options, gather)
  local json = require "woolly.json"
  local parts, used, seen_group = {}, 0, {}
  local documents = {}
  for i = #rows, math.max(1, #rows - options.most_details + 1), -1 do
    local row = rows[i]
    local document = failure.must(stored.run(kept, row.id))
    local key = history.key(row)
    -- The newest of its kind is whole, however many there are of another.
    local lean = used > FULL_BYTES and (seen_group[key] or used > FULL_BYTES + LEAN_BYTES / 2)
    seen_group[key] = true
    gather(i, document)
    documents[#documents + 1] = { run = document.run, gate = document.gate,
      metrics = document.metrics, machine = document.machine, model = document.model }
    if used <= FULL_BYTES + LEAN_BYTES then
      local text = json.encode(thin.document(document, lean, json.array))
      parts[#parts + 1] = json.encode(row.id) .. ":" .. text
      used = used + #text
    end
  end
  return parts, documents
end

-- ---- groups of alike runs ----

local function limits_of(documents_of_group)
  local limits = {}
  for _, document in ipairs(documents_of_group) do
    for _, limit in ipairs(document.gate and document.gate.limits or {}) do
      if type(limit.limit) == "number" and not limits[limit.metric] then
        limits[limit.metric] = { bound = limit.bound, limit = limit.limit }
      end
    end
  end
  return next(limits) and limits or nil
end

-- As a gate: what trends.forecast asks for.
local function as_gate(limits)
  local gate = { limits = {} }
  for metric, limit in pairs(limits or {}) do
    gate.limits[metric] = { [limit.bound] = limit.limit }
  end
  return gate
end

local function points_of(points)
  local out = require("woolly.json").array {}
  for i, point in ipairs(points) do
    out[i] = { at = point.index - 1, before = thin.number(point.before), vote = point.vote,
               after = thin.number(point.after), change = thin.number(point.change),
               better = point.better, age = point.age }
  end
  return out
end

local function trend_of(trend)
  local out = { n = trend.n, level = thin.number(trend.level), segment = trend.segment,
                reason = trend.reason, points = points_of(trend.points) }
  if trend.drift then
    out.drift = { verdict = trend.drift.verdict, change = thin.number(trend.drift.change),
                  p = thin.number(trend.drift.p), better = trend.drift.better }
  end
  local found = trend.forecast
  if found then
    out.forecast = { limit = found.limit, bound = found.bound, met = found.met,
                     reason = found.reason, model = found.model }
    for _, key in ipairs { "early", "median", "late" } do
      out.forecast[key] = found.crossing and thin.number(found.crossing[key])
    end
  end
  return out
end

-- The intervals of the runs whose report was read stand beside the medians.
local function series_of(group, bands, place)
  local json, out = require "woolly.json", {}
  for name, one in pairs(group.series) do
    local series = { at = {}, value = {}, low = {}, high = {} }
    local any = false
    for k, at in ipairs(one.at) do
      local row = group.rows[at]
      local band = (bands[row.id] or {})[name]
      series.at[k], series.value[k] = place[row.id], thin.number(one.value[k])
      series.low[k] = band and band[1] or json.null
      series.high[k] = band and band[2] or json.null
      any = any or band
    end
    if not any then series.low, series.high = nil, nil end
    out[name] = series
  end
  return out
end

local function group_of(group, found, place)
  local row = group.rows[#group.rows]
  local ids, own = {}, {}
  for _, one in ipairs(group.rows) do ids[one.id] = true end
  for _, document in ipairs(found.documents) do
    if ids[document.run.id] then own[#own + 1] = document end
  end
  local limits = limits_of(own)
  local list = trends.history(group, { window_s = math.huge })
  trends.forecast(group, list, as_gate(limits), forecast.project)
  local by_metric = {}
  for _, trend in ipairs(list) do by_metric[trend.metric] = trend_of(trend) end
  return {
    scenario = row.scenario, target = row.target, preset = row.preset, limits = limits,
    machine = found.machines.place[row.machine], switches = row.switches, params = row.params,
    model = row.model and found.models.place[row.model],
    pace_s = thin.number(trends.pace(group.rows)),
    series = series_of(group, found.bands, place), trends = by_metric,
  }
end

-- ---- roads ----

-- Lists that stay lists when they are empty.
local function marked(stop)
  local array = require("woolly.json").array
  stop.limits, stop.next = array(stop.limits), array(stop.next)
  return stop
end

-- One road for each machine and model that a phase was judged on, the newest first.
local function roads(found, gates)
  local order, by_key = {}, {}
  for _, document in ipairs(found.documents) do
    local name = document.gate and document.gate.name or ""
    if name:match("^phase%d$") then
      local machine, model = document.machine.fingerprint, (document.model or {}).sha256 or ""
      local key = machine .. " " .. model
      if not by_key[key] and #order < MOST_ROADS then
        by_key[key] = { machine = machine, model = model, documents = {} }
        order[#order + 1] = by_key[key]
      end
      if by_key[key] then table.insert(by_key[key].documents, document) end
    end
  end
  local out = {}
  for i, one in ipairs(order) do
    out[i] = { machine = found.machines.place[one.machine], model = found.models.place[one.model],
               stops = road.stops(gates, one.documents) }
    for _, stop in ipairs(out[i].stops) do marked(stop) end
  end
  return out
end

local function ole(found, gate)
  local own = {}
  for _, document in ipairs(found.documents) do
    if document.gate and document.gate.name == "ole" then own[#own + 1] = document end
  end
  return gate and marked(road.stop("ole", gate, own)) or nil
end

-- ---- all of it ----

--- Everything the page shows, as JSON text.
---@param kept woolly.store.Store
---@param options woolly.DashboardOptions
---@param facts table    goes into the page as it is: made, program, store, window
---@return string json
---@return integer runs
function data.encode(kept, options, facts)
  local json = require "woolly.json"
  local all = failure.must(kept:history { limit = MOST_RUNS })
  if options.window_s then
    local first = history.window(all.rows, options.window_s)
    all = history.pick(all, function(_, i) return i >= first end)
  end
  local found = { machines = indexed(), models = indexed(), bands = {}, tags = {} }
  local parts
  parts, found.documents = read_reports(kept, all.rows, options, function(i, document)
    local bands, row = {}, all.rows[i]
    for _, entry in ipairs(document.metrics or {}) do
      if entry.low and entry.confidence then
        bands[entry.name] = { thin.number(entry.low), thin.number(entry.high) }
      end
    end
    found.bands[row.id], found.tags[row.id] = bands, document.run
    place_of(found.machines, row.machine, function() return facts_of(document.machine) end)
    if row.model then
      place_of(found.models, row.model, function() return facts_of(document.model) end)
    end
  end)
  local runs, names, place, groups = {}, {}, {}, {}
  facts.stamp = #all.rows > 0 and all.rows[#all.rows].id or ""
  for i, row in ipairs(all.rows) do
    place_of(found.machines, row.machine, function() return { fingerprint = row.machine } end)
    if row.model then
      place_of(found.models, row.model, function()
        return { sha256 = row.model, name = row.model_name }
      end)
    end
    local run = found.tags[row.id] or {}
    runs[i] = { id = row.id, at = math.floor(row.started_s), verdict = row.verdict,
                status = row.exit_status, commit = row.commit, disturbed = run.disturbed and 1,
                tags = run.tags and next(run.tags) and run.tags or nil }
    place[row.id] = i - 1
  end
  for g, group in ipairs(history.groups(all)) do
    groups[g] = group_of(group, found, place)
    for name in pairs(group.series) do names[name] = true end
    for _, row in ipairs(group.rows) do runs[place[row.id] + 1].group = g - 1 end
  end
  for _, gate in pairs(options.gates) do
    for name in pairs(gate.limits or {}) do names[name] = true end
  end
  for _, document in ipairs(found.documents) do
    for _, entry in ipairs(document.metrics) do names[entry.name] = true end
  end
  local page = {
    schema = data.SCHEMA, facts = facts, runs = json.array(runs), groups = json.array(groups),
    machines = json.array(found.machines.list), models = json.array(found.models.list),
    metrics = metric_words(names), roads = json.array(roads(found, options.gates)),
    ole = ole(found, options.gates.ole), roofs = options.roofs, trajectory = options.expected,
    metric_order = json.array(metrics.sort(suggest.keys(names))),
  }
  local head = json.encode(page)
  return head:sub(1, -2) .. ',"details":{' .. table.concat(parts, ",") .. "}}", #runs
end

return data
