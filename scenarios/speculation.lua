local common = require "woolly.common"
local models = require "woolly.models"
local roofs = require "woolly.roofs"
local stats = require "woolly.stats"
local woolly = require "woolly"
local work = require "woolly.work"

local DEFAULT_GUESSES <const> = 7

--- A model with a context that guesses and one that does not.
local function pair_of(name, model, p)
  local options = { n_ctx = math.min(p.n_prompt + p.n_tokens, model:info().n_ctx_train) }
  local one = { name = name, model = model, ids = common.prompt(model, p.n_prompt), plain = {},
                guessing = {}, factor = {}, n_tokens = options.n_ctx - p.n_prompt }
  options.lookup = 0
  one.without = woolly.context(model, p, options)
  options.lookup = (p.switches or {}).lookup or DEFAULT_GUESSES
  one.with = woolly.context(model, p, options)
  return one
end

local function generate(one, context)
  context:clear()
  woolly.must(context:prefill(one.ids))
  return woolly.must(context:decode { n_tokens = one.n_tokens })
end

local function row(one)
  local found = one.with:counters()
  return string.format("%-18s without %8.1f tokens/s  with %8.1f  x %.2f   %d guesses, %.0f %% "
                       .. "taken", one.name, stats.median(one.plain), stats.median(one.guessing),
                       stats.median(one.factor), found.guessed_tokens,
                       100 * found.accepted_tokens / math.max(found.guessed_tokens, 1))
end

return woolly.scenario {
  about = "Guesses from the text so far: decode rate with and without, same text, guesses taken",
  preset = "p5",
  needs = "native",
  metrics = { "lookup_speedup", "text_lookup_speedup", "lookup_accepted_ratio",
              "plain_tokens_per_second" },
  params = {
    n_prompt = { default = 64, help = "tokens of the prompt" },
    n_tokens = { default = 64, help = "tokens to decode" },
    roofs = roofs.param,
  },
  setup = function(p)
    local model = woolly.model(p)
    local bundled = woolly.model { model = models.resolve "bundled:stories260K" }
    local state = { tested = pair_of("model under test", model, p),
                    text = pair_of("bundled model", bundled, p) }
    state[1], state[2] = state.tested.with, state.tested.without -- closed with the state
    state[3], state[4] = state.text.with, state.text.without
    state.limits, state.why_not = roofs.load(p, { state[2]:switches().threads })
    return state
  end,
  check = function(t, state, p)
    common.check_logits(t, state.tested.model, p)
    for _, one in ipairs { state.tested, state.text } do
      t:equal(one.name .. ": greedy text with guesses is that without",
              table.concat(generate(one, one.with).tokens, " ")
              == table.concat(generate(one, one.without).tokens, " "), true)
    end
  end,
  measure = function(m, state)
    for _, one in ipairs { state.tested, state.text } do
      local rates = {}
      one.with:reset_counters()
      for _, name in ipairs(common.in_turn(m.index, { "with", "without" })) do
        rates[name] = common.rate(generate(one, one[name]))
      end
      if not m.warmup then
        table.insert(one.plain, rates.without)
        table.insert(one.guessing, rates.with)
        table.insert(one.factor, rates.with / rates.without)
        m:record(one == state.text and "text_lookup_speedup" or "lookup_speedup",
                 rates.with / rates.without)
      end
    end
    local found = state.text.with:counters()
    if found.guessed_tokens > 0 then
      m:record("lookup_accepted_ratio", found.accepted_tokens / found.guessed_tokens)
    end
    m:record("plain_tokens_per_second", state.tested.plain[#state.tested.plain] or 0)
  end,
  finish = function(m, state, p)
    roofs.attach(m, "plain_tokens_per_second", state.limits, state.why_not,
                 work.decode(state.tested.model, state.tested.without, p))
    if state.text.with:counters().guessed_tokens == 0 then
      m:missing("lookup_accepted_ratio", "nothing was guessed")
    end
  end,
  notes = function(state) return { row(state.tested), row(state.text) } end,
}
