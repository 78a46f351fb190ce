--- Loads against a server: prompts of a stated length, what came of them as metrics, and whether
--- the run may count at all.
local failure = require "woolly.failure"
local http    = require "woolly.http"
local openai  = require "woolly.targets.openai"
local service = require "woolly.service"
local stats   = require "woolly.stats"

local load = {}

local STORY <const> = "Once upon a time, there was a little girl named Lily. She loved to play "
  .. "outside in the park. One day, she saw a big, red ball. She wanted to play with it, but it "
  .. "was too high. "
-- Bytes of English for a token of an unknown vocabulary, about.
local BYTES_PER_TOKEN <const> = 4
local VARIANTS <const> = 8 -- prompts in turns, so that no cache answers for the engine

--- Harness lag that makes a run invalid: p99 above 1 ms and above 1 % of the median tpot.
local MOST_LAG_MS <const>, MOST_LAG_SHARE <const> = 1, 0.01

---@class woolly.Prompts
---@field texts string[]
---@field n_tokens? integer   ids of each, where the vocabulary is known

--- Prompts of about n tokens: exactly n ids by the model's tokenizer when it is known.
---@param n integer
---@param model? woolly.engine.Model
---@return woolly.Prompts
function load.prompts(n, model)
  local texts = {}
  for i = 1, VARIANTS do
    local text = string.format("%d. ", i) .. STORY:rep(n * BYTES_PER_TOKEN * 2 // #STORY + 1)
    local low, high = 1, #text
    local function count(bytes)
      if not model then return (bytes + BYTES_PER_TOKEN - 1) // BYTES_PER_TOKEN end
      return #model:tokenize(text:sub(1, bytes))
    end
    while low < high do -- the longest text of at most n tokens
      local middle = (low + high + 1) // 2
      if count(middle) <= n then low = middle else high = middle - 1 end
    end
    texts[i] = text:sub(1, low)
  end
  return { texts = texts, n_tokens = model and n }
end

---@param found woolly.Service
---@param prompts woolly.Prompts
---@param p {n_tokens: integer, api?: string, seed?: integer}
---@return string[] bodies
function load.bodies(found, prompts, p)
  local model, bodies = found:model_name(), {}
  for i, text in ipairs(prompts.texts) do
    bodies[i] = openai.body(model, p.api or "completions", {
      prompt = text, max_tokens = p.n_tokens, seed = p.seed })
  end
  return bodies
end

--- Runs one. Raises when it cannot be tried; what failed is in its summary.
---@param found woolly.Service
---@param bodies string[]
---@param options woolly.http.LoadOptions
---@param api? string
---@param trace? table
---@return woolly.http.Load
function load.run(found, bodies, options, api, trace)
  return failure.must(http.load(found.url .. openai.path(api or "completions"), found:headers(),
                                bodies, found:limits(options), trace))
end

--- "3 gap_timeout (nothing more came ...), 1 reset (...)", or nil when nothing failed.
---@param summary woolly.http.Summary
---@return string?
function load.failures(summary)
  local lines = {}
  for class, n in pairs(summary.failures) do
    lines[#lines + 1] = string.format("%d %s (%s)", n, class, summary.examples[class])
  end
  if summary.dropped > 0 then lines[#lines + 1] = summary.dropped .. " dropped" end
  table.sort(lines)
  return #lines > 0 and table.concat(lines, ", ") or nil
end

--- Outcomes of all that was due: 1 for each that failed or was dropped, else 0.
---@param summary woolly.http.Summary
---@return number[]
function load.outcomes(summary)
  local outcomes = {}
  for i = 1, summary.issued do outcomes[i] = i <= summary.completed and 0 or 1 end
  return outcomes
end

--- Why the run may not be judged by its times, or nil: our own lag would be in them. A closed loop
--- has no plan to be late for; its times count from the sending.
---@param found woolly.http.Load
---@param shape string
---@return string?
function load.invalid(found, shape)
  if shape == "closed" then return nil end
  local lag = stats.percentile(found:values "lag_ms", 99)
  local tpot = stats.median(found:values "tpot_ms")
  if not lag or lag <= MOST_LAG_MS or tpot and lag <= tpot * MOST_LAG_SHARE then return nil end
  return string.format("requests left up to %.2f ms late (p99): more than 1 ms and 1 %% of a token",
                       lag)
end

---@class woolly.Objectives
---@field ttft_ms? number
---@field tpot_ms? number
---@field e2e_ms? number

--- Completed requests that met every objective; ttft and e2e count from when they were due.
---@param found woolly.http.Load
---@param objectives woolly.Objectives
---@return integer good
function load.good(found, objectives)
  local good, summary = 0, found:summary()
  for i = 1, summary.sent do
    local r = found:request(i)
    if r.ended == "ok" then
      local n = r.completion_tokens or r.pieces
      local tpot = n >= 2 and (r.last_ns - r.first_ns) / (n - 1) / 1e6
      local met = (r.first_ns - r.plan_ns) / 1e6 <= (objectives.ttft_ms or math.huge)
        and (r.last_ns - r.plan_ns) / 1e6 <= (objectives.e2e_ms or math.huge)
        and (not objectives.tpot_ms or tpot and tpot <= objectives.tpot_ms)
      if met then good = good + 1 end
    end
  end
  return good
end

--- Tokens that came between 10 % and 90 % of the time in which requests began, per second: the
--- beginning and the end of a load are no steady state.
---@param found woolly.http.Load
---@return number? tokens_per_second
function load.steady_rate(found)
  local summary = found:summary()
  local from, to = 0.1 * summary.began_s, 0.9 * summary.began_s
  if to - from < 0.05 or summary.completed == 0 then
    from, to = 0, summary.seconds
  end
  local pieces = found:pieces_between(from, to)
  if pieces == 0 or summary.pieces == 0 then return nil end
  return pieces / (to - from) * summary.tokens / summary.pieces
end

--- Does usage agree with what came, as far as it can be checked? nil when it does.
---@param found woolly.http.Load
---@param n_prompt? integer   ids of every prompt
---@return string?
function load.disagreement(found, n_prompt)
  local summary, unsaid, prompts, batched = found:summary(), 0, 0, 0
  for i = 1, summary.sent do
    local r = found:request(i)
    if r.ended == "ok" then
      if not r.completion_tokens then unsaid = unsaid + 1 end
      if n_prompt and r.prompt_tokens and r.prompt_tokens ~= n_prompt then prompts = prompts + 1 end
      if r.completion_tokens and r.completion_tokens > r.pieces then batched = batched + 1 end
    end
  end
  local lines = {}
  if unsaid > 0 then lines[#lines + 1] = unsaid .. " answers without usage: pieces are counted" end
  if prompts > 0 then
    lines[#lines + 1] = string.format("%d answers whose prompt_tokens is not the %d of our "
                                      .. "tokenizer", prompts, n_prompt)
  end
  if batched > 0 then
    lines[#lines + 1] = string.format("%d answers with more tokens than pieces", batched)
  end
  return #lines > 0 and table.concat(lines, "; ") or nil
end

--- Params of every scenario that drives a server, and more.
---@param more? table<string, woolly.Param>
---@return table<string, woolly.Param>
function load.params(more)
  local params = {
    n_prompt = { default = 128, help = "tokens of a prompt" },
    n_tokens = { default = 64, help = "tokens to generate" },
    api = { default = "completions", choices = { "completions", "chat" },
            help = "OpenAI's route that is asked" },
    pid = service.params.pid, key = service.params.key, ca_file = service.params.ca_file,
    server_faults = { type = "string", help = "what the server started here does wrong: a test of "
                      .. "the test (serve.lua --help)" },
  }
  for name, param in pairs(more or {}) do params[name] = param end
  return params
end

--- The server, its model here for the tokenizer (when it is ours or named), bodies.
---@param p woolly.Values
---@param extra? string[]   options of serve.lua
---@return {service: woolly.Service, model?: woolly.engine.Model, prompts: woolly.Prompts,
---  bodies: string[]}
function load.open(p, extra)
  local session = require "woolly.session"
  local model = p.model and session.model { model = p.model, switches = { mmap = true } } or nil
  extra = table.move(extra or {}, 1, #(extra or {}), 2, { "--quiet" })
  if p.server_faults then extra[#extra + 1] = "--faults=" .. p.server_faults end
  local found = service.open(p, extra)
  local prompts = load.prompts(p.n_prompt, model)
  local ok, bodies = pcall(load.bodies, found, prompts, p)
  if not ok then
    found:close()
    error(bodies, 0)
  end
  return { service = found, model = model, prompts = prompts, bodies = bodies }
end

return load
