--- Rules over a history: which of its changes, drifts and limits somebody has to be told of, and
--- whom that was said to already. Pure.
local metrics = require "woolly.metrics"
local suggest = require "woolly.suggest"
local trends  = require "woolly.trends"

local alerts = {}

alerts.TAG = "alert:" -- on the run that an alert is about; its value: the outputs that had it
local SAME_WITHIN <const> = 3 -- runs by which a change point moves as more runs come

---@class woolly.Alert
---@field kind "change"|"drift"|"limit"
---@field metric string
---@field at integer         of the history's rows: the run it is about
---@field run string
---@field started string
---@field scenario string
---@field preset? string
---@field target string
---@field machine string
---@field value number       level now
---@field before? number     level before
---@field change? number     share
---@field limit? number
---@field bound? "min"|"max"
---@field text string
---@field had table<string, boolean>   outputs that had it
---@field tagged? string     run that carries the tag

---@class woolly.AlertRules
---@field magnitude? number  smaller steps are none
---@field age? integer       runs on the new level
---@field drift? boolean

local RULE_KINDS <const> = { magnitude = "number", age = "number", drift = "boolean" }

--- What is wrong with rules, as sentences.
---@param rules any
---@param where string
---@return string[]
function alerts.problems(rules, where)
  local problems = {}
  if rules == nil then return problems end
  for key, value in pairs(rules) do
    local kind = RULE_KINDS[key]
    if not kind then
      problems[#problems + 1] = string.format("%s: alerts.%s: unknown key%s", where, tostring(key),
        suggest.hint(tostring(key), suggest.keys(RULE_KINDS)))
    elseif type(value) ~= kind or kind == "number" and not (value > 0 and value < math.huge) then
      problems[#problems + 1] = string.format("%s: alerts.%s: found %s, a %s is required", where,
        key, tostring(value), kind == "number" and "number above 0" or kind)
    end
  end
  return problems
end

local function percent(change)
  return change and string.format("%+.1f %%", 100 * change) or "from 0"
end

local function number(value) return string.format("%.4g", value) end

local function describe(row)
  return string.format("%s%s on %s", row.scenario, row.preset and " " .. row.preset or "",
                       row.machine:sub(1, 6))
end

local function new(kind, trend, group, at, fields)
  local row = group.rows[at]
  local alert = { kind = kind, metric = trend.metric, at = at, run = row.id, started = row.started,
                  scenario = row.scenario, preset = row.preset, target = row.target,
                  machine = row.machine, value = trend.level, had = {} }
  for key, value in pairs(fields) do alert[key] = value end
  return alert
end

local function change_alert(trend, point, group)
  local alert = new("change", trend, group, point.at, {
    before = point.before, value = point.after, change = point.change })
  alert.text = string.format("%s got worse: %s -> %s (%s) since run %s of %s, %s", trend.metric,
    number(point.before), number(point.after), percent(point.change), alert.run,
    alert.started:sub(1, 10), describe(group.rows[point.at]))
  return alert
end

