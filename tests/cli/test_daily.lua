--- daily.lua, alerts.lua: at once, killed, a wrong clock, no history; one alert a change.
local cli = require "cli"
local json = require "json"
local tap = require "tap"

local MODEL <const> = cli.source .. "/tests/fixtures/stories260K.q4_0.gguf"
local store = cli.path "woolly.db"
local state = store .. ".daily.json"

local function daily(...)
  return { "daily.lua", "--store", store, "--model", MODEL, "--preset", "p3", "--threads", "1",
           "--runs", "5", "--output", cli.path "dashboard.html", ... }
end

local function fresh()
  for _, path in ipairs { store, state, store .. ".daily-lock" } do os.remove(path) end
end

local function history(...)
  cli.expect(0, { cli.source .. "/tests/support/make_history.lua", store, ... })
end

local function measure()
  cli.expect(0, { "quick.lua", "--store", store, "--model", MODEL, "--preset", "p3", "--threads",
                  "1", "--runs", "5", "--quiet" })
end

local function runs()
  return json.decode(cli.expect(0, { "runs.lua", "--store", store, "--json", "-" }).out).runs
end

tap.test("with an empty history it measures, cannot judge, and says why", function()
  fresh()
  local path = cli.path "daily.json"
  local result = cli.expect(2, daily("--json", path))
  tap.contains(result.out, "0 earlier runs like this one, 8 make a stable segment")
  tap.truthy(result.out:match("\nDAILY %d+%-%d+%-%d+: CANNOT JUDGE: smoke passed, "
    .. "regression cannot judge, trend cannot judge, alerts passed, dashboard [%a ]+\n$"),
    result.out)
  tap.equal(#runs(), 2)
  local found = json.decode(cli.read(path))
  tap.equal(#found.steps, 5)
  tap.equal(found.steps[1].status, 0)
  tap.truthy(json.decode(cli.read(state)).ended, "the state says that it ended")
end)

tap.test("--quiet prints a line a step and the summary", function()
  local result = cli.expect(2, daily("--quiet"))
  for line in result.out:gmatch("[^\n]+") do
    tap.truthy(line:match "^== " or line:match "^DAILY ", line)
  end
end)

tap.test("a second one at once does nothing, with status 4; the first is not disturbed", function()
  fresh()
  -- The lock as a daily check holds it, by another program.
  local result = cli.shell(string.format([[
    : > %s.daily-lock
    flock %s.daily-lock sleep 5 & holder=$!
    until ! flock -n %s.daily-lock true; do sleep 0.02; done
    %s daily.lua --store %s; status=$?
    kill $holder; wait $holder 2>/dev/null; exit $status]], store, store, store,
    cli.quote(cli.program), store))
  tap.equal(result.status, 4)
  cli.one_line(result.err, "another daily check of", "nothing was done")
  tap.truthy(not cli.exists(store), "no store was made")
end)

for _, signal in ipairs { "KILL", "TERM" } do
  tap.test("after SIG" .. signal .. " in the middle the store is sound and the next one says so",
  function()
    fresh()
    local result = cli.shell(string.format([[
      %s %s --target faulty --faults sleep=down:2000 >/dev/null & pid=$!
      until grep -q '"step":"regression"' %s 2>/dev/null; do sleep 0.02; done
      sleep 0.1; kill -%s $pid; wait $pid; exit $?]], cli.quote(cli.program),
      table.concat(daily(), " "), state, signal))
    tap.equal(result.status, signal == "KILL" and 137 or 143)
    local kept = runs() -- a measuring process that lives on, or ends well, keeps its run as well
    tap.equal(kept[#kept].scenario, "smoke")
    tap.equal(kept[#kept].status, "complete")
    local again = cli.expect(2, daily())
    tap.truthy(again.out:match "^the daily check of %S+ %(process %d+%) was interrupted in "
               .. "regression\n", again.out)
    tap.truthy(not cli.expect(2, daily()).out:find("interrupted", 1, true), "once")
  end)
end

tap.test("a clock that was set back is said; the order of saving holds", function()
  fresh()
  cli.expect(2, daily("--quiet"))
  history("3", "1", "0.01", "-1") -- each run earlier than the one before, all to come
  local text = cli.read(state):gsub('"started":"%d+', '"started":"2260')
  cli.write(state, text)
  local result = cli.run(daily())
  tap.equal(result.status, 2, result.err)
  tap.contains(result.out, "clock moved: the last daily check began at 2260")
  tap.contains(result.out, "clock moved -86400 s before run")
end)

tap.test("a regression ends it with status 1, in the summary as well", function()
  fresh()
  measure()
  history("20", "20", "0.01", "1")
  local result = cli.expect(1, daily())
  tap.contains(result.out, "REGRESSION CONFIRMED")
  tap.truthy(result.out:match "DAILY [%d-]+: FAILED: smoke passed, regression FAILED", result.out)
end)

tap.test("what cannot be done is one line", function()
  cli.one_line(cli.expect(3, { "daily.lua", "--store", "none" }).err, "--store none")
  cli.one_line(cli.expect(4, { "daily.lua", "--store", "/nowhere/at/all.db" }).err, "/nowhere")
end)

-- ---- alerts ----

local function alerts(...)
  return { "alerts.lua", "--store", store, ... }
end

local function with_step()
  fresh()
  measure()
  history("40", "1", "0.01", "0.5", "31", "0.8")
end

local file = cli.path "alerts.jsonl"

tap.test("a change is told once, whatever runs come after it", function()
  with_step()
  local first = cli.expect(1, alerts("--file", file))
  tap.contains(first.out, "ALERT  tokens_per_second got worse")
  tap.truthy(first.out:match "%(%-[12][0-9]%.%d %%%) since run", first.out)
  local n = select(2, cli.read(file):gsub("\n", ""))
  tap.truthy(n >= 1, "lines")
  local second = cli.expect(0, alerts("--file", file))
  tap.contains(second.out, "known  tokens_per_second got worse")
  tap.contains(second.out, "0 new")
  history("3", "1", "0.01", "0.1") -- more runs on the same level
  cli.expect(0, alerts("--file", file))
  tap.equal(select(2, cli.read(file):gsub("\n", "")), n, "lines")
  local document = json.decode(cli.read(file):match("[^\n]+"))
  tap.equal(document.schema, "woolly-alert/1")
  tap.equal(document.kind, "change")
end)

tap.test("a limit that is missed is told when it begins, and again after it held", function()
  local rules = cli.write(cli.path "rules.lua",
    "return { limits = { tokens_per_second = { min = 1e9 } }, alerts = { drift = false } }")
  local result = cli.expect(1, alerts("--rules", rules, "--window", "1h"))
  tap.truthy(result.out:match "ALERT  tokens_per_second is %S+, limit >= 1e%+09, since run",
             result.out)
  tap.contains(cli.expect(0, alerts("--rules", rules, "--window", "1h")).out, "0 new")
end)

tap.test("two at once tell of an alert once", function()
  with_step()
  os.remove(file)
  local words = {}
  for i, word in ipairs(alerts("--file", file)) do words[i] = cli.quote(word) end
  local line = cli.quote(cli.program) .. " " .. table.concat(words, " ")
  cli.shell(string.format("%s & %s & %s & wait", line, line, line))
  local seen = {}
  for text in cli.read(file):gmatch("[^\n]+") do
    local metric = json.decode(text).metric
    tap.truthy(not seen[metric], metric)
    seen[metric] = true
  end
  tap.truthy(seen.tokens_per_second, "one")
  cli.one_line(cli.expect(3, { "alerts.lua", "--store", cli.path "absent.db" }).err, "no such file")
end)

tap.test("rules that are wrong are refused", function()
  local rules = cli.write(cli.path "rules.lua",
    "return { limits = { tokens_per_second = { min = 1 } }, alerts = { magnitud = 0.1 } }")
  cli.one_line(cli.expect(3, alerts("--rules", rules)).err, "alerts.magnitud", "magnitude")
  cli.one_line(cli.expect(3, alerts("--webhook", "ftp://x")).err, "--webhook")
end)

-- ---- webhook ----

local SERVER <const> = [[
use IO::Socket::INET; $| = 1;
my $s = IO::Socket::INET->new(Listen => 5, LocalAddr => "127.0.0.1", ReuseAddr => 1) or die;
open my $p, ">", $ARGV[0] . ".part"; print $p $s->sockport; close $p;
rename $ARGV[0] . ".part", $ARGV[0];
while (my $c = $s->accept) {
  my $head = ""; while (<$c>) { $head .= $_; last if /^\r\n$/; }
  my ($n) = $head =~ /content-length: *(\d+)/i; read $c, my $body, $n // 0;
  open my $l, ">>", $ARGV[1]; print $l "$body\n"; close $l;
  my $status = $head =~ m{^POST /fail} ? "500 No" : "200 OK";
  print $c "HTTP/1.1 $status\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"; close $c;
}]]

if cli.shell("perl -MIO::Socket::INET -e 1").status ~= 0 then
  tap.skip("a webhook gets what is new", "perl is not installed")
else
  local script = cli.write(cli.path "server.pl", SERVER)
  local port_file, log = cli.path "port", cli.path "log"

  --- Runs alerts.lua beside a server that notes what it gets.
  local function beside(path, ...)
    os.remove(port_file)
    local words = {}
    for i, word in ipairs(alerts(...)) do words[i] = cli.quote(word) end
    return cli.shell(string.format([[
      perl %s %s %s & server=$!
      until [ -f %s ]; do sleep 0.02; done
      %s %s --webhook http://127.0.0.1:$(cat %s)%s; status=$?
      kill $server; wait $server 2>/dev/null; exit $status]], script, port_file, log, port_file,
      cli.quote(cli.program), table.concat(words, " "), port_file, path))
  end

  tap.test("a webhook gets what is new; what it refuses is tried again", function()
    with_step()
    os.remove(log)
    local failed = beside("/fail?secret=1")
    tap.equal(failed.status, 4, failed.err)
    tap.contains(failed.out, "not delivered: webhook: 127.0.0.1")
    tap.contains(failed.out, "status 500")
    tap.truthy(not (failed.out .. failed.err):find("secret", 1, true), "the URL is a secret")
    os.remove(log)
    local result = beside("/hook")
    tap.equal(result.status, 0, result.err)
    local body = json.decode(cli.read(log))
    tap.equal(body.schema, "woolly-alerts/1")
    tap.equal(body.alerts[1].metric, "tokens_per_second")
    os.remove(log)
    tap.equal(beside("/hook").status, 0)
    tap.truthy(not cli.exists(log), "nothing is sent twice")
  end)

  tap.test("Slack's form is one text", function()
    with_step()
    os.remove(log)
    tap.equal(beside("/services/T/B/X", "--form", "slack").status, 1)
    local body = json.decode(cli.read(log))
    tap.truthy(body.text:match "^woolly%-lua: %d+ alert", body.text)
    tap.contains(body.text, "tokens_per_second got worse: ")
    tap.contains(body.text, "-&gt;")
  end)
end

cli.clean_up()
tap.done()
