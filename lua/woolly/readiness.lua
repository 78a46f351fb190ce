--- Is a server ready for the Ole desktop application? The five criteria of the plan, measured over
--- HTTP by this process, the server being another.
local contract = require "woolly.contract"
local load     = require "woolly.load"
local progress = require "woolly.progress"
local shares   = require "woolly.shares"
local stats    = require "woolly.stats"

local readiness = {}

local ERROR_USERS <const> = 8
local ERROR_TOKENS <const> = 8

--- Everything that a window of one stream tells.
local function sustained(m, state, p)
  local found <close> = load.run(state.service, state.bodies, {
    users = 1, duration_s = p.seconds, max_tokens = p.n_tokens }, p.api)
  local summary = found:summary()
  m:record_samples("tokens_per_second", found:values "decode_rate")
  m:record_samples("ttft_ms", found:values "ttft_ms")
  m:record_samples("tpot_ms", found:values "tpot_ms")
  m:record_samples("max_gap_ms", found:values "max_gap_ms")
  local gaps, chunks = found:values "itl_ms", found:values "icl_ms"
  m:record_samples("icl_ms", chunks)
  if #gaps > 0 then
    m:record_samples("single_token_latency_ms", gaps)
  else
    m:missing("single_token_latency_ms", "no answer came token by token")
  end
  m:record_samples("error_rate", load.outcomes(summary))
  state.disagreement = state.disagreement or load.disagreement(found, state.prompts.n_tokens)
  state.failures = state.failures or load.failures(summary)
  state.windows[#state.windows + 1] = { seconds = summary.seconds, issued = summary.issued,
                                        completed = summary.completed, tokens = summary.tokens }
end

--- Short generations by several users: enough outcomes to speak of one in a hundred.
local function errors(m, state, p)
  if p.generations < 1 then return end
  local prompts = load.prompts(math.min(ERROR_TOKENS, p.n_prompt), state.model)
  local bodies = load.bodies(state.service, prompts, { n_tokens = ERROR_TOKENS, api = p.api })
  local found <close> = load.run(state.service, bodies, {
    users = ERROR_USERS, requests = p.generations, max_tokens = ERROR_TOKENS,
    duration_s = math.max(60, 4 * p.seconds) }, p.api)
  local summary = found:summary()
  m:record_samples("error_rate", load.outcomes(summary))
  state.failures = state.failures or load.failures(summary)
  state.windows[#state.windows + 1] = { seconds = summary.seconds, issued = summary.issued,
                                        completed = summary.completed, tokens = summary.tokens }
end

local function memory(m, state)
  local resources = state.service:resources()
  if resources then
    m:record("memory_usage_mb", resources.peak_mb)
  else
    m:missing("memory_usage_mb", "the process of the server is not known: --pid N tells it")
  end
end

