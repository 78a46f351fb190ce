--- Contract: streams: framing, what each chunk says, and that it is the same as without a stream.
local contract = require "woolly.contract"
local http     = require "woolly.http"
local json     = require "woolly.json"

local stream = {}

local PROMPT <const> = "Once upon a time, there was a"
local MESSAGES <const> = json.array { { role = "user", content = "Tell me a story." } }
local N <const> = 16

local FORMS <const> = {
  { name = "complete", path = "/api/v1/inference/complete", input = { prompt = PROMPT },
    object = "text_completion" },
  { name = "chat", path = "/api/v1/inference/chat", input = { messages = MESSAGES },
    object = "chat.completion.chunk", is_chat = true },
}

local function body(form, changes)
  local made = { max_tokens = N, temperature = 0, ignore_eos = true }
  for key, value in pairs(form.input) do made[key] = value end
  for key, value in pairs(changes or {}) do made[key] = value end
  return made
end

--- The first chunk for which `bad` says something.
local function first_bad(parts, bad)
  for i, part in ipairs(parts) do
    local reason = bad(part, i)
    if reason then return string.format("chunk %d: %s", i, reason) end
  end
end

local function chunks(t, name, form, answer)
  local parts = answer.parts
  local id, created = (parts[1] or {}).id, (parts[1] or {}).created
  local function all(what, bad)
    local reason = #parts == 0 and "there is none" or first_bad(parts, bad)
    t:check(name .. ": " .. what, not reason, "%s", tostring(reason))
  end
  all("one id for all chunks", function(p) return p.id ~= id and tostring(p.id)
    or type(id) ~= "string" and "no id" end)
  all("object of every chunk", function(p)
    return p.object ~= form.object and tostring(p.object)
  end)
  all("created of every chunk", function(p)
    return (p.created ~= created or math.type(created) ~= "integer") and tostring(p.created)
  end)
  all("model of every chunk", function(p) return p.model ~= t.model and tostring(p.model) end)
  all("choices with an index in every chunk", function(p)
    local choice = type(p.choices) == "table" and p.choices[1]
    return (type(choice) ~= "table" or choice.index ~= 0) and "none"
  end)
  if form.is_chat then
    local delta = ((parts[1] or {}).choices or { {} })[1]
    delta = type(delta) == "table" and type(delta.delta) == "table" and delta.delta or {}
    t:equal(name .. ": the first delta names the role", delta.role, "assistant")
  end
end

