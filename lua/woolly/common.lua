--- What several scenario files share: proof before timing, exact memory, output of the tools.
local accuracy = require "woolly.accuracy"
local counters = require "woolly.counters"
local engine = require "woolly.engine"
local json = require "woolly.json"
local models = require "woolly.models"
local process = require "woolly.process"
local suggest = require "woolly.suggest"
local woolly = require "woolly"

local common = {}

--- Text that every vocabulary can read. Long enough for a prefill block.
common.story = "Once upon a time, there was a little girl named Lily. She loved to play outside in "
  .. "the park. One day, she saw a big, red ball. She wanted to play with it, but it was too high."

-- What the bundled model says greedily after BOS: published with it.
local GOLDEN_TOKENS <const> = { 403, 407, 261, 378, 432, 383, 286, 261, 376, 298, 315, 421 }

--- The first n ids of the story.
---@param model woolly.engine.Model
---@param n integer
---@return integer[]
function common.prompt(model, n)
  local ids = model:tokenize(common.story)
  while #ids < n do table.move(ids, 1, math.min(#ids, n - #ids), #ids + 1) end
  return table.move(ids, 1, n, 1, {})
end

local FEWEST_FOR_TOP1 <const> = 32 -- first choices of fewer positions say little

--- Can a KV cache of that type have heads of so many values?
---@param kind string   "q4_0"
---@param head_dim integer
---@return boolean
function common.cache_fits(kind, head_dim)
  return kind ~= "q4_0" or head_dim % 32 == 0
end

--- The context under test, with f16 for a cache that the model's heads are too small for.
local function tested_context(model, p, options)
  local head_dim = model:info().head_dim
  local switches, preset = {}, woolly.must(engine.preset(p.preset))
  for key, value in pairs(p.switches or {}) do switches[key] = value end
  for _, key in ipairs { "key_type", "value_type" } do
    local kind = tostring(switches[key] or switches.kv_type or preset[key])
    switches[key] = common.cache_fits(kind, head_dim) and kind or "f16"
  end
  switches.kv_type = nil
  return woolly.context(model, { preset = p.preset, switches = switches, threads = p.threads,
                                 faults = p.faults }, options)
end

