local common = require "woolly.common"
local roofs = require "woolly.roofs"
local woolly = require "woolly"
local work = require "woolly.work"

local ROUND_TOKENS <const> = 6
local DEPTHS <const> = { 512, 2048, 8192 } -- of the predictions

-- Tokens of all repetitions, two windows each, three times as many while a limit is undecided.
local function room_of(p)
  return (6 * p.n_runs + 2 * p.warmup + 1) * ROUND_TOKENS
end

--- A context filled up to the depth.
local function fill(model, p, depth, options)
  options.n_ctx = depth + room_of(p)
  options.lookup = 0 -- one token a pass
  local context = options.preset and woolly.must(model:context(options))
    or woolly.context(model, p, options)
  woolly.must(context:prefill(common.prompt(model, depth)))
  return context
end

--- Bytes that a token read, by what they were, and the rate.
local function window(context)
  context:reset_counters()
  local decoded = woolly.must(context:decode { n_tokens = ROUND_TOKENS })
  local found = context:counters()
  return { weights = found.weight_bytes_read / found.tokens, cache = found.kv_bytes_read
           / found.tokens, rate = common.rate(decoded) }
end

local function line(name, of)
  return string.format("%-22s weights %8.1f MB  KV cache %8.1f MB  a token, %7.1f tokens/s, "
                       .. "%6.1f GB/s", name, of.weights / 1e6, of.cache / 1e6, of.rate,
                       (of.weights + of.cache) * of.rate / 1e9)
end

--- What each type of cache makes of the reduction at other depths: the bytes are known.
local function add_predictions(state, p)
  local info, switches = state.model:info(), state.tested:switches()
  local f32 = state.reference:memory().kv_bytes / state.reference:n_ctx()
  local fused = switches.fused_matmul and switches.fused_attention
  for _, kind in ipairs(fused and { "f16", "q8_0", "q4_0" } or {}) do
    if common.cache_fits(kind, info.head_dim) then
      local context <close> = woolly.context(state.model, p, { key_type = kind, n_ctx = 64,
                                                               value_type = kind })
      local bytes, cells = context:memory().kv_bytes / 64, {}
      for i, depth in ipairs(DEPTHS) do
        cells[i] = string.format("%.2f at %d", 1 - (info.bytes_per_token + bytes * depth)
                                 / (info.bytes_per_token + f32 * depth), depth)
      end
      state.rows[#state.rows + 1] = string.format("%-5s cache: reduction %s", kind,
                                                  table.concat(cells, ", "))
    end
  end
end

--- Where the time of a token goes, and the bytes, from the engine's profile.
local function add_operations(state)
  local context = state.tested
  if not context:set_profile(true) then return end
  woolly.must(context:decode { n_tokens = ROUND_TOKENS })
  local order, by, all_ns = {}, {}, 0
  for _, entry in ipairs(context:profile()) do
    if not by[entry.operation] then
      by[entry.operation] = { ns = 0, bytes = 0 }
      order[#order + 1] = entry.operation
    end
    local sum = by[entry.operation]
    sum.ns, sum.bytes, all_ns = sum.ns + entry.ns, sum.bytes + entry.bytes, all_ns + entry.ns
  end
  context:set_profile(false)
  for _, name in ipairs(order) do
    local sum, threads = by[name], context:switches().threads
    state.operations[#state.operations + 1] = {
      operation = name, share = sum.ns / all_ns, mb_per_token = sum.bytes / ROUND_TOKENS / 1e6,
      us_per_token = sum.ns / threads / ROUND_TOKENS / 1e3,
      gb_per_second = sum.bytes / (sum.ns / threads) }
    state.rows[#state.rows + 1] = string.format(
      "%-12s %5.1f %% of the time  %8.2f MB a token  %6.1f GB/s", name, 100 * sum.ns / all_ns,
      sum.bytes / ROUND_TOKENS / 1e6, sum.bytes / (sum.ns / threads))
  end
end

return woolly.scenario {
  about = "Bytes that a decoded token reads, achieved bandwidth and its roof, against preset p2",
  gate = "phase3",
  preset = "p3",
  needs = "native",
  metrics = { "bytes_per_token", "memory_bandwidth_reduction", "decode_gb_per_second",
              "profile_overhead" },
  params = {
    profile = { default = "detailed", choices = { "detailed" }, help = "what is shown" },
    depth = { default = 2048, help = "tokens in the KV cache; the figures are for that depth" },
    roofs = roofs.param,
  },
  setup = function(p)
    local model = woolly.model(p)
    local depth = math.min(p.depth, model:info().n_ctx_train - room_of(p))
    if depth < 1 then
      woolly.fail("--depth: this model has no room for it and the repetitions: --runs 1")
    end
    local tested = fill(model, p, depth, {})
    local limits, why_not = roofs.load(p, { tested:switches().threads })
    return { model = model, tested = tested, depth = depth, limits = limits, why_not = why_not,
             reference = fill(model, p, depth, { preset = "p2" }), rows = {}, operations = {} }
  end,
  check = function(t, state, p) common.check_logits(t, state.model, p) end,
  measure = function(m, state, p)
    local found = {}
    for _, name in ipairs(common.in_turn(m.index, { "tested", "reference" })) do
      found[name] = window(state[name])
    end
    local bytes = found.tested.weights + found.tested.cache
    local before = found.reference.weights + found.reference.cache
    m:record("bytes_per_token", bytes)
    m:record("memory_bandwidth_reduction", 1 - bytes / before)
    m:record("decode_gb_per_second", bytes * found.tested.rate / 1e9)
    if state.tested:set_profile(true) then
      m:record("profile_overhead", found.tested.rate / window(state.tested).rate - 1)
      state.tested:set_profile(false)
      window(state.reference) -- both stay at the same depth
    else
      m:missing("profile_overhead", "this preset has no profile: it needs fused_matmul")
    end
    state.rows = { line(p.preset .. ", depth " .. state.depth, found.tested),
                   line("p2, depth " .. state.depth, found.reference) }
  end,
  finish = function(m, state, p)
    local unit = work.decode(state.model, state.tested, { n_prompt = p.depth, n_tokens = 0 })
    roofs.attach(m, "decode_gb_per_second", state.limits, state.why_not, unit,
                 function(most) return most * unit.bytes / 1e9 end)
    add_operations(state)
    add_predictions(state, p)
  end,
  notes = function(state) return state.rows end,
  tables = function(state) return { operations = state.operations } end,
}
