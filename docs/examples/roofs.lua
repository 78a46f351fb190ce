-- woolly-lua docs/examples/roofs.lua [--roofs fresh]: a scenario that shows the physical limit
-- beside its figure. Where no roofs are kept yet they are measured first: 3 s.
local roofs  = require "woolly.roofs"
local woolly = require "woolly"
local work   = require "woolly.work"

return woolly.scenario {
  about = "Decode rate and its roof",
  needs = "native", -- looks inside the engine
  model = "bundled:stories260K",
  preset = "p3",
  metrics = { "tokens_per_second" },
  params = { n_tokens = { default = 32, help = "tokens to decode" }, roofs = roofs.param },
  setup = function(p)
    local model = woolly.model(p)
    local context = woolly.context(model, p, { n_ctx = 64 })
    local limits, why_not = roofs.load(p, { context:switches().threads })
    return { model = model, context = context, limits = limits, why_not = why_not }
  end,
  measure = function(m, state, p)
    state.context:clear()
    woolly.must(state.context:prefill { 1 })
    m:decode(state.context:decode { n_tokens = p.n_tokens })
  end,
  finish = function(m, state, p) -- what a token needs; the roofs say how often that is possible
    local token = work.decode(state.model, state.context, { n_prompt = 1, n_tokens = p.n_tokens })
    roofs.attach(m, "tokens_per_second", state.limits, state.why_not, token)
  end,
} --> tokens_per_second
