--- Our engine against a reference engine on the same file, ids and threads: whether their answers
--- agree, and the ratio of their rates in interleaved pairs.
local common    = require "woolly.common"
local failure   = require "woolly.failure"
local llama_cpp = require "woolly.targets.llama_cpp"
local process   = require "woolly.process"
local session   = require "woolly.session"
local stats     = require "woolly.stats"

local reference = {}

local RATES <const> = { "prefill", "decode" }
local RATIO <const> = { prefill = "llama_cpp_prefill_ratio",
                        decode = "llama_cpp_performance_ratio" }
local ROUNDS <const> = 2 -- generations per setting that choose the faster one

---@class woolly.Reference
---@field reason? string            why there is no reference engine: everything is missing
---@field context woolly.engine.Context
---@field target woolly.LlamaCpp
---@field ids integer[]
---@field settings? {prefill: boolean, decode: boolean}   flash attention that is fastest for each
---@field rates {ours: table<string, number[]>, theirs: table<string, number[]>}
---@field equal integer             leading greedy tokens of both engines, fewest of all pairs

--- Both engines with the model loaded. Without the reference engine a state that only says why.
---@param p woolly.Values   model, threads, n_prompt, n_tokens, n_check, flash_attention
---@return woolly.Reference
function reference.open(p)
  if p.n_tokens < 2 or p.n_prompt < 1 then
    failure.raise("--n_prompt must be 1 or more and --n_tokens 2 or more")
  end
  local _, reason, code = llama_cpp.libraries()
  if code == "unavailable" then return { reason = reason } end
  local model = session.model(p)
  local plain = { preset = p.preset, threads = p.threads, faults = p.faults,
                  switches = common.without_guesses(p.switches or {}) }
  local context = session.context(model, plain, { n_ctx = p.n_prompt + p.n_tokens })
  local threads = context:switches().threads
  local target
  target, reason, code = llama_cpp.open { model = p.model, threads = { threads } }
  if not target and code ~= "unavailable" then
    context:close()
    failure.raise(reason, code)
  end
  local flash = p.flash_attention == "on"
  return {
    reason = reason, p = p, context = context, target = target, threads = threads,
    ids = common.prompt(model, p.n_prompt),
    settings = p.flash_attention ~= "best" and { prefill = flash, decode = flash } or nil,
    rates = { ours = { prefill = {}, decode = {} }, theirs = { prefill = {}, decode = {} } },
    equal = p.n_tokens,
  }
end

--- A wrong answer is never timed: the logits of both engines on the prompt's first ids.
---@param t woolly.Check
---@param state woolly.Reference
---@param most_kld number   nats
function reference.check(t, state, most_kld)
  if state.reason then return end
  local ids = table.move(state.ids, 1, math.min(#state.ids, state.p.n_check), 1, {})
  local path = string.format("%s/llama_cpp/logits-%d.f32", failure.must(process.cache_folder()),
                             process.pid())
  local _ <close> = setmetatable({}, { __close = function() os.remove(path) end })
  failure.must(state.target:logits { tokens = ids, path = path, flash_attention = true })
  state.difference = failure.must(state.context:compare_file(path, ids))
  t:truthy("logits are finite", state.difference.finite)
  t:at_most("mean KL divergence from llama.cpp", state.difference.kld_mean, most_kld)
end

-- ---- one generation each ----

local function ours(state)
  state.context:clear()
  local prefill = failure.must(state.context:prefill(state.ids))
  local decode = failure.must(state.context:decode { n_tokens = state.p.n_tokens })
  return { prefill = #state.ids / (prefill.end_ns - prefill.start_ns) * 1e9,
           decode = common.rate(decode), tokens = decode.tokens }
end

--- Only time inside llama.cpp counts: what sampling and JavaScript cost is not its engine's.
local function theirs_with(state, flash_attention)
  local result = failure.must(state.target:generate {
    tokens = state.ids, max_tokens = state.p.n_tokens, flash_attention = flash_attention })
  return { prefill = #state.ids / result.prefill_ns * 1e9,
           decode = (#result.tokens - 1) / result.decode_ns * 1e9, tokens = result.tokens }
end

local function theirs(state)
  local settings = state.settings
  local found = theirs_with(state, settings.decode)
  if settings.prefill ~= settings.decode then
    found.prefill = theirs_with(state, settings.prefill).prefill
  end
  return found
end

--- The faster setting of flash attention for each rate, by the best of some interleaved rounds.
local function choose_settings(state)
  local best, settings = { prefill = 0, decode = 0 }, {}
  for _ = 1, ROUNDS do
    for _, flash_attention in ipairs { true, false } do
      local found = theirs_with(state, flash_attention)
      for _, rate in ipairs(RATES) do
        if found[rate] > best[rate] then
          best[rate], settings[rate] = found[rate], flash_attention
        end
      end
    end
  end
  return settings
end

local function leading_equal(a, b)
  local n = 0
  while n < #a and a[n + 1] == b[n + 1] do n = n + 1 end
  return n
end

--- One pair: a sample of each ratio. Odd pairs begin with ours, even ones with theirs: ABBA.
---@param m woolly.Recorder
---@param state woolly.Reference
function reference.pair(m, state)
  if state.reason then
    for _, rate in ipairs(RATES) do m:missing(RATIO[rate], state.reason) end
    return
  end
  state.settings = state.settings or choose_settings(state)
  local a, b
  if m.index % 2 == 1 then a = ours(state) end
  b = theirs(state)
  a = a or ours(state)
  for _, rate in ipairs(RATES) do
    m:record(RATIO[rate], a[rate] / b[rate])
    if not m.warmup then
      table.insert(state.rates.ours[rate], a[rate])
      table.insert(state.rates.theirs[rate], b[rate])
    end
  end
  state.equal = math.min(state.equal, leading_equal(a.tokens, b.tokens))
end

-- ---- the end ----

---@param m woolly.Recorder
---@param state woolly.Reference
function reference.finish(m, state)
  if state.reason then
    m:missing("llama_cpp_kld_mean", state.reason)
    m:missing("llama_cpp_top1_agreement", state.reason)
    return
  end
  m:record("llama_cpp_kld_mean", state.difference.kld_mean)
  m:record("llama_cpp_top1_agreement", state.difference.top1)
end

--- "131.2 [128.0, 133.1]": median, smallest, largest.
local function spread(values)
  local sorted = stats.sorted(values)
  return string.format("%.4g [%.4g, %.4g]", stats.median(values), sorted[1], sorted[#sorted])
end

local function on_off(flag) return flag and "on" or "off" end

---@param state woolly.Reference
---@return string[]
function reference.notes(state)
  if state.reason or #state.rates.ours.decode == 0 then return {} end
  local info, rates = state.target:info(), state.rates
  return {
    string.format("ours       prefill %s  decode %s tokens/s, preset %s, threads %d",
                  spread(rates.ours.prefill), spread(rates.ours.decode), state.p.preset,
                  state.threads),
    string.format("llama.cpp  prefill %s  decode %s tokens/s, %s (npm %s), flash attention %s / %s",
                  spread(rates.theirs.prefill), spread(rates.theirs.decode), info.release,
                  info.package, on_off(state.settings.prefill), on_off(state.settings.decode)),
    string.format("greedy tokens equal from the first on: %d of %d; prompt %d tokens", state.equal,
                  state.p.n_tokens, #state.ids),
    string.format("llama.cpp's process used %.2f %% of a core while it waited",
                  100 * (info.idle_share or 0)),
  }
end

return reference
