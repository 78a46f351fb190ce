--- Contract: conversations without a stream.
local json = require "woolly.json"

local chat = {}

local PATH <const> = "/api/v1/inference/chat"

local function ask(messages, changes)
  local body = { messages = json.array(messages), max_tokens = 6, temperature = 0,
                 ignore_eos = true }
  for key, value in pairs(changes or {}) do body[key] = value end
  return body
end

local HELLO <const> = { { role = "user", content = "Tell me a story." } }

function chat.run(t)
  local answer, choice, text, usage = t:generate(PATH, ask(HELLO))
  local j = answer.json
  t:equal("status", answer.status, 200)
  t:is_type("id", j.id, "string")
  t:equal("object", j.object, "chat.completion")
  t:equal("model", j.model, t.model)
  t:equal("role of the message", (choice.message or {}).role, "assistant")
  t:is_type("content of the message", text, "string")
  t:equal("finish_reason", choice.finish_reason, "length")
  t:usage("chat", usage)
  t:equal("max_tokens is honoured", usage.completion_tokens, 6)
  t:timings("chat", j.timings)
  local _, _, again = t:generate(PATH, ask(HELLO))
  t:equal("greedy twice is the same", again, text)
  local longer, _, _, more = t:generate(PATH, ask {
    { role = "system", content = "You are kind." }, { role = "user", content = "Hello" },
    { role = "assistant", content = "Hi." }, { role = "user", content = "Tell me a story." } })
  t:equal("system, user and assistant: status", longer.status, 200)
  t:check("a longer conversation has more prompt tokens", (more.prompt_tokens or 0)
    > (usage.prompt_tokens or 0), "%s and %s", tostring(usage.prompt_tokens),
    tostring(more.prompt_tokens))
  t:refusal("no messages", t:post(PATH, { max_tokens = 4 }), 400)
  t:refusal("an empty list of messages", t:post(PATH, ask {}), 400)
  t:refusal("an unknown role", t:post(PATH, ask { { role = "robot", content = "x" } }), 400)
  t:refusal("content that is a number", t:post(PATH, ask { { role = "user", content = 5 } }), 400)
end

return chat
