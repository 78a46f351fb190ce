-- The module woolly.server as a script sees it; every kind of answer against docs/http-schema.json.
local clock = require "woolly.clock"
local http = require "woolly.http"
local json = require "woolly.json"
local schema = require "schema"
local server = require "woolly.server"
local tap = require "tap"
local plain_json = require "json" -- the tests' own, which the schema checker understands

local source = os.getenv("WOOLLY_SOURCE") or "."
local MODELS <const> = {
  { name = "stories", path = source .. "/tests/fixtures/stories260K.q4_0.gguf", load = true },
  { name = "other", path = source .. "/tests/fixtures/stories260K.f32.gguf" },
}
local JSON <const> = { "Content-Type: application/json" }

local file = assert(io.open(source .. "/docs/http-schema.json"))
local rules = plain_json.decode(file:read("a"))
file:close()

local running = assert(server.start(MODELS, { port = 0, n_ctx = 512, threads = 1, tune = false,
                                              allow_origins = "https://ole.example" }))
local url = "http://127.0.0.1:" .. running:port()

local function call(method, path, body, headers)
  local text = type(body) == "table" and json.encode(body) or body
  return assert(http.request(method, url .. path, headers or JSON, text, { unjudged = true }))
end

--- What is wrong with a document, by a definition of the schema.
local function problems(document, name)
  local rule = { ["$defs"] = rules["$defs"] }
  for key, value in pairs(assert(rules["$defs"][name], name)) do rule[key] = value end
  return table.concat(schema.check(document, rule), "\n")
end

--- The answer decoded, after its status and its form were checked.
local function expect(status, name, method, path, body)
  local answer = call(method, path, body)
  local at = method .. " " .. path .. ": "
  tap.equal(answer.status, status, at .. tostring(answer.body) .. " status")
  local document = plain_json.decode(answer.body)
  tap.equal(problems(document, name), "", at .. "schema")
  return document
end

