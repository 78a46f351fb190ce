-- The module woolly.http as a script sees it; what it does on the wire: tests/unit/test_transfer.c.
local http    = require "woolly.http"
local process = require "woolly.process"
local tap     = require "tap"

local server <close> = assert(process.spawn { process.env "WOOLLY_SCRIPTED_SERVER" })
local base = assert(server:read_line(10))

local function ask(name, options)
  return assert(http.request("POST", base .. "/" .. name .. "/v1/chat/completions",
                             { "Content-Type: application/json" }, "{}", options))
end

tap.test("a stream's events, text, times and usage come back", function()
  local answer = ask("plain", { stream = true })
  tap.equal(answer.ok, true)
  tap.equal(answer.failure, nil)
  tap.equal(answer.status, 200)
  tap.equal(answer.text, "ab")
  tap.equal(answer.pieces, 2)
  tap.equal(#answer.times_ns, 2)
  tap.equal(#answer.events, 5)
  tap.equal(answer.events[5].data, "[DONE]")
  tap.equal(answer.done, true)
  tap.equal(answer.finish_reason, "stop")
  tap.equal(answer.prompt_tokens, 3)
  tap.equal(answer.completion_tokens, 2)
  tap.equal(answer.headers["content-type"], "text/event-stream")
  tap.truthy(answer.times_ns[1] >= answer.header_ns and answer.end_ns >= answer.times_ns[2],
             "order of times")
  tap.equal(ask("no_usage", { stream = true }).completion_tokens, nil)
end)

tap.test("what went wrong is a class and a message", function()
  local answer = ask("crash", { stream = true })
  tap.equal(answer.ok, false)
  tap.equal(answer.failure, "server_error")
  tap.equal(answer.message, "status 500: boom")
  tap.equal(answer.body, '{"error":{"message":"boom"}}')
  tap.equal(ask("silent", { first_s = 0.1 }).failure, "first_timeout")
  tap.equal(ask("error_event", { stream = true }).message, "out of memory")
  tap.equal(ask("error_event", { stream = true, unjudged = true }).ok, true)
  tap.equal(ask("no_done", { stream = true }).failure, "no_done")
  tap.equal(ask("no_done", { stream = true, done_optional = true }).ok, true)
  tap.equal(ask("timed-1-1-9", { stream = true, max_tokens = 3 }).failure, "count")
  tap.equal(http.request("GET", "http://127.0.0.1:1/").failure, "connect")
end)

tap.test("a client may hang up", function()
  local answer = ask("timed-1-1-999", { stream = true, hang_up_events = 2 })
  tap.equal(answer.failure, "cancelled")
  tap.equal(#answer.events, 2)
end)

tap.test("a script's mistakes raise", function()
  tap.raises(function() http.request("GET") end, "string expected")
  tap.raises(function() http.request("GET", base, { "no colon" }) end, "Name: value")
  tap.raises(function() http.request("GET", base, { "A: b\r\nC: d" }) end, "Name: value")
  tap.raises(function() http.request("GET", base, { 5 }) end, "are strings")
  tap.raises(function() http.request("GET", base, nil, nil, { streem = true }) end, "stream")
  tap.raises(function() http.load(base, nil, {}, { requests = 1 }) end, "bodies")
  tap.raises(function() http.load(base, nil, { "{}" }, {}) end, "when shall it end")
  tap.raises(function() http.load(base, nil, { "{}" }, { requests = 1, shape = "open" }) end,
             "closed, constant")
  tap.raises(function()
    http.load(base, nil, { "{}" }, { shape = "trace" }, { at_s = { 1, 0 } })
  end, "ascending")
  local value, _, code = http.request("GET", "gopher://127.0.0.1/")
  tap.truthy(value == nil and code == "input" or value.ok == false, "other protocols")
end)

tap.test("a load counts, times and keeps what every request said", function()
  local load <close> = assert(http.load(base .. "/timed-5-1-4/", nil, { "{}", "{ }" },
    { users = 3, requests = 9, max_tokens = 4, keep_text = true }))
  local found = load:summary()
  tap.equal(found.issued, 9)
  tap.equal(found.completed, 9)
  tap.equal(found.tokens, 36)
  tap.equal(found.prompt_tokens, 36)
  tap.equal(next(found.failures), nil)
  tap.equal(#load:values "ttft_ms", 9)
  tap.equal(#load:values "itl_ms", 27)
  tap.equal(#load:values "max_gap_ms", 9)
  for _, ms in ipairs(load:values "ttft_ms") do tap.truthy(ms >= 5, "ttft " .. ms) end
  tap.equal(#load:values("lag_ms", -1, 1e9), 9)
  tap.equal(#load:values("ttft_ms", 1e6), 0)
  tap.equal(load:pieces_between(0, 1e6), 36)
  local one = load:request(1)
  tap.equal(one.ended, "ok")
  tap.equal(one.pieces, 4)
  tap.equal(select(2, one.text:gsub("%d+ ", "")), 4, "pieces in the text")
  tap.truthy(one.plan_ns <= one.send_ns and one.send_ns < one.first_ns, "times")
  tap.equal(load:request(10), nil)
  tap.raises(function() load:values "speed" end, "invalid option")
  load:close()
  tap.raises(function() load:summary() end, "closed")
end)

tap.test("failures of a load are counted by class, with an example", function()
  local load <close> = assert(http.load(base .. "/busy/", nil, { "{}" },
                                        { users = 2, requests = 4 }))
  local found = load:summary()
  tap.equal(found.completed, 0)
  tap.equal(found.failures.unavailable, 4)
  tap.contains(found.examples.unavailable, "503")
end)

tap.test("a trace sends what it says when it says", function()
  local load <close> = assert(http.load(base .. "/timed-1-1-1/", nil, { "{}", "[]" },
    { shape = "trace" }, { at_s = { 0, 0.02, 0.02 }, body = { 2, 1, 2 } }))
  tap.equal(load:summary().completed, 3)
  local bodies = 0
  for i = 1, 3 do bodies = bodies + load:request(i).body end
  tap.equal(bodies, 5)
end)

tap.test("events come out of bytes in pieces of any size", function()
  local bytes = ": c\n\ndata: a\r\n\r\ndata: b\ndata: \xC3\xA9\n\ndata: cut"
  for piece = 1, #bytes do
    local events = assert(http.events(bytes, piece))
    tap.equal(table.concat(events, "|"), "a|b\n\xC3\xA9")
  end
  tap.equal(#http.events "", 0)
  tap.raises(function() http.events("", 0) end, "1 or more")
  local value, message = http.events("data: " .. ("x"):rep(2 << 20))
  tap.equal(value, nil)
  tap.contains(message, "1 MiB")
end)

tap.test("requests and loads leave no file descriptor behind", function()
  local function open() return #process.list_folder "/proc/self/fd" end
  ask "plain"
  local before = open()
  for _ = 1, 5 do
    ask("plain", { stream = true })
    ask("silent", { first_s = 0.02 })
    http.load(base .. "/timed-0-0-1/", nil, { "{}" }, { users = 4, requests = 8 }):close()
  end
  tap.equal(open(), before)
end)

tap.done()
