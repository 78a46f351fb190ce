-- woolly-lua docs/examples/server.lua: the HTTP server inside a script, with a tool of its own.
-- serve.lua is the server for every day; docs/http.md says what it answers.
local engine = require "woolly.engine"
local http   = require "woolly.http"
local json   = require "woolly.json"
local server = require "woolly.server"

local models = { { name = "tiny", path = assert(engine.synth "tiny-q4_0"), load = true } }
local running <close> = assert(server.start(models, { port = 0, threads = 1, tune = false,
                                                      n_ctx = 256 }))
local url = "http://127.0.0.1:" .. running:port() -- port 0: a free one
local JSON <const> = { "Content-Type: application/json" }

local answer = assert(http.request("GET", url .. "/health"))
print("health", answer.status) --> health	200

-- A page beside the API; dashboard.lua --live is made of it.
assert(running:set_page("/dashboard/mine", "html", "<!doctype html><title>mine</title>"))
assert(assert(http.request("GET", url .. "/dashboard/mine")).body:find "mine")

-- A tool for agents (MCP): its description, then its calls, answered by this loop.
assert(running:set_tools(json.encode(json.array { {
  name = "double", description = "Doubles a number",
  inputSchema = { type = "object", properties = { n = { type = "number" } } } } })))
local call = running:next_call(0.01) -- nil: none came in that time
if call then
  local n = json.decode(call.arguments).n
  running:answer_call(call.id, tostring(2 * n), false)
end
assert(running:answer_call(0, "nobody asked", true) == false)

-- A completion, streamed.
local body = json.encode { model = "tiny", prompt = "Once", max_tokens = 4, stream = true }
local made = assert(http.request("POST", url .. "/v1/completions", JSON, body, { stream = true }))
print("ended as", made.ok and made.finish_reason or made.message) --> ended as	length

-- What it can be told to do wrong, so that tests of servers are tested: serve.lua --faults.
print("faults", #server.faults(), server.faults()[1]) --> faults
running:close()
