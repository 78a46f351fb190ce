-- woolly-lua docs/examples/woolly.lua: a scenario with every word of a recorder and of the checks.
-- docs/examples/first_scenario.lua is a useful one, `woolly-lua new scenario NAME` writes another.
local woolly = require "woolly"

return woolly.scenario {
  about = "Every word of a scenario",
  model = "bundled:stories260K",
  metrics = { "tokens_per_second", "prefill_tokens_per_second", "ttft_ms", "load_ms",
              "cache_miss_ratio" },
  params = { n_tokens = { default = 8, help = "tokens to decode" } },

  setup = function(p) -- once; what it returns is handed on, and closed at the end
    local model = woolly.model(p) -- the one of --model
    return { model = model, ids = woolly.must(model:tokenize "Once upon a time"),
             context = woolly.context(model, p, { n_ctx = 64 }) } -- as --preset and --switches say
  end,

  check = function(t, state) -- the first that does not hold ends the run with status 1
    local text = woolly.must(state.model:detokenize(state.ids))
    t:truthy("the text has tokens", state.ids[1])
    t:equal("the text survives", (text:gsub("^ ", "")), "Once upon a time")
    t:at_most("tokens of the text", #state.ids, 16)
    t:at_least("room in the context", state.context:n_ctx(), #state.ids + 8)
  end,

  measure = function(m, state, p) -- warmup + runs times; m.warmup and m.index tell which
    if p.n_tokens > 48 then woolly.fail("--n_tokens: at most 48 fit", "input") end
    state.context:clear()
    m:prefill(state.context:prefill(state.ids))               -- a failed call ends the run, too
    m:decode(state.context:decode { n_tokens = p.n_tokens })  -- the rate, and each gap
    m:record("load_ms", 1.5)                                  -- any metric of docs/metrics.md
    m:record_samples("ttft_ms", { 0.5, 0.6 })
  end,

  finish = function(m) -- once, after the last run
    m:missing("cache_miss_ratio", "not asked for here")        -- never 0: missing, and why
    m:roof("tokens_per_second", 1e9, "an invented roof")       -- the report shows the share of it
  end,

  notes = function(state) --> the prompt has
    return { "the prompt has " .. #state.ids .. " tokens" }
  end,
}
