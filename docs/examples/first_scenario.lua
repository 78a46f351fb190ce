local woolly = require "woolly"

return woolly.scenario {
  about = "Decode rate after prompts of different length",
  model = "bundled:stories260K",
  metrics = { "tokens_per_second", "ttft_ms" },
  params = {
    n_prompt = { default = 64, help = "tokens of the prompt" },
    n_tokens = { default = 32, help = "tokens to decode" },
  },
  setup = function(p)
    local model = woolly.model(p)
    local ids = { model:info().bos }
    while #ids < p.n_prompt do ids[#ids + 1] = 400 + #ids % 50 end
    return { model = model, ids = ids,
             context = woolly.context(model, p, { n_ctx = p.n_prompt + p.n_tokens }) }
  end,
  check = function(t, state, p) -- a wrong answer is never timed
    local reference <close> = woolly.must(state.model:context { preset = "p0", n_ctx = p.n_prompt })
    local difference = woolly.must(state.context:compare(reference, state.ids))
    t:at_most("NMSE of the logits against p0", difference.nmse, 1e-6)
  end,
  measure = function(m, state, p) -- called warmup + runs times
    state.context:clear()
    local prefill = woolly.must(state.context:prefill(state.ids))
    local decode = woolly.must(state.context:decode { n_tokens = p.n_tokens })
    m:decode(decode)
    m:record("ttft_ms", (decode.times_ns[1] - prefill.start_ns) / 1e6)
  end,
}
