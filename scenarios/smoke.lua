local common = require "woolly.common"
local woolly = require "woolly"

return woolly.scenario {
  about = "Does it load, compute the right thing and decode: seconds, not minutes",
  model = "synth:tiny-q4_0",
  needs = "native",
  metrics = { "tokens_per_second", "single_token_latency_ms", "prefill_tokens_per_second" },
  params = { n_tokens = { default = 16, help = "tokens to decode" } },
  setup = function(p)
    local model = woolly.model(p)
    return { model = model, ids = common.prompt(model, 8),
                          context = woolly.context(model, p, { n_ctx = 8 + p.n_tokens }) }
  end,
  check = function(t, state, p) common.check_logits(t, state.model, p) end,
  measure = function(m, state, p)
    state.context:clear()
    m:prefill(state.context:prefill(state.ids))
    m:decode(state.context:decode { n_tokens = p.n_tokens })
  end,
}
