local common = require "woolly.common"
local woolly = require "woolly"

--- Decodes with one budget from a warm cache; the counters of that window and its rate.
local function decode(state, p, options)
  options.n_ctx = 2 * p.n_tokens + 1
  local context <close> = woolly.context(state.model, p, options)
  common.decode_rate(context, state.model, p.n_tokens) -- fills the cache
  context:reset_counters()
  local result = woolly.must(context:decode { n_tokens = p.n_tokens })
  return context:counters(), result
end

local function ratio(part, whole) return whole > 0 and part / whole or 0 end

return woolly.scenario {
  about = "Weight cache: hits by access and by byte, evictions, and what each budget buys",
  gate = "phase1",
  needs = "native",
  metrics = { "cache_hit_ratio", "cache_byte_hit_ratio", "cache_evictions", "cached_mb" },
  params = {
    n_tokens = { default = 6, help = "tokens to decode per budget" },
    budgets = { type = "list", default = { 0, 25, 50, 75, 100 },
                help = "budgets to try, in percent of all weights as F32" },
  },
  setup = function(p) return { model = woolly.model(p), rows = {} } end,
  check = function(t, state, p) common.check_logits(t, state.model, p) end,
  measure = function(m, state, p)
    local found, result = decode(state, p, {})
    local lookups = found.cache_hits + found.cache_misses
    if lookups == 0 then
      for _, metric in ipairs { "cache_hit_ratio", "cache_byte_hit_ratio" } do
        m:missing(metric, "not applicable: nothing was looked up in a weight cache")
      end
    else
      m:record("cache_hit_ratio", found.cache_hits / lookups)
      m:record("cache_byte_hit_ratio", ratio(found.cache_hit_bytes, found.cache_lookup_bytes))
    end
    m:record("cache_evictions", found.cache_evictions / #result.tokens)
    m:record("cached_mb", found.cache_bytes / 1e6)
  end,
  finish = function(_, state, p)
    local all_mb = 4 * state.model:info().n_params / 1e6
    for i, percent in ipairs(p.budgets) do
      local budget = percent / 100 * all_mb
      local found, result = decode(state, p, { weight_cache = true, weight_cache_mb = budget })
      state.rows[i] = string.format(
        "budget %7.1f MB  hits %5.1f %%  by byte %5.1f %%  %7.1f MB held  %8.2f tokens/s",
        budget, 100 * ratio(found.cache_hits, found.cache_hits + found.cache_misses),
        100 * ratio(found.cache_hit_bytes, found.cache_lookup_bytes), found.cache_bytes / 1e6,
        common.rate(result))
    end
  end,
  notes = function(state) return state.rows end,
}
