local common = require "woolly.common"
local models = require "woolly.models"
local stats = require "woolly.stats"
local woolly = require "woolly"

local GATE_N_CTX <const> = 8192 -- for which gates/phase3.lua limits the memory
local TYPES <const> = { "f32", "f16", "q8_0", "q4_0" }
local ROUND_TOKENS <const> = 6  -- a rate of 5 gaps

local function name_of(switches)
  if switches.key_type == switches.value_type then return switches.key_type end
  return switches.key_type .. "/" .. switches.value_type
end

--- A context per type that the model's heads allow, the preset's own among them.
local function open_all(state, model, p, n_ctx)
  local own = name_of(state.switches)
  local list, known = {}, {}
  local function add(key_type, value_type)
    local name = name_of { key_type = key_type, value_type = value_type }
    if known[name] then return end
    known[name] = true
    local fits = common.cache_fits(key_type, state.head_dim)
      and common.cache_fits(value_type, state.head_dim)
    list[#list + 1] = { name = name, key_type = key_type, value_type = value_type,
                        is_own = name == own, rates = {}, fits = fits }
  end
  local fused = state.switches.fused_attention and state.switches.fused_matmul
  for _, kind in ipairs(fused and TYPES or { "f32" }) do add(kind, kind) end
  add(state.switches.key_type, state.switches.value_type)
  for _, one in ipairs(list) do
    if one.fits then
      one.context = woolly.context(model, p, { key_type = one.key_type, n_ctx = n_ctx,
                                               value_type = one.value_type, lookup = 0 })
      one.bytes = one.context:memory().kv_bytes / n_ctx
      state[#state + 1] = one.context -- closed with the state
    end
  end
  return list
end

--- Logits with this type of cache against those with F32, the rest alike; nil where it cannot be.
local function quality(model, p, one)
  local head_dim = model:info().head_dim
  if not common.cache_fits(one.key_type, head_dim) then return nil end
  if not common.cache_fits(one.value_type, head_dim) then return nil end
  local ids = common.prompt(model, math.min(p.n_quality, model:info().n_ctx_train))
  local tested <close> = woolly.context(model, p, { key_type = one.key_type, n_ctx = #ids,
                                                    value_type = one.value_type })
  local reference <close> = woolly.context(model, p, { key_type = "f32", value_type = "f32",
                                                       n_ctx = #ids })
  return woolly.must(tested:compare(reference, ids))
end

--- On the model under test, and on the bundled one, which was trained: random weights carry each
--- rounding far.
local function measure_quality(m, state, p)
  local bundled = woolly.model { model = models.resolve "bundled:stories260K" }
  for _, one in ipairs(state.types) do
    one.quality, one.of_text = quality(state.model, p, one), quality(bundled, p, one)
    if one.is_own and one.quality then
      m:record("kv_kld_mean", one.quality.kld_mean)
      m:record("kv_accuracy_score", one.quality.top1)
    end
    if one.is_own and one.of_text then
      m:record("text_kv_kld_mean", one.of_text.kld_mean)
      m:record("text_kv_accuracy_score", one.of_text.top1)
    elseif one.is_own then
      for _, metric in ipairs { "text_kv_kld_mean", "text_kv_accuracy_score" } do
        m:missing(metric, "the bundled model has heads of 8 values, a multiple of 32 is needed")
      end
    end
  end
end

--- Decode rates behind each depth, the types in turns.
local function measure_depths(state, model, p)
  for at, depth in ipairs(state.depths) do
    for _, one in ipairs(state.types) do
      local missing = one.fits and math.max(depth, 1) - one.context:n_past() or 0
      if missing > 0 then
        woolly.must(one.context:prefill(common.prompt(model, missing)))
      end
      one.rates[at] = {}
    end
    for round = 1, p.rounds do
      for _, one in ipairs(common.in_turn(round, state.types)) do
        if one.fits then
          one.rates[at][round] = common.rate(woolly.must(
            one.context:decode { n_tokens = ROUND_TOKENS }))
        end
      end
    end
  end
end

local function quality_text(found)
  return found and string.format("%.1e %.3f", found.kld_mean, found.top1) or "-"
end

local function add_rows(state)
  local head, f32 = {}, state.types[1].bytes
  for i, depth in ipairs(state.depths) do head[i] = string.format("%8s", "d" .. depth) end
  state.rows[1] = string.format("%-9s MB at %d (F32 / it)   tokens/s %s   KLD, first choice; and "
                                .. "of the bundled model", "cache", GATE_N_CTX, table.concat(head))
  for _, one in ipairs(state.types) do
    local cells = {}
    for i, rates in ipairs(one.rates) do
      cells[i] = #rates > 0 and string.format("%8.1f", stats.median(rates)) or ""
    end
    state.rows[#state.rows + 1] = not one.fits
      and string.format("%-9s not possible: heads of %d values, a multiple of 32 is needed",
                        one.name, state.head_dim)
      or string.format("%-9s %10.1f (x %.2f)   %19s   %s   %s", one.name,
                       one.bytes * GATE_N_CTX / 1e6, f32 / one.bytes, table.concat(cells),
                       quality_text(one.quality), quality_text(one.of_text))
  end
end

--- Depths that the model was trained for, behind which all rounds still fit; ascending.
local function depths_of(model, p)
  local room = #p.depths * p.rounds * ROUND_TOKENS
  local most, list, known = model:info().n_ctx_train - room, {}, {}
  if most < 1 then
    woolly.fail(string.format("--rounds %d: this model takes %d tokens, too few for %d depths",
                              p.rounds, model:info().n_ctx_train, #p.depths))
  end
  for _, depth in ipairs(p.depths) do
    depth = math.min(math.max(depth, 0), most)
    if not known[depth] then list[#list + 1] = depth end
    known[depth] = true
  end
  table.sort(list)
  return list, list[#list] + room
end

return woolly.scenario {
  about = "KV cache types: memory, decode rate by depth, KLD and first choice against F32",
  gate = "phase3",
  preset = "p3",
  needs = "native",
  warmup = 0,
  runs = 1,
  metrics = { "kv_cache_memory_mb", "kv_cache_reduction_factor", "deep_tokens_per_second",
              "deep_decode_share", "kv_kld_mean", "kv_accuracy_score", "text_kv_kld_mean",
              "text_kv_accuracy_score" },
  params = {
    measure = { default = "quantization", choices = { "quantization" },
                help = "what is measured" },
    depths = { type = "list", default = { 0, 512, 2048, 4096 },
               help = "tokens in the cache before decoding, ascending" },
    rounds = { default = 7, help = "rates per type and depth, types in turns" },
    n_quality = { default = 64, help = "tokens whose logits are compared with an F32 cache" },
  },
  setup = function(p)
    local model = woolly.model(p)
    local context <close> = woolly.context(model, p, { n_ctx = 8 })
    local state = { model = model, switches = context:switches(), rows = {},
                    head_dim = model:info().head_dim }
    local n_ctx
    state.depths, n_ctx = depths_of(model, p)
    state.types = open_all(state, model, p, n_ctx)
    return state
  end,
  check = function(t, state, p) common.check_logits(t, state.model, p) end,
  measure = function(m, state, p)
    do -- every position takes the same, so a model for fewer tells it as well
      local n_ctx = math.min(GATE_N_CTX, state.model:info().n_ctx_train)
      local context <close> = woolly.context(state.model, p, { n_ctx = n_ctx })
      m:record("kv_cache_memory_mb", context:memory().kv_bytes / n_ctx * GATE_N_CTX / 1e6)
    end
    measure_quality(m, state, p)
    measure_depths(state, state.model, p)
    for _, one in ipairs(state.types) do
      if one.is_own then
        m:record("kv_cache_reduction_factor", state.types[1].bytes / one.bytes)
        local first, last = one.rates[1], one.rates[#one.rates]
        m:record_samples("deep_tokens_per_second", last)
        for i, rate in ipairs(last) do m:record("deep_decode_share", rate / first[i]) end
      end
    end
    add_rows(state)
  end,
  notes = function(state) return state.rows end,
}