local function whole(t, name, answer, sum, plain, usage)
  t:equal(name .. ": the same text as without a stream", sum.text, plain)
  t:equal(name .. ": finish_reason", sum.finish, "length")
  t:equal(name .. ": one finish_reason, in the last chunk", sum.finishes == 1 and sum.finish_at,
          #answer.parts)
  t:usage(name, sum.usage)
  t:equal(name .. ": usage as without a stream", (sum.usage or {}).completion_tokens,
          usage.completion_tokens)
  t:equal(name .. ": max_tokens is honoured", (sum.usage or {}).completion_tokens, N)
  t:timings(name, sum.timings)
  t:check(name .. ": text comes in pieces as it is made", sum.pieces > N / 4, "%d pieces of %d "
    .. "tokens", sum.pieces, N)
end

local function framing(t, name, answer)
  t:equal(name .. ": status", answer.status, 200)
  t:check(name .. ": content type is text/event-stream",
          (answer.headers["content-type"] or ""):match "^text/event%-stream", "found %s",
          tostring(answer.headers["content-type"]))
  t:check(name .. ": the connection ends as HTTP says", answer.ok, "%s", tostring(answer.message))
  t:check(name .. ": every event is JSON in UTF-8", not answer.broken and answer.events
    and #answer.events > 0, "%s", tostring(answer.broken))
  t:check(name .. ": no error inside", not first_bad(answer.parts, function(p)
    return p.error and "error" end), "an error event")
  local events = answer.events or {}
  t:check(name .. ": data: [DONE] is last", answer.done and events[#events].data == "[DONE]",
          "the last event is %s", tostring((events[#events] or {}).data))
end

local function one(t, form)
  local name = form.name
  local _, _, plain, usage = t:generate(form.path, body(form))
  local answer = t:stream(form.path, body(form))
  framing(t, name, answer)
  chunks(t, name, form, answer)
  whole(t, name, answer, contract.sum(answer), plain, usage)
  return answer
end

--- The bytes of the stream, given to the reader of events in pieces of every small size.
local function split(t, answer)
  local bytes, datas = {}, {}
  for i, event in ipairs(answer.events or {}) do
    bytes[i], datas[i] = "data: " .. event.data .. "\n\n", event.data
  end
  local text, wanted, bad = table.concat(bytes), table.concat(datas, "|"), nil
  for piece = 1, 64 do
    local events = http.events(text, piece) or {}
    if table.concat(events, "|") ~= wanted then bad = bad or piece end
  end
  t:check("events are the same in pieces of 1 to 64 bytes", not bad and #datas > 0,
          "they differ in pieces of %s", tostring(bad))
end

--- Text of bytes that no vocabulary has as a whole: characters must not be cut between chunks.
local function utf8_chunks(t)
  local form, broken, replaced = FORMS[1], nil, nil
  for seed = 1, 3 do
    local answer = t:stream(form.path, body(form, {
      prompt = "\xF0\x9F\x90\x91\xF0\x9F\x90\x91", temperature = 2.0, top_p = 1.0, top_k = 0,
      seed = seed, max_tokens = 48 }))
    local _, _, plain = t:generate(form.path, body(form, {
      prompt = "\xF0\x9F\x90\x91\xF0\x9F\x90\x91", temperature = 2.0, top_p = 1.0, top_k = 0,
      seed = seed, max_tokens = 48, stream = false }))
    broken = broken or answer.broken
    if contract.sum(answer).text ~= plain then replaced = seed end
  end
  t:check("UTF-8: no chunk cuts a character", not broken, "%s", tostring(broken))
  t:check("UTF-8: sampled text is the same with and without a stream", not replaced,
          "seed %s differs", tostring(replaced))
end

local function timing(t)
  local form, is_spread, n = FORMS[1], false, 0
  for _, max_tokens in ipairs { 64, 256, 512 } do -- a busy client may find a short one all there
    local events = t:stream(form.path, body(form, { max_tokens = max_tokens })).events or {}
    n = #events
    is_spread = n > 8 and events[1].ns < events[n].ns
    if is_spread then break end
  end
  t:check("the first chunk comes long before the last", is_spread, "%d events, all at once", n)
end

function stream.run(t)
  local kept
  for _, form in ipairs(FORMS) do kept = one(t, form) end
  split(t, kept)
  local route = t:stream("/api/v1/inference/stream", body(FORMS[1]))
  t:equal("the route /inference/stream with a prompt: status", route.status, 200)
  t:equal("... streams the same text", contract.sum(route).text,
          (select(3, t:generate(FORMS[1].path, body(FORMS[1])))))
  t:check("... ends with [DONE]", route.done, "it does not")
  route = t:stream("/api/v1/inference/stream", body(FORMS[2]))
  t:equal("... with messages: status", route.status, 200)
  t:check("... streams text", #contract.sum(route).text > 0, "there is none")
  local stop = contract.sum(t:stream(FORMS[1].path, body(FORMS[1], { stop_sequences = { " " } })))
  t:equal("stop in a stream: finish_reason", stop.finish, "stop")
  t:check("stop in a stream: it is not sent", not stop.text:find(" ", 1, true), "found %q",
          stop.text)
  utf8_chunks(t)
  timing(t)
  t:refusal("a stream that cannot begin is no stream",
            t:post("/api/v1/inference/stream", { max_tokens = 4 }), 400)
end

return stream
