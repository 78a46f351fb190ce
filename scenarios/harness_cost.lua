local clock = require "woolly.clock"
local engine = require "woolly.engine"
local woolly = require "woolly"

return woolly.scenario {
  about = "What the harness itself costs per token: a decode by an engine that does nothing",
  model = false,
  runs = 21,
  metrics = { "harness_ns_per_token", "single_token_latency_ms" },
  params = { n_tokens = { default = 10000, help = "tokens per repetition" } },
  measure = function(m, _, p)
    local start_ns = clock.now_ns()
    local result = woolly.must(engine.null_decode { n_tokens = p.n_tokens })
    m:decode(result)
    m:record("harness_ns_per_token", (clock.now_ns() - start_ns) / p.n_tokens)
  end,
}
