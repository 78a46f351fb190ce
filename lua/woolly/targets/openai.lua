--- Target: any server that speaks OpenAI's API, over HTTP: ours, llama.cpp's, Ollama, vLLM.
--- Without --url one of ours is started.
local http    = require "woolly.http"
local json    = require "woolly.json"
local service = require "woolly.service"

local openai = {}

local Target = {}
Target.__index = Target

---@param p woolly.Values   url, or model, preset, threads for a server of ours; api: "chat",
---                         "completions" (default)
---@return woolly.Target
function openai.open(p)
  local found = service.open(p)
  return setmetatable({ service = found, api = p.api or "completions", p = p }, Target)
end

--- The body of a request. What only some servers know (ignore_eos) does no harm elsewhere.
---@param model string
---@param api "chat"|"completions"
---@param request {prompt: string, max_tokens: integer, seed?: integer, temperature?: number}
---@return string json
function openai.body(model, api, request)
  local body = {
    model = model, max_tokens = request.max_tokens, stream = true, seed = request.seed,
    temperature = request.temperature or 0, stream_options = { include_usage = true },
    ignore_eos = true,
  }
  if api == "chat" then
    body.messages = json.array { { role = "user", content = request.prompt } }
  else
    body.prompt = request.prompt
  end
  return json.encode(body)
end

--- Where requests of that API go.
---@param api "chat"|"completions"
---@return string path
function openai.path(api)
  return api == "chat" and "/v1/chat/completions" or "/v1/completions"
end

function Target:info()
  return { name = "openai", url = self.service.url, white_box = false }
end

--- Times are arrivals of pieces of text. Token ids are not known.
function Target:generate(request)
  local prompt = request.prompt
  local model = self.service:model_name()
  local answer, message, code = http.request("POST", self.service.url .. openai.path(self.api),
    self.service:headers(), openai.body(model, self.api, {
      prompt = prompt, max_tokens = request.max_tokens, seed = request.seed }),
    self.service:limits { stream = true, max_tokens = request.max_tokens })
  if not answer then return nil, message, code end
  if not answer.ok then
    return nil, string.format("%s: %s (%s)", self.service.url, answer.message, answer.failure),
           "environment"
  end
  local times = {}
  for i, ns in ipairs(answer.times_ns) do times[i] = answer.start_ns + ns end
  return { prompt_tokens = answer.prompt_tokens or 0, start_ns = answer.start_ns,
           times_ns = times, text = answer.text, completion_tokens = answer.completion_tokens,
           finish_reason = answer.finish_reason }
end

function Target:close()
  self.service:close()
end

return openai
