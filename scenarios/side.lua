local common = require "woolly.common"
local json = require "woolly.json"
local machine = require "woolly.machine"
local models = require "woolly.models"
local options = require "woolly.options"
local recorder = require "woolly.recorder"
local session = require "woolly.session"
local woolly = require "woolly"

--- What the tool's options mean to a target.
local function values_of(p)
  local values = { preset = p.preset, threads = p.threads, target = p.target, faults = p.faults,
                   seed = p.seed, quiet = true }
  session.check_target(p.target)
  values.switches = options.switches(p.switches)
  if p.target ~= "null" then values.model = models.resolve(p.model, true) end
  return values
end

--- One process's rates: its warm-up thrown away.
local function measure(target, ids, p)
  local m = recorder.new()
  for i = 0, p.runs do
    m.warmup, m.index = i == 0, i
    m:generate(target:generate { tokens = ids, prompt = common.story, max_tokens = p.n_tokens,
                                 seed = p.seed })
    m:commit()
  end
  local result = woolly.must(target:generate { tokens = ids, prompt = common.story,
                                               max_tokens = p.n_tokens, seed = p.seed })
  return m.measured, result.tokens
end

--- Time of each operation, ns a token on the thread that it keeps longest, over `runs` decodes; nil
--- and the reason where the target tells of none.
local function operations(target, ids, p)
  local context = target.context
  if not context then return nil, "target " .. p.target .. " shows nothing of its inside" end
  local by_thread = {}
  for _ = 1, p.runs do
    context:clear()
    woolly.must(context:prefill(ids))
    local ok, message = context:set_profile(true)
    if not ok then return nil, message end
    woolly.must(context:decode { n_tokens = p.n_tokens })
    for _, entry in ipairs(context:profile()) do
      local threads = by_thread[entry.operation] or {}
      by_thread[entry.operation] = threads
      threads[entry.thread] = (threads[entry.thread] or 0) + entry.ns
    end
  end
  context:set_profile(false)
  local longest = {}
  for name, threads in pairs(by_thread) do
    local most = 0
    for _, ns in pairs(threads) do most = math.max(most, ns) end
    longest[name] = most / p.runs / p.n_tokens
  end
  return longest
end

return woolly.tool {
  about = "One side of compare.lua in a process of its own: rates, and the operations' times",
  params = {
    model = { default = "synth:110m-q4_0", help = "the model" },
    preset = { default = "p4", help = "engine switches of a phase" },
    switches = { type = "string", help = "changes to the preset" },
    threads = { type = "list", help = "worker threads" },
    target = { default = "native", help = "what is measured" },
    faults = { type = "string", help = "planted faults of target faulty" },
    n_prompt = { default = 32, help = "tokens of the prompt" },
    n_tokens = { default = 32, help = "tokens to decode" },
    runs = { default = 3, help = "generations; their median is the process's value" },
    seed = { default = 1, help = "seed of everything random" },
    check = { default = false, help = "compare the logits with p0 first" },
    json = common.json_param,
  },
  run = function(p)
    if p.runs < 1 or p.n_tokens < 2 or p.n_prompt < 1 then
      woolly.fail("--runs 1, --n_prompt 1 and --n_tokens 2 are the least")
    end
    local values = values_of(p)
    local _ <close> = setmetatable({}, { __close = session.close })
    local target <close> = setmetatable({ it = woolly.target(values) },
                                        { __close = function(t) t.it:close() end })
    local model = target.it.model
    if p.check and model and session.is_embedded(p.target) then
      common.check_logits(recorder.check(), model, values)
    end
    local ids = model and common.prompt(model, p.n_prompt)
    local measured, tokens = measure(target.it, ids, p)
    local profile, why_not = operations(target.it, ids, p)
    local document = { target = p.target, preset = p.preset, machine = machine.info().fingerprint,
                       tokens = json.array(tokens), operations = profile, reason = why_not,
                       metrics = {} }
    for name, one in pairs(measured) do document.metrics[name] = json.array(one.samples) end
    if model then
      local info = model:info()
      document.model = { name = info.name, sha256 = (model:sha256()), type = info.type }
    end
    local rates = document.metrics.tokens_per_second
    common.print(p, document, string.format("%s: decode %.4g tokens/s", p.target,
                                            require("woolly.stats").median(rates)))
  end,
}
