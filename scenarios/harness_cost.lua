local clock = require "woolly.clock"
local recorder = require "woolly.recorder"
local woolly = require "woolly"

return woolly.scenario {
  about = "What the harness itself costs per token: a decode by an engine that does nothing",
  target = "null",
  model = false,
  runs = 21,
  metrics = { "harness_ns_per_token" },
  params = { n_tokens = { default = 1000, help = "tokens per repetition" } },
  setup = function(p) return { target = woolly.target(p) } end,
  measure = function(m, state, p)
    local start_ns = clock.now_ns()
    local samples = recorder.new()
    samples:generate(state.target:generate { max_tokens = p.n_tokens })
    samples:commit()
    m:record("harness_ns_per_token", (clock.now_ns() - start_ns) / p.n_tokens)
  end,
}
