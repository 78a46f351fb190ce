--- Reports made small enough for a page that holds a thousand of them. Pure.
local thin = {}

thin.MOST_SAMPLES = 120 -- in order; of more, quantiles
local MOST_LEAN <const> = 12
local QUANTILES <const> = 100
local MOST_ROWS <const>, MOST_NOTES <const>, MOST_REPETITIONS <const> = 200, 80, 200

--- Five significant digits: more is noise in every figure of ours.
---@param value any
---@return any
function thin.number(value)
  if math.type(value) ~= "float" then return value end
  if value ~= value or value == math.huge or value == -math.huge then return nil end
  if value == math.floor(value) and math.abs(value) < 1e5 then return math.tointeger(value) end
  return tonumber(string.format("%.5g", value))
end

local function numbers(list)
  local out = {}
  for i, value in ipairs(list) do out[i] = thin.number(value) end
  return out
end

--- The quantiles 0, 1/100, ... 1 by nearest rank, and the 99.9th percentile behind them.
---@param samples number[]
---@return number[]
function thin.quantiles(samples)
  local sorted = table.move(samples, 1, #samples, 1, {})
  table.sort(sorted)
  local n, out = #sorted, {}
  for i = 0, QUANTILES do
    out[i + 1] = thin.number(sorted[math.max(1, math.ceil(n * i / QUANTILES))])
  end
  out[#out + 1] = thin.number(sorted[math.max(1, math.ceil(n * 0.999))])
  return out
end

local function only_numbers(samples)
  for _, value in ipairs(samples) do
    if type(value) ~= "number" then return false end
  end
  return true
end

local function metric_of(entry, lean)
  local samples, out = entry.samples or {}, {}
  for _, key in ipairs { "name", "n", "median", "low", "high", "confidence", "roof", "roof_by",
                         "roof_share", "reason", "looks" } do
    out[key] = thin.number(entry[key])
  end
  if #samples <= (lean and MOST_LEAN or thin.MOST_SAMPLES) then
    out.samples = numbers(samples)
  elseif not lean and only_numbers(samples) then
    out.quantiles = thin.quantiles(samples)
  end
  return out
end

local function gate_of(gate)
  if not gate then return nil end
  local out = { name = gate.name, title = gate.title, verdict = gate.verdict,
                left_out = gate.left_out, targets = gate.targets, limits = {} }
  for i, limit in ipairs(gate.limits or {}) do
    out.limits[i] = { metric = limit.metric, bound = limit.bound, limit = limit.limit,
                      stat = limit.stat, verdict = limit.verdict, value = thin.number(limit.value),
                      low = thin.number(limit.low), high = thin.number(limit.high),
                      unreachable = limit.unreachable, reason = limit.reason }
  end
  return out
end

local function first(list, most, convert)
  local out = {}
  for i = 1, math.min(#list, most) do out[i] = convert and convert(list[i]) or list[i] end
  return out
end

local function row_of(row)
  if type(row) ~= "table" then return {} end
  local out = {}
  for key, value in pairs(row) do out[key] = thin.number(value) end
  return out
end

local function repetition_of(one)
  local out = { index = one.index, ms = thin.number((one.wall_ns or 0) / 1e6),
                disturbed = one.disturbed }
  if one.run_delay_ns then out.waited_ms = thin.number(one.run_delay_ns / 1e6) end
  if one.steal_ns then out.stolen_ms = thin.number(one.steal_ns / 1e6) end
  return out
end

--- What a page shows of one report. A lean one has no more than its figures and verdicts.
---@param document table   woolly-report/1 without nulls
---@param lean? boolean
---@param array fun(t: table): table   json.array: what is empty stays an array
---@return table
function thin.document(document, lean, array)
  local run, out = document.run, { metrics = array {}, gate = gate_of(document.gate), lean = lean }
  if out.gate then array(out.gate.limits) end
  for _, key in ipairs { "title", "seed", "dirty", "disturbed" } do out[key] = run[key] end
  for i, entry in ipairs(document.metrics or {}) do out.metrics[i] = metric_of(entry, lean) end
  if lean then return out end
  out.checks = document.checks
  out.notes = array(first(document.notes or {}, MOST_NOTES))
  out.repetitions = array(first(document.repetitions or {}, MOST_REPETITIONS, repetition_of))
  for name, rows in pairs(document.tables or {}) do
    out.tables = out.tables or {}
    out.tables[name] = array(first(rows, MOST_ROWS, row_of))
  end
  return out
end

return thin
