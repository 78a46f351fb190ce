--- A server for hours: slices of the same load, what its process holds after each, and whether
--- anything grows, slows or fails.
local clock   = require "woolly.clock"
local failure = require "woolly.failure"
local load    = require "woolly.load"
local ranks   = require "woolly.stats.ranks"
local stats   = require "woolly.stats"
local trend   = require "woolly.stats.trend"

local soak = {}

-- Slices: enough of them for a slope that ten minutes tell from 1 MB an hour, and no more than a day's
-- slopes between all pairs can bear.
local SLICES <const>, MOST_SLICES <const> = 60, 1000
local LONGEST_SLICE <const>, SHORTEST_SLICE <const> = 5, 0.5
local SETTLING <const> = 0.25 -- of the run: caches and heaps fill up, and are not looked at
local MOST_DRIFT <const> = 0.05
local ALPHA <const>, MOST_SHARE <const> = 0.01, 0.01 -- of a level in an hour
local MOST_OUTCOMES <const> = 100000 -- kept; failures all of them
local MB_PER_BYTE <const> = 1e-6

--- Seconds of one slice.
---@param duration number
---@return number
function soak.slice(duration)
  return math.max(SHORTEST_SLICE, math.min(LONGEST_SLICE, duration / SLICES),
                  duration / MOST_SLICES)
end

--- Server and load, nothing measured yet.
---@param p woolly.Values
---@return table state
function soak.open(p)
  local state = load.open(p)
  state.slice_s = soak.slice(p.duration)
  state.start_ns = clock.now_ns()
  state.rows, state.issued, state.failed, state.classes = {}, 0, 0, {}
  return state
end

local function count_failures(state, summary)
  state.issued = state.issued + summary.issued
  state.failed = state.failed + summary.issued - summary.completed
  for class, n in pairs(summary.failures) do
    state.classes[class] = (state.classes[class] or 0) + n
  end
end

--- One slice: a row of what was done and what the process holds afterwards.
---@param m woolly.Recorder
---@param state table
---@param p woolly.Values
function soak.measure(m, state, p)
  local found <close> = load.run(state.service, state.bodies, {
    users = p.n_users, duration_s = state.slice_s, max_tokens = p.n_tokens, drain_s = 60 }, p.api)
  local summary = found:summary()
  local resources = state.service:resources()
  count_failures(state, summary)
  if state.service:is_running() == false or summary.gave_up or state.service.pid and not resources
  then
    state.crashed = (clock.now_ns() - state.start_ns) / 1e9
    m.warmup = false
    m:record("crashes", 1)
    m:record("stability_test_hours", 0)
    m:commit()
    failure.raise(string.format("server: it ended or answers nothing after %.1f s: %s",
      state.crashed, load.failures(summary) or "no failure was seen"), "check")
  end
  local rate = load.steady_rate(found)
  state.rows[#state.rows + 1] = {
    at_s = (clock.now_ns() - state.start_ns) / 1e9, completed = summary.completed,
    issued = summary.issued, tokens_per_second = rate,
    tpot_p50 = stats.median(found:values "tpot_ms"),
    ttft_p50 = stats.median(found:values "ttft_ms"),
    rss_mb = resources and resources.rss_mb, threads = resources and resources.threads,
    files = resources and resources.files,
  }
  if rate then m:record("output_tokens_per_second", rate) end
  m:record("requests_per_second", summary.completed / summary.seconds)
end

-- ---- what grows ----

