local clock = require "woolly.clock"
local common = require "woolly.common"
local engine = require "woolly.engine"
local gate = require "woolly.gate"
local process = require "woolly.process"
local stats = require "woolly.stats"
local waterfall = require "woolly.waterfall"
local woolly = require "woolly"

local LEAST_TOKENS <const>, MOST_TOKENS <const>, MOST_PROMPT <const> = 4, 64, 128

local function whole(value, least, most)
  return math.floor(math.min(math.max(value, least), most))
end

--- A context of each step; a set of switches that the engine refuses is kept with the reason.
local function open_steps(state, steps)
  for _, step in ipairs(steps) do
    local options = { n_ctx = math.max(MOST_TOKENS + 1, MOST_PROMPT) }
    for key, value in pairs(step.switches) do options[key] = value end
    local context, message = state.model:context(options)
    step.context, step.refused = context, message
    step.decode, step.prefill = {}, {}
    state.all[#state.all + 1] = step
    if context then state[#state + 1] = context end -- closed with the state
  end
end

--- Tokens that fit into a sample of that length; of the slow ones, the least.
local function choose_lengths(state, seconds)
  for _, step in ipairs(state.all) do
    if step.context then
      local rate = common.decode_rate(step.context, state.model, LEAST_TOKENS - 1)
      step.n_tokens = whole(rate * seconds, LEAST_TOKENS, MOST_TOKENS)
      rate = common.prefill_rate(step.context, state.model, LEAST_TOKENS)
      step.n_prompt = whole(rate * seconds, LEAST_TOKENS, MOST_PROMPT)
    end
  end
end

local function ratios(over, under)
  local list = {}
  for i, value in ipairs(over) do list[i] = value / under[i] end
  return list
end

--- What every set of switches does to the answers, against p0's logits of a text.
local function compare_logits(state, p)
  local ids = common.prompt(state.model, p.n_quality)
  local path = string.format("%s/woolly-ablate-%d-%d.f32", process.env "TMPDIR" or "/tmp",
                             process.pid(), clock.now_ns())
  local _ <close> = setmetatable({}, { __close = function() os.remove(path) end })
  local first = state.on[1].context
  first:clear()
  woolly.must(first:prefill(ids, { logits_file = path }))
  for _, step in ipairs(state.all) do
    if step.context then
      local found = woolly.must(step.context:compare_file(path, ids))
      step.kld, step.top1 = found.kld_mean, found.top1
    end
  end
end

local function factor(step, what)
  local value, low, high = gate.estimate(ratios(step[what], step.base[what]), "median")
  return value, low, high
end

local function row_of(step, set)
  local row = { set = set, name = step.name, base = step.base.name, refused = step.refused }
  if not step.base.context then row.refused = row.refused or step.base.refused end
  if row.refused then return row end
  row.decode, row.decode_low, row.decode_high = factor(step, "decode")
  row.prompt, row.prompt_low, row.prompt_high = factor(step, "prefill")
  row.tokens_per_second = stats.median(step.decode)
  row.prefill_tokens_per_second = stats.median(step.prefill)
  row.kld_mean, row.top1 = step.kld, step.top1
  return row
end

local function line_of(row)
  if row.refused then return string.format("%-58s refused: %s", row.name, row.refused) end
  return string.format("%-58s decode %8.1f x %6.2f [%5.2f, %5.2f]  prompt %8.1f x %6.2f "
                       .. "[%5.2f, %5.2f]  KLD %.1e", row.name, row.tokens_per_second, row.decode,
                       row.decode_low, row.decode_high, row.prefill_tokens_per_second, row.prompt,
                       row.prompt_low, row.prompt_high, row.kld_mean)
end

return woolly.scenario {
  about = "What each switch buys alone: added to p0, and taken out of the last preset; with KLD",
  title = "Each switch by itself",
  help = "Rates are tokens a second; x is the ratio to p0 (+), to p0 with what the switch cannot\n"
    .. "do without (on ...), or to all switches (-), by rounds in turns, with its interval. What\n"
    .. "buys nothing on p0 may be needed by the others, which is why it is also taken out.",
  preset = engine.presets()[#engine.presets()],
  needs = "native",
  metrics = { "improvement_factor", "prefill_improvement_factor", "tokens_per_second",
              "prefill_tokens_per_second", "reference_tokens_per_second", "kld_mean" },
  params = {
    seconds = { default = 0.2, help = "length of a sample of each set; p0 takes its 4 tokens" },
    n_quality = { default = 16, help = "tokens whose logits are compared with p0's" },
  },
  setup = function(p)
    local state = { model = woolly.model(p), all = {}, rows = {} }
    state.on, state.off = waterfall.alone(woolly.must(engine.preset "p0"),
      woolly.must(engine.preset "p1"), woolly.must(engine.preset(p.preset)))
    open_steps(state, state.on)
    open_steps(state, state.off)
    for _, step in ipairs { state.on[1], state.off[1] } do
      woolly.must(step.context, step.refused)
    end
    return state
  end,
  check = function(t, state, p)
    for _, step in ipairs(state.all) do
      if step.context then common.check_bundled(t, { preset = "p0", switches = step.switches }) end
    end
    common.check_logits(t, state.model, { preset = p.preset })
  end,
  measure = function(m, state, p)
    if not state.on[1].n_tokens then choose_lengths(state, p.seconds) end
    if m.warmup then return end
    local i, model = m.index, state.model
    for _, step in ipairs(common.in_turn(i, state.all)) do
      if step.context then
        step.decode[i] = common.decode_rate(step.context, model, step.n_tokens)
        step.prefill[i] = common.prefill_rate(step.context, model, step.n_prompt)
      end
    end
    local first, last = state.on[1], state.off[1]
    m:record("reference_tokens_per_second", first.decode[i])
    m:record("tokens_per_second", last.decode[i])
    m:record("prefill_tokens_per_second", last.prefill[i])
    m:record("improvement_factor", last.decode[i] / first.decode[i])
    m:record("prefill_improvement_factor", last.prefill[i] / first.prefill[i])
  end,
  finish = function(m, state, p)
    compare_logits(state, p)
    m:record("kld_mean", state.off[1].kld)
    for _, step in ipairs(state.on) do state.rows[#state.rows + 1] = row_of(step, "on") end
    for _, step in ipairs(state.off) do state.rows[#state.rows + 1] = row_of(step, "off") end
  end,
  notes = function(state)
    local lines = {}
    for i, row in ipairs(state.rows) do lines[i] = line_of(row) end
    return lines
  end,
  tables = function(state) return { ablation = state.rows } end,
}
