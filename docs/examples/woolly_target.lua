-- woolly-lua docs/examples/woolly_target.lua [--target native|openai|llama_cpp|null|...]: the same
-- measurement of any engine, seen from outside.
local woolly = require "woolly"

return woolly.scenario {
  about = "Generation as a client sees it",
  model = "bundled:stories260K",
  metrics = { "tokens_per_second", "ttft_ms" },
  setup = function(p) return woolly.target(p) end,
  check = function(t, target)
    t:truthy("the target has a name", target:info().name)
  end,
  measure = function(m, target, p)
    m:generate(target:generate { prompt = "Once upon a time", max_tokens = 8, seed = p.seed })
  end,
  finish = function(_, target) target:close() end, --> tokens_per_second
}
