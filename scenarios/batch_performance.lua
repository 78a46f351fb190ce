local common = require "woolly.common"
local engine = require "woolly.engine"
local stats = require "woolly.stats"
local woolly = require "woolly"

--- Prompts that differ: sequence i starts i tokens later in the story.
local function prompt_of(state, p, i)
  return table.move(state.ids, i, i + p.n_prompt - 1, 1, {})
end

--- The first n sequences from their prompts; tokens of each, and the rate of all together.
local function generate(state, p, n)
  local some = {}
  for i = 1, n do
    local context = state.contexts[i]
    context:clear()
    woolly.must(context:prefill(prompt_of(state, p, i)))
    some[i] = context
  end
  local made
  if n == 1 then
    made = woolly.must(some[1]:decode { n_tokens = p.n_tokens })
    return { made.tokens }, common.rate(made)
  end
  made = woolly.must(engine.decode_together(some, { n_tokens = p.n_tokens }))
  return made.tokens, n * common.rate(made)
end

return woolly.scenario {
  about = "Several sequences in one pass: total decode rate by batch size, same tokens as alone",
  gate = "phase4",
  preset = "p4",
  needs = "native",
  metrics = { "batch_processing_speedup" },
  params = {
    batches = { type = "list", default = { 1, 2, 4, 8 }, help = "sequences at a time, ascending" },
    n_prompt = { default = 16, help = "tokens of each prompt" },
    n_tokens = { default = 24, help = "tokens to decode of each sequence" },
  },
  setup = function(p)
    local model = woolly.model(p)
    table.sort(p.batches)
    if p.batches[1] ~= 1 then table.insert(p.batches, 1, 1) end
    local most = p.batches[#p.batches]
    local state = { model = model, contexts = {}, rates = {}, rows = {},
                    ids = common.prompt(model, p.n_prompt + most) }
    for i = 1, most do -- one token a pass: guesses would mix two gains
      state.contexts[i] = woolly.context(model, p, { n_ctx = p.n_prompt + p.n_tokens, lookup = 0 })
      state[i] = state.contexts[i] -- closed with the state
    end
    return state
  end,
  check = function(t, state, p)
    common.check_logits(t, state.model, p)
    local most = p.batches[#p.batches]
    local together = generate(state, p, most)
    for i = 1, most do
      local context = state.contexts[i]
      context:clear()
      woolly.must(context:prefill(prompt_of(state, p, i)))
      local alone = woolly.must(context:decode { n_tokens = p.n_tokens })
      t:equal(string.format("sequence %d of %d: tokens are those that it says alone", i, most),
              table.concat(together[i], " ") == table.concat(alone.tokens, " "), true)
    end
  end,
  measure = function(m, state, p)
    local found = {}
    for _, n in ipairs(common.in_turn(m.index, p.batches)) do
      local _, rate = generate(state, p, n)
      found[n] = rate
    end
    if m.warmup then return end
    for n, rate in pairs(found) do
      state.rates[n] = state.rates[n] or {}
      table.insert(state.rates[n], rate)
    end
    m:record("batch_processing_speedup", found[p.batches[#p.batches]] / found[1])
  end,
  finish = function(_, state, p)
    for _, n in ipairs(p.batches) do
      local rate = stats.median(state.rates[n])
      state.rows[#state.rows + 1] = string.format("%3d at a time  %9.1f tokens/s in all  x %.2f", n,
                                                  rate, rate / stats.median(state.rates[1]))
    end
  end,
  notes = function(state) return state.rows end,
}
