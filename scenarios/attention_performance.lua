local common = require "woolly.common"
local kernels = require "woolly.kernels"
local roofs = require "woolly.roofs"
local stats = require "woolly.stats"
local woolly = require "woolly"

-- Fused against naive in F32: the sum's order; then what rounding keys and values costs.
local MOST_NMSE <const> = { f32 = 1e-10, f16 = 1e-6, q8_0 = 1e-3, q4_0 = 5e-2 }
local JUDGED_FROM <const> = 512       -- tokens of context
local MOST_FOOTPRINT <const> = 128000000 -- bytes that a decoded token's caches are made to take
local OTHER_SHAPES <const> = { { n_head = 12, n_head_kv = 12, head_dim = 64 },
                               { n_head = 32, n_head_kv = 4, head_dim = 64 },
                               { n_head = 32, n_head_kv = 8, head_dim = 128 } }

local function looser(a, b) return math.max(MOST_NMSE[a], MOST_NMSE[b]) end

--- Whether the products are integer ones, whose roof is above that of floats.
local function in_integers(switches, n_tokens)
  return switches.key_type == "q8_0" or switches.key_type == "f16" and n_tokens > 1
end

--- One layer's attention over `context` tokens, naive and fused in turns. Raises when they differ.
local function attend(state, p, shape, context, n_tokens, n_samples, min_ms)
  local switches = state.switches
  local bytes = 8 * shape.n_head_kv * shape.head_dim * context * (shape.n_layer or 1)
  local footprint = n_tokens == 1 and math.min(bytes, MOST_FOOTPRINT) or 0
  local found = woolly.must(kernels.attention {
    n_head = shape.n_head, n_head_kv = shape.n_head_kv, head_dim = shape.head_dim,
    n_past = math.max(context - n_tokens, 0), n_tokens = n_tokens, key_type = switches.key_type,
    value_type = switches.value_type, isa = switches.simd and switches.backend or "scalar",
    threads = switches.threads, samples = n_samples or p.n_samples, min_ms = min_ms or p.min_ms,
    footprint = footprint })
  found.limit = looser(switches.key_type, switches.value_type)
  if found.nmse ~= found.nmse or found.nmse > found.limit then
    woolly.fail(string.format("check: fused attention over %d tokens is off by an NMSE of %g, at "
                              .. "most %g is allowed", context, found.nmse, found.limit), "check")
  end
  found.unit = { bytes = found.fused_bytes, threads = switches.threads,
                 footprint = math.max(1, footprint // found.naive_bytes) * found.fused_bytes,
                 macs = 2 * shape.n_head * shape.head_dim * n_tokens * (context - n_tokens / 2),
                 arithmetic = in_integers(switches, n_tokens) and "int8" or "f32" }
  found.speedup = {}
  for i, naive in ipairs(found.naive_ns) do found.speedup[i] = naive / found.fused_ns[i] end
  return found
end

local function name_of(shape)
  return string.format("%d heads, %d for keys, of %d", shape.n_head, shape.n_head_kv,
                       shape.head_dim)
end

local function cell(found)
  local ns = stats.median(found.fused_ns)
  return string.format("x %5.2f %8.1f us %6.1f GB/s", stats.median(found.speedup), ns / 1e3,
                       found.fused_bytes / ns)
end

local function add_row(state, shape, context, n_tokens, decode, prefill)
  state.rows[#state.rows + 1] = string.format("%-32s context %5d  decode %s   %d tokens %s",
    name_of(shape), context, cell(decode), n_tokens, cell(prefill))
end

--- The speed-up of one case; its roof is what remains when the fused way is as fast as can be.
local function record(m, state, metric, found)
  m:record_samples(metric, found.speedup)
  roofs.attach(m, metric, state.limits, state.why_not, found.unit,
               function(most) return stats.median(found.naive_ns) * most / 1e9 end)
end

return woolly.scenario {
  about = "Attention: fused against naive at several contexts, decode and prompt, shared heads",
  gate = "phase2",
  preset = "p2",
  needs = "native",
  warmup = 0,
  runs = 1,
  metrics = { "attention_speedup", "attention_decode_speedup", "attention_prefill_speedup" },
  params = {
    measure = { default = "fused_kernels", choices = { "fused_kernels" },
                help = "what is measured" },
    contexts = { type = "list", default = { 128, 512, 1024, 2048, 4096 },
                 help = "tokens that the queries see" },
    n_tokens = { default = 64, help = "queries of a prompt's block; decode has one" },
    n_samples = { default = 7, help = "samples of each way, in turns" },
    min_ms = { default = 2.0, help = "length of a sample" },
    shapes = { default = "all", choices = { "all", "model" },
               help = "tables: other shapes of heads as well, or the model's only" },
    roofs = roofs.param,
  },
  setup = function(p)
    local model = woolly.model(p)
    local info = model:info()
    local context <close> = woolly.context(model, p, { n_ctx = 8 })
    local limits, why_not = roofs.load(p, { context:switches().threads })
    return { model = model, switches = context:switches(), rows = {}, limits = limits,
             why_not = why_not,
             shape = { n_head = info.n_head, n_head_kv = info.n_head_kv, head_dim = info.head_dim,
                       n_layer = info.n_layer } }
  end,
  check = function(t, state, p)
    common.check_logits(t, state.model, p)
    for _, n_tokens in ipairs { 1, p.n_tokens } do
      local found = attend(state, p, state.shape, p.contexts[1], n_tokens, 1, 0.001)
      t:at_most(string.format("fused attention of %d tokens, context %d: NMSE against the naive "
                              .. "way", n_tokens, p.contexts[1]), found.nmse, found.limit)
    end
  end,
  measure = function(m, state, p)
    local worst, last
    local judged = math.min(JUDGED_FROM, math.max(table.unpack(p.contexts)))
    for _, context in ipairs(p.contexts) do
      local decode = attend(state, p, state.shape, context, 1)
      local prefill = attend(state, p, state.shape, context, math.min(p.n_tokens, context))
      add_row(state, state.shape, context, p.n_tokens, decode, prefill)
      last = { decode = decode, prefill = prefill }
      for _, found in pairs(context >= judged and last or {}) do
        if not worst or stats.median(found.speedup) < stats.median(worst.speedup) then
          worst = found
        end
      end
    end
    record(m, state, "attention_speedup", worst)
    record(m, state, "attention_decode_speedup", last.decode)
    record(m, state, "attention_prefill_speedup", last.prefill)
  end,
  finish = function(_, state, p)
    for _, shape in ipairs(p.shapes == "all" and OTHER_SHAPES or {}) do
      for _, context in ipairs { JUDGED_FROM, p.contexts[#p.contexts] } do
        add_row(state, shape, context, p.n_tokens, attend(state, p, shape, context, 1, 3),
                attend(state, p, shape, context, math.min(p.n_tokens, context), 3))
      end
    end
  end,
  notes = function(state) return state.rows end,
}