--- Compares the preset with p0 on the first ids of the story, within what its switches round.
---@param t woolly.Check
---@param name string
---@param model woolly.engine.Model
---@param p woolly.Values
---@param options {n_tokens: integer, n_batch?: integer}
local function agrees(t, name, model, p, options)
  local ids = common.prompt(model, options.n_tokens)
  local tested <close> = tested_context(model, p, { n_ctx = #ids, n_batch = options.n_batch })
  local reference <close> = woolly.must(model:context { preset = "p0", n_ctx = #ids })
  local found = woolly.must(tested:compare(reference, ids))
  local limits = accuracy.limits(tested:switches(), accuracy.is_quantised(model:tensors()))
  local against = string.format("against p0, rounded: %s", limits.rounds)
  t:truthy(name .. ": logits are finite", found.finite)
  t:at_most(string.format("%s: NMSE of the logits %s", name, against), found.nmse, limits.nmse)
  t:at_most(string.format("%s: mean KLD %s", name, against), found.kld_mean, limits.kld)
  if #ids >= FEWEST_FOR_TOP1 or limits.top1 == 1 then
    t:at_least(string.format("%s: same first choice %s", name, against), found.top1, limits.top1)
  end
end

--- Switches for rates that are compared with other engines: a pass over the weights makes one token,
--- unless lookup is asked for.
---@param switches table<string, any>
---@return table<string, any>
function common.without_guesses(switches)
  local copy = { lookup = 0 }
  for key, value in pairs(switches) do copy[key] = value end
  return copy
end

-- What is proved already: the tests of a phase share model and switches.
local proved = {}

local function key_of(model, p)
  local words = { model:info().path, tostring(p.preset), tostring(p.threads and p.threads[1]),
                  tostring(p.faults) }
  for _, name in ipairs(suggest.keys(p.switches or {})) do
    words[#words + 1] = name .. "=" .. tostring(p.switches[name])
  end
  return table.concat(words, "|")
end

--- The preset against p0 on the bundled models, as a prompt and token by token, and the published
--- text.
---@param t woolly.Check
---@param p woolly.Values
function common.check_bundled(t, p)
  local bundled = woolly.model { model = models.resolve("bundled:stories260K") }
  local key = key_of(bundled, p)
  if proved[key] then return end
  agrees(t, "bundled model", bundled, p, { n_tokens = 48 })
  agrees(t, "bundled model, token by token", bundled, p, { n_tokens = 48, n_batch = 1 })
  local quantised = woolly.model { model = models.resolve("bundled:stories260K.q4_0") }
  agrees(t, "bundled Q4_0 model", quantised, p, { n_tokens = 48 })
  agrees(t, "bundled Q4_0 model, token by token", quantised, p, { n_tokens = 48, n_batch = 1 })
  local context <close> = tested_context(bundled, p, { n_ctx = 64 })
  woolly.must(context:prefill { bundled:info().bos or 0 })
  context:reset_counters()
  local made = woolly.must(context:decode { n_tokens = #GOLDEN_TOKENS })
  t:equal("bundled model: tokens run through the network", context:counters().tokens,
          #made.tokens)
  t:equal("bundled model: greedy text", bundled:detokenize(made.tokens),
          bundled:detokenize(GOLDEN_TOKENS))
  proved[key] = true
end

--- A wrong answer is never timed: the preset against p0 on the bundled models and that under test.
---@param t woolly.Check
---@param model woolly.engine.Model
---@param p woolly.Values
function common.check_logits(t, model, p)
  common.check_bundled(t, p)
  local key = key_of(model, p)
  if proved[key] then return end
  agrees(t, "model under test", model, p, { n_tokens = 4 })
  proved[key] = true
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

--- Prompt tokens per second of the story's first n ids, into an empty KV cache.
---@param context woolly.engine.Context
---@param model woolly.engine.Model
---@param n_tokens integer
---@return number tokens_per_second
function common.prefill_rate(context, model, n_tokens)
  context:clear()
  local result = woolly.must(context:prefill(common.prompt(model, n_tokens)))
  return n_tokens / (result.end_ns - result.start_ns) * 1e9
end

--- The list forwards in odd rounds, backwards in even ones (ABBA): slow drift hits all alike.
---@generic T
---@param round integer
---@param list T[]
---@return T[]
function common.in_turn(round, list)
  if round % 2 == 1 then return list end
  local reversed = {}
  for i = #list, 1, -1 do reversed[#reversed + 1] = list[i] end
  return reversed
end

--- The preset in front of one, or nil.
---@param preset string
---@return string?
function common.preset_before(preset)
  local last
  for _, name in ipairs(engine.presets()) do
    if name == preset then return last end
    last = name
  end
end

--- Heap bytes alive in C, exactly: what the allocator seam counts less what the Lua state holds.
---@return integer
function common.live_bytes()
  local now = counters.read()
  return now.live_bytes - now.script_bytes
end

--- Peak memory in MB of a process that does nothing but a prompt and some tokens.
local function measure_peak(p)
  local words = { "/proc/self/exe", "footprint.lua", "--model", p.model, "--preset", p.preset,
                  "--quiet", "--json", "-" }
  local switches = {}
  for _, name in ipairs(suggest.keys(p.switches or {})) do
    switches[#switches + 1] = name .. "=" .. tostring(p.switches[name])
  end
  if #switches > 0 then
    table.move({ "--switches", table.concat(switches, ",") }, 1, 2, #words + 1, words)
  end
  if p.threads then
    table.move({ "--threads", tostring(p.threads[1]) }, 1, 2, #words + 1, words)
  end
  local result, message = process.run(words)
  local found = result and result.status == 0 and json.decode(result.out, "footprint.lua")
  if found then return found.peak_rss / 1e6 end
  return nil, "footprint.lua failed: " .. (message or result.err):gsub("%s+$", "")
end

-- Models and switches whose peak is recorded: it is the same for all tests of a phase.
local with_peak = {}

--- Records memory_usage_mb, once a run.
---@param m woolly.Recorder
---@param p woolly.Values
function common.record_peak(m, p)
  local key = key_of(woolly.model(p), p)
  if with_peak[key] then return end
  with_peak[key] = true
  local peak, why_not = measure_peak(p)
  if not peak then return m:missing("memory_usage_mb", why_not) end
  m:record("memory_usage_mb", peak)
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

--- Lines to print as one text: names in them come from files and other programs, so no control byte
--- reaches the terminal.
---@param lines string[]
---@return string
function common.lines(lines)
  local out = {}
  for i, line in ipairs(lines) do out[i] = line:gsub("[%c\127]", "?") end
  return table.concat(out, "\n")
end

common.json_param = { type = "string", help = "write the result as JSON here (- is stdout)" }

return common
