-- woolly-lua docs/examples/http.lua: one request, and a load of many; times are taken in C.
local engine = require "woolly.engine"
local http   = require "woolly.http"
local json   = require "woolly.json"
local server = require "woolly.server"

-- Any OpenAI-compatible server will do; here one of ours, so that this file runs anywhere.
local model = { name = "tiny", path = assert(engine.synth "tiny-q4_0"), load = true }
local running <close> = assert(server.start({ model }, { port = 0, threads = 1, tune = false }))
local url = "http://127.0.0.1:" .. running:port() .. "/v1/completions"
local headers = { "Content-Type: application/json" }

local function body(n)
  return json.encode { model = "tiny", prompt = "Once upon a time", max_tokens = n, stream = true,
                       temperature = 0, stream_options = { include_usage = true } }
end

-- What the server does wrong is in the answer, as a class and a message; nil means that the request
-- could not be tried at all.
local answer = assert(http.request("POST", url, headers, body(8),
                                   { stream = true, max_tokens = 8 }))
assert(answer.ok, answer.message)
print("tokens", answer.completion_tokens, "ended by", answer.finish_reason) --> tokens	8
print(string.format("first piece after %.2f ms", answer.times_ns[1] / 1e6))
print("nobody there:", assert(http.request("GET", "http://127.0.0.1:1/")).failure) --> connect

-- Two users, each waiting for its answer, six requests in all. No script runs in this loop.
local load <close> = assert(http.load(url, headers, { body(8), body(4) },
                                      { users = 2, requests = 6, max_tokens = 8 }))
local found = load:summary()
print("completed", found.completed, "failed", found.issued - found.completed) --> completed	6
local waits = assert(load:values "ttft_ms")
table.sort(waits)
print(string.format("time to the first token: %.2f to %.2f ms", waits[1], waits[#waits]))
print("pieces in the first second", load:pieces_between(0, 1))
local one = load:request(1)
print("the first to end:", one.ended, one.completion_tokens .. " tokens") --> the first to end:	ok
load:close()

-- Events of a stream that came from elsewhere, in whatever pieces.
print(table.concat(assert(http.events("data: a\n\ndata: b\n\n", 3)), " ")) --> a b