local function drift_alert(trend, series, group)
  local at = series.at[#series.value - trend.segment + 1]
  local alert = new("drift", trend, group, at, { change = trend.drift.change })
  alert.text = string.format("%s drifts to the worse: %s in 30 runs, since run %s, %s",
                             trend.metric, percent(trend.drift.change), alert.run,
                             describe(group.rows[at]))
  return alert
end

-- The first of the newest runs that all miss the bound; nil when the newest does not.
local function missed_since(values, bound, limit)
  local first
  for i = #values, 1, -1 do
    local misses = bound == "min" and values[i] < limit or bound == "max" and values[i] > limit
    if not misses then break end
    first = i
  end
  return first
end

local function limit_alerts(out, trend, series, group, limits)
  local limit = limits[trend.metric] or {}
  for _, bound in ipairs { "min", "max" } do
    local first = type(limit[bound]) == "number"
      and missed_since(series.value, bound, limit[bound])
    if first then
      local at = series.at[first]
      local alert = new("limit", trend, group, at, { value = trend.latest, limit = limit[bound],
                                                     bound = bound })
      alert.text = string.format("%s is %s, limit %s %s, since run %s of %s, %s", trend.metric,
        number(trend.latest), bound == "min" and ">=" or "<=", number(limit[bound]), alert.run,
        alert.started:sub(1, 10), describe(group.rows[at]))
      out[#out + 1] = alert
    end
  end
end

--- Everything that the rules find in one history of alike runs.
---@param group woolly.store.History
---@param list woolly.Trend[]        its analysis
---@param gate table                 limits, and alerts: the rules
---@return woolly.Alert[]
function alerts.find(group, list, gate)
  local rules, out = gate.alerts or {}, {}
  for _, trend in ipairs(list) do
    local series = group.series[trend.metric]
    for _, point in ipairs(trend.points) do
      if point.vote == "confirmed" and not point.better and point.in_window
         and point.age >= (rules.age or trends.MATURE) then
        out[#out + 1] = change_alert(trend, point, group)
      end
    end
    if rules.drift ~= false and trend.drift and trend.drift.verdict == "drift"
       and not trend.drift.better then
      out[#out + 1] = drift_alert(trend, series, group)
    end
    limit_alerts(out, trend, series, group, gate.limits or {})
  end
  return out
end

--- The tag that remembers an alert.
---@param alert woolly.Alert
---@return string
function alerts.key(alert)
  return alerts.TAG .. alert.kind .. ":" .. alert.metric .. (alert.bound and ":" .. alert.bound
                                                             or "")
end

--- Reads from the store's tags who had which alert. A change point may have moved by some runs.
---@param list woolly.Alert[]
---@param group woolly.store.History
---@param tags {id: string, key: string, value: string}[]
function alerts.recall(list, group, tags)
  local place, by_key = {}, {}
  for i, row in ipairs(group.rows) do place[row.id] = i end
  for _, tag in ipairs(tags) do
    if place[tag.id] then
      by_key[tag.key] = by_key[tag.key] or {}
      table.insert(by_key[tag.key], tag)
    end
  end
  for _, alert in ipairs(list) do
    local nearest = SAME_WITHIN + 1
    for _, tag in ipairs(by_key[alerts.key(alert)] or {}) do
      local distance = math.abs(place[tag.id] - alert.at)
      if distance < nearest then
        nearest, alert.tagged, alert.had = distance, tag.id, {}
        for output in tag.value:gmatch("%S+") do alert.had[output] = true end
      end
    end
  end
end

--- The value of an alert's tag.
---@param alert woolly.Alert
---@return string
function alerts.value(alert)
  return table.concat(suggest.keys(alert.had), " ")
end

--- What programs read: one alert.
---@param alert woolly.Alert
---@return table
function alerts.document(alert)
  local metric = metrics.all[alert.metric]
  return { schema = "woolly-alert/1", kind = alert.kind, metric = alert.metric, unit = metric.unit,
           run = alert.run, started = alert.started, scenario = alert.scenario,
           preset = alert.preset, target = alert.target, machine = alert.machine,
           value = alert.value, before = alert.before, change = alert.change, limit = alert.limit,
           bound = alert.bound, text = alert.text }
end

local ESCAPES <const> = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;" }

--- Body of a webhook.
---@param list woolly.Alert[]
---@param form "generic"|"slack"
---@return table
function alerts.body(list, form)
  if form == "slack" then
    local lines = { string.format("woolly-lua: %d alert%s", #list, #list == 1 and "" or "s") }
    for _, alert in ipairs(list) do
      lines[#lines + 1] = "• " .. alert.text:gsub("[&<>]", ESCAPES):gsub("%c", " ")
    end
    return { text = table.concat(lines, "\n") }
  end
  local documents = {}
  for i, alert in ipairs(list) do documents[i] = alerts.document(alert) end
  return { schema = "woolly-alerts/1", alerts = documents }
end

return alerts
