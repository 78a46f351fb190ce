--- Our engine against the user's own llama-bench: prompt and generation alone, as it measures them,
--- in pairs.
local common    = require "woolly.common"
local failure   = require "woolly.failure"
local process   = require "woolly.process"
local session   = require "woolly.session"
local stats     = require "woolly.stats"

local reference_bench = {}

local NO_LOGITS <const> = "llama-bench tells rates, no logits"
local RATES <const> = { prefill = "llama_cpp_prefill_ratio",
                        decode = "llama_cpp_performance_ratio" }

--- Rates of llama-bench's JSON: tests of a prompt alone and of a generation alone.
---@param text string
---@return {prefill: number, decode: number, build: string}? found, string? message
function reference_bench.read(text)
  local list, message = require("woolly.json").decode(text, "llama-bench")
  if type(list) ~= "table" then return nil, message or "llama-bench: a JSON list is required" end
  local found = {}
  for _, test in ipairs(list) do
    local rate = type(test) == "table" and tonumber(test.avg_ts)
    if rate and rate > 0 and rate < math.huge then
      local n_prompt, n_gen = tonumber(test.n_prompt), tonumber(test.n_gen)
      if n_gen == 0 and n_prompt then found.prefill = rate end
      if n_prompt == 0 and n_gen then found.decode = rate end
      found.build = string.format("build %s (%s)", tostring(test.build_number or "?"),
                                  tostring(test.build_commit or "?"))
    end
  end
  if found.prefill and found.decode then return found end
  return nil, "llama-bench: its JSON has no avg_ts of a prompt alone and of a generation alone"
end

local function theirs(state)
  local p = state.p
  local words = { p.llama_bench, "-m", p.model, "-p", tostring(p.n_prompt), "-n",
                  tostring(p.n_tokens), "-t", tostring(state.threads), "-r", "1", "-o", "json" }
  local result, message = process.run(words)
  if not result then
    return nil, string.format("%s. Put llama.cpp's llama-bench on the PATH, or name it with "
                              .. "--llama_bench", message)
  end
  if result.status ~= 0 then
    return nil, string.format("%s ended with status %d: %s", p.llama_bench, result.status,
                              result.err:match "([^\n]+)\n*$" or "it said nothing")
  end
  return reference_bench.read(result.out)
end

---@param p woolly.Values
function reference_bench.open(p)
  if p.n_tokens < 2 or p.n_prompt < 1 then
    failure.raise("--n_prompt must be 1 or more and --n_tokens 2 or more")
  end
  local model = session.model(p)
  local plain = { preset = p.preset, threads = p.threads, faults = p.faults,
                  switches = common.without_guesses(p.switches or {}) }
  local context = session.context(model, plain, { n_ctx = math.max(p.n_prompt, p.n_tokens + 1) })
  return { p = p, context = context, threads = context:switches().threads,
           ids = common.prompt(model, p.n_prompt),
           rates = { ours = { prefill = {}, decode = {} },
                     theirs = { prefill = {}, decode = {} } } }
end

-- As llama-bench does: the generation begins with an empty context.
local function ours(state)
  state.context:clear()
  local prefill = failure.must(state.context:prefill(state.ids))
  state.context:clear()
  failure.must(state.context:prefill { state.ids[1] })
  local decode = failure.must(state.context:decode { n_tokens = state.p.n_tokens })
  return { prefill = #state.ids / (prefill.end_ns - prefill.start_ns) * 1e9,
           decode = common.rate(decode) }
end

--- One pair; odd ones begin with ours.
---@param m woolly.Recorder
---@param state table
function reference_bench.pair(m, state)
  local a = not state.reason and m.index % 2 == 1 and ours(state) or nil
  local b
  if not state.reason then b, state.reason = theirs(state) end
  if not b then
    for _, metric in pairs(RATES) do m:missing(metric, state.reason) end
    return
  end
  a, state.build = a or ours(state), b.build
  for rate, metric in pairs(RATES) do
    m:record(metric, a[rate] / b[rate])
    if not m.warmup then
      table.insert(state.rates.ours[rate], a[rate])
      table.insert(state.rates.theirs[rate], b[rate])
    end
  end
end

---@param m woolly.Recorder
function reference_bench.finish(m, state)
  m:missing("llama_cpp_kld_mean", state.reason or NO_LOGITS)
  m:missing("llama_cpp_top1_agreement", state.reason or NO_LOGITS)
end

---@param state table
---@return string[]
function reference_bench.notes(state)
  if #state.rates.ours.decode == 0 then return {} end
  local notes = {}
  for _, name in ipairs { "ours", "theirs" } do
    local rates = state.rates[name]
    notes[#notes + 1] = string.format("%-6s  prompt %.4g  generation %.4g tokens/s  (%s)", name,
      stats.median(rates.prefill), stats.median(rates.decode),
      name == "ours" and string.format("preset %s, threads %d", state.p.preset, state.threads)
      or "llama-bench, " .. state.build)
  end
  return notes
end

return reference_bench
