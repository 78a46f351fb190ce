local clock = require "woolly.clock"
local common = require "woolly.common"
local counters = require "woolly.counters"
local energy = require "woolly.energy"
local engine = require "woolly.engine"
local roofs = require "woolly.roofs"
local session = require "woolly.session"
local stats = require "woolly.stats"
local woolly = require "woolly"
local work = require "woolly.work"

--- Milliseconds to load the file, and until a context could run.
local function load_ms(p, with_context)
  local start_ns = clock.now_ns()
  local model <close> = woolly.must(engine.load(p.model, { mmap = session.maps(p) }))
  local loaded_ns = clock.now_ns()
  if not with_context then return (loaded_ns - start_ns) / 1e6 end
  local _ <close> = woolly.context(model, p, { n_ctx = p.n_prompt + p.n_tokens })
  return (loaded_ns - start_ns) / 1e6, (clock.now_ns() - start_ns) / 1e6
end

--- Who is compared in turns: the preset under test, p0, and the preset before. Made once the
--- figures of the preset alone are taken.
local function contestants(state, p)
  local list = { { name = "tested", context = state.context, n_tokens = p.n_tokens,
                   n_prompt = p.n_prompt } }
  local function add(name, preset, n_tokens, n_prompt)
    local context = woolly.must(state.model:context {
      preset = preset, n_ctx = math.max(n_tokens + 1, n_prompt) })
    state[name] = context -- closed with the state
    common.decode_rate(context, state.model, 2)
    list[#list + 1] = { name = name, context = context, n_tokens = n_tokens, n_prompt = n_prompt }
  end
  add("start", "p0", p.n_start_tokens, p.n_start_tokens)
  local before = common.preset_before(p.preset)
  if before and before ~= "p0" then add("before", before, p.n_tokens, p.n_prompt) end
  return list
end

--- One rate of each contestant, in ABBA order.
local function rates(state, index, measure)
  local found = {}
  for _, one in ipairs(common.in_turn(index, state.contestants)) do
    found[one.name] = measure(one)
  end
  found.before = found.before or found.start
  return found
end

return woolly.scenario {
  about = "Tokens per second, latency, memory, answers, and the gain over p0 and the preset before",
  gate = "phase1",
  needs = "native",
  metrics = { "tokens_per_second", "single_token_latency_ms", "prefill_tokens_per_second",
              "ttft_ms", "load_ms", "ready_ms", "memory_usage_mb", "cpu_utilization_percent",
              "improvement_factor", "prefill_improvement_factor", "phase_improvement_factor",
              "phase_prefill_factor", "reference_tokens_per_second", "output_accuracy_score",
              "numerical_stability", "kld_mean", "joules_per_token" },
  params = {
    n_prompt = { default = 64, help = "tokens of the prompt" },
    n_tokens = { default = 32, help = "tokens to decode" },
    n_start_tokens = { default = 5, help = "tokens of prompt and decode with p0; it is slow" },
    n_quality = { default = 48, help = "tokens whose logits are compared with the F32 path" },
    roofs = roofs.param,
  },
  setup = function(p)
    local model = woolly.model(p)
    local n_ctx = math.max(p.n_prompt + p.n_tokens, p.n_start_tokens + 1)
    local context = woolly.context(model, p, { n_ctx = n_ctx })
    local limits, why_not = roofs.load(p, { context:switches().threads })
    return { model = model, ids = common.prompt(model, p.n_prompt), context = context,
             limits = limits, why_not = why_not, start_rates = {} }
  end,
  check = function(t, state, p) common.check_logits(t, state.model, p) end,
  measure = function(m, state, p)
    local context, model = state.context, state.model
    context:clear()
    local prefill = woolly.must(context:prefill(state.ids))
    m:prefill(prefill)
    local before = counters.read()
    local decoded
    energy.per_token(m, function()
      decoded = woolly.must(context:decode { n_tokens = p.n_tokens })
      return #decoded.times_ns
    end)
    local after = counters.read()
    m:decode(decoded)
    m:record("ttft_ms", (decoded.times_ns[1] - prefill.start_ns) / 1e6)
    m:record("cpu_utilization_percent", 100 * (after.cpu_ns - before.cpu_ns)
             / (after.wall_ns - before.wall_ns) / context:switches().threads)
    if m.warmup then return end
    local loaded, ready = load_ms(p, m.index == 1)
    m:record("load_ms", loaded)
    if ready then m:record("ready_ms", ready) end
    state.contestants = state.contestants or contestants(state, p)
    local decode = rates(state, m.index, function(one)
      return common.decode_rate(one.context, model, one.n_tokens)
    end)
    local prompt = rates(state, m.index, function(one)
      return common.prefill_rate(one.context, model, one.n_prompt)
    end)
    table.insert(state.start_rates, decode.start)
    m:record("reference_tokens_per_second", decode.start)
    m:record("improvement_factor", decode.tested / decode.start)
    m:record("prefill_improvement_factor", prompt.tested / prompt.start)
    m:record("phase_improvement_factor", decode.tested / decode.before)
    m:record("phase_prefill_factor", prompt.tested / prompt.before)
  end,
  finish = function(m, state, p)
    local model, n = state.model, p.n_quality
    do
      local reference <close> = woolly.must(model:context { preset = "p1", n_ctx = n })
      local tested <close> = woolly.context(model, p, { n_ctx = n })
      local found = woolly.must(tested:compare(reference, common.prompt(model, n)))
      m:record("output_accuracy_score", found.top1)
      m:record("numerical_stability", found.finite and 1 - math.min(1, found.max_relative) or 0)
      m:record("kld_mean", found.kld_mean)
    end
    local decode, limits, why_not = work.decode(model, state.context, p), state.limits,
      state.why_not
    if limits and state.context:switches().lookup > 0 then
      limits, why_not = nil, "guesses: a pass over the weights makes several tokens"
    end
    roofs.attach(m, "tokens_per_second", limits, why_not, decode)
    roofs.attach(m, "prefill_tokens_per_second", state.limits, state.why_not,
                 work.prefill(model, state.context, p.n_prompt))
    common.record_peak(m, p)
    energy.explain(m)
    local start = stats.median(state.start_rates)
    if start then
      roofs.attach(m, "improvement_factor", limits, why_not, decode,
                   function(most) return most / start end)
    end
  end,
}
