--- What `woolly-lua new` writes: a scenario and a gate that run as they are, with comments on what
--- to change. @NAME@ and @ABOUT@ are filled in. Pure.
local templates = {}

templates.scenario = [=[
-- @ABOUT@
--   woolly-lua @NAME@.lua                             run it
--   woolly-lua @NAME@.lua --help                      its options and metrics
--   woolly-lua @NAME@.lua --gate @NAME@_gate.lua      judge it
--   woolly-lua judge.lua --run last --gate @NAME@_gate.lua
--                                                     judge the kept samples again, measure nothing
local woolly = require "woolly"

return woolly.scenario {
  about = "@ABOUT@", -- one line for --list
  model = "bundled:stories260K", -- default of --model: a GGUF file, or synth:110m-q4_0, or this one
  preset = "p3",                 -- default of --preset: the engine's switches, p0 to p5
  warmup = 1,                    -- measure calls that are thrown away
  runs = 5,                      -- measure calls; 5 give a 95 % interval of a median at the earliest

  -- What is recorded. woolly-lua @NAME@.lua --help explains each; docs/metrics.md lists all.
  metrics = { "tokens_per_second", "prefill_tokens_per_second", "ttft_ms",
              "single_token_latency_ms" },

  -- Each becomes an option: --n_prompt, --n_tokens.
  params = {
    n_prompt = { default = 64, help = "tokens of the prompt" },
    n_tokens = { default = 32, help = "tokens to decode" },
  },

  -- Once, before anything is timed. What it returns is handed to the functions below and closed at
  -- the end; p holds the options.
  setup = function(p)
    local model = woolly.model(p)
    local ids = { model:info().bos }
    while #ids < p.n_prompt do ids[#ids + 1] = 400 + #ids % 50 end
    return { model = model, ids = ids,
             context = woolly.context(model, p, { n_ctx = p.n_prompt + p.n_tokens }) }
  end,

  -- Before anything is timed, too: a wrong answer is never timed.
  check = function(t, state, p)
    local plain <close> = woolly.must(state.model:context { preset = "p0", n_ctx = p.n_prompt })
    local difference = woolly.must(state.context:compare(plain, state.ids))
    t:at_most("mean KLD of the logits against p0", difference.kld_mean, 1e-2)
  end,

  -- warmup + runs times. The clock is in C: what Lua does in here is not timed.
  measure = function(m, state, p)
    state.context:clear()
    local prefill = woolly.must(state.context:prefill(state.ids))
    local decode = woolly.must(state.context:decode { n_tokens = p.n_tokens })
    m:prefill(prefill) -- prefill_tokens_per_second
    m:decode(decode)   -- tokens_per_second, single_token_latency_ms
    m:record("ttft_ms", (decode.times_ns[1] - prefill.start_ns) / 1e6)
  end,
}
]=]

templates.gate = [=[
-- Gate of @NAME@. Edit a number and judge again: nothing is compiled, nothing need be measured.
--   min    passes when the whole confidence interval lies at or above it
--   max    likewise at or below it
--   stat   what is judged: the median when not said, else p50 ... p99, max, min, mean
return {
  title = "@ABOUT@",
  limits = {
    tokens_per_second = { min = 10 },
    ttft_ms = { max = 1000 },
    single_token_latency_ms = { max = 100, stat = "p90" },
  },
  targets = { tokens_per_second = 1000 }, -- printed beside the result, never judged
}
]=]

--- A template with its names in place.
---@param kind "scenario"|"gate"
---@param name string
---@param about string
---@return string
function templates.fill(kind, name, about)
  local words = { NAME = name, ABOUT = about }
  return (templates[kind]:gsub("@(%u+)@", words))
end

return templates
