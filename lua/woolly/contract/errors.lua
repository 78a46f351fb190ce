--- Contract: what is refused, with which status, and that nothing was changed by it.
local errors = {}

local PATH <const> = "/api/v1/inference/complete"

--- Values that no parameter takes; each is an error that names its parameter.
local BAD <const> = {
  { "max_tokens", -1 }, { "max_tokens", 0 }, { "max_tokens", 1.5 }, { "max_tokens", "8" },
  { "max_tokens", 100000000 }, { "temperature", -1 }, { "temperature", 99 },
  { "temperature", "hot" }, { "top_p", 2 }, { "top_p", -0.5 }, { "top_k", -3 }, { "top_k", 2.5 },
  { "repetition_penalty", -1 }, { "repetition_penalty", 0 }, { "seed", 1.5 }, { "seed", "x" },
  { "stream", "yes" }, { "stop_sequences", 5 }, { "stop_sequences", { 1, 2 } }, { "prompt", 5 },
  { "prompt", {} },
}

local BAD_JSON <const> = { "", "{", "{\"prompt\":}", "{'prompt':'x'}", "{\"prompt\":\"x\"} x",
                           "{\"prompt\":\"\xFF\"}", "{\"prompt\":\"x\",\"max_tokens\":01}",
                           "{\"prompt\":\"x\",\"temperature\":NaN}",
                           "{\"prompt\":\"a\",\"prompt\":\"b\"}" }

local function values(t)
  for _, row in ipairs(BAD) do
    local key, value = row[1], row[2]
    local body = { prompt = "Once", max_tokens = 2, [key] = value }
    local answer = t:post(PATH, body)
    local e = type(answer.json.error) == "table" and answer.json.error or {}
    t:check(string.format("%s = %s: status 400 that names it", key,
                          require("woolly.json").encode(value)),
            answer.status == 400 and e.param == key, "status %d, param %s", answer.status,
            tostring(e.param))
  end
end

local function json_bodies(t)
  for i, text in ipairs(BAD_JSON) do
    if i > 1 then -- an empty body is {}: the prompt is missing then
      t:equal(string.format("body that is no JSON (%d): status", i), t:post(PATH, text).status,
              400)
    end
  end
  local e = t:refusal("no JSON", t:post(PATH, "{"), 400)
  t:check("no JSON: the error is about the body, not about a parameter", e.message
    and e.param == nil, "param %s: %s", tostring(e.param), tostring(e.message))
  t:refusal("no prompt", t:post(PATH, {}), 400)
  t:refusal("a body that is an array", t:post(PATH, "[]"), 400)
  t:refusal("nesting of 100 levels", t:post(PATH, '{"prompt":' .. ("["):rep(100) .. ("]"):rep(100)
            .. "}"), 400)
  t:refusal("a prompt longer than the context",
            t:post(PATH, { prompt = ("word "):rep(200000), max_tokens = 1 }), 400)
  local large = t:post(PATH, '{"prompt":"' .. ("x"):rep((8 << 20) + 10) .. '"}')
  t:check("a body of more than 8 MiB: status 413", large.status == 413
    or large.failure == "reset", "status %d %s", large.status, tostring(large.failure))
end

function errors.run(t)
  local _, _, before = t:generate(PATH, { prompt = "Once upon", max_tokens = 4, temperature = 0 })
  t:refusal("unknown path", t:get "/api/v1/nothing", 404)
  t:refusal("unknown path under /v1", t:get "/v1/nothing", 404)
  t:equal("GET of a generation: status", t:get(PATH).status, 405)
  t:equal("DELETE of the models: status", t:raw("DELETE", "/api/v1/models", t:headers()).status,
          405)
  t:equal("/../ leads nowhere: status", t:get "/api/v1/%2e%2e/%2e%2e/etc/passwd".status, 404)
  values(t)
  json_bodies(t)
  local head = t:headers()
  head[1] = "Content-Type: text/plain"
  local plain = t:raw("POST", PATH, head, '{"prompt":"x","max_tokens":1}')
  t:check("a body that is not application/json is refused", plain.status >= 400
    and plain.status < 500, "status %d", plain.status)
  local _, _, after = t:generate(PATH, { prompt = "Once upon", max_tokens = 4, temperature = 0 })
  t:equal("after all of it the same request gives the same text", after, before)
end

return errors
