--- serve.lua as a user starts it: a free port, answers to curl, an end by SIGTERM, refusals.
local cli = require "cli"
local json = require "json"
local tap = require "tap"

local has_curl = os.execute("command -v curl >/dev/null 2>&1")

--- Runs shell commands while a server runs; they find its address in $URL and its process in $PID.
local function serve(options, commands)
  local facts = cli.path("facts.json")
  os.remove(facts)
  local result = cli.shell(string.format([[
%s serve.lua --port 0 --json %s %s >%s 2>%s & SERVER=$!
for i in $(seq 300); do [ -s %s ] && break; sleep 0.1; done
URL=$(sed -n 's/.*"url":"\([^"]*\)".*/\1/p' %s); PID=$SERVER
%s
kill -TERM $SERVER; wait $SERVER; echo "status $?"]], cli.program, facts, options,
    cli.path("server.out"), cli.path("server.err"), facts, facts, commands))
  return result.out, cli.read(cli.path("server.out")), cli.read(cli.path("server.err"))
end

tap.test("it says where it listens, ends on SIGTERM with status 0", function()
  local out, said, err = serve("", "")
  tap.contains(out, "status 0")
  tap.truthy(said:match("^listening on http://127%.0%.0%.1:%d+, models: stories260K"), said)
  tap.equal(err, "woolly: stopped\n")
  tap.truthy(json.decode(cli.read(cli.path("facts.json"))).port > 0, "port")
end)

if has_curl then
  tap.test("curl gets health, a stream, and an answer of a tool", function()
    local ask = [['{"prompt":"Once upon a time","max_tokens":5,"temperature":0,"stream":true}']]
    local rpc = [['{"jsonrpc":"2.0","id":1,"method":"tools/call",]]
      .. [["params":{"name":"list_scenarios"}}']]
    local out = serve("", table.concat({
      "curl -s $URL/health; echo",
      "curl -sN -H 'Content-Type: application/json' -d " .. ask .. " $URL/v1/completions",
      "curl -s -H 'Content-Type: application/json' -d " .. rpc .. " $URL/mcp" }, "\n"))
    tap.contains(out, '"status":"healthy"')
    tap.contains(out, '"text":" there"')
    tap.contains(out, "data: [DONE]")
    tap.contains(out, "inference_speed")
    tap.contains(out, "status 0")
  end)

  tap.test("arguments of tools are no options", function()
    local rpc = [['{"arguments":{"name":"--help"}}']]
    local out = serve("--model none",
      "curl -s -H 'Content-Type: application/json' -d " .. rpc
      .. " $URL/mcp/tools/describe_scenario; curl -s $URL/health/ready")
    tap.contains(out, '"isError":true')
    tap.contains(out, '"status":"not_ready"')
  end)
else
  tap.skip("curl gets health, a stream, and an answer of a tool", "there is no curl")
end

tap.test("what cannot be served is refused in one line", function()
  cli.one_line(cli.expect(3, { "serve.lua", "--bind", "0.0.0.0", "--port", "0" }).err, "API key")
  cli.one_line(cli.expect(3, { "serve.lua", "--faults", "oops", "--port", "0" }).err, "oops")
  cli.one_line(cli.expect(3, { "serve.lua", "--model", "/no/file" }).err, "no such file")
  local help = cli.expect(0, { "serve.lua", "--help" }).out
  tap.contains(help, "no_done: streams end without")
end)

cli.clean_up()
tap.done()