tap.test("health, metrics and models", function()
  expect(200, "health", "GET", "/health")
  expect(200, "health", "GET", "/api/v1/health")
  expect(200, "health", "GET", "/health/live")
  expect(200, "health", "GET", "/health/ready")
  local list = expect(200, "models", "GET", "/api/v1/models")
  tap.equal(#list.data, 2)
  tap.equal(list.data[1].loaded, true)
  tap.equal(list.data[2].loaded, false)
  expect(200, "model_info", "GET", "/api/v1/models/stories")
  expect(200, "openai_models", "GET", "/v1/models")
  local metrics = call("GET", "/metrics").body
  for line in metrics:gmatch("[^\n]+") do
    tap.truthy(line:match("^# HELP woolly_%S+ .+") or line:match("^# TYPE woolly_%S+ %l+$")
               or line:match("^woolly_[%w_]+[%d.e+-]* [%d.e+-]+$")
               or line:match('^woolly_[%w_]+{le="[%d.e+Inf-]+"} %d+$'), line)
  end
end)

tap.test("completions and chats of both APIs", function()
  local ask = { prompt = "Once upon a time", max_tokens = 8, temperature = 0, logprobs = 2,
                return_token_ids = true, n = 2 }
  local made = expect(200, "completion", "POST", "/v1/completions", ask)
  tap.equal(#made.choices, 2)
  tap.equal(made.usage.completion_tokens, #made.choices[1].token_ids + #made.choices[2].token_ids)
  tap.equal(#made.choices[1].logprobs.tokens, 8)
  ask.logprobs, ask.n = nil, nil
  local native = expect(200, "completion", "POST", "/api/v1/inference/complete", ask)
  tap.equal(native.choices[1].text, made.choices[1].text)
  local talk = { messages = { { role = "user", content = "Hello" } }, max_tokens = 8,
                 temperature = 0, logprobs = true, top_logprobs = 3 }
  local said = expect(200, "chat", "POST", "/v1/chat/completions", talk)
  tap.equal(#said.choices[1].logprobs.content, said.usage.completion_tokens)
  talk.logprobs, talk.top_logprobs = nil, nil
  expect(200, "chat", "POST", "/api/v1/inference/chat", talk)
  expect(200, "chat", "POST", "/api/v1/mcp/chat", talk)
end)

tap.test("streams: chunks by the schema, one id, usage equal to the ids sent", function()
  for _, path in ipairs { "/v1/completions", "/api/v1/inference/stream",
                          "/api/v1/inference/complete" } do
    local ask = { prompt = "Once upon a time", max_tokens = 12, temperature = 0, stream = true,
                  return_token_ids = true, stream_options = { include_usage = true } }
    local whole = call("POST", "/v1/completions",
                       { prompt = ask.prompt, max_tokens = 12, temperature = 0 })
    local answer = assert(http.request("POST", url .. path, JSON, json.encode(ask),
                                       { stream = true }))
    tap.truthy(answer.ok, answer.message)
    tap.truthy(answer.done, "[DONE]")
    local text, ids, id, usage, finish = "", 0, nil, nil, nil
    for _, event in ipairs(answer.events) do
      if event.data ~= "[DONE]" then
        local chunk = plain_json.decode(event.data)
        tap.equal(problems(chunk, "chunk"), "", path)
        id = id or chunk.id
        tap.equal(chunk.id, id, "id")
        usage = chunk.usage or usage
        local choice = chunk.choices[1]
        if choice then
          text, ids = text .. choice.text, ids + #(choice.token_ids or {})
          if type(choice.finish_reason) == "string" then finish = choice.finish_reason end
        end
      end
    end
    tap.equal(text, plain_json.decode(whole.body).choices[1].text, path .. " text")
    tap.equal(usage.completion_tokens, ids, path .. " ids")
    tap.equal(finish, "length", path)
  end
end)

tap.test("stop texts end a text and are no part of it", function()
  local ask = { prompt = "Once upon a time", max_tokens = 60, temperature = 0,
                stop = { "girl", "xyz" } }
  local made = expect(200, "completion", "POST", "/v1/completions", ask)
  tap.equal(made.choices[1].text, ", there was a little ")
  tap.equal(made.choices[1].finish_reason, "stop")
  ask.stream = true
  local answer = assert(http.request("POST", url .. "/v1/completions", JSON, json.encode(ask),
                                     { stream = true }))
  tap.equal(answer.text, ", there was a little ")
end)

tap.test("the same seed gives the same text, another one another", function()
  local function text(seed)
    local made = expect(200, "completion", "POST", "/v1/completions",
                        { prompt = "Once", max_tokens = 24, temperature = 1.5, seed = seed })
    return made.choices[1].text
  end
  tap.equal(text(7), text(7))
  tap.truthy(text(7) ~= text(8), "texts differ")
end)

tap.test("sessions are made, shown, used and deleted", function()
  local made = expect(201, "session_made", "POST", "/api/v1/sessions",
                      { metadata = { who = "me" } })
  local path = "/api/v1/sessions/" .. made.session_id
  local function say(prompt)
    return expect(200, "completion", "POST", "/api/v1/inference/complete",
                  { session_id = made.session_id, prompt = prompt, max_tokens = 8,
                    temperature = 0 })
  end
  local first = say "Once upon a time"
  local second = say " and then"
  tap.truthy(second.usage.prompt_tokens > first.usage.prompt_tokens, "it goes on")
  tap.truthy(second.usage.prompt_tokens_details.cached_tokens > 0, "what is cached is not run")
  local alone = expect(200, "completion", "POST", "/api/v1/inference/complete",
    { prompt = "Once upon a time" .. first.choices[1].text .. " and then", max_tokens = 8,
      temperature = 0 })
  tap.equal(second.choices[1].text, alone.choices[1].text)
  tap.equal(expect(200, "session", "GET", path).messages, 4)
  expect(200, "sessions", "GET", "/api/v1/sessions")
  expect(200, "done", "DELETE", path)
  expect(404, "error", "GET", path)
end)

tap.test("tools by JSON-RPC and by plain routes", function()
  assert(running:set_page("/dashboard", "html", "<p>page</p>"))
  assert(running:set_page("/dashboard", "json", "{}"))
  local refused, why = running:set_page("/health", "html", "x")
  assert(not refused and why:find("/dashboard", 1, true), why)
  assert(running:set_tools('[{"name":"t","description":"d","inputSchema":{"type":"object"}}]'))
  expect(200, "tools", "GET", "/api/v1/mcp/tools")
  expect(200, "rpc", "POST", "/mcp", { jsonrpc = "2.0", id = 1, method = "initialize" })
  expect(200, "rpc", "POST", "/mcp", { jsonrpc = "2.0", id = 1, method = "tools/list" })
  expect(200, "rpc", "POST", "/mcp", { jsonrpc = "2.0", id = "a", method = "nothing" })
  expect(400, "rpc", "POST", "/mcp", { id = "a", method = "nothing" })
  local made = expect(201, "mcp_session", "POST", "/api/v1/mcp/sessions", {})
  expect(200, "done", "DELETE", "/api/v1/mcp/sessions/" .. made.session_id)
  tap.equal(running:next_call(0), nil)
  tap.equal(running:answer_call(99, "nobody asked"), false)
end)

tap.test("models are loaded and unloaded; success and status agree", function()
  local load = "/api/v1/models/other/load"
  expect(200, "model_change", "POST", load, { config = { n_ctx = 64 } })
  tap.equal(expect(200, "model_info", "GET", "/api/v1/models/other").context_length, 64)
  expect(200, "model_change", "POST", "/api/v1/models/other/unload", {})
  local refused = expect(400, "model_change", "POST", load, { config = { n_ctx = 1 << 20 } })
  tap.equal(refused.success, false)
  expect(404, "error", "POST", "/api/v1/models/nobody/load", {})
  expect(409, "error", "POST", "/v1/completions", { model = "other", prompt = "a" })
end)

tap.test("errors name the field", function()
  local wrong = expect(400, "error", "POST", "/v1/completions", { prompt = "a", temperature = 9 })
  tap.equal(wrong.error.param, "temperature")
  expect(400, "error", "POST", "/v1/completions", "{")
  expect(404, "error", "GET", "/nothing")
end)

tap.test("pages of this machine and of the list may call, others not", function()
  local function origin(name, method)
    return call(method or "GET", "/health", nil, { "Origin: " .. name })
  end
  for _, name in ipairs { "http://localhost:3000", "https://ole.example" } do
    tap.equal(origin(name).headers["access-control-allow-origin"], name)
  end
  local evil = origin "https://evil.example"
  tap.equal(evil.status, 403)
  tap.equal(evil.headers["access-control-allow-origin"], nil)
  local preflight = origin("http://localhost:3000", "OPTIONS")
  tap.equal(preflight.status, 204)
  tap.contains(preflight.headers["access-control-allow-headers"]:lower(), "x-ole-client")
end)

tap.test("a key is asked for everywhere but at /health", function()
  local locked <close> = assert(server.start({}, { port = 0, api_key = "k3y" }))
  local at = "http://127.0.0.1:" .. locked:port()
  local function get(path, ...) return assert(http.request("GET", at .. path, { ... })).status end
  tap.equal(get "/health", 200)
  tap.equal(get "/health/ready", 503)
  tap.equal(get "/api/v1/models", 401)
  tap.equal(get("/api/v1/models", "Authorization: Bearer wrong"), 401)
  tap.equal(get("/api/v1/models", "Authorization: Bearer k3y"), 200)
  tap.equal(get("/metrics", "X-API-Key: k3y"), 200)
  tap.equal(get "/api/v1/models?api_key=k3y", 401)
end)

tap.test("bound beyond loopback it asks for a key", function()
  local open <close> = assert(server.start({}, { port = 0, bind = "0.0.0.0", api_key = "k",
                                                 max_connections = 8 }))
  local at = "http://127.0.0.1:" .. open:port()
  --- One address may hold two of the eight. One after the other none is left open for long: what is
  --- refused is refused only until the server has seen the end of the one before.
  local function settled(path)
    local status
    for _ = 1, 500 do
      status = assert(http.request("GET", at .. path, {})).status
      if status ~= 503 then break end
      clock.sleep_ns(10000000)
    end
    return status
  end
  for _ = 1, 5 do tap.equal(settled "/health", 200) end
  tap.equal(settled "/metrics", 401)
end)

local function refused(part, ...)
  local value, message, code = server.start(...)
  tap.equal(value, nil, "server")
  tap.contains(message, part)
  return code
end

tap.test("what cannot be is refused with the reason", function()
  tap.equal(refused("API key", {}, { bind = "0.0.0.0", port = 0 }), "input")
  tap.equal(refused("no address", {}, { bind = "nowhere", port = 0 }), "input")
  tap.equal(refused("cannot be used", {}, { port = running:port() }), "environment")
  tap.equal(refused("oops", {}, { port = 0, faults = "oops" }), "input")
  tap.equal(refused("fused_matmul", {}, { port = 0, preset = "p1" }), "input")
  tap.equal(refused("chat template", MODELS, { port = 0, chat_template = "oops" }), "input")
  refused("No such file", { { name = "a", path = "/no/file", load = true } }, { port = 0 })
  refused("two models", { MODELS[2], MODELS[2] }, { port = 0 })
  tap.raises(function() server.start({}, { prot = 1 }) end, "port")
  tap.raises(function() server.start({ {} }, { port = 0 }) end, "models[1].name")
  tap.raises(function() server.start({}, { port = 70000 }) end, "port")
end)

tap.test("faults are listed; a closed server raises", function()
  tap.truthy(#server.faults() > 40, "faults")
  running:close()
  running:close()
  tap.raises(function() running:port() end, "server is closed")
end)

tap.done()
