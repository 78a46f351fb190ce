--- The HTTP contract of docs/http.md as named checks: what each asks for, whether it holds, and the
--- reason when it does not.
local json    = require "woolly.json"
local service = require "woolly.service"

local contract = {}

--- Parts in the order they run; those that change which models are loaded come last.
contract.parts = { "health", "models", "complete", "chat", "stream", "openai", "errors", "browser",
                   "sessions", "mcp", "leaving", "queue", "loading" }

local CHANGING <const> = { loading = true }

---@class woolly.ContractCheck
---@field part string
---@field name string
---@field ok boolean
---@field reason? string   what was found, unless ok

---@class woolly.Contract
---@field service woolly.Service
---@field model string            as the server lists it
---@field tokens? fun(text: string): integer   ids of a prompt, where the model is known
---@field checks woolly.ContractCheck[]
---@field is_ours boolean         the server was started for this
local Contract = {}
Contract.__index = Contract

-- ---- checks ----

--- One check. The reason tells what was found.
---@param name string
---@param ok any
---@param format? string   of the reason
function Contract:check(name, ok, format, ...)
  local line = { part = self.part, name = name, ok = ok and true or false }
  if not line.ok then
    line.reason = format and string.format(format, ...):sub(1, 300) or "it does not hold"
  end
  self.checks[#self.checks + 1] = line
  return line.ok
end

local function show(value)
  if type(value) == "table" then return (json.encode(value):sub(1, 120)) end
  if type(value) == "string" then return string.format("%q", value:sub(1, 120)) end
  return tostring(value)
end

function Contract:equal(name, found, wanted)
  return self:check(name, found == wanted, "found %s, %s is required", show(found), show(wanted))
end

function Contract:is_type(name, found, wanted)
  return self:check(name, type(found) == wanted or wanted == "integer"
    and math.type(found) == "integer", "found %s, %s is required", show(found), wanted)
end

-- ---- requests ----

-- An answer with `json`: its body as a table (empty when it is none) and whether it is one.
local function with_json(answer)
  local value = service.decode(answer)
  answer.is_json = type(value) == "table"
  answer.json = answer.is_json and value or {}
  return answer
end

local MINE <const> = { "Content-Type: application/json", "x-ole-client: contract" }

--- Headers of a usual request and these.
function Contract:headers(more)
  local headers = table.move(MINE, 1, #MINE, 1, {})
  if self.service.key then headers[#headers + 1] = "Authorization: Bearer " .. self.service.key end
  headers[#headers + 1] = "Expect:"
  return table.move(more or {}, 1, #(more or {}), #headers + 1, headers)
end

function Contract:get(path, more)
  return with_json(self.service:request("GET", path, nil, nil, self:headers(more)))
end

function Contract:post(path, body, more)
  return with_json(self.service:request("POST", path, body or {}, nil, self:headers(more)))
end

--- Any method, headers as given, none added.
function Contract:raw(method, path, headers, body)
  return with_json(self.service:request(method, path, body, nil, headers))
end

--- A stream, read without judging it: events, and each decoded in `parts` (false: no JSON).
function Contract:stream(path, body, options)
  local all = { stream = true, unjudged = true }
  for key, value in pairs(options or {}) do all[key] = value end
  body.stream = true
  local answer = self.service:request("POST", path, body, all, self:headers())
  answer.parts, answer.said, answer.broken = {}, {}, nil
  for i, event in ipairs(answer.events or {}) do
    if event.data ~= "[DONE]" then
      local part, message = service.read_json(event.data, "event " .. i)
      if type(part) ~= "table" then
        answer.broken = answer.broken or message or "event " .. i .. ": no object"
      else
        answer.parts[#answer.parts + 1] = part
      end
    end
  end
  return answer
end

--- Text of a part of a stream, of either form.
local function text_of(part)
  local choice = type(part.choices) == "table" and part.choices[1]
  if type(choice) ~= "table" then return "" end
  local delta = type(choice.delta) == "table" and choice.delta.content
  local text = delta or choice.text
  return type(text) == "string" and text or ""
end

--- What a stream said: text, pieces with text, finish reason, usage, ids where they were asked for.
---@param answer woolly.http.Answer
function contract.sum(answer)
  local sum = { text = "", pieces = 0, ids = 0, finishes = 0 }
  for i, part in ipairs(answer.parts) do
    local text = text_of(part)
    local choice = type(part.choices) == "table" and part.choices[1] or {}
    sum.text = sum.text .. text
    if text ~= "" then
      sum.pieces = sum.pieces + 1
      sum.first_text = sum.first_text or i
    end
    if type(choice.token_ids) == "table" then sum.ids = sum.ids + #choice.token_ids end
    if type(choice.finish_reason) == "string" then
      sum.finish, sum.finishes = choice.finish_reason, sum.finishes + 1
      sum.finish_at = i
    end
    if type(part.usage) == "table" then sum.usage = part.usage end
    if type(part.timings) == "table" then sum.timings = part.timings end
  end
  return sum
end

--- Generation without a stream: answer, first choice, its text, usage.
function Contract:generate(path, body, more)
  local answer = self:post(path, body, more)
  local choices = type(answer.json.choices) == "table" and answer.json.choices or {}
  local choice = type(choices[1]) == "table" and choices[1] or {}
  local message = type(choice.message) == "table" and choice.message.content
  return answer, choice, message or choice.text, answer.json.usage or {}
end

-- ---- shapes that several parts check ----

local TIMESTAMP <const> = "^%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d"
contract.TIMESTAMP = TIMESTAMP

--- An error's status and form, as two checks.
function Contract:refusal(name, answer, status)
  self:check(name .. ": status " .. status, answer.status == status, "status %d: %s",
             answer.status, show(answer.body or answer.message))
  local e = type(answer.json) == "table" and type(answer.json.error) == "table"
    and answer.json.error or {}
  local lacks = {}
  for _, key in ipairs { "type", "message", "code", "suggestion", "timestamp", "request_id" } do
    if type(e[key]) ~= "string" or e[key] == "" then lacks[#lacks + 1] = key end
  end
  if #lacks == 0 and not e.timestamp:match(TIMESTAMP) then lacks[1] = "timestamp in RFC 3339" end
  self:check(name .. ": error object", #lacks == 0, "without %s: %s", table.concat(lacks, ", "),
             show(answer.body))
  return e
end

--- usage: whole numbers that add up.
function Contract:usage(name, usage)
  usage = type(usage) == "table" and usage or {}
  local p, c, t = usage.prompt_tokens, usage.completion_tokens, usage.total_tokens
  self:check(name .. ": usage adds up", math.type(p) == "integer" and math.type(c) == "integer"
    and p > 0 and t == p + c, "found %s", show(usage))
end

--- Timings: every field, none negative.
function Contract:timings(name, timings)
  local bad = {}
  for _, key in ipairs { "queue_ms", "prefill_ms", "first_token_ms", "tokens_per_second",
                         "prompt_tokens", "completion_tokens" } do
    local value = type(timings) == "table" and timings[key]
    if type(value) ~= "number" or value < 0 then bad[#bad + 1] = key end
  end
  self:check(name .. ": timings", #bad == 0, "without %s", table.concat(bad, ", "))
end

--- A number of /metrics, or nil.
function Contract:metric(name)
  local text = self:get "/metrics".body or ""
  return tonumber(("\n" .. text):match("\n" .. name .. " ([%d%.eE+-]+)"))
end

-- ---- running ----

---@class woolly.ContractOptions
---@field changes_models? boolean   load and unload models too
---@field parts? table<string, boolean>   only these
---@field tokens? fun(text: string): integer
---@field progress? fun(share: number, part: string)

--- Runs the whole contract. A part that a broken answer ends early fails one check more.
---@param found woolly.Service
---@param options? woolly.ContractOptions
---@return woolly.ContractCheck[] checks
function contract.run(found, options)
  options = options or {}
  local self = setmetatable({ service = found, checks = {}, tokens = options.tokens,
                              is_ours = found.is_ours }, Contract)
  self.part = "models"
  local ok, name = pcall(found.model_name, found)
  self:check("a model is listed", ok, "%s", tostring(name))
  self.model = ok and name or "none"
  for i, part in ipairs(contract.parts) do
    local is_wanted = not options.parts or options.parts[part]
    if is_wanted and (options.changes_models or not CHANGING[part]) then
      self.part = part
      if options.progress then options.progress((i - 1) / #contract.parts, part) end
      local ended, message = pcall(require("woolly.contract." .. part).run, self)
      if not ended then
        if require("woolly.failure").is(message) and message.code == "cancelled" then
          error(message, 0)
        end
        self:check("answers can be read to the end", false, "%s", tostring(message))
      end
    end
  end
  return self.checks
end

--- How many hold.
---@param checks woolly.ContractCheck[]
---@return integer held, woolly.ContractCheck[] failed
function contract.count(checks)
  local failed = {}
  for _, check in ipairs(checks) do
    if not check.ok then failed[#failed + 1] = check end
  end
  return #checks - #failed, failed
end

return contract