local function check_contract(m, state, p)
  local line = progress.new { quiet = p.quiet }
  local tokens = state.model and function(text) return #state.model:tokenize(text) end
  state.checks = contract.run(state.service, {
    changes_models = state.service.is_ours, tokens = tokens,
    progress = function(share, part) line:share("contract: " .. part, share, 1) end })
  line:clear()
  state.held, state.failed = contract.count(state.checks)
  m:record("api_response_success_rate", state.held / #state.checks)
end

readiness.metrics = { "single_token_latency_ms", "tokens_per_second", "memory_usage_mb",
                      "error_rate", "api_response_success_rate", "ttft_ms", "tpot_ms", "icl_ms",
                      "max_gap_ms", "ole_integration_ready" }

--- One measurement: a window of one stream, many short generations, and, the first time, the
--- contract, which may unload the model and so comes last.
---@param m woolly.Recorder
---@param state table
---@param p woolly.Values
function readiness.measure(m, state, p)
  sustained(m, state, p)
  errors(m, state, p)
  memory(m, state)
  if not state.checks then check_contract(m, state, p) end
end

-- ---- the five criteria ----

--- Rows: what the plan calls it, our figure, its bound that counts, and whether that clears.
---@param measured table<string, woolly.Measured>
---@param real_time? boolean   judge the wait for the first token, too
---@return {name: string, figure: string, wanted: string, ok: boolean?, reason?: string}[] rows
function readiness.rows(measured, real_time)
  local gate = require "woolly.gate"
  local function samples(name) return (measured[name] or {}).samples or {} end
  local function row(name, metric, wanted, judge)
    local found = samples(metric)
    if #found == 0 then
      return { name = name, figure = "missing", wanted = wanted,
               reason = (measured[metric] or {}).reason or "not measured" }
    end
    local figure, ok, reason = judge(found)
    return { name = name, figure = figure, wanted = wanted, ok = ok, reason = reason }
  end
  local function judged(metric, limit, found, format)
    local verdict = gate.judge({ limits = { [metric] = limit } },
                               { [metric] = { samples = found } }).limits[1]
    return string.format(format, verdict.value, verdict.low, verdict.high),
           verdict.verdict == "pass", verdict.reason
  end
  local rows = {
    row("real_time_response", "single_token_latency_ms", "p95 gap < 100 ms", function(found)
      return judged("single_token_latency_ms", { max = 100, stat = "p95" }, found,
                    "%.2f ms [%.2f, %.2f]")
    end),
    row("sustained_performance", "tokens_per_second", "> 15 tokens/s", function(found)
      return judged("tokens_per_second", { min = 15 }, found, "%.1f tokens/s [%.1f, %.1f]")
    end),
    row("memory_efficiency", "memory_usage_mb", "< 4000 MB", function(found)
      local _, most = stats.range(found)
      return string.format("%.1f MB", most), most < 4000
    end),
    row("stability", "error_rate", "< 1 % of generations", function(found)
      local share, low, high = shares.of(found)
      return string.format("%.2f %% [%.2f, %.2f] of %d", 100 * share, 100 * low, 100 * high,
                           #found),
             high < 0.01, high >= 0.01 and low <= 0.01 and "too few generations to tell" or nil
    end),
    row("api_compatibility", "api_response_success_rate", "> 99 % of checks", function(found)
      local least = stats.range(found)
      return string.format("%.2f %%", 100 * least), least > 0.99
    end),
  }
  if real_time then
    rows[#rows + 1] = row("real-time first token", "ttft_ms", "p95 < 100 ms", function(found)
      local verdict, ok, reason = judged("ttft_ms", { max = 100, stat = "p95" }, found,
                                         "%.1f ms [%.1f, %.1f]")
      return verdict, ok, reason
    end)
  end
  return rows
end

--- Records whether all hold; open when one could not be measured or is undecided.
---@param m woolly.Recorder
---@param state table
---@param p woolly.Values
function readiness.finish(m, state, p)
  state.rows = readiness.rows(m.measured, p.real_time)
  local failed, open
  for _, row in ipairs(state.rows) do
    if row.ok == nil or row.ok == false and row.reason then open = open or row end
    if row.ok == false and not row.reason then failed = failed or row end
  end
  if failed then
    m:record("ole_integration_ready", 0)
  elseif open then
    m:missing("ole_integration_ready", open.name .. ": " .. open.reason)
  else
    m:record("ole_integration_ready", 1)
  end
end

--- The table, failed checks, what else is to be known.
---@param state table
---@return string[]
function readiness.notes(state)
  local notes = { "Ready for Ole?" }
  for _, row in ipairs(state.rows or {}) do
    notes[#notes + 1] = string.format("  %-4s %-22s %-30s %-22s %s",
      row.ok and "yes" or row.ok == nil and "?" or row.reason and "open" or "NO", row.name,
      row.figure, row.wanted, row.reason or "")
    notes[#notes] = notes[#notes]:gsub("%s+$", "")
  end
  if state.checks then
    notes[#notes + 1] = string.format("contract: %d of %d checks hold", state.held, #state.checks)
    for i, check in ipairs(state.failed) do
      if i > 20 then
        notes[#notes + 1] = string.format("  ... and %d more (contract.lua shows all)",
                                          #state.failed - 20)
        break
      end
      notes[#notes + 1] = string.format("  %s: %s: %s", check.part, check.name, check.reason)
    end
  end
  for i, window in ipairs(state.windows) do
    notes[#notes + 1] = string.format("traffic %d: %d of %d generations, %d tokens in %.1f s over "
      .. "HTTP from process %d", i, window.completed, window.issued, window.tokens, window.seconds,
      require("woolly.process").pid())
  end
  notes[#notes + 1] = string.format("server: %s, model %s, process %s%s", state.service.url,
    tostring(state.service.model), state.service.pid and string.format("%d", state.service.pid)
    or "unknown", state.service.is_ours and ", started here" or "")
  if state.failures then notes[#notes + 1] = "failed: " .. state.failures end
  if state.disagreement then notes[#notes + 1] = "counts: " .. state.disagreement end
  return notes
end

return readiness