--- The rows behind the settling time.
local function settled(rows)
  local last = rows[#rows] and rows[#rows].at_s or 0
  local kept = {}
  for _, row in ipairs(rows) do
    if row.at_s >= SETTLING * last then kept[#kept + 1] = row end
  end
  return kept
end

local function series(rows, name, factor)
  local values, seconds = {}, {}
  for _, row in ipairs(rows) do
    if row[name] then
      values[#values + 1], seconds[#seconds + 1] = row[name] * (factor or 1), row.at_s
    end
  end
  return values, seconds
end

--- Change of the throughput over the run by its slope, and whether it is more than chance and
--- worth a word.
---@return number? change, boolean? is_drift
function soak.drift(rows)
  local values, seconds = series(rows, "tokens_per_second")
  local line = trend.theil_sen(values, seconds)
  local level = stats.median(values)
  if not line or not level or level <= 0 or #values < 8 then return nil end
  local change = line.slope * (seconds[#seconds] - seconds[1]) / level
  local p = trend.persistent(values).p
  return change, p < 0.01 and (line.low > 0 or line.high < 0) and change < -MOST_DRIFT
end

local LEVELS <const> = { { "rss_mb", "memory", 1 / MB_PER_BYTE }, { "files", "open files", 1 },
                         { "threads", "threads", 1 } }

-- A leak adds up: the level wanders beside its line, which the trend test takes for memory. Its
-- steps do not: they are about as independent as the slices, and mostly up.
local function steps_up(values)
  local steps = {}
  for i = 2, #values do steps[i - 1] = values[i] - values[i - 1] end
  local found = ranks.signed_rank(steps)
  return found ~= nil and found.p < ALPHA and stats.mean(steps) > 0
end

--- trend.leak, or a level whose steps go up, whose slope is above zero and matters in an hour.
local function judge(values, seconds)
  local found = trend.leak(values, seconds)
  if found.verdict == "none" and steps_up(values) and found.low > 0
     and found.per_second * 3600 > MOST_SHARE * math.abs(stats.median(values)) then
    found.verdict = "leak"
  end
  return found
end

--- What rises: names of the resources that leak, the slope of the memory.
---@param rows table[]
---@return string[] leaks
---@return woolly.stats.Leak? memory
---@return string? why_not   nothing can be said
function soak.leaks(rows)
  local kept, leaks, memory = settled(rows), {}, nil
  if #series(kept, "rss_mb") < 8 then
    return leaks, nil, rows[1] and not rows[1].rss_mb
      and "the process of the server is not known: --pid N tells it"
      or string.format("%d points after settling, 8 are needed", #kept)
  end
  for _, level in ipairs(LEVELS) do
    local values, seconds = series(kept, level[1], level[3])
    local found = judge(values, seconds)
    if level[1] == "rss_mb" then memory = found end
    if found.verdict == "leak" then leaks[#leaks + 1] = level[2] end
  end
  return leaks, memory
end

local function growth(rows, name)
  local values = series(settled(rows), name)
  return #values > 1 and values[#values] - values[1] or nil
end

soak.metrics = { "stability_test_hours", "crashes", "error_rate", "leaks",
                 "memory_growth_mb_per_hour", "memory_usage_mb", "throughput_drift",
                 "open_file_growth", "thread_growth", "output_tokens_per_second",
                 "requests_per_second" }

local function record_outcomes(m, state)
  local n = math.max(math.min(state.issued, MOST_OUTCOMES), state.failed)
  local outcomes = {}
  for i = 1, n do outcomes[i] = i <= state.failed and 1 or 0 end
  m:record_samples("error_rate", outcomes)
end

--- Judges the whole run.
---@param m woolly.Recorder
---@param state table
function soak.finish(m, state)
  local rows, last = state.rows, state.rows[#state.rows]
  local leaks, memory, why_not = soak.leaks(rows)
  local change, is_drift = soak.drift(settled(rows))
  state.leaks, state.memory, state.change, state.is_drift = leaks, memory, change, is_drift
  record_outcomes(m, state)
  m:record("crashes", 0)
  if why_not then
    m:missing("leaks", why_not)
    m:missing("memory_growth_mb_per_hour", why_not)
  else
    m:record("leaks", #leaks)
    m:record("memory_growth_mb_per_hour", memory.per_second * 3600 * MB_PER_BYTE)
  end
  for metric, name in pairs { open_file_growth = "files", thread_growth = "threads" } do
    local grown = growth(rows, name)
    if grown then m:record(metric, grown) else m:missing(metric, why_not or "too few points") end
  end
  local resources = state.service:resources()
  if resources then m:record("memory_usage_mb", resources.peak_mb) end
  if change then
    m:record("throughput_drift", change)
  else
    m:missing("throughput_drift", "fewer than 8 slices with tokens")
  end
  state.hours = last and last.at_s / 3600 or 0
  if #leaks > 0 or is_drift then
    m:record("stability_test_hours", 0)
  elseif why_not or not change then
    m:missing("stability_test_hours", "leak or drift cannot be judged: "
              .. (why_not or "fewer than 8 slices"))
  else
    m:record("stability_test_hours", state.hours)
  end
end

---@param state table
---@return string[]
function soak.notes(state)
  local last = state.rows[#state.rows]
  if not last then return {} end
  local notes = {
    string.format("%.3f hours, %d slices of %g s, %d generations, %d failed%s", last.at_s / 3600,
                  #state.rows, state.slice_s, state.issued, state.failed,
                  next(state.classes) and ":" or ""),
  }
  for class, n in pairs(state.classes) do
    notes[#notes + 1] = string.format("  %s: %d", class, n)
  end
  if state.memory and state.memory.per_second then
    local hour = 3600 * MB_PER_BYTE
    notes[#notes + 1] = string.format(
      "memory: %+.2f MB/h [%.2f, %.2f], p %.2g, from %.1f to %.1f MB",
      state.memory.per_second * hour, state.memory.low * hour, state.memory.high * hour,
      state.memory.p, state.rows[1].rss_mb, last.rss_mb)
  end
  if state.leaks and #state.leaks > 0 then
    notes[#notes + 1] = "leak, rises steadily: " .. table.concat(state.leaks, ", ")
      .. (state.issued > 0 and state.memory and string.format(", %.0f bytes a request",
          state.memory.per_second * last.at_s / state.issued) or "")
  end
  if state.is_drift then
    notes[#notes + 1] = string.format("drift: throughput changed by %+.1f %% over the run",
                                      100 * state.change)
  end
  return notes
end

return soak
