local common = require "woolly.common"
local models = require "woolly.models"
local roofs = require "woolly.roofs"
local stats = require "woolly.stats"
local woolly = require "woolly"

local SAME_TOKENS <const> = 48

--- One token a pass by exactly so many threads.
local function context_of(model, p, n_threads, n_ctx)
  return woolly.context(model, p, { threads = n_threads, n_ctx = n_ctx, lookup = 0, tune = false })
end

--- The same bits for any number of threads: logits of a prompt, and greedy tokens.
local function check_same(t, name, model, p, counts)
  local ids, said = common.prompt(model, SAME_TOKENS), nil
  local first <close> = context_of(model, p, counts[1], 2 * SAME_TOKENS)
  for _, n in ipairs(counts) do
    local context <close> = context_of(model, p, n, 2 * SAME_TOKENS)
    if n ~= counts[1] then
      local found = woolly.must(context:compare(first, ids))
      t:equal(string.format("%s: largest difference of the logits, %d against %d threads", name, n,
                            counts[1]), found.max_abs, 0.0)
    end
    woolly.must(context:prefill(ids))
    local made = woolly.must(context:decode { n_tokens = SAME_TOKENS })
    local text = table.concat(made.tokens, " ")
    said = said or text
    t:equal(string.format("%s: greedy tokens of %d threads are those of %d", name, n, counts[1]),
            text == said, true)
  end
end

--- Rates of every number of threads, in turns: decode and prompt, and decode of the tiny model.
local function round(state, p, index)
  for _, one in ipairs(common.in_turn(index, state.list)) do
    table.insert(one.decode, common.decode_rate(one.context, state.model, p.n_tokens))
    table.insert(one.prefill, common.prefill_rate(one.context, state.model, p.n_prompt))
    table.insert(one.tiny, common.decode_rate(one.tiny_context, state.tiny, p.n_tiny_tokens))
  end
end

local function drop_warm_up(state)
  for _, one in ipairs(state.list) do one.decode, one.prefill, one.tiny = {}, {}, {} end
end

return woolly.scenario {
  about = "One to all threads: speed-up and efficiency of decode and prompt, same bits checked",
  gate = "phase4",
  preset = "p4",
  needs = "native",
  metrics = { "threading_efficiency", "multi_thread_efficiency", "prefill_threading_efficiency",
              "tiny_threading_efficiency" },
  params = {
    n_prompt = { default = 128, help = "tokens of the prompt" },
    n_tokens = { default = 24, help = "tokens to decode" },
    n_tiny_tokens = { default = 200, help = "tokens to decode with the bundled model" },
  },
  setup = function(p)
    local engine = require "woolly.engine"
    local model = woolly.model(p)
    local tiny = woolly.model { model = models.resolve "bundled:stories260K" }
    local most = woolly.must(engine.preset(engine.presets()[#engine.presets()])).threads
    local state = { model = model, tiny = tiny, list = {}, rows = {},
                    counts = p.threads or roofs.thread_counts(most) }
    if state.counts[1] ~= 1 then table.insert(state.counts, 1, 1) end
    for i, n in ipairs(state.counts) do
      local one = { threads = n,
                    context = context_of(model, p, n, math.max(p.n_prompt, p.n_tokens + 1)),
                    tiny_context = context_of(tiny, p, n, p.n_tiny_tokens + 1) }
      state.list[i] = one
      state[#state + 1], state[#state + 2] = one.context, one.tiny_context -- closed with the state
    end
    drop_warm_up(state)
    return state
  end,
  check = function(t, state, p)
    for _, n in ipairs(state.counts) do
      common.check_logits(t, state.model, { preset = p.preset, switches = p.switches,
                                            threads = { n } })
    end
    check_same(t, "model under test", state.model, p, state.counts)
    check_same(t, "bundled model", state.tiny, p, state.counts)
  end,
  measure = function(m, state, p)
    round(state, p, m.index)
    if m.warmup then return drop_warm_up(state) end
    local one, all, i = state.list[1], state.list[#state.list], m.index
    local speedup = all.decode[i] / one.decode[i]
    if all.threads == 1 then return end
    m:record("threading_efficiency", speedup)
    m:record("multi_thread_efficiency", speedup / all.threads)
    m:record("prefill_threading_efficiency", all.prefill[i] / one.prefill[i])
    m:record("tiny_threading_efficiency", all.tiny[i] / one.tiny[i])
  end,
  finish = function(m, state)
    if #state.list == 1 then
      for _, metric in ipairs { "threading_efficiency", "multi_thread_efficiency",
                                "prefill_threading_efficiency", "tiny_threading_efficiency" } do
        m:missing(metric, "one thread only: nothing to compare")
      end
    end
    local first = state.list[1]
    for _, one in ipairs(state.list) do
      local cells = {}
      for _, what in ipairs { "decode", "prefill", "tiny" } do
        local ratios = {}
        for i, rate in ipairs(one[what]) do ratios[i] = rate / first[what][i] end
        local low, high = stats.range(ratios)
        cells[#cells + 1] = string.format("%s %8.1f tokens/s x %.2f [%.2f, %.2f] %3.0f %%", what,
          stats.median(one[what]), stats.median(ratios), low, high,
          100 * stats.median(ratios) / one.threads)
      end
      state.rows[#state.rows + 1] = string.format("%3d thread%s  %s", one.threads,
        one.threads == 1 and " " or "s", table.concat(cells, "   "))
    end
  end,
  notes = function(state) return state.rows end,
}
