--- What a scenario's measure writes to, and the checks before it. Pure.
local failure = require "woolly.failure"
local metrics = require "woolly.metrics"
local suggest = require "woolly.suggest"

local recorder = {}

local NS_PER_S <const>, NS_PER_MS <const> = 1e9, 1e6

local Recorder = {}
Recorder.__index = Recorder

---@class woolly.Measured
---@field samples number[]
---@field reason? string     why there are none
---@field roof? number         the physical limit of this metric here
---@field roof_by? string      what sets it, or why there is none
---@field attach_again? fun(found: woolly.Roofs)   the same roof by other measurements

--- measured: metric name -> { samples, reason }; order: names as first seen.
---@return woolly.Recorder
function recorder.new()
  return setmetatable({ measured = {}, order = {}, pending = {}, warmup = false, index = 0 },
                      Recorder)
end

local function entry(self, name)
  local e = self.measured[name]
  if not e then
    e = { samples = {} }
    self.measured[name] = e
    self.order[#self.order + 1] = name
  end
  return e
end

local function known(name)
  if not metrics.all[name] then
    error(string.format("unknown metric '%s'%s", tostring(name),
                        suggest.hint(tostring(name), suggest.keys(metrics.all))), 3)
  end
end

function Recorder:record(name, value)
  known(name)
  if type(value) ~= "number" or value ~= value or math.abs(value) == math.huge then
    error(string.format("%s: found %s, a finite number is required", name, tostring(value)), 2)
  end
  self.pending[#self.pending + 1] = { name, value }
end

function Recorder:record_samples(name, values)
  for _, value in ipairs(values) do self:record(name, value) end
end

function Recorder:missing(name, reason)
  known(name)
  entry(self, name).reason = reason
end

function Recorder:roof(name, value, by, attach_again)
  known(name)
  if value ~= nil and (type(value) ~= "number" or not (value > 0 and value < math.huge)) then
    error(string.format("roof of %s: found %s, a positive number is required", name,
                        tostring(value)), 2)
  end
  local e = entry(self, name)
  e.roof, e.roof_by, e.attach_again = value, by, attach_again
end

-- A failed call's nil, message, code ends the run with that message.
local function result_of(result, message, code)
  if result == nil then failure.raise(tostring(message or "no result"), code or "bug") end
  if result.finish_reason == "cancelled" then failure.raise("interrupted", "cancelled") end
  return result
end

function Recorder:prefill(result, message, code)
  local r = result_of(result, message, code)
  local ns = r.end_ns - r.start_ns
  if ns > 0 then self:record("prefill_tokens_per_second", r.n_tokens / ns * NS_PER_S) end
end

--- Decode rate and gaps from arrival times.
local function record_arrivals(self, times)
  local n = #times
  if n < 2 or times[n] <= times[1] then
    failure.raise(string.format("%d tokens came, a decode rate needs 2", n), "unavailable")
  end
  local rate = (n - 1) / (times[n] - times[1]) * NS_PER_S
  self:record("tokens_per_second", rate)
  for i = 2, n do
    self:record("single_token_latency_ms", (times[i] - times[i - 1]) / NS_PER_MS)
  end
  return rate
end

function Recorder:decode(result, message, code)
  return record_arrivals(self, result_of(result, message, code).times_ns)
end

function Recorder:generate(result, message, code)
  local r = result_of(result, message, code)
  if r.times_ns[1] then
    self:record("ttft_ms", (r.times_ns[1] - r.start_ns) / NS_PER_MS)
  end
  if r.prefill_ns and r.prefill_ns > 0 and r.prompt_tokens > 0 then
    self:record("prefill_tokens_per_second", r.prompt_tokens / r.prefill_ns * NS_PER_S)
  end
  return record_arrivals(self, r.times_ns)
end

--- Keeps what one measure call recorded; thrown away while warming up.
function Recorder:commit()
  if not self.warmup then
    for _, item in ipairs(self.pending) do
      local e = entry(self, item[1])
      e.samples[#e.samples + 1] = item[2]
    end
  end
  self.pending = {}
end

--- The run was extended to settle a limit: these metrics are judged for the n-th time.
---@param names string[]
---@param looks integer
function Recorder:looked(names, looks)
  for _, name in ipairs(names) do
    if self.measured[name] then self.measured[name].looks = looks end
  end
end

--- Takes out what the measure call recorded: it is repeated.
---@return table<string, number[]> samples   by metric
function Recorder:take_out()
  local samples = {}
  for _, item in ipairs(self.pending) do
    samples[item[1]] = samples[item[1]] or {}
    table.insert(samples[item[1]], item[2])
  end
  self.pending = {}
  return samples
end

--- Metrics that a scenario names and that got no sample are said to be missing.
---@param names string[]
function Recorder:expect(names)
  for _, name in ipairs(names) do
    known(name)
    local e = entry(self, name)
    if #e.samples == 0 and not e.reason then e.reason = "not recorded in this run" end
  end
end

-- ---- checks ----

local Check = {}
Check.__index = Check

--- lines: what was checked, found and allowed; failed: the first that did not hold.
---@return woolly.Check
function recorder.check()
  return setmetatable({ lines = {}, failed = nil }, Check)
end

local function note(self, ok, what, found, wanted)
  local line = { what = what, found = found, wanted = wanted, ok = ok }
  self.lines[#self.lines + 1] = line
  if not ok then
    self.failed = line
    failure.raise(string.format("check: %s: found %s, %s is required. Nothing was timed", what,
                                found, wanted), "check")
  end
end

local function show(value)
  return type(value) == "number" and string.format("%.6g", value) or tostring(value)
end

function Check:at_most(what, value, limit)
  local ok = type(value) == "number" and value <= limit
  note(self, ok, what, show(value), "at most " .. show(limit))
end

function Check:at_least(what, value, limit)
  local ok = type(value) == "number" and value >= limit
  note(self, ok, what, show(value), "at least " .. show(limit))
end

function Check:equal(what, value, expected)
  note(self, value == expected, what, show(value), show(expected))
end

function Check:truthy(what, value)
  note(self, value ~= nil and value ~= false, what, show(value), "true")
end

return recorder
