--- A server under rising load: one point per number of users or rate, the latency-throughput curve,
--- its knee, goodput.
local failure  = require "woolly.failure"
local json     = require "woolly.json"
local load     = require "woolly.load"
local process  = require "woolly.process"
local progress = require "woolly.progress"
local stats    = require "woolly.stats"

local sweep = {}

local RISE_OF_CURVE <const> = 0.05 -- of both axes: a flatter curve has no knee

--- "1,2.5,4" as numbers above zero.
local function numbers(name, text)
  local list = {}
  for word in (text .. ","):gmatch "([^,]*)," do
    local value = tonumber(word)
    if not value or not (value > 0 and value < 1e6) then
      failure.raise(string.format("--%s: found '%s', numbers above 0 are required", name, word))
    end
    list[#list + 1] = value
  end
  return list
end

--- The points of p: users, or rates of an open loop, or one trace.
---@param p woolly.Values
---@return {label: string, offered: number, options: woolly.http.LoadOptions, trace?: table}[]
function sweep.points(p)
  local points = {}
  local function add(label, offered, options, trace)
    options.duration_s, options.max_tokens, options.seed = p.seconds, p.n_tokens, p.seed
    options.drain_s, options.stop_saturated = p.drain, true
    points[#points + 1] = { label = label, offered = offered, options = options, trace = trace }
  end
  if p.trace then
    local text = failure.must(process.read_file(p.trace, 1 << 26))
    local trace = failure.must(json.decode(text, p.trace))
    if type(trace) ~= "table" or type(trace.at_s) ~= "table" then
      failure.raise(p.trace .. ": found no {\"at_s\": [seconds, ...]}")
    end
    add("trace", #trace.at_s, { shape = "trace" }, trace)
    points[1].options.duration_s = 0
  elseif p.rates then
    for _, rate in ipairs(numbers("rates", p.rates)) do
      add(string.format("%g/s", rate), rate, { shape = p.arrivals, rate = rate })
    end
  else
    for _, users in ipairs(p.users) do
      add(users .. " users", users, { shape = "closed", users = users, ramp_s = p.ramp })
    end
  end
  if p.ramp_to and p.rates then
    for _, point in ipairs(points) do
      point.options.rate_end, point.options.ramp_s = p.ramp_to, p.seconds
    end
  end
  return points
end

local function percentile(found, name, share)
  return stats.percentile(found:values(name), share)
end

--- What one point showed, as a flat row.
local function row_of(point, found, p)
  local summary = found:summary()
  local good = load.good(found, { ttft_ms = p.ttft_slo, tpot_ms = p.tpot_slo, e2e_ms = p.e2e_slo })
  return {
    load = point.label, offered = point.offered, issued = summary.issued,
    completed = summary.completed, dropped = summary.dropped, saturated = summary.saturated,
    seconds = summary.seconds,
    requests_per_second = summary.completed / summary.seconds,
    tokens_per_second = load.steady_rate(found),
    total_tokens_per_second = (summary.tokens + summary.prompt_tokens) / summary.seconds,
    ttft_p50 = percentile(found, "ttft_plan_ms", 50),
    ttft_p95 = percentile(found, "ttft_plan_ms", 95),
    tpot_p50 = percentile(found, "tpot_ms", 50), tpot_p95 = percentile(found, "tpot_ms", 95),
    max_gap_p95 = percentile(found, "max_gap_ms", 95),
    e2e_p50 = percentile(found, "e2e_plan_ms", 50), e2e_p95 = percentile(found, "e2e_plan_ms", 95),
    goodput = good / summary.seconds,
    good_fraction = summary.issued > 0 and good / summary.issued or nil,
    lag_p99 = percentile(found, "lag_ms", 99), lag_max = percentile(found, "lag_ms", 100),
    client_cpu = summary.seconds > 0 and summary.cpu_s / summary.seconds or nil,
    invalid = load.invalid(found, point.options.shape), failures = load.failures(summary),
  }
end

--- The point with most throughput for its latency: farthest from the straight line between the
--- curve's ends, both axes scaled to 0 .. 1 (Kneedle). The last one when the curve has no bend.
---@param rows table[]   tokens_per_second and e2e_p50 are read
---@return integer? index, string? why   nil when there are fewer than 3 points
function sweep.knee(rows)
  if #rows < 3 then return nil, "a knee needs 3 points" end
  local least, most, fastest, slowest = math.huge, 0, math.huge, 0
  for _, row in ipairs(rows) do
    if not (row.tokens_per_second and row.e2e_p50) then
      return nil, row.load .. " has no figures"
    end
    least, most = math.min(least, row.tokens_per_second), math.max(most, row.tokens_per_second)
    fastest, slowest = math.min(fastest, row.e2e_p50), math.max(slowest, row.e2e_p50)
  end
  if most < least * (1 + RISE_OF_CURVE) then return 1, "more load gives no more tokens" end
  if slowest < fastest * (1 + RISE_OF_CURVE) then return #rows, "latency does not rise yet" end
  local best, at = -math.huge, 1
  for i, row in ipairs(rows) do
    local distance = (row.tokens_per_second - least) / (most - least)
      - (row.e2e_p50 - fastest) / (slowest - fastest)
    if distance > best then best, at = distance, i end
  end
  return at
end

local SAMPLES <const> = {
  ttft_ms = "ttft_ms", ttft_planned_ms = "ttft_plan_ms", ttst_ms = "ttst_ms", tpot_ms = "tpot_ms",
  itl_ms = "itl_ms", icl_ms = "icl_ms", max_gap_ms = "max_gap_ms", e2e_ms = "e2e_ms",
  e2e_planned_ms = "e2e_plan_ms", queue_ms = "queue_ms",
}

sweep.metrics = { "requests_per_second", "output_tokens_per_second", "total_tokens_per_second",
                  "goodput_requests_per_second", "good_fraction", "ttft_ms", "ttft_planned_ms",
                  "queue_ms", "ttst_ms", "tpot_ms", "itl_ms", "icl_ms", "max_gap_ms", "e2e_ms",
                  "e2e_planned_ms", "error_rate", "harness_lag_ms" }

local function record_point(m, point)
  local row, found = point.row, point.found
  for metric, name in pairs(SAMPLES) do
    local values = found:values(name)
    if row.invalid then
      m:missing(metric, row.invalid)
    elseif #values == 0 then
      m:missing(metric, metric == "queue_ms" and "the server does not tell" or "nothing completed")
    else
      m:record_samples(metric, values)
    end
  end
  m:record("requests_per_second", row.requests_per_second)
  m:record("total_tokens_per_second", row.total_tokens_per_second)
  m:record("goodput_requests_per_second", row.goodput)
  if row.tokens_per_second then m:record("output_tokens_per_second", row.tokens_per_second) end
  if row.good_fraction then m:record("good_fraction", row.good_fraction) end
end

--- Runs every point; the figures that count are those of the knee (of the last point before three).
---@param m woolly.Recorder
---@param state table
---@param p woolly.Values
function sweep.measure(m, state, p)
  local points = sweep.points(p)
  local line = progress.new { quiet = p.quiet }
  state.rows = {}
  for i, point in ipairs(points) do
    line:share("load: " .. point.label, i - 1, #points)
    point.found = load.run(state.service, state.bodies, point.options, p.api, point.trace)
    point.row = row_of(point, point.found, p)
    state.rows[i] = point.row
    m:record_samples("error_rate", load.outcomes(point.found:summary()))
    m:record_samples("harness_lag_ms", point.found:values "lag_ms")
    state.disagreement = state.disagreement
      or load.disagreement(point.found, state.prompts.n_tokens)
    if point.row.saturated or point.found:summary().gave_up then break end
  end
  line:clear()
  local knee, why = sweep.knee(state.rows)
  state.knee, state.knee_why = knee, why
  if knee then state.rows[knee].knee = true end -- in the table, for who draws it
  record_point(m, points[knee or #state.rows])
  for _, point in ipairs(points) do
    if point.found then point.found:close() end
  end
end

local function show(value, format) return value and string.format(format, value) or "-" end

--- The curve as a table, and what is to be known of it.
---@param state table
---@return string[]
function sweep.notes(state)
  local notes = { string.format("%-10s %8s %9s %8s  %17s  %17s  %9s  %6s  %7s", "load", "req/s",
    "tokens/s", "goodput", "ttft ms p50 p95", "tpot ms p50 p95", "gap p95", "failed", "lag p99") }
  for i, row in ipairs(state.rows or {}) do
    notes[#notes + 1] = string.format("%-10s %8.2f %9s %8.2f  %8s %8s  %8s %8s  %9s  %6d  %7s%s",
      row.load, row.requests_per_second, show(row.tokens_per_second, "%.1f"), row.goodput,
      show(row.ttft_p50, "%.1f"), show(row.ttft_p95, "%.1f"), show(row.tpot_p50, "%.2f"),
      show(row.tpot_p95, "%.2f"), show(row.max_gap_p95, "%.1f"), row.issued - row.completed,
      show(row.lag_p99, "%.2f"), i == state.knee and "  <- knee" or "")
    if row.saturated then
      notes[#notes + 1] = row.load .. ": more than the server can do: requests under way and the "
        .. "wait for the first token both grow. Stopped"
    end
    if row.invalid then notes[#notes + 1] = row.load .. ": invalid: " .. row.invalid end
    if row.failures then notes[#notes + 1] = row.load .. ": failed: " .. row.failures end
  end
  notes[#notes + 1] = "waits count from when a request was due; figures above are those of "
    .. (state.knee and state.rows[state.knee].load or "the last load")
    .. (state.knee_why and " (" .. state.knee_why .. ")" or "")
  if state.disagreement then notes[#notes + 1] = "counts: " .. state.disagreement end
  return notes
end

return sweep
