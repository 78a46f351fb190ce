--- Contract: sessions that keep what was computed.
local sessions = {}

local PATH <const> = "/api/v1/sessions"
local CHAT <const> = "/api/v1/inference/chat"

local function say(t, id, content)
  return t:generate(CHAT, { session_id = id, max_tokens = 6, temperature = 0, ignore_eos = true,
                            messages = { { role = "user", content = content } } })
end

function sessions.run(t)
  local made = t:post(PATH, { metadata = { from = "contract" } })
  t:check("made: status 201", made.status == 201 or made.status == 200, "status %d", made.status)
  t:equal("made: success", made.json.success, true)
  local id = made.json.session_id or (made.json.session or {}).id
  t:is_type("made: session_id", id, "string")
  id = tostring(id)
  local list = t:get(PATH)
  local listed = false
  for _, one in ipairs(type(list.json.data) == "table" and list.json.data or {}) do
    listed = listed or one.id == id
  end
  t:check("it is listed", listed, "found %s", tostring(list.body))
  local first, _, _, usage = say(t, id, "My name is Lily.")
  t:equal("a first message: status", first.status, 200)
  local second, _, _, more = say(t, id, "What is my name?")
  t:equal("a second message: status", second.status, 200)
  t:check("the second one's prompt holds the first", (more.prompt_tokens or 0)
    > (usage.prompt_tokens or 0), "%s and %s tokens", tostring(usage.prompt_tokens),
    tostring(more.prompt_tokens))
  local cached = type(more.prompt_tokens_details) == "table"
    and more.prompt_tokens_details.cached_tokens
  t:check("what was computed is kept: cached_tokens", math.type(cached) == "integer"
    and cached > 0, "found %s", tostring(cached))
  local one = t:get(PATH .. "/" .. id)
  t:equal("one session: status", one.status, 200)
  t:check("one session: its metadata", type(one.json.metadata) == "table"
    and one.json.metadata.from == "contract", "found %s", tostring(one.body))
  t:equal("deleted: status", t:raw("DELETE", PATH .. "/" .. id, t:headers()).status, 200)
  t:refusal("deleted: it is gone", t:get(PATH .. "/" .. id), 404)
  t:refusal("deleted twice", t:raw("DELETE", PATH .. "/" .. id, t:headers()), 404)
  local gone = say(t, id, "Hello?")
  t:equal("a message to a session that is gone: status", gone.status, 404)
end

return sessions
