local clock = require "woolly.clock"
local common = require "woolly.common"
local counters = require "woolly.counters"
local engine = require "woolly.engine"
local roofs = require "woolly.roofs"
local woolly = require "woolly"
local work = require "woolly.work"

--- Decode rate of a fresh p0 context, on the same model and ids.
local function start_rate(model, p)
  local context <close> = woolly.must(model:context { preset = "p0",
                                                      n_ctx = p.n_start_tokens + 1 })
  return common.decode_rate(context, model, p.n_start_tokens)
end

local function load_ms(p)
  local start_ns = clock.now_ns()
  local model = woolly.must(engine.load(p.model))
  local end_ns = clock.now_ns()
  model:close()
  return (end_ns - start_ns) / 1e6
end

return woolly.scenario {
  about = "Tokens per second, latency, memory, and the gain over a fresh p0 run",
  gate = "phase1",
  needs = "native",
  metrics = { "tokens_per_second", "single_token_latency_ms", "prefill_tokens_per_second",
              "ttft_ms", "load_ms", "memory_usage_mb", "improvement_factor",
              "reference_tokens_per_second" },
  params = {
    n_prompt = { default = 32, help = "tokens of the prompt" },
    n_tokens = { default = 32, help = "tokens to decode" },
    n_start_tokens = { default = 5, help = "tokens to decode with p0; it is slow" },
    roofs = roofs.param,
  },
  setup = function(p)
    local model = woolly.model(p)
    local n_ctx = math.max(p.n_prompt + p.n_tokens, p.n_start_tokens + 1)
    local context = woolly.context(model, p, { n_ctx = n_ctx })
    local limits, why_not = roofs.load(p, { context:switches().threads })
    return { model = model, ids = common.prompt(model, p.n_prompt), context = context,
             limits = limits, why_not = why_not }
  end,
  check = function(t, state, p) common.check_logits(t, state.model, p) end,
  measure = function(m, state, p)
    local context = state.context
    local resets, why_not = counters.reset_peak()
    context:clear()
    local prefill = woolly.must(context:prefill(state.ids))
    m:prefill(prefill)
    local decoded = woolly.must(context:decode { n_tokens = p.n_tokens })
    m:decode(decoded)
    m:record("ttft_ms", (decoded.times_ns[1] - prefill.start_ns) / 1e6)
    if resets then
      m:record("memory_usage_mb", counters.read().peak_rss_bytes / 1e6)
    else
      m:missing("memory_usage_mb", why_not)
    end
    if m.warmup then return end
    m:record("load_ms", load_ms(p))
    local rate = common.decode_rate(context, state.model, p.n_start_tokens)
    local start = start_rate(state.model, p)
    m:record("reference_tokens_per_second", start)
    m:record("improvement_factor", rate / start)
  end,
  finish = function(m, state, p)
    roofs.attach(m, "tokens_per_second", state.limits, state.why_not,
                 work.decode(state.model, state.context, p))
    roofs.attach(m, "prefill_tokens_per_second", state.limits, state.why_not,
                 work.prefill(state.model, state.context, p.n_prompt))
  end,
}
