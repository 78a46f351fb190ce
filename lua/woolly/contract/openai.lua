--- Contract: OpenAI's routes.
local contract = require "woolly.contract"
local json     = require "woolly.json"

local openai = {}

local TEXT <const>, CHAT <const> = "/v1/completions", "/v1/chat/completions"
local PROMPT <const> = "Once upon a time, there was a"

local function text_body(t, changes)
  local body = { model = t.model, prompt = PROMPT, max_tokens = 8, temperature = 0,
                 ignore_eos = true }
  for key, value in pairs(changes or {}) do body[key] = value end
  return body
end

local function chat_body(t, changes)
  local body = { model = t.model, max_tokens = 8, temperature = 0, ignore_eos = true,
                 messages = json.array { { role = "user", content = "Tell me a story." } } }
  for key, value in pairs(changes or {}) do body[key] = value end
  return body
end

local function completions(t)
  local answer, choice, text, usage = t:generate(TEXT, text_body(t))
  t:equal("completions: status", answer.status, 200)
  t:equal("completions: object", answer.json.object, "text_completion")
  t:equal("completions: finish_reason", choice.finish_reason, "length")
  t:usage("completions", usage)
  t:equal("completions: max_tokens is honoured", usage.completion_tokens, 8)
  local _, _, same = t:generate("/api/v1/inference/complete", text_body(t))
  t:equal("completions: the same text as Woolly's own route", text, same)
  local stopped = select(2, t:generate(TEXT, text_body(t, { stop = " ", max_tokens = 16 })))
  t:equal("stop as a text: finish_reason", stopped.finish_reason, "stop")
  stopped = select(2, t:generate(TEXT, text_body(t, { stop = { "zzz", " " }, max_tokens = 16 })))
  t:equal("stop as a list: finish_reason", stopped.finish_reason, "stop")
  local many = t:post(TEXT, text_body(t, { n = 3, temperature = 1, seed = 5 }))
  local choices = type(many.json.choices) == "table" and many.json.choices or {}
  t:equal("n: choices", #choices, 3)
  local indexes = {}
  for i, one in ipairs(choices) do indexes[i] = tostring(one.index) end
  t:equal("n: indexes", table.concat(indexes, ","), "0,1,2")
  local batch = t:post(TEXT, text_body(t, { prompt = { PROMPT, "The dog" } }))
  t:equal("a list of prompts: choices", #(type(batch.json.choices) == "table"
          and batch.json.choices or {}), 2)
  return text
end

local function logprobs(t)
  local _, choice = t:generate(TEXT, text_body(t, { logprobs = 2, max_tokens = 4 }))
  local l = type(choice.logprobs) == "table" and choice.logprobs or {}
  t:equal("completions: a logprob for every token", #(l.token_logprobs or {}), 4)
  local bad
  for _, value in ipairs(l.token_logprobs or {}) do
    if type(value) ~= "number" or value > 0 then bad = value end
  end
  t:check("completions: logprobs are not above 0", not bad and l.token_logprobs, "found %s",
          tostring(bad))
  local _, spoken = t:generate(CHAT, chat_body(t, { logprobs = true, top_logprobs = 2,
                                                    max_tokens = 4 }))
  local content = type(spoken.logprobs) == "table" and spoken.logprobs.content or {}
  local first = content[1] or {}
  t:check("chat: logprobs.content has token, logprob, top_logprobs for every token", #content == 4
    and type(first.token) == "string" and type(first.logprob) == "number"
    and type(first.top_logprobs) == "table" and #first.top_logprobs == 2, "found %d", #content)
end

local function streams(t)
  for _, form in ipairs { { "completions", TEXT, text_body }, { "chat", CHAT, chat_body } } do
    local name, path, body = form[1], form[2], form[3]
    local _, _, plain = t:generate(path, body(t))
    local answer = t:stream(path, body(t, { stream_options = { include_usage = true },
                                            return_token_ids = true }))
    local sum, parts = contract.sum(answer), answer.parts
    local last = parts[#parts] or {}
    t:equal(name .. " stream: status", answer.status, 200)
    t:check(name .. " stream: data: [DONE]", answer.done, "it never came")
    t:equal(name .. " stream: the same text as without", sum.text, plain)
    t:equal(name .. " stream: finish_reason", sum.finish, "length")
    t:check(name .. " stream: include_usage sends a last chunk with usage and no choices",
            type(last.usage) == "table" and type(last.choices) == "table" and #last.choices == 0,
            "the last chunk is %s", json.encode(last))
    t:equal(name .. " stream: usage counts the ids that were sent",
            (sum.usage or {}).completion_tokens, sum.ids)
    local without = contract.sum(t:stream(path, body(t)))
    t:check(name .. " stream: no usage unless asked for", not without.usage, "there is one")
    if name == "chat" then
      local delta = ((parts[1] or {}).choices or { {} })[1]
      t:equal("chat stream: the first delta names the role", delta and delta.delta
              and delta.delta.role, "assistant")
      t:equal("chat stream: object", (parts[1] or {}).object, "chat.completion.chunk")
    end
  end
end

function openai.run(t)
  completions(t)
  local answer, choice, text = t:generate(CHAT, chat_body(t))
  t:equal("chat: status", answer.status, 200)
  t:equal("chat: object", answer.json.object, "chat.completion")
  t:equal("chat: role", (choice.message or {}).role, "assistant")
  t:is_type("chat: content", text, "string")
  logprobs(t)
  streams(t)
  t:equal("max_completion_tokens is taken", (select(4, t:generate(CHAT, chat_body(t, {
    max_completion_tokens = 3, max_tokens = json.null })))).completion_tokens, 3)
  t:refusal("a model that is not there", t:post(CHAT, chat_body(t, { model = "gpt-x" })), 404)
  t:refusal("n beyond the limit", t:post(TEXT, text_body(t, { n = 1000000000 })), 400)
  t:refusal("too many stops", t:post(TEXT, text_body(t, { stop = { "a", "b", "c", "d", "e" } })),
            400)
end

return openai
