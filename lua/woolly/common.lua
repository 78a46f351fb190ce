--- What several scenario files share: proof before timing, exact memory, output of the tools.
local counters = require "woolly.counters"
local json = require "woolly.json"
local models = require "woolly.models"
local process = require "woolly.process"
local woolly = require "woolly"

local common = {}

--- Text that every vocabulary can read. Long enough for a prefill block.
common.story = "Once upon a time, there was a little girl named Lily. She loved to play outside in "
  .. "the park. One day, she saw a big, red ball. She wanted to play with it, but it was too high."

-- What the bundled model says greedily after BOS: published with it.
local GOLDEN_TOKENS <const> = { 403, 407, 261, 378, 432, 383, 286, 261, 376, 298, 315, 421 }
local MOST_NMSE <const> = 1e-6 -- two F32 paths differ by rounding only

--- The first n ids of the story.
---@param model woolly.engine.Model
---@param n integer
---@return integer[]
function common.prompt(model, n)
  local ids = model:tokenize(common.story)
  while #ids < n do table.move(ids, 1, math.min(#ids, n - #ids), #ids + 1) end
  return table.move(ids, 1, n, 1, {})
end

-- The tested preset against p0 on the same ids.
local function agrees(t, model, p, n_tokens, name)
  local ids = common.prompt(model, n_tokens)
  local tested <close> = woolly.context(model, p, { n_ctx = n_tokens })
  local reference <close> = woolly.must(model:context { preset = "p0", n_ctx = n_tokens })
  local difference = woolly.must(tested:compare(reference, ids))
  t:truthy(name .. ": logits are finite", difference.finite)
  t:at_most(name .. ": NMSE of the logits against p0", difference.nmse, MOST_NMSE)
  t:at_least(name .. ": same first choice as p0", difference.top1, 1)
  return difference
end

--- A wrong answer is never timed: the preset against p0 on the model under test and on the bundled
--- one, and the bundled model's published text.
---@param t woolly.Check
---@param model woolly.engine.Model
---@param p woolly.Values
function common.check_logits(t, model, p)
  agrees(t, model, p, 4, "model under test")
  local bundled = woolly.model { model = models.resolve("bundled:stories260K") }
  agrees(t, bundled, p, 48, "bundled model")
  local context <close> = woolly.context(bundled, p, { n_ctx = 64 })
  woolly.must(context:prefill { bundled:info().bos or 0 })
  local made = woolly.must(context:decode { n_tokens = #GOLDEN_TOKENS })
  t:equal("bundled model: greedy text", bundled:detokenize(made.tokens),
          bundled:detokenize(GOLDEN_TOKENS))
end

--- Decode rate of a result: (n - 1) / (last - first arrival).
---@param result woolly.engine.DecodeResult
---@return number tokens_per_second
function common.rate(result)
  local times = result.times_ns
  return (#times - 1) / ((times[#times] - times[1]) / 1e9)
end

--- Decode rate of n_tokens after BOS alone, from an empty KV cache.
---@param context woolly.engine.Context
---@param model woolly.engine.Model
---@param n_tokens integer
---@return number tokens_per_second
function common.decode_rate(context, model, n_tokens)
  context:clear()
  woolly.must(context:prefill { model:info().bos or 0 })
  return common.rate(woolly.must(context:decode { n_tokens = n_tokens }))
end

--- A scenario of what any target shows from outside: rates, latency, time to the first token.
---@param about string
---@param runs integer
---@return woolly.Scenario
function common.outside_view(about, runs)
  return woolly.scenario {
    about = about,
    runs = runs,
    metrics = { "tokens_per_second", "single_token_latency_ms", "prefill_tokens_per_second",
                "ttft_ms" },
    params = {
      n_prompt = { default = 32, help = "tokens of the prompt" },
      n_tokens = { default = 32, help = "tokens to decode" },
    },
    setup = function(p)
      local target = woolly.target(p)
      return { target = target, model = target.model,
               ids = target.model and common.prompt(target.model, p.n_prompt) }
    end,
    check = function(t, state, p)
      if state.model then common.check_logits(t, state.model, p) end
    end,
    measure = function(m, state, p)
      m:generate(state.target:generate { tokens = state.ids, prompt = common.story,
                                         max_tokens = p.n_tokens, seed = p.seed })
    end,
  }
end

--- Heap bytes alive in C, exactly: what the allocator seam counts less what the Lua state holds.
---@return integer
function common.live_bytes()
  local now = counters.read()
  return now.live_bytes - now.script_bytes
end

--- What a tool found: JSON to p.json ("-" is standard output, then alone), else the text.
---@param p woolly.Values
---@param document table
---@param text string
function common.print(p, document, text)
  if p.json then
    woolly.must(process.write_file(p.json, json.encode(document, { indent = true }) .. "\n"))
  end
  if p.json ~= "-" then io.write(text, "\n") end
end

common.json_param = { type = "string", help = "write the result as JSON here (- is stdout)" }

return common
