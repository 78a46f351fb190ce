--- Contract: completions without a stream, and what every parameter does.
local complete = {}

local PATH <const> = "/api/v1/inference/complete"
local PROMPT <const> = "Once upon a time, there was a"
local GREEDY <const> = { prompt = PROMPT, max_tokens = 8, temperature = 0, ignore_eos = true }

local function with(changes)
  local body = {}
  for key, value in pairs(GREEDY) do body[key] = value end
  for key, value in pairs(changes or {}) do body[key] = value end
  return body
end

local function form(t)
  local answer, choice, text, usage = t:generate(PATH, with())
  local j = answer.json
  t:equal("status", answer.status, 200)
  t:equal("content type", (answer.headers["content-type"] or ""):match "^[^;]*",
          "application/json")
  t:check("id begins with cmpl-", tostring(j.id):match "^cmpl%-.+", "found %s", tostring(j.id))
  t:equal("object", j.object, "text_completion")
  t:check("created is a time in seconds", math.type(j.created) == "integer"
    and j.created > 1e9 and j.created < 1e11, "found %s", tostring(j.created))
  t:equal("model", j.model, t.model)
  t:equal("one choice", type(j.choices) == "table" and #j.choices, 1)
  t:equal("index of the choice", choice.index, 0)
  t:is_type("text", text, "string")
  t:equal("finish_reason at max_tokens", choice.finish_reason, "length")
  t:usage("complete", usage)
  t:equal("max_tokens is honoured", usage.completion_tokens, 8)
  t:timings("complete", j.timings)
  t:equal("timings count the same tokens", (j.timings or {}).completion_tokens,
          usage.completion_tokens)
  if t.tokens then
    t:equal("prompt_tokens are the prompt's ids", usage.prompt_tokens, t.tokens(PROMPT))
  end
  return text
end

local function parameters(t, text)
  local _, choice, one, usage = t:generate(PATH, with { max_tokens = 1 })
  t:equal("max_tokens 1: one token", usage.completion_tokens, 1)
  t:equal("max_tokens 1: finish_reason", choice.finish_reason, "length")
  t:check("max_tokens 1: the text's beginning", type(one) == "string"
    and tostring(text):sub(1, #one) == one, "found %s, the longer text is %s", tostring(one),
    tostring(text))
  local answer = t:generate(PATH, { prompt = PROMPT, ignore_eos = true })
  t:equal("defaults alone are enough", answer.status, 200)
  local used = answer.json.usage or {}
  t:check("max_tokens is 100 unless given", (used.completion_tokens or 0) <= 100
    and ((answer.json.choices or { {} })[1].finish_reason ~= "length"
         or used.completion_tokens == 100), "found %s tokens", tostring(used.completion_tokens))
  for _, pair in ipairs { { "top_p", 0.5 }, { "top_k", 10 }, { "repetition_penalty", 1.2 },
                          { "stop_sequences", { "zzzz" } }, { "seed", 7 } } do
    t:equal(pair[1] .. " is taken", t:post(PATH, with { [pair[1]] = pair[2] }).status, 200)
  end
end

--- What can be stopped at: the second and third character of the text.
local function stops(t, text)
  local stop = type(text) == "string" and #text >= 4 and utf8.len(text)
    and text:sub(utf8.offset(text, 3), (utf8.offset(text, 5) or #text + 1) - 1) or "a"
  local _, choice, found, usage = t:generate(PATH, with { stop_sequences = { stop } })
  t:equal("stop: finish_reason", choice.finish_reason, "stop")
  t:check("stop: the text ends before it", type(found) == "string"
    and not found:find(stop, 1, true)
    and found == tostring(text):sub(1, (tostring(text):find(stop, 1, true) or 1) - 1),
    "stop %q, text %q, without stop %q", stop, tostring(found), tostring(text))
  t:check("stop: fewer tokens are made", (usage.completion_tokens or 99) <= 8, "found %s",
          tostring(usage.completion_tokens))
end

local function repeats(t, text)
  local _, _, other = t:generate(PATH, with { prompt = "The dog" })
  local _, _, again = t:generate(PATH, with())
  t:equal("requests are isolated: A, B, A gives the same A", again, text)
  t:is_type("B has a text of its own", other, "string")
  local hot = { temperature = 1.5, top_p = 1.0, top_k = 0, seed = 42, max_tokens = 12 }
  local _, _, first = t:generate(PATH, with(hot))
  local _, _, second = t:generate(PATH, with(hot))
  t:equal("seed: the same seed gives the same text", second, first)
  local differs = false
  for seed = 43, 46 do
    hot.seed = seed
    local _, _, third = t:generate(PATH, with(hot))
    differs = differs or third ~= first
  end
  t:check("seed: others give others", differs, "five seeds gave %q", tostring(first))
  local bytes = t:generate(PATH, with { prompt = "caf\xC3\xA9 \xF0\x9F\x90\x91 \xE4\xBD\xA0" })
  t:equal("UTF-8 in the prompt: status", bytes.status, 200)
  t:check("UTF-8 in the answer", utf8.len(bytes.body or "\xFF"), "bad UTF-8")
  local quoted = t:generate(PATH, with { prompt = "\"quotes\" \\ \n\t\u{1}" })
  t:equal("quotes and control characters in the prompt: status", quoted.status, 200)
end

function complete.run(t)
  local text = form(t)
  parameters(t, text)
  stops(t, text)
  repeats(t, text)
end

return complete
