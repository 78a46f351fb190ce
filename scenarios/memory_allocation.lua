local common = require "woolly.common"
local woolly = require "woolly"

return woolly.scenario {
  about = "Heap requests on the hot path, allocation rate, live and peak memory, leaks",
  gate = "phase1",
  needs = "native",
  metrics = { "hot_path_allocations", "hot_path_allocated_bytes", "memory_allocation_rate",
              "live_heap_mb", "memory_usage_mb", "leak_bytes_per_token" },
  params = {
    n_prompt = { default = 8, help = "tokens of the prompt" },
    n_tokens = { default = 16, help = "tokens to decode" },
  },
  setup = function(p)
    local model = woolly.model(p)
    return { model = model, ids = common.prompt(model, p.n_prompt) }
  end,
  check = function(t, state, p) common.check_logits(t, state.model, p) end,
  measure = function(m, state, p)
    local before = common.live_bytes()
    do -- a whole life: everything that a context and its tokens asked for is given back
      local context <close> = woolly.context(state.model, p, { n_ctx = p.n_prompt + p.n_tokens })
      woolly.must(context:prefill(state.ids))
      context:reset_counters()
      local result = woolly.must(context:decode { n_tokens = p.n_tokens })
      local found, n = context:counters(), #result.tokens
      local seconds = (result.times_ns[n] - result.start_ns) / 1e9
      m:record("hot_path_allocations", found.allocations / n)
      m:record("hot_path_allocated_bytes", found.allocated_bytes / n)
      m:record("memory_allocation_rate", found.allocated_bytes / seconds)
      m:record("live_heap_mb", common.live_bytes() / 1e6)
    end
    local after = common.live_bytes()
    m:record("leak_bytes_per_token", (after - before) / p.n_tokens)
  end,
  finish = function(m, _, p) common.record_peak(m, p) end,
}
