--- The phases as a road: where each gate stands, what its figures are, what comes next. Pure.
local road = {}

road.PHASES = { "phase1", "phase2", "phase3", "phase4", "phase5" }

---@class woolly.Stop              one phase on the road
---@field gate string
---@field title string
---@field verdict "pass"|"fail"|"inconclusive"|"missing"
---@field reason? string           why it is missing as a whole
---@field run? string              the newest run that judged the whole gate
---@field limits table[]           as judged, with target, roof and the run that measured it
---@field next string[]            what keeps it from passing, worst first

local WORST <const> = { fail = 3, missing = 2, inconclusive = 1, pass = 0 }
local BOUNDS <const> = { { "min", ">=" }, { "max", "<=" }, { "equals", "=" } }

-- The newest judgement of a limit: of a run of the whole gate, or of a part of it.
local function found_of(documents, name)
  local limits, roofs, whole = {}, {}, nil
  for _, document in ipairs(documents) do -- newest first
    local gate = document.gate
    if gate and gate.name == name then
      if not gate.left_out then whole = whole or document.run.id end
      for _, entry in ipairs(document.metrics) do
        roofs[entry.name] = roofs[entry.name] or entry.roof
      end
      for _, limit in ipairs(gate.limits or {}) do
        local key = limit.metric .. " " .. limit.bound
        limits[key] = limits[key] or { limit = limit, run = document.run.id }
      end
    end
  end
  return limits, roofs, whole
end

local function stop_of(name, gate, documents)
  local found, roofs, whole = found_of(documents, name)
  local stop = { gate = name, title = gate.title or name, limits = {}, next = {}, run = whole,
                 verdict = "pass" }
  local metrics = {}
  for metric in pairs(gate.limits or {}) do metrics[#metrics + 1] = metric end
  table.sort(metrics)
  for _, metric in ipairs(metrics) do
    for _, bound in ipairs(BOUNDS) do
      local wanted = gate.limits[metric][bound[1]]
      if wanted ~= nil then
        local known = found[metric .. " " .. bound[1]]
        local judged = known and known.limit or {}
        local line = {
          metric = metric, bound = bound[1], limit = wanted, stat = gate.limits[metric].stat,
          verdict = judged.verdict or "missing", value = judged.value, low = judged.low,
          high = judged.high, target = (gate.targets or {})[metric], roof = roofs[metric],
          reason = judged.reason or not known and "no run measured it" or nil,
          run = known and known.run,
        }
        -- A gate that was edited since: the old verdict is about another limit.
        if known and judged.limit ~= wanted then
          line.verdict = "missing"
          line.reason = string.format("judged against %s; the gate says %s now: judge.lua",
                                      tostring(judged.limit), tostring(wanted))
        end
        stop.limits[#stop.limits + 1] = line
        if WORST[line.verdict] > WORST[stop.verdict] then stop.verdict = line.verdict end
        if line.verdict ~= "pass" then
          stop.next[#stop.next + 1] = string.format("%s %s %s", metric, bound[2],
                                                    tostring(wanted))
        end
      end
    end
  end
  if not next(found) then
    stop.verdict, stop.reason = "missing", "not measured: woolly-lua " .. name .. ".lua"
  end
  return stop
end

--- The road.
---@param gates table<string, table>   gate data by name
---@param documents table[]            reports of one machine and model, newest first
---@return woolly.Stop[]
function road.stops(gates, documents)
  local stops = {}
  for _, name in ipairs(road.PHASES) do
    if gates[name] then stops[#stops + 1] = stop_of(name, gates[name], documents) end
  end
  return stops
end

--- The stop of a gate that is no phase.
---@param name string
---@param gate table
---@param documents table[]
---@return woolly.Stop
function road.stop(name, gate, documents) return stop_of(name, gate, documents) end

return road
