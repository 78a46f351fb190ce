--- load.lua, stability.lua and target openai against a scripted server, as a user runs them.
local cli = require "cli"
local json = require "json"
local tap = require "tap"

local server = cli.quote(assert(os.getenv "WOOLLY_SCRIPTED_SERVER"))

--- Runs the program while the scripted server listens; URL and PID in the words stand for it.
local function run(words)
  local line = table.concat(words, " "):gsub("URL", "$url"):gsub("PID", "$pid")
  return cli.shell(string.format([[
    rm -f in url; mkfifo in
    %s <in >url & pid=$!
    exec 3>in
    until [ -s url ]; do sleep 0.02; done
    url=$(cat url)
    %s %s
    status=$?
    exec 3>&-
    wait
    exit $status]], server, cli.quote(cli.program), line))
end

local function report(words)
  local path = cli.path "report.json"
  words[#words + 1] = "--json " .. path .. " --store none --quiet"
  local result = run(words)
  local document, found = json.decode(cli.read(path)), {}
  for _, metric in ipairs(document.metrics) do found[metric.name] = metric end
  return result, found, document
end

local function expect(status, result)
  tap.equal(result.status, status, result.out .. result.err)
end

-- ---- load ----

tap.test("a sweep of users gives the curve, goodput and every metric of a request", function()
  local result, found, document = report {
    "load.lua --url URL/timed-20-2-8 --users 1,2,4 --seconds 0.5 --n_tokens 8 --n_prompt 16" }
  expect(0, result)
  tap.equal(#document.tables.curve, 3, "points")
  tap.contains(result.out, "4 users")
  for _, name in ipairs { "requests_per_second", "output_tokens_per_second", "good_fraction" } do
    tap.truthy(found[name].n > 0, name)
  end
  for _, name in ipairs { "ttft_ms", "ttft_planned_ms", "tpot_ms", "itl_ms", "max_gap_ms",
                          "e2e_ms" } do
    tap.truthy(found[name].n > 0 or found[name].reason:find("late", 1, true), name)
  end
  tap.truthy((found.ttft_ms.median or 20) >= 20, "the first token takes 20 ms at least")
  tap.truthy((found.e2e_ms.median or 34) >= 34, "the last one 14 ms more")
  tap.equal(found.good_fraction.samples[1], 1)
  tap.equal(found.error_rate.median, 0)
  tap.contains(found.queue_ms.reason, "does not tell")
end)

tap.test("an open loop counts waits from when requests were due; objectives missed are no goodput",
         function()
  local result, found = report {
    "load.lua --url URL/stall-100-500 --rates 50 --arrivals constant --seconds 0.8 --n_tokens 2",
    "--ttft_slo 100" }
  expect(0, result)
  tap.truthy(found.good_fraction.samples[1] < 0.9, "those who met the stall are not good")
  if found.ttft_planned_ms.n == 0 then -- this machine was too busy for the client itself
    return tap.contains(found.ttft_planned_ms.reason, "ms late (p99)")
  end
  local waited = 0
  for _, ms in ipairs(found.ttft_planned_ms.samples) do waited = waited + (ms > 100 and 1 or 0) end
  tap.truthy(waited >= 10, "the stall is seen by all who came meanwhile: " .. waited)
end)

tap.test("what fails is named by class, and is no sample of time", function()
  local result, found = report {
    "load.lua --url URL/error_event --users 2 --seconds 0.3 --n_tokens 4" }
  expect(0, result)
  tap.contains(result.out, "error_event (out of memory)")
  tap.equal(found.error_rate.median, 1)
  tap.equal(found.ttft_ms.n, 0)
  tap.contains(found.ttft_ms.reason, "nothing completed")
end)

tap.test("answers that say more tokens than were asked for never count", function()
  local result, found = report {
    "load.lua --url URL/count-3-999 --users 1 --seconds 0.2 --n_tokens 4" }
  expect(0, result)
  tap.contains(result.out, "count (usage says 999 tokens")
  tap.equal(found.error_rate.median, 1)
end)

tap.test("a trace is replayed", function()
  cli.write(cli.path "trace.json", '{"at_s": [0, 0.01, 0.02, 0.2], "body": [1, 2, 1, 3]}')
  local result, found = report { "load.lua --url URL/timed-1-1-2 --trace trace.json --n_tokens 2" }
  expect(0, result)
  tap.equal(found.error_rate.n, 4)
  tap.equal(found.error_rate.median, 0)
  cli.write(cli.path "trace.json", '{"times": []}')
  cli.one_line(run { "load.lua --url URL/timed-1-1-2 --trace trace.json --quiet" }.err, "at_s")
end)

tap.test("mistakes of the command line are refused before anything is sent", function()
  cli.one_line(cli.expect(3, { "load.lua", "--url", "localhost:80", "--store", "none" }).err,
               "http://HOST:PORT")
  cli.one_line(cli.expect(3, { "load.lua", "--url", "http://127.0.0.1:1", "--rates", "fast" }).err,
               "--rates", "numbers above 0")
end)

tap.test("a server that is not there is status 4", function()
  cli.one_line(cli.expect(4, { "load.lua", "--url", "http://127.0.0.1:1", "--store", "none",
                               "--quiet" }).err, "http://127.0.0.1:1/v1/models", "connect")
end)

-- ---- stability ----

--- Seconds are short beside a busy machine, whose drift is real but not the server's: another try.
local function steady(words)
  local result, found
  for _ = 1, 3 do
    result, found = report { words }
    if not result.out:find("drift: throughput changed", 1, true) then break end
  end
  return result, found
end

tap.test("a steady server has no leak, no drift, no crash", function()
  local result, found = steady(
    "stability.lua --url URL/timed-5-1-4 --pid PID --duration 6 --n_users 2 --n_tokens 4")
  expect(0, result)
  tap.equal(found.crashes.samples[1], 0)
  tap.equal(found.leaks.samples[1], 0)
  tap.truthy(found.stability_test_hours.samples[1] > 0, "hours")
end)

tap.test("a planted leak of 4 KiB per request is found", function()
  local result, found = report {
    "stability.lua --url URL/grow-4096 --pid PID --duration 8 --n_users 2 --n_tokens 4" }
  expect(1, result)
  tap.equal(found.leaks.samples[1], 1)
  tap.equal(found.stability_test_hours.samples[1], 0)
  tap.contains(result.out, "leak, rises steadily: memory")
end)

tap.test("without the process's id leaks are missing, with the reason", function()
  local result, found = steady(
    "stability.lua --url URL/timed-1-1-2 --duration 5 --n_users 1 --n_tokens 2")
  expect(2, result)
  tap.contains(found.leaks.reason, "--pid")
  tap.equal(found.stability_test_hours.n, 0)
end)

-- ---- the target ----

tap.test("target openai gives any scenario of the outside view its figures", function()
  local result, found = report { "quick.lua --target openai --url URL/timed-5-1-8 --runs 5",
                                 "--n_tokens 8" }
  expect(0, result)
  tap.truthy(found.ttft_ms.median >= 5, "ttft")
  tap.equal(found.tokens_per_second.n, 5)
end)

tap.test("target openai names what the server did wrong: status 4", function()
  cli.one_line(run { "quick.lua --target openai --url URL/cut_utf8 --store none --quiet" }.err,
               "no JSON object in UTF-8", "bad_event")
end)

-- ---- two servers ----

tap.test("comparative.lua --reference openai prints ratios of our server and the other", function()
  local result, found = report {
    "comparative.lua --reference openai --url URL/timed-5-2-8 --model " .. cli.model,
    "--runs 2 --n_prompt 16 --n_tokens 8 --n_users 2 --n_requests 2" }
  expect(0, result)
  for _, name in ipairs { "other_tokens_per_second_ratio", "other_ttft_ratio",
                          "other_output_ratio" } do
    tap.equal(found[name].n, 2, name)
  end
  tap.truthy(result.out:match "theirs  decode [%d.]+", "both sides' figures")
  cli.one_line(cli.expect(3, { "comparative.lua", "--reference", "openai", "--store", "none",
                               "--model", cli.model }).err, "--url")
end)

tap.test("without llama-server its comparison is missing, with what to do", function()
  local result = cli.run({ "comparative.lua", "--reference", "llama_server", "--model", cli.model,
                           "--llama_server", "/nowhere/llama-server", "--store", "none" })
  tap.contains(result.out, "Put llama.cpp's llama-server on the PATH")
end)

cli.clean_up()
tap.done()
