--- Clients that exist, unchanged, against serve.lua: the npm package openai, curl, Chromium.
local cli = require "cli"
local json = require "json"
local tap = require "tap"

local function has(program)
  return os.execute("command -v " .. program .. " >/dev/null 2>&1")
end

--- Starts a server, runs shell commands with its $URL, ends it; what they printed.
local function serve(options, commands)
  local facts = cli.path("facts.json")
  os.remove(facts)
  return cli.shell(string.format([[
%s serve.lua --port 0 --quiet --json %s %s >/dev/null & SERVER=$!
for i in $(seq 300); do [ -s %s ] && break; sleep 0.1; done
URL=$(sed -n 's/.*"url":"\([^"]*\)".*/\1/p' %s)
%s
kill -TERM $SERVER; wait $SERVER]], cli.program, facts, options, facts, facts, commands)).out
end

local cache = (os.getenv("XDG_CACHE_HOME") or (os.getenv("HOME") or "") .. "/.cache")
  .. "/woolly-lua/openai"
local sentence = "OpenAI's npm package: models, chat, stream, completion, abort, errors"
if not has "node" then
  tap.skip(sentence, "there is no node")
elseif not cli.exists(cache .. "/node_modules/openai/package.json") then
  tap.skip(sentence, "npm install --ignore-scripts --prefix " .. cache .. " openai")
else
  tap.test(sentence, function()
    local out = serve("", string.format("node %s/tests/support/openai_client.mjs %s $URL "
      .. "stories260K.f32; sleep 0.2; curl -s $URL/metrics", cli.source, cache))
    for _, line in ipairs { "models stories260K.f32", "chat 8 length", "stream true 8",
                            'completion " a time, there was"', "aborted 3",
                            "error NotFoundError 404 model_not_found model" } do
      tap.contains(out, line)
    end
    if has "curl" then
      tap.contains(out, "woolly_generations_cancelled_total 1")
      tap.contains(out, "woolly_kv_bytes 0")
    end
  end)
end

if has "curl" then
  tap.test("curl -N: every event is a chunk, the last one [DONE]", function()
    local ask = [['{"messages":[{"role":"user","content":"Hi"}],"max_tokens":6,"stream":true}']]
    local out = serve("", "curl -sN -H 'Content-Type: application/json' -d " .. ask
                      .. " $URL/v1/chat/completions")
    local n = 0
    for event in out:gmatch("data: ([^\n]+)\n\n") do
      n = n + 1
      if event ~= "[DONE]" then tap.equal(json.decode(event).object, "chat.completion.chunk") end
    end
    tap.truthy(n >= 2, "events")
    tap.equal(out:sub(-14), "data: [DONE]\n\n")
  end)
else
  tap.skip("curl -N: every event is a chunk, the last one [DONE]", "there is no curl")
end

local BROWSER <const> = "timeout 60 chromium --headless --no-sandbox --disable-gpu --disable-quic "
  .. "--no-first-run --disable-background-networking --disable-component-update --disable-sync "
  .. "--virtual-time-budget=20000 --user-data-dir=%s --dump-dom \"file://%s?url=$URL\" 2>/dev/null"

--- What the page wrote. The browser's virtual time may end before a stream does: then once more.
local function page(options)
  local out
  for _ = 1, 5 do
    out = serve(options, string.format(BROWSER, cli.path("chromium"),
                                       cli.source .. "/tests/support/browser_client.html"))
    if out:find("END\n</pre>", 1, true) then break end
  end
  return out
end

sentence = "a page in Chromium: preflight for x-ole-client, a stream by fetch"
if not has "chromium" then
  tap.skip(sentence, "there is no chromium")
elseif cli.sanitized then
  tap.skip(sentence, "once is enough: the build without sanitizers has it")
else
  tap.test(sentence, function()
    local out = page "--allow_origins null" -- the origin of a page from a file
    tap.contains(out, "status 200 text/event-stream")
    tap.contains(out, "done true text , there was a little girl")
    tap.contains(out, "health healthy")
  end)
  tap.test("a page of an origin that is not allowed gets nothing", function()
    local out = page ""
    tap.contains(out, "failed TypeError")
    tap.truthy(not out:find("status 200", 1, true), out)
  end)
end

cli.clean_up()
tap.done()
