local alerts = require "woolly.alerts"
local clock = require "woolly.clock"
local common = require "woolly.common"
local files = require "woolly.files"
local history = require "woolly.history"
local json = require "woolly.json"
local numeric = require "woolly.numeric"
local process = require "woolly.process"
local stats = require "woolly.stats"
local store = require "woolly.store"
local stored = require "woolly.stored"
local trends = require "woolly.trends"
local woolly = require "woolly"

local MOST_RUNS <const> = 1000000
local WAIT_S <const> = 20 -- for a webhook's answer
local LOCK_S <const>, POLL_NS <const> = 60, 50000000 -- for another one that tells of alerts

--- One at a time: two would tell of the same alert. Waits for the other one to end.
local function lock_of(url)
  local path = (url:match("^postgres") and "woolly" or url:gsub("^sqlite:", "")) .. ".alerts-lock"
  local until_ns = clock.now_ns() + LOCK_S * 1000000000
  repeat
    local lock, message, code = process.lock(path)
    if lock == nil then woolly.fail("alerts: " .. message, code) end
    if lock then return lock end
    clock.sleep_ns(POLL_NS)
  until clock.now_ns() > until_ns
  woolly.fail(string.format("alerts: another alerts.lua holds %s for %d s", path, LOCK_S),
              "environment")
end

--- Everything the rules find, with who had it already.
local function find(kept, p, gate)
  local found = woolly.must(kept:history { scenario = p.scenario, limit = MOST_RUNS })
  local tags, list = woolly.must(kept:tags(alerts.TAG)), {}
  local first = history.window(found.rows, p.window_s)
  local since = found.rows[first] and found.rows[first].seq
  for _, group in ipairs(history.groups(found)) do
    if group.rows[#group.rows].seq >= since then
      local analysis = trends.history(group, { window_s = p.window_s,
                                               magnitude = (gate.alerts or {}).magnitude })
      local own = alerts.find(group, analysis, gate)
      alerts.recall(own, group, tags)
      table.move(own, 1, #own, #list + 1, list)
    end
  end
  return list, #found.rows
end

--- Those that an output has not had.
local function unsaid(list, output)
  local new = {}
  for _, alert in ipairs(list) do
    if not alert.had[output] then new[#new + 1] = alert end
  end
  return new
end

local function append(path, list)
  local lines = {}
  for i, alert in ipairs(list) do lines[i] = json.encode(alerts.document(alert)) .. "\n" end
  local file <close>, message = io.open(path, "a")
  if not file then return message end
  local ok
  ok, message = file:write(table.concat(lines))
  if ok then ok, message = file:flush() end
  return not ok and message or nil
end

--- The URL is a secret: messages name its host alone.
local function post(url, form, list)
  local host = url:match("^%a+://([^/?#@]+)") or "webhook"
  local body = alerts.body(list, form)
  if body.alerts then body.alerts = json.array(body.alerts) end
  local answer, message = require("woolly.http").request("POST", url,
    { "Content-Type: application/json" }, json.encode(body), { total_s = WAIT_S, first_s = WAIT_S })
  if not answer then return string.format("%s: %s", host, message) end
  if answer.status >= 200 and answer.status < 300 then return nil end
  return string.format("%s: %s", host, answer.status > 0 and "status " .. answer.status
                       or answer.message or answer.failure)
end

return woolly.tool {
  about = "Warns of what the rules find in the history: once per change, not once per run",
  help = "Rules are data in gates/alerts.lua: limits, changes that both detectors see, drift. An\n"
    .. "alert is remembered on the run it is about, for each output by itself; what could not be\n"
    .. "delivered is tried again the next time. Exit status 1: there is a new alert. 4: one could\n"
    .. "not be delivered.",
  params = {
    rules = { default = "alerts", help = "a name in gates/ or a file" },
    window = { default = "30days", help = "older changes are history" },
    scenario = { type = "string", help = "only runs of this scenario" },
    file = { type = "string", help = "append new alerts here as JSON lines" },
    webhook = { type = "string", help = "POST new alerts to this URL" },
    form = { default = "generic", choices = { "generic", "slack" }, help = "of the webhook" },
    store = { default = "woolly.db", help = "where the runs are kept" },
    json = common.json_param,
  },
  run = function(p)
    stats.accelerate(numeric)
    p.window_s = history.seconds(p.window)
    if not p.window_s then woolly.fail(string.format("--window: found '%s', 30days", p.window)) end
    if p.webhook and not p.webhook:match("^https?://") then
      woolly.fail("--webhook: a URL with http:// or https:// is required")
    end
    local rules = files.gate(p.rules)
    local problems = alerts.problems(rules.gate.alerts, rules.path)
    if #problems > 0 then woolly.fail(table.concat(problems, "; ")) end
    if not stored.exists(p.store) and not p.store:match("^postgres") then
      woolly.fail(string.format("store: %s: no such file, no run was kept here", p.store))
    end
    local _ <close> = lock_of(p.store)
    local kept <close> = woolly.must(store.open(p.store))
    local list, n_runs = find(kept, p, rules.gate)
    local new, failures = unsaid(list, "terminal"), {}
    local function deliver(output, send)
      local waiting = unsaid(list, output)
      if #waiting == 0 then return end
      local message = send(waiting)
      if message then
        failures[#failures + 1] = output .. ": " .. message
        return
      end
      for _, alert in ipairs(waiting) do alert.had[output] = true end
    end
    local out = {}
    for _, alert in ipairs(new) do out[#out + 1] = "ALERT  " .. alert.text end
    for _, alert in ipairs(list) do
      if alert.had.terminal then out[#out + 1] = "known  " .. alert.text end
    end
    if p.file then deliver("file", function(w) return append(p.file, w) end) end
    if p.webhook then deliver("webhook", function(w) return post(p.webhook, p.form, w) end) end
    deliver("terminal", function() end)
    for _, alert in ipairs(list) do
      woolly.must(kept:tag(alert.tagged or alert.run, alerts.key(alert), alerts.value(alert)))
    end
    for _, message in ipairs(failures) do out[#out + 1] = "not delivered: " .. message end
    out[#out + 1] = string.format("ALERTS: %d new, %d known, %d runs looked at", #new, #list - #new,
                                  n_runs)
    local status = #failures > 0 and 4 or #new > 0 and 1 or 0
    local documents = {}
    for i, alert in ipairs(new) do documents[i] = alerts.document(alert) end
    common.print(p, { new = json.array(documents), known = #list - #new, runs = n_runs,
                      failures = json.array(failures), status = status },
                 common.lines(out))
    return status
  end,
}
