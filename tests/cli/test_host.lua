--- The program around the scripts: exit status, limits, signals, and every failing allocation.
--- A command line of our own (woolly/cli.lua in a --lua-dir folder) keeps the real one out of it.
local cli = require "cli"
local tap = require "tap"

local lua_dir = cli.path("lua")
cli.shell("mkdir -p " .. lua_dir .. "/woolly")
cli.write(lua_dir .. "/woolly/cli.lua", [[
return {
  main = function(argv)
    local chunk, message = loadfile(argv[1], "t")
    if not chunk then error(message, 0) end
    local status = chunk(table.unpack(argv, 2))
    if status == nil then return 0 end
    return status
  end,
}
]])

local function script(text) return cli.write(cli.path("script.lua"), text) end

--- Runs a script under the small command line.
local function run(text, options)
  options = options or {}
  local arguments = { "--lua-dir", lua_dir }
  table.move(options.host or {}, 1, #(options.host or {}), #arguments + 1, arguments)
  arguments[#arguments + 1] = script(text)
  table.move(options.arguments or {}, 1, #(options.arguments or {}), #arguments + 1, arguments)
  return cli.run(arguments, options)
end

local function expect(status, text, ...)
  local result = run(text)
  tap.equal(result.status, status, "status; stderr " .. result.err)
  cli.one_line(result.err, "woolly: ", ...)
end

-- ---- exit status ----

tap.test("the status that main returns is the program's", function()
  for _, status in ipairs { 0, 1, 2, 3, 4 } do
    local result = run("return " .. status)
    tap.equal(result.status, status)
    tap.equal(result.err, "")
  end
end)

tap.test("arguments reach the script, host options do not", function()
  local result = run("print(...)", { arguments = { "a b", "--lua-dir", "--memory-mb=1" } })
  tap.equal(result.out, "a b\t--lua-dir\t--memory-mb=1\n")
end)

tap.test("main must return an exit status", function()
  expect(5, "return 'zero'", "an exit status is required", "string")
  expect(5, "return 1.5", "an exit status is required")
end)

tap.test("an error that escapes is status 5 and one line, whatever its value", function()
  expect(5, "error('plain')", "script.lua:1: plain")
  expect(5, "error('two\\nlines\\27[31m')", "two lines?[31m")
  expect(5, "error({})", "table")
  expect(5, "error(nil)", "nil")
  expect(5, "error(setmetatable({}, {__tostring = function() return 'mine' end}))", "mine")
  expect(5, "error(setmetatable({}, {__tostring = function() error('x') end}))", "is a table")
  expect(5, "local t = nil return t.x", "attempt to index a nil value")
  expect(5, "error(('x'):rep(100000))", "xxx")
  expect(5, "local function f() return f() + 1 end f()", "stack overflow")
  expect(5, "return syntax error", "script.lua:1:")
end)

tap.test("WOOLLY_TRACE=1 adds the traceback, nothing else does", function()
  local with = run("error('x')", { env = "WOOLLY_TRACE=1" })
  tap.equal(with.status, 5)
  tap.contains(with.err, "stack traceback")
  tap.truthy(not run("error('x')").err:find("traceback"), "no traceback")
end)

tap.test("output that cannot be written is status 4", function()
  if not cli.exists("/dev/full") then return end
  local line = cli.quote(cli.program) .. " --lua-dir " .. lua_dir .. " " .. script("print(1)")
  local result = cli.shell("sh -c '" .. line .. " >/dev/full'")
  tap.equal(result.status, 4)
  cli.one_line(result.err, "standard output cannot be written")
end)

tap.test("a reader that goes away is a failed write, not a signal", function()
  local line = cli.quote(cli.program) .. " --lua-dir " .. lua_dir .. " " ..
    script("for i = 1, 100000 do io.write('line ', i, '\\n') end")
  local result = cli.shell("{ " .. line .. "; echo $? >status; } | true")
  tap.equal(result.status, 0)
  tap.equal(cli.read(cli.path("status")), "4\n")
end)

-- ---- host options ----

tap.test("host options stand in front of the script and are checked", function()
  local prefix = cli.quote(cli.program) .. " "
  local function refused(arguments, ...)
    local result = cli.shell(prefix .. arguments)
    tap.equal(result.status, 3, "status of " .. arguments)
    cli.one_line(result.err, "woolly: command line: ", ...)
  end
  refused("--lua-dir", "--lua-dir needs a value")
  refused("--memory-mb", "--memory-mb needs a value")
  refused("--memory-mb 0 x.lua", "--memory-mb: 0, allowed 1..1000000")
  refused("--memory-mb 5x x.lua", "5x")
  refused("--memory-mb=-1 x.lua", "-1")
  refused("--memory-mb=99999999999999999999 x.lua", "allowed")
  tap.equal(cli.shell(prefix .. "--memory-mb=64 --lua-dir=" .. lua_dir .. " " ..
                      script("return 2")).status, 2)
end)

tap.test("a script's memory is capped, and freed memory counts again", function()
  local bomb = "local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end"
  local result = run(bomb, { host = { "--memory-mb", "16" } })
  tap.equal(result.status, 4)
  cli.one_line(result.err, "needs more than 16 MB", "--memory-mb")
  result = run("for i = 1, 200 do local s = ('x'):rep(1000000) .. i end return 0",
               { host = { "--memory-mb", "16" } })
  tap.equal(result.status, 0)
end)

-- ---- modules ----

tap.test("our module names are never looked up in the working folder or LUA_PATH", function()
  cli.shell("mkdir -p woolly && echo 'print(\"wrong\")' >woolly/wrong.lua")
  local result = run("require 'woolly.wrong'", { env = "'LUA_PATH=./?.lua'" })
  tap.equal(result.status, 5)
  tap.equal(result.out, "")
  cli.one_line(result.err, "module 'woolly.wrong' not found")
end)

tap.test("other modules are found as in any Lua", function()
  cli.write(cli.path("helper.lua"), "return { value = 3 }")
  tap.equal(run("return require('helper').value", { env = "'LUA_PATH=./?.lua'" }).status, 3)
end)

tap.test("bytecode in place of a module is refused", function()
  cli.write(lua_dir .. "/woolly/code.lua", string.dump(function() end))
  expect(5, "require 'woolly.code'", "binary chunk")
end)

tap.test("a folder without the command line says so", function()
  local result = cli.run { "--lua-dir", cli.path("nowhere"), "x.lua" }
  tap.truthy(result.status ~= 0, "status")
  cli.one_line(result.err, "woolly: ")
end)

-- ---- signals ----

--- Starts a script, sends signals once it has written the file "ready"; status, stderr, seconds. Those
--- in one string are sent together.
local function signalled(text, ...)
  local name = script("local ready = assert(io.open('ready', 'w')) ready:close()\n" .. text)
  local kills = {}
  for _, signal in ipairs { ... } do
    kills[#kills + 1] = signal:gsub("%a+", "kill -%0 $p"):gsub(" kill", "; kill")
  end
  local result = cli.shell(string.format([[
    rm -f ready
    %s --lua-dir %s %s & p=$!
    while [ ! -e ready ]; do sleep 0.01; done
    sleep 0.05
    start=$(date +%%s%%N)
    %s
    wait $p; status=$?
    echo $(( ($(date +%%s%%N) - start) / 1000000 )) >ms
    exit $status]], cli.quote(cli.program), lua_dir, name, table.concat(kills, "; sleep 0.3; ")))
  return result, tonumber(cli.read(cli.path("ms"))) / 1000
end

tap.test("SIGINT and SIGTERM end a loop with 130 and 143 and one line", function()
  local result, seconds = signalled("while true do end", "INT")
  tap.equal(result.status, 130)
  cli.one_line(result.err, "woolly: ", "script.lua:2: interrupted")
  tap.truthy(seconds < 2, "at once: " .. seconds)
  tap.equal(signalled("while true do end", "TERM").status, 143)
end)

tap.test("a loop that catches errors ends too, in a coroutine as well", function()
  tap.equal(signalled("while true do pcall(function() while true do end end) end",
                      "INT").status, 130)
  tap.equal(signalled("coroutine.wrap(function() while true do pcall(error) end end)()",
                      "INT").status, 130)
  tap.equal(signalled("while true do coroutine.resume(coroutine.create(function() " ..
                      "while true do end end)) end", "TERM").status, 143)
end)

tap.test("sleeping and waiting for a program end at once", function()
  local _, seconds = signalled("require('woolly.clock').sleep_ns(20000000000)", "INT")
  tap.truthy(seconds < 2, "sleep: " .. seconds)
  _, seconds = signalled("require('woolly.process').run { 'sleep', '20' }", "TERM")
  tap.truthy(seconds < 2, "run: " .. seconds)
end)

tap.test("a script that notices the stop can save and end as it likes", function()
  local result = signalled([[
    local process = require "woolly.process"
    local ok, message, reason = process.guard(function() while true do pcall(error) end end)
    assert(not ok and reason == "interrupted" and message:find("interrupted"))
    assert(process.interrupted() and process.signal() == 2)
    local n = 0
    for i = 1, 20000000 do n = n + 1 end -- longer than every stage of a stop
    local low = require("woolly.numeric").bootstrap_median { 1, 2, 3 }
    assert(low == 1.0 and require("woolly.data").load("return 5", "x") == 5)
    assert(process.run({ "echo", "saved" }).out == "saved\n")
    assert(process.write_file("saved", "partial"))
    return 130]], "INT")
  tap.equal(result.status, 130, result.err)
  tap.equal(cli.read(cli.path("saved")), "partial")
end)

tap.test("asking process.interrupted() after a pcall is enough", function()
  local result = signalled([[
    local process = require "woolly.process"
    local ok = pcall(function() while true do end end)
    assert(not ok and process.interrupted())
    for i = 1, 20000000 do ok = not ok end
    return 7]], "INT")
  tap.equal(result.status, 7, result.err)
end)

local ENDLESS_MATCH <const> = "return #('a'):rep(30000):find('.-.-.-.-b')"

tap.test("a second signal ends the program in the middle of anything", function()
  local result, seconds = signalled(ENDLESS_MATCH, "INT", "INT")
  tap.equal(result.status, 130)
  tap.truthy(seconds < 1, "at once: " .. seconds)
  tap.equal(signalled(ENDLESS_MATCH, "TERM", "TERM").status, 143)
end)

tap.test("signals that come together are one stop", function()
  local result = signalled([[
    local process = require "woolly.process"
    process.guard(function() while true do end end)
    assert(process.write_file("saved", "once"))
    return process.signal() ]], "INT INT TERM INT")
  tap.truthy(result.status == 2 or result.status == 15, result.err)
  tap.equal(cli.read(cli.path("saved")), "once")
end)

tap.test("what no hook reaches ends two seconds after the stop", function()
  local result, seconds = signalled(ENDLESS_MATCH, "INT")
  tap.equal(result.status, 130)
  cli.one_line(result.err, "did not return within 2 s")
  tap.truthy(seconds < 4, "seconds: " .. seconds)
end)

tap.test("a deadline nobody handles is status 3, also in a finaliser", function()
  local start = "require('woolly.process').deadline(0.05)\n"
  expect(3, start .. "while true do pcall(error) end", "script.lua:2: stopped after 0.1 s")
  expect(3, start .. "setmetatable({}, { __gc = function() while true do end end })",
         "did not return within 2 s")
end)

-- ---- every failing allocation ----

local EXERCISE <const> = [[
local model = ...
local function ok(value, message, code)
  if value == nil then
    io.stderr:write("woolly: ", message, "\n")
    os.exit(code == "environment" and 4 or 5, true)
  end
  return value
end
local process, clock = require "woolly.process", require "woolly.clock"
local numeric, data = require "woolly.numeric", require "woolly.data"
clock.utc()
ok(numeric.bootstrap_ratio({ 3, 1, 2 }, { 1, 2 }, { resamples = 10 }))
local value = ok(data.load("return { limits = { a = { min = 1 } }, 'x' .. 2 }", "gate.lua"))
assert(value.limits.a.min == 1 and value[1] == "x2")
assert(select(3, data.load("return {", "gate.lua")) ~= "bug")
ok(process.read_file(model, 1 << 30))
ok(process.list_folder("."))
process.env("HOME")
assert(process.guard(function() return coroutine.wrap(function() return 1 end)() end))
]]

local EXERCISE_ENGINE <const> = [[
local engine = require "woolly.engine"
do
  local loaded <close> = ok(engine.load(model))
  loaded:info()
  loaded:metadata()
  loaded:tensors()
  local ids = ok(loaded:tokenize("Once upon a time"))
  ok(loaded:detokenize(ids))
  local context <close> = ok(loaded:context { preset = "p1", n_ctx = 16 })
  ok(context:prefill(ids))
  local decoded = ok(context:decode { n_tokens = 2 })
  assert(#decoded.tokens == 2)
  local other <close> = ok(loaded:context { preset = "p0", n_ctx = 16 })
  ok(context:compare(other, ids))
  context:counters()
end
]]

--- Runs the script with request N for memory refused for N = first, first + step, ...; counts by
--- status.
local function statuses(name, first, last, step, how)
  local result = cli.shell(string.format("%s %d %d %d %s --lua-dir %s %s %s",
    cli.quote(os.getenv "WOOLLY_FAILING_REQUESTS"), first, last, step, how, lua_dir, name,
    cli.quote(cli.model)))
  local counts, failed = {}, 0
  for line in result.out:gmatch("%d+") do
    counts[line] = (counts[line] or 0) + 1
    if line ~= "0" then failed = failed + 1 end
  end
  return counts, failed, select(2, result.err:gsub("\n", "")), result.err
end

--- With every request from N on refused, only a run that needs none of them succeeds.
local function request_count(name)
  local low, high = 0, 1
  local function succeeds(n) return statuses(name, n, n, 1, "sticky")["0"] == 1 end
  while not succeeds(high) do low, high = high, high * 2 end
  while high - low > 1 do
    local middle = (low + high) // 2
    if succeeds(middle) then high = middle else low = middle end
  end
  return high
end

--- Every request of the script fails once, and once with all that follow: status 0 (recovered) or
--- 4, one line for each failure.
local function exhaust(name, first, most)
  local last = request_count(name)
  tap.truthy(last > first, "requests")
  local step = math.max(1, (last - first) // most)
  for _, how in ipairs { "once", "sticky" } do
    local counts, failed, lines, text = statuses(name, first, last, step, how)
    for status, n in pairs(counts) do
      if status ~= "0" and status ~= "4" then
        error(string.format("%d of requests %d..%d, refused %s, ended with status %s:\n%s", n,
                            first, last, how, status, text:sub(1, 2000)))
      end
    end
    tap.equal(lines, failed, "lines on stderr")
    tap.truthy(failed > 0, "some request fails the run")
  end
  return last
end

tap.test("WL_OOM=N refuses the Nth request", function()
  local run = string.format(" %s --lua-dir %s %s", cli.quote(cli.program), lua_dir,
                            script "require 'woolly.process'.guard(function() end)")
  tap.equal(cli.shell("WL_OOM=1" .. run).status, 4)
  tap.equal(cli.shell("WL_OOM=1,sticky" .. run).status, 4)
  tap.equal(cli.shell("WL_OOM=100000000" .. run).status, 0)
end)

local MOST <const> = cli.sanitized and 60 or 4000
local host_requests = 1

tap.test("every allocation of the host may fail, once and from then on", function()
  cli.expect(0, { "--lua-dir", lua_dir, script(EXERCISE), cli.model })
  host_requests = exhaust(script(EXERCISE), 1, MOST)
end)

tap.test("every allocation of the engine's bindings may fail, once and from then on", function()
  local name = script(EXERCISE .. EXERCISE_ENGINE)
  cli.expect(0, { "--lua-dir", lua_dir, name, cli.model })
  exhaust(name, host_requests, MOST)
end)

cli.clean_up()
tap.done()
