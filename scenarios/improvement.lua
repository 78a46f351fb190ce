local common = require "woolly.common"
local engine = require "woolly.engine"
local gate = require "woolly.gate"
local stats = require "woolly.stats"
local waterfall = require "woolly.waterfall"
local woolly = require "woolly"

local LEAST_TOKENS <const>, MOST_TOKENS <const>, MOST_PROMPT <const> = 4, 64, 128

local function whole(value, least, most)
  return math.floor(math.min(math.max(value, least), most))
end

--- Contexts of all steps, and how many tokens fit into a sample of each.
local function open_steps(model, p)
  local steps = waterfall.steps(woolly.must(engine.preset "p0"), woolly.must(engine.preset "p1"),
                                woolly.must(engine.preset(p.preset)))
  for _, step in ipairs(steps) do
    local options = { n_ctx = math.max(MOST_TOKENS + 1, MOST_PROMPT) }
    for key, value in pairs(step.switches) do options[key] = value end
    step.context = woolly.must(model:context(options))
    step.decode, step.prefill = {}, {}
  end
  return steps
end

local function choose_lengths(model, steps, seconds)
  for _, step in ipairs(steps) do
    local rate = common.decode_rate(step.context, model, LEAST_TOKENS - 1)
    step.n_tokens = whole(rate * seconds, LEAST_TOKENS, MOST_TOKENS)
    rate = common.prefill_rate(step.context, model, LEAST_TOKENS)
    step.n_prompt = whole(rate * seconds, LEAST_TOKENS, MOST_PROMPT)
  end
end

local function ratios(over, under)
  local list = {}
  for i, value in ipairs(over) do list[i] = value / under[i] end
  return list
end

-- The step as a row of the table "waterfall": rates, and their ratio to the step before.
local function row_of(step, before)
  local row = { name = step.name, tokens_per_second = stats.median(step.decode),
                prefill_tokens_per_second = stats.median(step.prefill) }
  row.decode, row.decode_low, row.decode_high
    = gate.estimate(ratios(step.decode, before.decode), "median")
  row.prompt, row.prompt_low, row.prompt_high
    = gate.estimate(ratios(step.prefill, before.prefill), "median")
  return row
end

-- "x 12.31 [11.9, 12.8]  all 12.3"
local function factor_text(step, before, first, what)
  local factor, low, high = gate.estimate(ratios(step[what], before[what]), "median")
  local all = stats.median(ratios(step[what], first[what]))
  return string.format("%8.1f tokens/s  x %6.2f [%5.2f, %5.2f]  in all %7.2f",
                       stats.median(step[what]), factor, low, high, all)
end

return woolly.scenario {
  about = "What each switch buys, one at a time from p0 to the last preset: decode and prompt",
  title = "From p0, switch by switch",
  preset = engine.presets()[#engine.presets()],
  needs = "native",
  metrics = { "improvement_factor", "prefill_improvement_factor", "tokens_per_second",
              "prefill_tokens_per_second", "reference_tokens_per_second" },
  params = {
    seconds = { default = 0.2, help = "length of a sample of each step; p0 takes its 4 tokens" },
  },
  setup = function(p)
    local model = woolly.model(p)
    local state = { model = model, steps = open_steps(model, p), rows = {}, table = {} }
    for i, step in ipairs(state.steps) do state[i] = step.context end -- closed with the state
    return state
  end,
  check = function(t, state, p)
    for _, step in ipairs(state.steps) do
      common.check_bundled(t, { preset = "p0", switches = step.switches })
    end
    common.check_logits(t, state.model, { preset = p.preset })
  end,
  measure = function(m, state, p)
    local steps, model = state.steps, state.model
    if not steps[1].n_tokens then choose_lengths(model, steps, p.seconds) end
    if m.warmup then return end
    for _, step in ipairs(common.in_turn(m.index, steps)) do
      step.decode[m.index] = common.decode_rate(step.context, model, step.n_tokens)
      step.prefill[m.index] = common.prefill_rate(step.context, model, step.n_prompt)
    end
    local first, last, i = steps[1], steps[#steps], m.index
    m:record("reference_tokens_per_second", first.decode[i])
    m:record("tokens_per_second", last.decode[i])
    m:record("prefill_tokens_per_second", last.prefill[i])
    m:record("improvement_factor", last.decode[i] / first.decode[i])
    m:record("prefill_improvement_factor", last.prefill[i] / first.prefill[i])
  end,
  finish = function(_, state)
    local first = state.steps[1]
    for i, step in ipairs(state.steps) do
      local before = state.steps[i - 1] or step
      state.table[i] = row_of(step, before)
      state.rows[i] = string.format("%-31s decode %s   prompt %s", step.name,
                                    factor_text(step, before, first, "decode"),
                                    factor_text(step, before, first, "prefill"))
    end
  end,
  notes = function(state) return state.rows end,
  tables = function(state) return { waterfall = state.table } end,
}
