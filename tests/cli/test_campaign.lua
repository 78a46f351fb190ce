--- final_acceptance.lua, comprehensive.lua, release_readiness.lua: kept part by part, resumed.
local cli = require "cli"
local json = require "json"
local tap = require "tap"

if cli.sanitized then
  tap.skip("campaigns", "they run every scenario of a phase, minutes under sanitizers")
  tap.done()
  return
end

local FEW <const> = "--model " .. cli.model .. " --duration 6 --store kept.db"

-- An empty cache: no llama.cpp, whose pairs would take half a minute.
local program = "env XDG_CACHE_HOME=" .. cli.path "cache" .. " " .. cli.quote(cli.program)

local function run(script, ...)
  return cli.shell(table.concat({ program, script, FEW, ... }, " "))
end

local function parts(text)
  local kept, measured = {}, {}
  for name, words in text:gmatch "== %d+ of %d+: ([%w_]+): ([^\n]*)" do
    table.insert(words:match "^kept" and kept or measured, name)
  end
  return table.concat(kept, " "), table.concat(measured, " ")
end

tap.test("final_acceptance judges speed, Ole and stability by the gate of phase 5", function()
  local result = run("final_acceptance.lua", "--json report.json")
  tap.equal(result.status, 1, result.out .. result.err)
  local kept, measured = parts(result.out)
  tap.equal(kept, "")
  tap.equal(measured, "phase5 ole_integration stability")
  local found, document = {}, json.decode(cli.read(cli.path "report.json"))
  for _, metric in ipairs(document.metrics) do found[metric.name] = metric end
  tap.truthy(found.stability_test_hours.samples[1] < 1, "seconds are no hour")
  tap.equal(found.final_acceptance.samples[1], 0)
  tap.truthy(found.ole_integration_ready, "readiness is part of it")
  tap.contains(result.out, "PHASE 5 GATE: FAILED")
  tap.equal(document.gate.verdict, "fail")
end)

tap.test("one that ended begins anew, one that was killed goes on", function()
  local log = cli.path "log"
  local killed = cli.shell(string.format([[
    %s final_acceptance.lua %s >%s 2>&1 & pid=$!
    until grep -q "1 of 3" %s; do sleep 0.05; kill -0 $pid || exit 9; done
    kill -9 $pid; wait $pid; exit 0]], program, FEW, log, log))
  tap.equal(killed.status, 0, killed.err)
  local kept, measured = parts(cli.read(log))
  tap.equal(kept, "", "the campaign before had ended")
  tap.equal(measured, "phase5")
  local result = run "final_acceptance.lua"
  kept, measured = parts(result.out)
  tap.equal(kept, "phase5")
  tap.equal(measured, "ole_integration stability")
  tap.contains(result.out, ", kept")
end)

tap.test("what was killed leaves no process behind", function()
  local left = cli.shell "pgrep -f 'serve[.]lua.*--port 0.*kept' | wc -l"
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
  for _, words in ipairs { "# Release readiness: ", "| final_acceptance | FAIL |", "| regression |",
                           "| documentation, version |", "stability_test_hours fail" } do
    tap.contains(page, words)
  end
  tap.truthy(select(2, page:gsub("\n", "")) < 80, "one page")
end)

cli.clean_up()
tap.done()
