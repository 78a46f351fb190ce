--- Contract: health, readiness, metrics.
local contract = require "woolly.contract"

local health = {}

local function form(t, name, answer, status)
  t:equal(name .. ": status", answer.status, status)
  t:equal(name .. ": content type", (answer.headers["content-type"] or ""):match "^[^;]*",
          "application/json")
  local lacks = {}
  for _, key in ipairs { "status", "service", "version", "timestamp" } do
    if type(answer.json[key]) ~= "string" then lacks[#lacks + 1] = key end
  end
  t:check(name .. ": its fields", #lacks == 0, "without %s", table.concat(lacks, ", "))
  t:check(name .. ": timestamp is RFC 3339",
          tostring(answer.json.timestamp):match(contract.TIMESTAMP), "found %s",
          tostring(answer.json.timestamp))
end

--- Lines of Prometheus text that are none.
local function bad_lines(text)
  local bad, metrics = nil, 0
  for line in (text or ""):gmatch "[^\n]+" do
    if line:match "^[%a_:][%w_:]*%b{} [%d%.eE+-]+$" or line:match "^[%a_:][%w_:]* [%d%.eE+-]+$"
       or line:match "^[%a_:][%w_:]*%b{} %+?[IiNn][%w]+$" then
      metrics = metrics + 1
    elseif not line:match "^# %u+ [%a_:][%w_:]*" then
      bad = bad or line
    end
  end
  return bad, metrics
end

local WANTED <const> = {
  requests = "requests", errors = "errors", tokens = "tokens", ttft = "ttft",
  ["token latency"] = "token_gap", memory = "memory", ["KV bytes"] = "kv_bytes",
  ["active streams"] = "active_streams",
}

function health.run(t)
  form(t, "health", t:get "/api/v1/health", 200)
  local live = t:get "/api/v1/health/live"
  form(t, "live", live, 200)
  t:check("live: uptime in seconds", type(live.json.uptime_seconds) == "number"
    and live.json.uptime_seconds >= 0, "found %s", tostring(live.json.uptime_seconds))
  local ready = t:get "/api/v1/health/ready"
  form(t, "ready", ready, 200)
  local checks = type(ready.json.checks) == "table" and ready.json.checks or {}
  local _, one = next(checks)
  t:check("ready: checks with status and message", type(one) == "table"
    and type(one.status) == "string" and type(one.message) == "string", "found %s",
    tostring(ready.body))
  t:equal("health without a prefix: status", t:get "/health".status, 200)

  local metrics = t:get "/metrics"
  t:equal("metrics: status", metrics.status, 200)
  t:check("metrics: content type is text/plain",
          (metrics.headers["content-type"] or ""):match "^text/plain", "found %s",
          tostring(metrics.headers["content-type"]))
  local bad, n = bad_lines(metrics.body)
  t:check("metrics: Prometheus text", not bad and n > 0, "line %s", tostring(bad))
  for _, name in ipairs { "requests", "errors", "tokens", "ttft", "token latency", "memory",
                          "KV bytes", "active streams" } do
    t:check("metrics: " .. name, (metrics.body or ""):find(WANTED[name], 1, true),
            "no metric of that name")
  end
end

return health
