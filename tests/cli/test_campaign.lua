--- final_acceptance.lua, comprehensive.lua, release_readiness.lua: kept part by part, resumed.
local cli = require "cli"
local json = require "json"
local tap = require "tap"

if cli.sanitized then
  tap.skip("campaigns", "they run every scenario of a phase, minutes under sanitizers")
  tap.done()
  return
end

local FEW <const> = "--model " .. cli.model .. " --duration 6 --store " .. cli.path "kept.db"

-- A cache of its own: no llama.cpp, whose pairs would take half a minute.
local program = "env XDG_CACHE_HOME=" .. cli.quote(cli.build .. "/campaign-cache") .. " "
  .. cli.quote(cli.program)

local function run(script, ...)
  return cli.shell(table.concat({ program, script, FEW, ... }, " "))
end

local WORDS <const> = { "FAILED", "CANNOT JUDGE" } -- by status

local function parts(text)
  local kept, measured = {}, {}
  for name, words in text:gmatch "== %d+ of %d+: ([%w_]+): ([^\n]*)" do
    table.insert(words:match "^kept" and kept or measured, name)
  end
  return table.concat(kept, " "), table.concat(measured, " ")
end

-- Runs until the log holds the words, then kill -9; the log.
local function run_and_kill(script, words)
  local log = cli.path "log"
  local killed = cli.shell(string.format([[
    %s %s %s >%s 2>&1 & pid=$!
    until grep -q "%s" %s; do sleep 0.05; kill -0 $pid || exit 9; done
    kill -9 $pid; wait $pid; exit 0]], program, script, FEW, log, words, log))
  tap.equal(killed.status, 0, killed.err .. cli.read(log))
  return cli.read(log)
end

tap.test("final_acceptance, killed behind its first part, goes on with the second", function()
  local kept, measured = parts(run_and_kill("final_acceptance.lua", "1 of 3: phase5: "))
  tap.equal(kept, "")
  tap.equal(measured, "phase5")
  local result = run("final_acceptance.lua", "--json report.json")
  -- On a busy machine the drift of so few seconds may stay open.
  tap.truthy(result.status == 1 or result.status == 2, result.out .. result.err)
  kept, measured = parts(result.out)
  tap.equal(kept, "phase5")
  tap.equal(measured, "ole_integration stability")
  tap.contains(result.out, ", kept")
  tap.contains(result.out, "PHASE 5 GATE: " .. WORDS[result.status])
  tap.contains(result.out, "--duration 3600")
end)

tap.test("it judges speed, Ole and stability by the gate of phase 5", function()
  local found, document = {}, json.decode(cli.read(cli.path "report.json"))
  for _, metric in ipairs(document.metrics) do found[metric.name] = metric end
  local hours, accepted = found.stability_test_hours, found.final_acceptance
  if document.status == 1 then
    tap.truthy(hours.samples[1] < 1, "seconds are no hour")
    tap.equal(accepted.samples[1], 0)
  else
    tap.contains(accepted.reason, "is missing")
    tap.contains(hours.reason, "cannot be judged")
  end
  tap.truthy(found.ole_integration_ready, "readiness is part of it")
  tap.equal(document.gate.verdict, document.status == 1 and "fail" or "missing")
end)

tap.test("one that ended begins anew, and says how far it is", function()
  local log = run_and_kill("final_acceptance.lua", "== 2 of 3: ole_integration, ")
  tap.contains(log, "--duration 3600")
  tap.equal(parts(log), "", "the campaign before had ended")
end)

tap.test("what was killed leaves no process behind", function()
  local left = cli.shell(string.format([[
    for i in 1 2 3 4 5 6 7 8 9 10; do
      n=$(pgrep -f 'lua.*%s/kept[.]db' | wc -l); [ "$n" = 0 ] && break; sleep 0.3
    done
    echo $n]], cli.folder()))
  tap.equal(left.out:match "%d+", "0")
end)

tap.test("comprehensive refuses an unknown gate before anything runs", function()
  if not os.getenv "WOOLLY_LONG" then
    return cli.one_line(run("comprehensive.lua", "--gate phase9").err, "phase9")
  end
  local result = run("comprehensive.lua", "--parts inference_speed,batch_performance")
  local _, measured = parts(result.out)
  tap.equal(measured, "inference_speed batch_performance phase5 ole_integration stability")
  tap.contains(result.out, "batch_processing_speedup")
end)

tap.test("release_readiness writes one page: gates, regression, documentation, version", function()
  local result = run("release_readiness.lua", "--output page.md --json page.json")
  tap.truthy(result.status == 1 or result.status == 2, result.out .. result.err)
  local page = cli.read(cli.path "page.md")
  for _, words in ipairs { "# Release readiness: ", "| final_acceptance | ", "| regression |",
                           "| documentation, version |" } do
    tap.contains(page, words)
  end
  local failed = page:find("| final_acceptance | FAIL |", 1, true)
  tap.contains(page, "stability_test_hours " .. (failed and "fail" or "missing"))
  tap.truthy(select(2, page:gsub("\n", "")) < 80, "one page")
end)

cli.clean_up()
tap.done()
